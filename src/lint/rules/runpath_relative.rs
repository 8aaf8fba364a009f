//! RUNPATH has an entry that is relative.
//!
//! ## Why is this bad
//! It is relative to the current directory of whoever starts the program: libraries are loaded from
//! wherever that is.
//!
//! ## Example
//! `-Wl,-rpath,lib` where `-Wl,-rpath,'$ORIGIN/lib'` was meant.
//!
//! ## Fix
//! `cuda-fixup fixup`, or link with `$ORIGIN`.

use crate::lint::Subject;
use crate::loader::Mark;
use crate::lint::text;

/// An empty entry has a rule of its own.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.search_path() {
        if entry.marks.contains(&Mark::Relative) && !entry.marks.contains(&Mark::Empty) {
            say(format!("{tag} has the relative entry {}", text(&entry.text[..])));
        }
    }
}
