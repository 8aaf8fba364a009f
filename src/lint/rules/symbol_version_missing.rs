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

use crate::advice::add_needed;
use crate::lint::{Said, Subject, text};

/// As `cuda-fixup inspect` finds them.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    let own = s.resolution.objects.first();
    for name in own.into_iter().flat_map(|object| &object.versions_of_nothing) {
        let mut said = Said::from(format!(
            "wants versions of {}, which nothing loads: glibc stops there",
            text(&name[..])
        ));
        let file = s.shown.as_os_str().as_encoded_bytes();
        said.advice.helps.extend(add_needed(name, file).map(|c| format!("load it again: {c}")));
        say(said);
    }
    for need in s.own_needs() {
        for version in &need.missing_versions {
            say(Said {
                message: format!(
                    "{} that is found lacks version {}",
                    text(&need.name[..]),
                    text(&version[..])
                ),
                advice: s.advice_for(need),
                ..Said::default()
            });
        }
    }
}
