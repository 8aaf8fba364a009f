//! Directories in the RUNPATHs of libraries, each stored once.

use indexmap::IndexSet;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries of one RUNPATH that are looked at: the longest real ones have some twenty.
const MAX_ENTRIES: usize = 256;
/// Longest path that the kernel opens.
const PATH_MAX: usize = 4096;

/// Directories that are missing and are not looked for again, against hostile files.
const MAX_MISSING: usize = 4096;

/// A table of directories that exist. Shared by the threads that read files.
#[derive(Debug, Default)]
pub struct RunpathDirectories {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    table: IndexSet<PathBuf>,
    /// Those that do not exist: all files of a tree may name the driver's, which no build has.
    missing: HashSet<PathBuf>,
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
        {
            let known = self.lock();
            if let Some(number) = known.table.get_index_of(&directory) {
                return u32::try_from(number).ok();
            }
            if known.missing.contains(&directory) {
                return None;
            }
        }
        // The file system is read without the lock: another thread may add the directory meanwhile.
        let exists = directory.is_dir();
        let mut known = self.lock();
        if !exists {
            if known.missing.len() < MAX_MISSING {
                known.missing.insert(directory);
            }
            return None;
        }
        let (number, _) = known.table.insert_full(directory);
        u32::try_from(number).ok()
    }

    pub(super) fn get(&self, number: u32) -> Option<PathBuf> {
        self.lock().table.get_index(number as usize).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A thread that panicked left both whole: entries are only ever added.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
