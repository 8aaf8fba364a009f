//! Directories in the RUNPATHs of libraries, each stored once.

use indexmap::IndexSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries of one RUNPATH that are looked at: the longest real ones have some twenty.
const MAX_ENTRIES: usize = 256;
/// Longest path that the kernel opens.
const PATH_MAX: usize = 4096;

/// A table of directories that exist. Shared by the threads that read files.
#[derive(Debug, Default)]
pub struct RunpathDirectories {
    table: Mutex<IndexSet<PathBuf>>,
}

impl RunpathDirectories {
    /// The numbers of the entries of `runpath` that are absolute, need no expansion and exist.
    pub(super) fn numbers(&self, runpath: &[u8]) -> Box<[u32]> {
        runpath
            .split(|&byte| byte == b':')
            .take(MAX_ENTRIES)
            .filter(|entry| entry.starts_with(b"/") && !entry.contains(&b'$'))
            .filter(|entry| entry.len() < PATH_MAX)
            .filter_map(|entry| self.number(Path::new(OsStr::from_bytes(entry))))
            .collect()
    }

    fn number(&self, entry: &Path) -> Option<u32> {
        // `components` drops doubled slashes and dots, so that one directory is one entry.
        let directory: PathBuf = entry.components().collect();
        let known = self.lock().get_index_of(&directory);
        // The file system is read without the lock: another thread may add the directory meanwhile.
        let number = match known {
            Some(number) => number,
            None if directory.is_dir() => self.lock().insert_full(directory).0,
            None => return None,
        };
        u32::try_from(number).ok()
    }

    pub(super) fn get(&self, number: u32) -> Option<PathBuf> {
        self.lock().get_index(number as usize).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, IndexSet<PathBuf>> {
        // A thread that panicked left the table whole: entries are only ever added.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
