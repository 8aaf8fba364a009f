//! Private directories, which are removed at the end of a run, also where a signal ends it.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::thread;
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
        WATCHED.call_once(watch);
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

/// Removes all directories when a signal ends the process. Where no thread can be started, signals
/// end the process as ever.
fn watch() {
    let (ready, wait) = mpsc::channel::<()>();
    let _ = thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let ignored = ignored();
            let ends = [SIGHUP, SIGINT, SIGTERM].into_iter();
            let signals = Signals::new(ends.filter(|signal| ignored & (1 << (signal - 1)) == 0));
            drop(ready);
            if let Some(signal) = signals
                .ok()
                .and_then(|mut signals| signals.forever().next())
            {
                let mut directories = lock();
                directories.clear();
                let _ = emulate_default_handler(signal);
            }
        });
    // An error as soon as the thread has dropped its end.
    let _ = wait.recv();
}

/// The signals that the parent process makes this one ignore, such as nohup(1): they stay
/// ignored.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
