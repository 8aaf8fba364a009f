//! The loader stops at something below the file: at a need of a library that it loads, or at a
//! version that such a library lacks.
//!
//! ## Why is this bad
//! The program doesn't start, the library can't be opened. `cuda-fixup inspect --check` says the
//! same: both ask one model of ld.so.
//!
//! ## Example
//! A program whose own needs are all found, one of them in a directory that was not linted, where
//! that library lacks one of its own.
//!
//! ## Fix
//! `cuda-fixup inspect --tree FILE` shows the library and where it was looked for; mend that library
//! (`cuda-fixup fixup --lib DIR LIBRARY`), or load another one.

use crate::lint::Subject;

/// Faults of linted libraries are reported for these, unless they load in another process.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for message in s.below {
        say(message.clone());
    }
}
