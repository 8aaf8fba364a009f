//! The CUDA runtime is of another version than the CUDA that the package is built with (`--cuda`).
//!
//! ## Why is this bad
//! Usually a bundled or vendored runtime slipped in: two versions in one closure, and libraries that
//! don't fit each other.
//!
//! ## Example
//! A package of the CUDA 12.8 set with a prebuilt library that holds cudart 12.4.
//!
//! ## Fix
//! Build the library from source, or take the prebuilt file that is made for this CUDA.
//! No command can do it: the runtime belongs to the code that calls it.

use crate::lint::Subject;

/// Uses the runtime's own code, else the soname, which has the major version only.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let (Some(cuda), Some((runtime, version))) = (s.options.cuda, s.own_runtime()) else {
        return;
    };
    if !version.may_be(cuda) {
        say(format!("{runtime}, the package is built with CUDA {cuda}"));
    }
}
