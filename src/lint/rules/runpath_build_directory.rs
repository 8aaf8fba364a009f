//! RUNPATH has a directory that exists only on the machine that built the file.
//!
//! ## Why is this bad
//! On another machine, anyone who can create the directory decides which library is loaded.
//!
//! ## Example
//! `/project/build/lib`, seen in published wheels; or a directory below a developer's home.
//!
//! ## Fix
//! `cuda-fixup fixup --shrink`, with `--lib DIR` for a library that is found there now; or `-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON` where it is built.

use crate::lint::{EntryFault, Subject, text};

/// Recognized by path: /build, /tmp, /home, /root and so on, except paths that lead into the store.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.entries_with(EntryFault::BuildDirectory) {
        say(format!("{tag} has the build directory {}", text(&entry.text)));
    }
}
