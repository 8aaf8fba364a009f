//! RUNPATH has a directory that provides nothing that the file needs.
//!
//! ## Why is this bad
//! It costs a look at each start and keeps the package that it is in alive. It may be needed all the
//! same, for libraries whose names are made at run time.
//!
//! ## Example
//! A RUNPATH with all build inputs.
//!
//! ## Fix
//! `cuda-fixup fixup --shrink`.

use crate::lint::{EntryFault, Subject, text};

/// Uses NEEDED and dlopen candidates. Entries with another finding are skipped.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.entries_with(EntryFault::Unused) {
        say(format!("nothing is found through {tag} entry {}", text(&entry.text)));
    }
}
