//! `lint --fix` and `--diff`: a fixup of the files that have findings, and of no other.

use super::{Args, Selection};
use crate::applets::waits_for;
use crate::escape::shown;
use crate::fixup::{self, FileReport, FixupRequest, Libc, Relative, Status};
use crate::lint::{FileChanges, file_changes};
use crate::plan::{Dependencies, Dlopen, Driver, Existing, Policy, Stubs};
use crate::report::fixup_diff::write_diff;
use crate::terminal::{Label, Paint, message};
use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What became of the files.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fixed {
    /// Files that are changed, or would be.
    pub(super) changes: u64,
    pub(super) failed: bool,
}

/// Changes the files with findings; with `--diff`, prints the changes.
pub(super) fn run(
    args: &Args,
    selection: &Selection<'_>,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Fixed> {
    let findings = selection.reported.iter().map(|reported| reported.finding);
    let files = file_changes(findings, selection.wanted.iter().copied());
    if files.is_empty() {
        return Ok(Fixed::default());
    }
    for (path, _) in files.iter().filter(|(_, changes)| changes.keeps_entries) {
        message(
            Label::Note,
            format_args!(
                "{}: all of its RUNPATH entries stay, since an exception or --allow is for one \
                 that `fixup --shrink` would drop",
                shown(path)
            ),
        )?;
    }
    let libs: BTreeSet<PathBuf> = files
        .values()
        .flat_map(|changes| changes.directories.iter().cloned())
        .collect();
    let selected = files
        .into_iter()
        .map(|(path, changes)| (path, policy(args, &changes)));
    let request = FixupRequest {
        paths: args.paths.clone(),
        recurse: true,
        index_own: true,
        libs: libs.into_iter().collect(),
        libc: Libc::of_this_machine(),
        relative: Relative::OutsideStore,
        store: args.rules.store().to_owned(),
        // Those are lint's to report.
        skip_malformed: true,
        skip_named: true,
        skip_unreadable_libs: true,
        selected: Some(selected.collect()),
        dry_run: args.diff,
        ..FixupRequest::default()
    };
    let pool = args.jobs.pool()?;
    let paint = Paint::stdout();
    let mut tell = |file: &FileReport| match (&file.status, file.names.first()) {
        (Status::Failed(why), Some(name)) => {
            message(Label::Error, format_args!("{}: {why}", shown(name)))
        }
        (Status::Planned(_), _) => write_diff(out, file, paint),
        _ => Ok(()),
    };
    let summary = fixup::run(&pool, &request, &waits_for, &mut tell)?;
    for problem in &summary.problems {
        let path = shown(&problem.path);
        message(Label::Error, format_args!("{path}: {}", problem.what))?;
    }
    Ok(Fixed {
        changes: summary.changed,
        failed: summary.failed > 0 || !summary.problems.is_empty(),
    })
}

/// What `fixup` does by default, or, for a file whose stack alone is wrong, nothing else.
fn policy(args: &Args, changes: &FileChanges) -> Policy {
    let link = args.driver_link.as_ref();
    let stack = Policy {
        dependencies: Dependencies::Off,
        existing: Existing::Keep,
        dlopen: Dlopen::Off,
        driver: Driver::Off,
        driver_link: link.map(|link| link.as_os_str().as_bytes().to_vec()),
        stubs: Stubs::Keep,
        clear_stack: changes.clear_stack,
        ..Policy::default()
    };
    if !changes.runpath {
        return stack;
    }
    let interpreter = changes.interpreter.as_ref();
    Policy {
        interpreter: interpreter.map(|path| path.as_os_str().as_bytes().to_vec()),
        dependencies: Dependencies::Find,
        existing: Existing::Tidy,
        dlopen: Dlopen::Report,
        driver: match (changes.driver_link, args.driver_link_everywhere) {
            (false, _) => Driver::Off,
            (true, true) => Driver::All,
            (true, false) => Driver::Needed,
        },
        stubs: Stubs::Replace,
        shrink: changes.shrink,
        ..stack
    }
}
