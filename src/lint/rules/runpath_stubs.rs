//! RUNPATH has a `stubs` directory of a CUDA toolkit.
//!
//! ## Why is this bad
//! Stubs are for the linker. Found at run time before the driver, they fail with "CUDA driver is a
//! stub library".
//!
//! ## Example
//! `RUNPATH /usr/local/cuda/lib64/stubs` (CMake 3.25 makes such).
//!
//! ## Fix
//! `cuda-fixup fixup`, which puts the driver link in its place.

use crate::lint::Subject;
use crate::loader::Mark;
use crate::lint::text;

/// RPATH counts as RUNPATH does.
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.search_path() {
        if entry.marks.contains(&Mark::Stubs) {
            say(format!("{tag} has the stubs directory {}", text(&entry.text[..])));
        }
    }
}
