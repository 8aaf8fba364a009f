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

use crate::lint::Subject;
use crate::loader::Mark;
use crate::lint::text;

/// Compares directories as the loader does.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.search_path() {
        if entry.marks.contains(&Mark::Duplicate) {
            say(format!("{tag} has {} a second time", text(&entry.text[..])));
        }
    }
}
