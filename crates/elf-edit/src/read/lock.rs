//! Serializes rewrites of one file by an advisory lock on its inode, flock(2), held from before the
//! headers are read until the result has been checked. It also excludes other threads of this
//! process, as each of them opens the file for itself.

use super::file_id::FileId;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Limits of the wait for a lock, which any process that can read the file can hold.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// When the wait is long enough to be reported.
    pub report_after: Duration,
    /// When to give up, with the file unchanged.
    pub give_up_after: Duration,
}

impl Patience {
    /// No wait at all.
    pub const NONE: Patience = Patience {
        report_after: Duration::MAX,
        give_up_after: Duration::ZERO,
    };
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            report_after: Duration::from_secs(1),
            give_up_after: Duration::from_secs(30),
        }
    }
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error(
        "left alone: another process has held a lock on it for {} s\n  help: run again when that \
         process has ended; `grep ':{inode} ' /proc/locks` shows its ID in the fifth field",
        waited.as_secs()
    )]
    Held {
        /// How long it was waited for.
        waited: Duration,
        /// Inode number of the file.
        inode: u64,
    },
    /// The file system does not answer.
    #[error("{}", super::error::reason(.0))]
    Io(#[from] io::Error),
}

/// The shortest and the longest time between two attempts.
const PAUSES: [Duration; 2] = [Duration::from_micros(200), Duration::from_millis(50)];

/// Files that this process rewrites where the file system has no locks.
static WITHOUT_LOCKS: LazyLock<Mutex<HashSet<FileId>>> = LazyLock::new(Mutex::default);

/// The right to rewrite a file: until both this and the file that it was taken for are dropped.
#[derive(Debug)]
pub struct FileLock {
    without: Option<FileId>,
}

impl FileLock {
    /// Locks an open file, or waits until other holders release it; calls `waits` once if that
    /// takes long. Take the lock before the first read, as the file may have changed meanwhile.
    pub fn take(file: &File, patience: Patience, waits: &dyn Fn()) -> Result<FileLock, LockError> {
        let Some(lock) = attempt(file)? else {
            return wait(file, patience, waits);
        };
        Ok(lock)
    }

    /// Whether the lock excludes other processes. On a file system without locks it excludes only
    /// threads of this process; beyond that, only the check for changes helps.
    pub fn is_held(&self) -> bool {
        self.without.is_none()
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if let Some(id) = &self.without {
            let mut taken = WITHOUT_LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
            taken.remove(id);
        }
    }
}

fn attempt(file: &File) -> io::Result<Option<FileLock>> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(FileLock { without: None })),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
        // No locks here, or, over NFS, none for a file that is open for reading only.
        Err(_) => {
            let id = FileId::from(&file.metadata()?);
            let mut taken = WITHOUT_LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
            // Made only where it is ours: to drop one gives the file up.
            Ok(taken.insert(id).then(|| FileLock { without: Some(id) }))
        }
    }
}

fn wait(file: &File, patience: Patience, waits: &dyn Fn()) -> Result<FileLock, LockError> {
    let started = Instant::now();
    let mut pause = PAUSES[0];
    let mut reported = false;
    loop {
        sleep(pause);
        if let Some(lock) = attempt(file)? {
            return Ok(lock);
        }
        let waited = started.elapsed();
        if waited >= patience.give_up_after {
            return Err(LockError::Held {
                waited: patience.give_up_after,
                inode: FileId::from(&file.metadata()?).inode(),
            });
        }
        if !reported && waited >= patience.report_after {
            waits();
            reported = true;
        }
        pause = (pause * 2).min(PAUSES[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_lock_that_is_not_given_up_is_an_error_after_one_report() {
        let short = Patience {
            report_after: Duration::from_millis(20),
            give_up_after: Duration::from_millis(100),
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let [first, second] = [(); 2].map(|()| File::open(file.path()).unwrap());
        let held = FileLock::take(&first, short, &|| panic!("it is free")).unwrap();
        assert!(held.is_held());
        let reports = AtomicUsize::new(0);
        let report = || {
            reports.fetch_add(1, Ordering::Relaxed);
        };
        let refused = FileLock::take(&second, short, &report).unwrap_err();
        assert!(matches!(refused, LockError::Held { .. }), "{refused}");
        assert_eq!(reports.load(Ordering::Relaxed), 1);
        drop(first);
        FileLock::take(&second, short, &|| panic!("it is free")).unwrap();
    }

    #[test]
    fn threads_are_kept_apart_where_the_file_system_has_no_locks() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // A descriptor of the path alone takes no lock.
        let open = || {
            let flags = rustix::fs::OFlags::PATH;
            let file = rustix::fs::open(file.path(), flags, rustix::fs::Mode::empty());
            File::from(file.unwrap())
        };
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let lock = FileLock::take(&open(), Patience::default(), &|| {}).unwrap();
                        assert!(!lock.is_held());
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        sleep(Duration::from_micros(100));
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
