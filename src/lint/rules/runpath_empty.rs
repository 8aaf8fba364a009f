//! RUNPATH has an empty entry.
//!
//! ## Why is this bad
//! An empty entry (`a::b`, or a colon at either end) is the current directory of the process.
//!
//! ## Example
//! `-Wl,-rpath,$EXTRA:/opt/lib` with EXTRA unset.
//!
//! ## Fix
//! `cuda-fixup fixup`, which never writes one.

use crate::lint::{EntryFault, Subject};

/// As the loader splits the list.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, _) in s.entries_with(EntryFault::Empty) {
        say(format!("{tag} has an empty entry: the current directory"));
    }
}
