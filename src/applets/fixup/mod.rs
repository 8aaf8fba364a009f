//! One pass over trees: interpreter, dependencies, driver link, and all else that a RUNPATH needs.

mod options;

use super::Outcome;
use super::jobs::Jobs;
use super::missing_dependencies::MissingDependencies;
use crate::escape::shown;
use crate::fixup::{self, FixupRequest, Status};
use crate::report::{fixup as report, structured_logs};
use crate::terminal::{self, Label, Paint, Progress, message};
use clap::{Args as _, FromArgMatches};
use options::{Find, RunpathArgs};
use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Set interpreters and RUNPATHs of whole trees, in one pass
///
/// Reads each ELF file below PATH, plans its RUNPATH, and writes a few bytes if that changes; a
/// file that needs no change is not touched. A new RUNPATH has, in this order: compat directory,
/// driver link, runtime dependencies (executables only), directories of needed libraries, existing
/// entries, appended entries.
#[derive(Debug, clap::Args)]
// Of an option given twice the last wins, so that a package's flags go behind those of a hook.
#[command(args_override_self = true)]
#[command(after_help = super::examples::FIXUP)]
pub(crate) struct Args {
    /// Trees and files to fix
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    find: Find,
    #[command(flatten)]
    write: RunpathArgs,
    /// Print old and new RUNPATHs with the reason of each entry; write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Print JSON lines: one object a file, then a summary
    #[arg(long)]
    json: bool,
    /// Print each changed file, and the number of skipped files by reason
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    jobs: Jobs,
}

pub(crate) fn run(mut args: Args) -> anyhow::Result<Outcome> {
    let request = args.request()?;
    let pool = args
        .jobs
        .pool_for_paths(request.paths.iter().chain(&request.libs))?;
    let mut out = BufWriter::new(terminal::stdout());
    let paint = Paint::stdout();
    let shown_progress = progress(&request.progress);
    let mut misses = MissingDependencies::default();
    let summary = {
        let mut emit = |file: &fixup::FileReport| {
            misses.note(file);
            if let (Status::Failed(why), Some(name)) = (&file.status, file.names.first()) {
                message(Label::Error, format_args!("{}: {why}", shown(name)))?;
            }
            if let Some((line, help)) = report::lost_rpath(file) {
                message(Label::Warning, line)?;
                message(Label::Help, help)?;
            }
            if let Some(line) = report::stays_absolute(file) {
                message(Label::Warning, format_args!("{line}"))?;
            }
            let changes = !matches!(file.status, Status::Unchanged);
            if args.json {
                writeln!(out, "{}", report::file_json(file))
            } else if request.structured_logs {
                structured_logs::write_file(&mut out, file, &request.policy.ignore_missing)
            } else if (args.dry_run && changes) || args.verbose {
                report::write_plan(&mut out, file, paint)
            } else {
                Ok(())
            }
        };
        fixup::run(&pool, &request, &super::waits_for, &mut emit)?
    };
    drop(shown_progress);
    for problem in &summary.problems {
        message(
            Label::Error,
            format_args!("{}: {}", shown(&problem.path), problem.what),
        )?;
        if args.json {
            writeln!(
                out,
                "{}",
                report::problem_json(&problem.path, &problem.what)
            )?;
        }
    }
    misses.print(&summary, "--lib", "--ignore-missing")?;
    if args.json {
        writeln!(out, "{}", report::summary_json(&summary))?;
    } else if request.structured_logs {
        structured_logs::write_skipped(&mut out, &summary)?;
    } else {
        report::write_summary(&mut out, &summary, args.dry_run, args.verbose, paint)?;
    }
    out.flush()?;
    Ok(outcome(&summary))
}

/// The request of `fixup --shrink --dry-run`.
pub(super) fn shrink_request(paths: &[PathBuf]) -> anyhow::Result<FixupRequest> {
    let command = Args::augment_args(clap::Command::new("fixup"));
    let options = ["fixup", "--shrink", "--dry-run", "--"].map(OsString::from);
    let words = options.into_iter().chain(paths.iter().map(OsString::from));
    let matches = command.try_get_matches_from(words)?;
    Args::from_arg_matches(&matches)?.request()
}

/// Shows the progress of a long run.
pub(super) fn progress(of: &Arc<fixup::FixupProgress>) -> Progress {
    let of = of.clone();
    Progress::start(move || {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        match count(&of.files) {
            0 => format!("{} files read", count(&of.read)),
            files => format!("{} of {files} ELF files fixed", count(&of.done)),
        }
    })
}

/// The exit status that a summary asks for.
pub(super) fn outcome(summary: &fixup::Summary) -> Outcome {
    if summary.failed > 0 || !summary.problems.is_empty() {
        Outcome::Errors
    } else if summary.missing > 0 {
        Outcome::Findings
    } else {
        Outcome::Fine
    }
}
