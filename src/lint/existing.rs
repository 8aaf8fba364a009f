//! Which files exist beside the directories of RUNPATHs, each asked for once: thousands of files
//! name the same few directories.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// More are asked for again.
const MAX_KNOWN: usize = 1 << 14;

/// The answers of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Existing(Arc<Mutex<HashMap<PathBuf, bool>>>);

impl Existing {
    pub(super) fn has(&self, path: &Path) -> bool {
        // A thread that panicked left the map whole.
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&known) = lock().get(path) {
            return known;
        }
        let exists = path.exists();
        let mut known = lock();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(path.to_owned(), exists);
        exists
    }
}
