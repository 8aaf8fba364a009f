//! Standard output and error, which share a terminal with the progress line.

use super::paint::{Label, Paint};
use elf_edit::without_errno;
use std::fmt;
use std::io::{self, Stderr, Stdout, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// State of the terminal's last line.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// A progress line, which is cleared before other output.
    pub(super) progress: bool,
    /// A line of output that is not finished: nothing may be drawn over it.
    open: bool,
}

static LINE: Mutex<Line> = Mutex::new(Line {
    progress: false,
    open: false,
});

pub(super) fn line() -> MutexGuard<'static, Line> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Clears the line of progress before the process ends. Nothing is written any more.
pub(super) fn end() {
    let mut line = line();
    line.clear();
    std::mem::forget(line);
}

impl Line {
    /// Draws `text` as the line of progress, unless output is under way.
    pub(super) fn draw(&mut self, text: &str) {
        if !self.open {
            // A failure to show progress is no error.
            let _ = io::stderr().write_all(format!("\r\x1b[K{text}").as_bytes());
            self.progress = true;
        }
    }

    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.progress) {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

/// A stream that makes room for itself where progress is shown.
#[derive(Debug)]
pub(crate) struct Shared<S>(S);

/// Standard output.
pub(crate) fn stdout() -> Shared<Stdout> {
    Shared(io::stdout())
}

/// Standard error.
pub(crate) fn stderr() -> Shared<Stderr> {
    Shared(io::stderr())
}

impl<S: Write> Write for Shared<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut line = line();
        line.clear();
        let written = self.0.write(bytes)?;
        if let Some(last) = bytes[..written].last() {
            line.open = *last != b'\n';
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes `error: …` or the like to standard error, as one line or block.
pub(crate) fn message(label: Label, text: impl fmt::Display) -> io::Result<()> {
    let word = Paint::stderr().label(label, label.word());
    let text = without_errno(&text.to_string());
    stderr().write_all(format!("{word}: {text}\n").as_bytes())
}
