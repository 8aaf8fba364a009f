//! A library that the file may open by itself (dlopen) would not be found.
//!
//! ## Why is this bad
//! A feature is missing at run time, often without a word. Names stand in files that are never opened,
//! too, so this is for a look.
//!
//! ## Example
//! A program that opens libvulkan.so.1 and has no RUNPATH for it.
//!
//! ## Fix
//! `cuda-fixup fixup --dlopen auto --lib DIR FILE`, or an exception with the reason.

use crate::cuda::driver;
use crate::lint::Subject;
use crate::lint::text;

/// From `.note.dlopen` and from strings; one of several alternatives is enough.
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for candidate in &s.resolution.dlopen {
        let known = candidate.names.iter().any(|name| driver::library(name).is_some());
        if candidate.found.is_none()
            && !known
            && let Some(name) = candidate.names.first()
        {
            let from = if candidate.noted { "its .note.dlopen" } else { "a string" };
            say(format!(
                "{}, which {from} names, would not be found",
                text(&name[..])
            ));
        }
    }
}
