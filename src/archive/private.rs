//! Private directories, which are removed at the end of a run, also where a signal ends it.

use crate::signals;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use tempfile::TempDir;

/// The directories that are there now. Locked while one is made, filled or removed.
static DIRECTORIES: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());

/// Keeps files from being created behind the removal of their directory: hold it meanwhile.
pub(super) fn lock() -> MutexGuard<'static, Vec<TempDir>> {
    // A thread that panicked left the list whole.
    DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A private directory.
#[derive(Debug)]
pub(super) struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    pub(super) fn new() -> io::Result<PrivateDirectory> {
        static WATCHED: Once = Once::new();
        WATCHED.call_once(|| {
            signals::before_end(|| {
                let mut directories = lock();
                directories.clear();
                // No file may be created behind the removal: the process ends with the lock held.
                std::mem::forget(directories);
            });
        });
        let mut directories = lock();
        let directory = tempfile::Builder::new().prefix("cuda-fixup-").tempdir()?;
        let path = directory.path().to_owned();
        directories.push(directory);
        Ok(PrivateDirectory(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        lock().retain(|directory| directory.path() != self.0);
    }
}
