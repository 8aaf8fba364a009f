//! RUNPATH has an entry that is relative.
//!
//! ## Why is this bad
//! It is relative to the current directory of the process: libraries are loaded from wherever the
//! user happens to be.
//!
//! ## Example
//! `-Wl,-rpath,lib` instead of `-Wl,-rpath,'$ORIGIN/lib'`.
//!
//! ## Fix
//! `cuda-fixup fixup`, or link with `$ORIGIN`.

use crate::lint::{EntryFault, Subject, text};

/// An empty entry has its own rule.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.entries_with(EntryFault::Relative) {
        say(format!("{tag} has the relative entry {}", text(&entry.text)));
    }
}
