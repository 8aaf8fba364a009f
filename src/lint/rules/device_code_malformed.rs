//! The file's device code breaks the format.
//!
//! ## Why is this bad
//! The driver may refuse it, and its contents can't be determined.
//!
//! ## Example
//! A library that was cut off while it was copied.
//!
//! ## Fix
//! Build or fetch the file anew. `cuda-fixup device-code list FILE` shows the readable part.
//! No command can do it: what is lost is not in the file.

use crate::lint::Subject;

/// The problems of the fatbin reader.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (_, problem) in &s.device_code.problems {
        say(format!("at {:#x}: {}", problem.offset, problem.what));
    }
}
