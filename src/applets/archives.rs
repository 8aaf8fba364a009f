//! Archives on the command line: `inspect app.whl`, `lint image.tar`, `inspect app.whl!lib/x.so`.

use super::Outcome;
use crate::advice::Advice;
use crate::archive::{Archives, Extent};
use crate::escape::{sentence, shown};
use crate::lint::{Finding, Sayings};
use crate::terminal::{Label, message};
use anyhow::{Context, anyhow, bail};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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

/// The directory where absolute paths begin, without links: the one that the user names, or an
/// image, where that is all there is. All of `paths` must be below it.
pub(super) fn root(
    given: Option<&Path>,
    archives: &Archives,
    paths: &[PathBuf],
) -> anyhow::Result<Option<PathBuf>> {
    let Some(root) = given.or(archives.image.as_deref()) else {
        return Ok(None);
    };
    let real = |path: &Path| path.canonicalize().with_context(|| shown(path).to_string());
    let root = real(root)?;
    for path in paths {
        if !real(path)?.starts_with(&root) {
            bail!(
                "{}: expected a path below the root {}: name it as seen from outside",
                shown(path),
                shown(&root)
            );
        }
    }
    Ok(Some(root))
}

/// [`without_commands`] for the advice of findings.
pub(super) fn without_commands_of(
    findings: &mut [Finding],
    archives: &Archives,
    root: Option<&Path>,
    sayings: &Sayings,
) {
    if root.is_none() && !archives.any() {
        return;
    }
    for finding in findings {
        finding.change_advice(sayings, |advice| without_commands(archives, root, advice));
    }
}

/// Removes commands from advice: none of them can change a member of an archive, and below another
/// root, `fixup` would search this machine's directories.
pub(super) fn without_commands(archives: &Archives, root: Option<&Path>, advice: &mut Advice) {
    let named = |text: &String| {
        let mut directories = archives.directories();
        directories.any(|dir| {
            let dir = dir.as_os_str().as_bytes();
            memchr::memmem::find(text.as_bytes(), dir).is_some()
        })
    };
    if root.is_some() {
        let searches = |help: &str| {
            help.contains("`cuda-fixup fixup ") && !help.contains("--dependencies off")
        };
        advice.helps.retain(|help| !searches(help));
        advice.remedies.clear();
    }
    if archives.any() {
        advice.helps.retain(|help| !named(help));
        advice.remedies.clear();
    }
}
