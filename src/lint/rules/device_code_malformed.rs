//! The file's device code breaks the format.
//!
//! ## Why is this bad
//! The driver may refuse it, and nothing can tell what it holds.
//!
//! ## Example
//! A library that was cut off while it was copied.
//!
//! ## Fix
//! Build or fetch the file anew. `cuda-fixup device-code list FILE` shows what can be read.

use crate::lint::Subject;

/// As the fatbin reader tells.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (_, problem) in &s.device_code.problems {
        say(format!("at {:#x}: {}", problem.offset, problem.what));
    }
}
