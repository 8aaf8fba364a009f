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

use crate::lint::Subject;
use crate::loader::Mark;
use crate::lint::text;

/// By NEEDED and dlopen candidates. What has a rule of its own is left to it.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.search_path() {
        let other = |mark: &Mark| !matches!(mark, Mark::ProvidesNothing | Mark::BuildDirectory);
        let told = entry.marks.iter().any(other) || s.is_build_directory(entry);
        let unused = entry.marks.contains(&Mark::ProvidesNothing);
        if unused && !told && !s.is_driver_link(entry) {
            say(format!("nothing is found through {tag} entry {}", text(&entry.text[..])));
        }
    }
}
