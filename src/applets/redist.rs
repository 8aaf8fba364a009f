//! NVIDIA's redistributable manifests: reads, checks and compares them, and writes the compact
//! manifest that package sets are made from.

mod check;
mod check_wheel;
mod features;
mod index;
mod install;
mod join;
mod load;
mod url;

use super::Outcome;
use crate::redist::diff::{Difference, diff};
use crate::report::schema::{self, Line};
use load::Loader;
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Read, check and compare NVIDIA's redistributable manifests
///
/// Both kinds are read wherever a manifest is: NVIDIA's redistrib_VERSION.json, and the compact
/// one that `index` writes.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::REDIST)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Index(index::Args),
    Diff(DiffArgs),
    Url(url::Args),
    Check(check::Args),
    CheckWheel(check_wheel::Args),
    Features(features::Args),
    Install(install::Args),
    Join(join::Args),
}

/// Print the difference of two manifests
///
/// Lists added and removed packages and archives, changed versions, and archives that NVIDIA
/// republished under the same version. Two files of one release each are compared whatever their
/// versions are; otherwise each release is compared with that of the same version. Exit status 1 if
/// there is a difference.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::REDIST_DIFF)]
struct DiffArgs {
    /// A manifest, or a directory of manifests
    a: PathBuf,
    /// Another one
    b: PathBuf,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    match args.command {
        Command::Index(args) => index::run(args),
        Command::Diff(args) => run_diff(args),
        Command::Url(args) => url::run(args),
        Command::Check(args) => check::run(args),
        Command::CheckWheel(args) => check_wheel::run(args),
        Command::Features(args) => features::run(args),
        Command::Install(args) => install::run(args),
        Command::Join(args) => join::run(args),
    }
}

/// Writes one JSON object and a newline.
fn json_line<T: Serialize>(out: &mut impl Write, value: &T) -> io::Result<()> {
    let schema = schema::REDIST;
    Line { schema, value }.write(out)
}

fn run_diff(args: DiffArgs) -> anyhow::Result<Outcome> {
    let mut loader = Loader::new(args.json)?;
    let a = loader.manifest(&[args.a]);
    let b = loader.manifest(&[args.b]);
    let (Some(a), Some(b)) = (a, b) else {
        return Ok(Outcome::Errors);
    };
    let differences = diff(&a, &b);
    let mut out = BufWriter::new(io::stdout().lock());
    for difference in &differences {
        if args.json {
            json_line(&mut out, difference)?;
        } else {
            write_difference(&mut out, difference)?;
        }
    }
    out.flush()?;
    Ok(if differences.is_empty() {
        Outcome::Fine
    } else {
        Outcome::Findings
    })
}

fn write_difference(out: &mut impl Write, difference: &Difference) -> io::Result<()> {
    let Difference {
        change, product, ..
    } = difference;
    write!(out, "{:<11} {product}", change.word())?;
    let releases: Vec<&str> = difference
        .release
        .iter()
        .flatten()
        .map(String::as_str)
        .collect();
    match releases.as_slice() {
        [a, b] if a != b => write!(out, " {a} -> {b}")?,
        releases => write!(out, " {}", releases.first().unwrap_or(&""))?,
    }
    for part in [&difference.package, &difference.archive]
        .into_iter()
        .flatten()
    {
        write!(out, " {part}")?;
    }
    if let Some(what) = difference.what {
        write!(out, " {what}:")?;
    }
    match (&difference.from, &difference.to) {
        (Some(from), Some(to)) => write!(out, " {from} -> {to}")?,
        (from, to) => write!(out, "{}", optional(from.as_ref().or(to.as_ref())))?,
    }
    writeln!(out)
}

fn optional(value: Option<&String>) -> String {
    value.map_or_else(String::new, |value| format!(" {value}"))
}
