//! The file has an old-style RPATH (DT_RPATH) where a RUNPATH belongs.
//!
//! ## Why is this bad
//! It comes before LD_LIBRARY_PATH, so a user can't put another library in its place, and it goes on
//! for the libraries that the file loads.
//!
//! ## Example
//! Linked with `-Wl,--disable-new-dtags`.
//!
//! ## Fix
//! `cuda-fixup fixup`, which writes RUNPATH.

use crate::lint::Subject;

/// The loader ignores an RPATH if there is a RUNPATH.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let dynamic = s.info.dynamic.as_ref();
    if dynamic.is_some_and(|d| d.rpath.is_some() && d.runpath.is_none()) {
        say("has DT_RPATH, not DT_RUNPATH".to_owned());
    }
}
