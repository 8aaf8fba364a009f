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
//! `cuda-fixup fixup`, which writes RUNPATH. It leaves the RPATH where a library that the file loads
//! finds what it needs through it, since a RUNPATH wouldn't serve that library; such an RPATH is no
//! finding.

use crate::lint::Subject;
use crate::loader::Step;

/// The loader ignores an RPATH if there is a RUNPATH. Object 0 of a resolution is the file itself.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let dynamic = s.info.dynamic.as_ref();
    let serves_others = || {
        let below = s.resolution.objects.iter().skip(1).flat_map(|object| &object.needs);
        let mut ways = below.filter_map(|need| need.via);
        ways.any(|via| via.step == Step::Rpath(0))
    };
    if dynamic.is_some_and(|d| d.rpath.is_some() && d.runpath.is_none()) && !serves_others() {
        say("has DT_RPATH, not DT_RUNPATH".to_owned());
    }
}
