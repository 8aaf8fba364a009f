//! Which files exist beside the directories of RUNPATHs, each asked for once: thousands of files
//! name the same few directories.

use foldhash::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// More are asked for again.
const MAX_KNOWN: usize = 1 << 14;

/// By path, as bytes: hashing the components of a path takes longer.
type Answers<T> = Arc<Mutex<HashMap<Box<[u8]>, T>>>;

/// The answers of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Existing {
    files: Answers<bool>,
    toolkits: Answers<Option<&'static str>>,
}

impl Existing {
    pub(super) fn has(&self, path: &Path) -> bool {
        answer(&self.files, path, || path.exists())
    }

    /// The file by which a directory is the root of a toolkit; `find` looks for it.
    pub(super) fn toolkit_mark(
        &self,
        root: &Path,
        find: impl FnOnce() -> Option<&'static str>,
    ) -> Option<&'static str> {
        answer(&self.toolkits, root, find)
    }
}

fn answer<T: Copy>(answers: &Answers<T>, path: &Path, find: impl FnOnce() -> T) -> T {
    let path = path.as_os_str().as_bytes();
    // A thread that panicked left the map whole.
    let lock = || answers.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(&known) = lock().get(path) {
        return known;
    }
    let found = find();
    let mut known = lock();
    if known.len() >= MAX_KNOWN {
        known.clear();
    }
    known.insert(path.into(), found);
    found
}
