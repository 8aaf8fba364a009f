//! Why a file was not rewritten.

use crate::read::error::{ReadError, reason};
use crate::rewrite::refusal::Refusal;
use crate::rewrite::verify::Mismatch;
use std::io;

/// Why a file was not rewritten. The file is unchanged unless the error says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The file can't take the edit.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The result differs, or would differ, from the request; the file is unchanged.
    #[error("left as it was, because a check of the result failed: {0}")]
    Mismatch(#[from] Mismatch),
    /// Another process wrote to the file.
    #[error("changed while it was read: left alone; run again when nothing else writes to it")]
    Changed,
    /// Another process wrote to the file while this one did.
    #[error(
        "another program wrote to it at the same time ({0}): nothing was put back over that \
         program's bytes, and the file may be broken\n  help: restore it (from its package or its \
         build), and run again when nothing else writes to it"
    )]
    Interfered(String),
    /// ETXTBSY.
    #[error("is running: its text is busy; stop the program, or use --atomic")]
    Busy,
    /// A write failed; earlier writes have been undone.
    #[error("cannot {what}: {}; the file is as it was", reason(error))]
    Write {
        /// The system call or step that failed.
        what: String,
        /// The system's reason for the failure.
        error: io::Error,
    },
    /// Taking back failed too. Every state in between is a file that loads.
    #[error(
        "cannot be written ({}), nor could what was written be taken back ({}): the file loads, \
         with either the old or the new meaning; run again",
        reason(error),
        reason(undo)
    )]
    Stuck {
        /// Why the write failed.
        error: io::Error,
        /// Why undoing it failed.
        undo: io::Error,
    },
}

impl From<io::Error> for RewriteError {
    fn from(error: io::Error) -> RewriteError {
        ReadError::Io(error).into()
    }
}
