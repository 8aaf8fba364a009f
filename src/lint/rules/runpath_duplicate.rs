//! RUNPATH has the same directory twice.
//!
//! ## Why is this bad
//! It is harmless; the loader searches the directory twice for missing libraries.
//!
//! ## Example
//! `/a/lib:/b/lib:/a/lib`
//!
//! ## Fix
//! `cuda-fixup fixup`, which keeps the first.

use crate::lint::{EntryFault, Subject, text};

/// Compares directories as the loader does.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.entries_with(EntryFault::Duplicate) {
        say(format!("{tag} has {} a second time", text(&entry.text)));
    }
}
