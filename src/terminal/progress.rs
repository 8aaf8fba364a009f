//! A line on standard error with the progress of work that takes longer than a second.

use super::streams;
use crate::signals;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const NEXT: Duration = Duration::from_millis(100);

/// Shows the line until it is dropped. On anything but a terminal it does nothing.
#[derive(Debug)]
pub(crate) struct Progress {
    thread: Option<JoinHandle<()>>,
    end: Arc<(Mutex<bool>, Condvar)>,
}

impl Progress {
    /// `12 of 345 files linted`
    pub(crate) fn files(done: &'static str, total: usize, seen: &Arc<AtomicUsize>) -> Progress {
        let seen = seen.clone();
        Progress::start(move || {
            let seen = seen.load(Ordering::Relaxed);
            format!("{seen} of {total} files {done}")
        })
    }

    /// `text` returns the current progress.
    pub(crate) fn start(text: impl Fn() -> String + Send + 'static) -> Progress {
        let end: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let for_thread = end.clone();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let shown = io::stderr().is_terminal() && !dumb;
        let thread = shown.then(|| std::thread::spawn(move || draw(&for_thread, &text)));
        Progress { thread, end }
    }
}

fn draw(end: &(Mutex<bool>, Condvar), text: &dyn Fn() -> String) {
    let mut wait = FIRST;
    loop {
        let ended = end.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = end.1.wait_timeout_while(ended, wait, |ended| !*ended);
        let (ended, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *ended {
            streams::line().clear();
            return;
        }
        drop(ended);
        static WATCHED: Once = Once::new();
        WATCHED.call_once(|| signals::before_end(streams::end));
        streams::line().draw(&text());
        wait = NEXT;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        *self.end.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has drawn its last line.
            let _ = thread.join();
        }
    }
}
