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
use crate::loader::Step;
use crate::lint::text;

/// The environment is that of lint itself.
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for need in s.own_needs() {
        if need.via.is_some_and(|via| via.step == Step::LibraryPath) {
            say(format!(
                "{} is found through LD_LIBRARY_PATH only",
                text(&need.name[..])
            ));
        }
    }
}
