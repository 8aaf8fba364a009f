//! RUNPATH has a directory that only the machine has where the file was built.
//!
//! ## Why is this bad
//! On another machine it is nobody's or anybody's: who can write there decides what is loaded.
//!
//! ## Example
//! `/project/build/lib`, seen in published wheels; so are directories of somebody's home.
//!
//! ## Fix
//! `cuda-fixup fixup --shrink`, with `--lib DIR` for a library that is found there now; or `-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON` where it is built.

use crate::lint::Subject;
use crate::lint::text;

/// By its path: /build, /tmp, /home, /root and their like; not what leads into the store.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.search_path() {
        if s.is_build_directory(entry) {
            say(format!("{tag} has the build directory {}", text(&entry.text[..])));
        }
    }
}
