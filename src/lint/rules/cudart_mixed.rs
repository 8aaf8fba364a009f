//! Libraries that the file loads have different CUDA runtimes in them.
//!
//! ## Why is this bad
//! Each runtime of a process has its own state: the device that one of them set, its errors and its
//! streams are not those of the other. NVIDIA's own libraries (libcublas) hide theirs and get along.
//!
//! ## Example
//! A program that loads a library with a static cudart 12.4 and another that needs libcudart.so.12.
//!
//! ## Fix
//! Link the shared runtime into those libraries that you build: see `cudart-static`.
//! No command can do it: a static runtime is code of the file.

use crate::cuda::linkage::Linkage;
use crate::lint::Subject;

/// Reported for the file that brings them together. If it has one itself, or brings two shared ones
/// together, that is `cudart-twice`.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if s.cudart.linkage == Linkage::Static || s.shared_runtimes_meet || !s.runtimes_meet {
        return;
    }
    if let Some(all) = s.shown_runtimes(|_| true) {
        say(format!("loads different CUDA runtimes: {all}"));
    }
}
