//! A library that is found lacks a symbol version that the file needs.
//!
//! ## Why is this bad
//! The loader stops: "version `GLIBC_2.38' not found".
//!
//! ## Example
//! A program built against a newer glibc than the one that it finds.
//!
//! ## Fix
//! Build with the older library, or let RUNPATH and interpreter lead to the newer one.

use crate::lint::Subject;
use crate::lint::text;

/// As `cuda-fixup inspect` finds them.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let own = s.resolution.objects.first();
    for name in own.into_iter().flat_map(|object| &object.versions_of_nothing) {
        say(format!(
            "wants versions of {}, which nothing loads: glibc stops there",
            text(&name[..])
        ));
    }
    for need in s.own_needs() {
        for version in &need.missing_versions {
            say(format!(
                "{} that is found lacks version {}{}",
                text(&need.name[..]),
                text(&version[..]),
                s.advice_for(need)
            ));
        }
    }
}
