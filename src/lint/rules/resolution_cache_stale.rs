//! The resolution cache of a file leads elsewhere than a search of its RUNPATH would.
//!
//! ## Why is this bad
//! A glibc that reads the cache loads another library than every other loader does, or looks for one
//! that is gone. A cache that can't be read costs its place and helps nothing.
//!
//! ## Example
//! A library that moved to another output after `patchelf --build-resolution-cache`.
//!
//! ## Fix
//! `cuda-fixup fixup --resolution note` writes it anew.

use crate::lint::Subject;
use crate::resolution::note;

pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for what in note::faults(s.info) {
        say(format!("resolution cache: {what}"));
    }
}
