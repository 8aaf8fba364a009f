//! The way of one file from edits to a verified result: target, place, verify, write, verify.

pub mod edit;
mod entries;
mod extents;
pub mod layout;
pub mod patch;
pub(crate) mod refusal;
mod strtab;
pub mod target;
pub(crate) mod verify;
pub mod write;

use crate::read::headers::{ElfInfo, ReadError};
use crate::read::read_at::{FileReader, ReadAt};
use crate::rewrite::edit::Edit;
use crate::rewrite::layout::{PlaceError, place};
use crate::rewrite::patch::{Patch, Patched};
use crate::rewrite::refusal::Refusal;
use crate::rewrite::target::Target;
use crate::rewrite::verify::{Mismatch, View, read_back, verify};
use std::io;
use std::path::PathBuf;

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct RewriteOptions {
    /// Write a copy and rename it over the file: the old inode stays as it was, for programs
    /// that have it mapped, and a power failure leaves the old file or the new one.
    pub atomic: bool,
    /// Write to the inode whatever other names it has: they change with it.
    pub keep_links: bool,
    /// Alignment of a new segment in bytes; default: the machine's largest page size.
    pub page_size: Option<u64>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Whether the file was written to at all.
    pub changed: bool,
    /// Whether GNU strip and its like still work on the result.
    pub strip_safe: bool,
    /// Bytes that were written, a copy for `atomic` or for a broken hard link not counted.
    pub bytes_written: u64,
    /// Length before, in bytes.
    pub size_before: u64,
    /// Length afterwards, in bytes.
    pub size_after: u64,
}

/// Why a file was not rewritten. It is as it was, except where the error says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The file can't take the edit.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The result would not be, or is not, what was asked for; nothing of it was kept.
    #[error("left as it was, because a check of the result failed: {0}")]
    Mismatch(#[from] Mismatch),
    /// Somebody else wrote to the file.
    #[error("changed while it was read: left alone; run again when nothing else writes to it")]
    Changed,
    /// ETXTBSY.
    #[error("is running: its text is busy; stop the program, or use --atomic")]
    Busy,
    /// A step of writing failed; what was written has been taken back.
    #[error("cannot {what}: {error}; the file is as it was")]
    Write {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
    /// Taking back failed too. Every state in between is a file that loads.
    #[error(
        "cannot be written ({error}), nor could what was written be taken back ({undo}): the \
         file loads, with either the old or the new meaning; run again"
    )]
    Stuck {
        /// Why the write failed.
        error: io::Error,
        /// Why taking it back failed.
        undo: io::Error,
    },
}

impl From<PlaceError> for RewriteError {
    fn from(error: PlaceError) -> RewriteError {
        match error {
            PlaceError::Refused(e) => e.into(),
            PlaceError::Read(e) => e.into(),
        }
    }
}

impl From<io::Error> for RewriteError {
    fn from(error: io::Error) -> RewriteError {
        ReadError::Io(error).into()
    }
}

/// An edit that has been found a place and has been checked, without a write.
#[derive(Debug)]
pub struct Prepared {
    /// What the file shall say.
    pub target: Target,
    /// The writes; `None` where nothing changes.
    pub patch: Option<Patch>,
    expected: View,
}

/// Finds out what `edits` would write, and checks what would come of it. Writes nothing.
pub fn prepare<R: ReadAt + ?Sized>(
    file: &R,
    facts: &ElfInfo,
    edits: &[Edit],
    options: &RewriteOptions,
) -> Result<Prepared, RewriteError> {
    let target = Target::new(facts, edits)?;
    let patch = place(file, facts, &target, options.page_size)?;
    let mut expected = View::default();
    if let Some(patch) = &patch {
        expected = View::expected(file, facts, &target)?;
        verify(&Patched::new(file, &patch.steps), facts, &expected)?;
    }
    Ok(Prepared {
        target,
        patch,
        expected,
    })
}

/// Applies `edits` to a file. `names` are all names of its inode that may change with it (the
/// first one is open in `reader`); further names elsewhere keep the old contents.
pub fn rewrite(
    names: &[PathBuf],
    reader: &FileReader,
    facts: &ElfInfo,
    edits: &[Edit],
    options: &RewriteOptions,
) -> Result<Rewritten, RewriteError> {
    let Prepared {
        patch, expected, ..
    } = prepare(reader, facts, edits, options)?;
    let Some(patch) = patch else {
        return Ok(Rewritten {
            changed: false,
            strip_safe: true,
            bytes_written: 0,
            size_before: facts.size,
            size_after: facts.size,
        });
    };
    let size_after = write::write(names, reader, &patch, options, &|written| {
        read_back(written, &expected)
    })?;
    Ok(Rewritten {
        changed: true,
        strip_safe: patch.strip_safe,
        bytes_written: patch.bytes_written(),
        size_before: facts.size,
        size_after,
    })
}
