//! RUNPATH has a `stubs` directory of a CUDA toolkit.
//!
//! ## Why is this bad
//! Stubs are for the linker. Found at run time before the driver, they fail with "CUDA driver is a
//! stub library".
//!
//! ## Example
//! `RUNPATH /usr/local/cuda/lib64/stubs` (CMake 3.25 writes it).
//!
//! ## Fix
//! `cuda-fixup fixup`, which replaces it by the driver link if the file loads the driver.

use crate::lint::{EntryFault, Subject, text};

/// RPATH counts as RUNPATH does.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.entries_with(EntryFault::Stubs) {
        say(format!("{tag} has the stubs directory {}", text(&entry.text)));
    }
}
