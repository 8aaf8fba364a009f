//! RUNPATH has a directory that exists only on the machine that built the file.
//!
//! ## Why is this bad
//! On another machine, anyone who can create the directory decides which library is loaded.
//!
//! ## Example
//! `/project/build/lib`, seen in published wheels; or a directory below a developer's home.
//!
//! ## Fix
//! `cuda-fixup fixup`, if the directory doesn't exist, or `cuda-fixup fixup --shrink`. Where a library
//! is found there now: `cuda-fixup fixup --replace-runpath DIRECTORY= --lib DIR`, where DIR has it. Or
//! `-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON` where it is built.

use crate::lint::{EntryFault, Said, Subject, text};

/// Recognized by path: /build, /tmp, /home, /root and so on, except paths that lead into the store.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    for (tag, entry) in s.entries_with(EntryFault::BuildDirectory) {
        let message = format!("{tag} has the build directory {}", text(&entry.text));
        say(Said::entry(message, entry, s));
    }
}
