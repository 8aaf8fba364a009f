//! A library that the file needs is found through LD_LIBRARY_PATH only.
//!
//! ## Why is this bad
//! It works in this shell and nowhere else.
//!
//! ## Example
//! A program that runs in a build's shell and not when installed.
//!
//! ## Fix
//! Add its directory to RUNPATH: `cuda-fixup fixup --lib DIR FILE`.

use crate::lint::{Said, Subject, text};

/// With `--env`. A library that is also found without the variable is not reported.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    for name in s.through_environment {
        let mut said = Said::from(format!("{} is found through LD_LIBRARY_PATH only", text(&name[..])));
        let need = s.own_needs().find(|need| need.name == *name);
        if let Some(library) = need.and_then(|need| s.resolution.objects.get(need.object?)) {
            let file = s.shown.as_os_str().as_encoded_bytes();
            said.advice.add_directory("add its directory", &library.path, Some(file));
        }
        say(said);
    }
}
