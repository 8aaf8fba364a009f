//! A library is not found that a plugin needs: a file that no other one needs, and that one opens by name.
//!
//! ## Why is this bad
//! The plugin can't be opened, and what it is for is missing: a network, a launcher. The file that
//! opens it goes on without, as it does where the plugin isn't installed, so this is a note.
//!
//! ## Example
//! `nvshmem_bootstrap_mpi.so.3` needs libmpi.so.40, which is there on machines with MPI alone.
//!
//! ## Fix
//! Install the package that has the library, or `cuda-fixup fixup --lib DIR FILE`, where DIR has it. Where
//! nothing uses the plugin, allow the rule, or make an exception with the reason.

use super::needed_not_found;
use crate::advice::command;
use crate::lint::{Said, Subject, text};
use std::os::unix::ffi::OsStrExt;

pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    let Some(opener) = s.opener else {
        return;
    };
    let opener = opener.file_name().unwrap_or_default().as_bytes();
    for need in needed_not_found::missing(s) {
        let mut advice = s.advice_for(need);
        let file = s.shown.as_os_str().as_bytes();
        let allow = command("lint --allow needed-by-plugin", file);
        let allow = allow.map(|command| format!("where nothing uses the plugin: {command}"));
        advice.helps.extend(allow);
        say(Said {
            message: format!(
                "{} is not found in {}; {} opens this plugin if it can",
                text(&need.name),
                needed_not_found::places(need),
                text(opener)
            ),
            advice,
            missing: Some(need.name.clone()),
            ..Said::default()
        });
    }
}
