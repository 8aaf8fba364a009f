//! A library that the file needs is found for another machine only.
//!
//! ## Why is this bad
//! The loader passes over it and finds nothing.
//!
//! ## Example
//! An x86-64 program whose RUNPATH leads to an aarch64 library.
//!
//! ## Fix
//! Take the library of the right machine into the build inputs.

use crate::lint::{Said, Subject, text};
use crate::loader::Why;

/// The first such file is reported.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    for need in s.own_needs().filter(|need| need.object.is_none()) {
        let other = need.trail.tried.iter().find(|tried| {
            matches!(tried.why, Why::OtherMachine(_) | Why::OtherClass | Why::OtherByteOrder)
        });
        if let Some(tried) = other {
            say(Said {
                message: format!(
                    "{} is only found as {}: {}",
                    text(&need.name[..]),
                    text(&tried.place[..]),
                    tried.why
                ),
                advice: s.advice_for(need),
                missing: Some(need.name.clone()),
                ..Said::default()
            });
        }
    }
}
