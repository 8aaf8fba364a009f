//! The way of one file from edits to a verified result: target, place, verify, write, verify.

mod attributes;
mod copy;
pub(crate) mod edit;
mod entries;
pub(crate) mod error;
mod extents;
pub(crate) mod layout;
pub(crate) mod malformed;
pub(crate) mod options;
pub(crate) mod patch;
pub(crate) mod refusal;
pub(crate) mod steps;
mod strtab;
pub(crate) mod target;
pub(crate) mod verify;
pub(crate) mod write;

use crate::read::headers::ElfInfo;
use crate::read::read_at::{FileReader, ReadAt};
use crate::rewrite::edit::Edit;
use crate::rewrite::error::RewriteError;
use crate::rewrite::options::{RewriteOptions, Rewritten};
use crate::rewrite::patch::{Patch, Patched};
use crate::rewrite::target::Target;
use crate::rewrite::verify::{View, read_back, verify};
use std::path::PathBuf;

/// An edit that has been found a place and has been checked, without a write.
#[derive(Debug)]
pub struct Prepared {
    /// The requested result.
    pub target: Target,
    /// The writes; `None` where nothing changes.
    pub patch: Option<Patch>,
    expected: View,
}

/// Plans the writes for `edits` and checks their result. Writes nothing.
pub fn prepare<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
    edits: &[Edit],
    options: &RewriteOptions,
) -> Result<Prepared, RewriteError> {
    let target = Target::new(info, edits)?;
    malformed::check_for(file, info, &target)?;
    let patch = layout::patch(file, info, &target, options.page_size)?;
    let mut expected = View::default();
    if let Some(patch) = &patch {
        expected = View::expected(file, info, &target)?;
        verify(&Patched::new(file, &patch.steps), info, &expected)?;
    }
    Ok(Prepared {
        target,
        patch,
        expected,
    })
}

/// Applies `edits` to a file. Take a [`FileLock`](crate::FileLock) before reading `info`. `names` are all names of its inode that may change with it (the
/// first one is open in `reader`); further names elsewhere keep the old contents.
pub fn rewrite(
    names: &[PathBuf],
    reader: &FileReader,
    info: &ElfInfo,
    edits: &[Edit],
    options: &RewriteOptions,
) -> Result<Rewritten, RewriteError> {
    let Prepared {
        patch, expected, ..
    } = prepare(reader, info, edits, options)?;
    let Some(patch) = patch else {
        return Ok(Rewritten {
            changed: false,
            strip_safe: true,
            tail_copied: 0,
            bytes_written: 0,
            size_before: info.size,
            size_after: info.size,
        });
    };
    let size_after = write::write(names, reader, &patch, options, &|written| {
        read_back(written, &expected)
    })?;
    Ok(Rewritten {
        changed: true,
        strip_safe: patch.strip_safe,
        tail_copied: patch.tail_copied,
        bytes_written: patch.bytes_written(),
        size_before: info.size,
        size_after,
    })
}
