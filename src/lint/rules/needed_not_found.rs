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
        if is_relative_path(name) {
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
        }
    }
    for need in missing(s).filter(|_| s.opener.is_none()) {
        say(Said {
            message: format!("{} is not found in {}", text(&need.name[..]), places(need)),
            advice: s.advice_for(need),
            missing: Some(need.name.clone()),
            ..Said::default()
        });
    }
}

/// The needs that are found nowhere, and that no other rule looks after.
pub(super) fn missing<'a>(s: &'a Subject<'_>) -> impl Iterator<Item = &'a Need> {
    let other_file = |tried: &crate::loader::Tried| {
        matches!(tried.why, Why::OtherMachine(_) | Why::OtherClass | Why::OtherByteOrder)
    };
    s.own_needs().filter(move |need| {
        let name = &need.name[..];
        need.object.is_none()
            && !is_relative_path(name)
            && driver::library(name).is_none()
            && !needed_loaded_before::covers(s, name)
            && !need.trail.tried.iter().any(other_file)
    })
}

/// Whether the loader opens it as a path of the current directory.
fn is_relative_path(name: &[u8]) -> bool {
    name.contains(&b'/') && !name.starts_with(b"/") && !name.starts_with(b"$")
}

pub(super) fn places(need: &Need) -> String {
    match need.trail.tried.len() {
        1 => "the one place that is searched".to_owned(),
        n => format!("any of {n} places"),
    }
}
