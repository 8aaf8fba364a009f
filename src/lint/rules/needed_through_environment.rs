//! A library that the file needs is found through LD_LIBRARY_PATH only.
//!
//! ## Why is this bad
//! It works in this shell and nowhere else.
//!
//! ## Example
//! A program that runs in a build's shell and not when installed.
//!
//! ## Fix
//! Add its directory to RUNPATH: `cuda-fixup fixup --lib DIR FILE`.

use crate::lint::Subject;
use crate::lint::text;

/// With `--env`. A library that is also found without the variable is not reported.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for name in s.through_environment {
        say(format!("{} is found through LD_LIBRARY_PATH only", text(&name[..])));
    }
}
