//! A library that the file needs (NEEDED) is not found.
//!
//! ## Why is this bad
//! The program doesn't start, the library can't be opened: "cannot open shared object file".
//!
//! ## Example
//! A prebuilt program in a tree without its libraries.
//!
//! ## Fix
//! `cuda-fixup inspect FILE` lists the searched directories; `cuda-fixup fixup --lib DIR FILE` adds
//! the one with the library.

use super::needed_loaded_before;
use crate::cuda::driver;
use crate::advice::replace_needed;
use crate::lint::{Said, Subject, text};
use crate::loader::{Need, Why};

/// The driver's libraries are found through the driver link when the program runs.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    for need in s.own_needs() {
        let name = &need.name[..];
        if name.contains(&b'/') && !name.starts_with(b"/") && !name.starts_with(b"$") {
            let bare = name.rsplit(|&b| b == b'/').next().unwrap_or_default();
            let mut said = Said::from(format!(
                "{} is opened as a path, since it has a slash: it is found from the right \
                 directory only",
                text(name)
            ));
            let help = replace_needed(name, bare, s.shown.as_os_str().as_encoded_bytes());
            said.advice.helps.extend(help.map(|command| {
                format!("let it be searched by its name: {command}, then `fixup`")
            }));
            say(said);
            continue;
        }
        let other_file = |tried: &crate::loader::Tried| {
            matches!(tried.why, Why::OtherMachine(_) | Why::OtherClass | Why::OtherByteOrder)
        };
        let missing = need.object.is_none() && driver::library(&need.name).is_none();
        if missing && !needed_loaded_before::covers(s, name) && !need.trail.tried.iter().any(other_file) {
            say(Said {
                message: format!("{} is not found in {}", text(&need.name[..]), places(need)),
                advice: s.advice_for(need),
                missing: Some(need.name.clone()),
            });
        }
    }
}

fn places(need: &Need) -> String {
    match need.trail.tried.len() {
        1 => "the one place that is searched".to_owned(),
        n => format!("any of {n} places"),
    }
}
