//! Lists dynamic ELF files, for scripts that do something to each of them.

use super::Outcome;
use crate::escape::shown;
use crate::scan::{self, FileError, Skip, Walk, Walked};
use crate::terminal::{Label, message};
use elf_edit::FileReader;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// List the dynamic ELF files in trees
///
/// Prints programs and libraries that a loader reads, by all their names, sorted. Skips everything
/// else in PATH: object files, static programs, separate debug files, malformed files, symbolic
/// links.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::ELF_FILES)]
pub(crate) struct Args {
    /// Trees and files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// End each name with a NUL byte in place of a newline
    #[arg(short = '0', long)]
    null: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    let walk = Walk {
        quiet: true,
        ..Walk::of(&args.paths)
    };
    let visit = scan::visit(walk, is_dynamic);
    let mut out = BufWriter::new(io::stdout().lock());
    let end = if args.null { b"\0" } else { b"\n" };
    for file in &visit.files {
        for name in &file.names {
            out.write_all(name.as_os_str().as_bytes())?;
            out.write_all(end)?;
        }
    }
    out.flush()?;
    for problem in &visit.problems {
        message(
            Label::Error,
            format_args!("{}: {}", shown(&problem.path), problem.what),
        )?;
    }
    Ok(if visit.problems.is_empty() {
        Outcome::Fine
    } else {
        Outcome::Errors
    })
}

/// Named files of other kinds are skipped without an error, since this is a question.
fn is_dynamic(_: &Walked, file: &FileReader) -> Result<(), FileError> {
    match scan::dynamic_info(file) {
        Err(FileError::Malformed(_)) => Err(FileError::Skip(Skip::Malformed)),
        other => other.map(|_| ()),
    }
}
