//! RUNPATH has a directory that doesn't exist.
//!
//! ## Why is this bad
//! The loader searches there for each library in vain, and anyone who can create that directory
//! decides which library the program loads.
//!
//! ## Example
//! `RUNPATH /nix/store/…-old/lib` of a package that isn't there any more.
//!
//! ## Fix
//! `cuda-fixup fixup --shrink`.

use crate::lint::{EntryFault, Subject, text};

/// The driver link exists on the machine that runs the program; build directories have a rule.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.entries_with(EntryFault::Missing) {
        say(format!("{tag} has {}, which is no directory here", text(&entry.text)));
    }
}
