//! `redist check-wheel`: wheels against the libraries of a package set.

use super::super::jobs::Jobs;
use super::{Outcome, json_line};
use crate::escape::shown;
use crate::features::wheels;
use crate::report::write_suit;
use crate::terminal::{Label, Paint, message};
use anyhow::bail;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Check whether a package set's libraries suit wheels
///
/// Each CUDA library that files of the wheels bring along, need or open is compared with the set's
/// library of that name: its SONAME, its version (of the file's name or the distribution; a wheel
/// without the library may pin one in its metadata), and the symbols and symbol versions that the
/// wheels import. Exit status 1 if one does not suit.
#[derive(Debug, clap::Args)]
#[command(after_help = super::super::examples::REDIST_CHECK_WHEEL)]
pub(super) struct Args {
    /// Directories that wheels were unpacked to, or site-packages
    #[arg(required = true, value_name = "WHEEL")]
    wheels: Vec<PathBuf>,
    /// Directories of the set: outputs of its packages, or unpacked archives
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    set: Vec<PathBuf>,
    #[command(flatten)]
    jobs: Jobs,
    /// Print one JSON object a library
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    let mut all = args.wheels.iter().chain(&args.set);
    if let Some(path) = all.find(|path| !path.is_dir()) {
        bail!(
            "{}: expected a directory\n  help: unpack a wheel first: unzip -d DIR WHEEL",
            shown(path)
        );
    }
    let pool = args.jobs.pool()?;
    let (suits, problems) = pool.install(|| wheels::compare(&args.wheels, &args.set));
    let mut out = BufWriter::new(io::stdout().lock());
    for suit in &suits {
        match args.json {
            true => json_line(&mut out, suit)?,
            false => write_suit(&mut out, suit, Paint::stdout())?,
        }
    }
    out.flush()?;
    for problem in &problems {
        let path = shown(&problem.path);
        message(Label::Error, format_args!("{path}: {}", problem.what))?;
    }
    if suits.is_empty() && problems.is_empty() {
        message(
            Label::Note,
            format_args!("no file of the wheels brings, needs or opens a library of CUDA"),
        )?;
    }
    Ok(if !problems.is_empty() {
        Outcome::Errors
    } else if suits.iter().any(|suit| suit.verdict.is_finding()) {
        Outcome::Findings
    } else {
        Outcome::Fine
    })
}
