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

/// Uses NEEDED and dlopen candidates. Entries with another finding are skipped.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.search_path() {
        let other = |mark: &Mark| !matches!(mark, Mark::ProvidesNothing | Mark::BuildDirectory);
        let covered = entry.marks.iter().any(other) || s.is_build_directory(entry);
        let unused = entry.marks.contains(&Mark::ProvidesNothing);
        if unused && !covered && !s.is_driver_link(entry) {
            say(format!("nothing is found through {tag} entry {}", text(&entry.text[..])));
        }
    }
}
