//! Archives on the command line: `inspect app.whl`, `lint image.tar`, `inspect app.whl!lib/x.so`.

use super::Outcome;
use crate::advice::Advice;
use crate::archive::{Archives, Extent};
use crate::escape::{sentence, shown};
use crate::terminal::{Label, message};
use anyhow::anyhow;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Replaces the archives among `paths` by directories with their members, which are there as long
/// as the returned value. Archives that can't be read are reported, and left out of `paths`; if
/// nothing is left, that is an error.
pub(super) fn open(paths: &mut Vec<PathBuf>, extent: Extent) -> anyhow::Result<Archives> {
    let archives = Archives::open(paths, extent);
    for warning in &archives.warnings {
        message(Label::Warning, sentence(warning))?;
    }
    let mut problems = archives.problems.iter().map(|(path, error)| {
        let error = error.to_string();
        anyhow!("{}: {}", shown(path), sentence(&error))
    });
    let last = match archives.paths.is_empty() {
        true => problems.next_back(),
        false => None,
    };
    for problem in problems {
        message(Label::Error, problem)?;
    }
    if let Some(last) = last {
        return Err(last);
    }
    paths.clone_from(&archives.paths);
    Ok(archives)
}

/// The outcome, where an archive that can't be read is an error.
pub(super) fn outcome(archives: &Archives, outcome: Outcome) -> Outcome {
    match archives.problems.is_empty() {
        true => outcome,
        false => Outcome::Errors,
    }
}

/// Removes commands from advice: none of them can change a member of an archive.
pub(super) fn without_commands(archives: &Archives, advice: &mut Advice) {
    let named = |text: &String| {
        let mut directories = archives.directories();
        directories.any(|dir| {
            let dir = dir.as_os_str().as_bytes();
            memchr::memmem::find(text.as_bytes(), dir).is_some()
        })
    };
    if archives.any() {
        advice.helps.retain(|help| !named(help));
        advice.remedies.clear();
    }
}
