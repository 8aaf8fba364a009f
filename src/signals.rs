//! What is done before SIGHUP, SIGINT or SIGTERM ends the process.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::fs;
use std::sync::{Mutex, Once, PoisonError, mpsc};
use std::thread;

static ACTIONS: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

/// Adds an action, which runs on another thread. Where no thread can be started, signals end the
/// process as ever.
pub(crate) fn before_end(action: fn()) {
    static WATCHED: Once = Once::new();
    // A thread that panicked left the list whole.
    let mut actions = ACTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    actions.push(action);
    drop(actions);
    WATCHED.call_once(watch);
}

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
                let actions = ACTIONS.lock().unwrap_or_else(PoisonError::into_inner);
                for action in actions.iter() {
                    action();
                }
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
