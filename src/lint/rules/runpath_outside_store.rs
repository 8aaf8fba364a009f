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

use crate::lint::Subject;
use crate::loader::Mark;
use crate::lint::text;

/// The driver link is the only directory that belongs outside.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if !s.in_store(s.path.as_os_str().as_encoded_bytes()) {
        return;
    }
    for (tag, entry) in s.search_path() {
        let covered = [Mark::Relative, Mark::Empty];
        let covered = covered.iter().any(|mark| entry.marks.contains(mark)) || s.is_build_directory(entry);
        if let Some(directory) = &entry.directory
            && !covered
            && !s.in_store(directory)
            && !s.is_driver_link(entry)
        {
            say(format!("{tag} has {}, outside the store", text(&entry.text[..])));
        }
    }
}
