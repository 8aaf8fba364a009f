//! RUNPATH of a file in the store has a directory outside the store.
//!
//! ## Why is this bad
//! The program loads another library than it was built against, which differs from machine to
//! machine.
//!
//! ## Example
//! A prebuilt file with `/opt/vendor/lib`.
//!
//! ## Fix
//! `cuda-fixup fixup --shrink --lib DIR`, where DIR is in the store and has the library.

use crate::lint::{EntryFault, Said, Subject, text};

/// The driver link is the only directory that belongs outside.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    for (tag, entry) in s.entries_with(EntryFault::OutsideStore) {
        let message = format!("{tag} has {}, outside the store", text(&entry.text));
        say(Said::entry(message, entry, s));
    }
}
