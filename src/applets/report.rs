//! Writes a report of trees as an HTML page.

use super::Outcome;
use super::survey_args::{SurveyArgs, print_problems, reported};
use crate::escape::shown;
use crate::report::page::{PageInput, page};
use crate::survey::diff::Comparison;
use crate::terminal;
use anyhow::Context;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Write a page that shows a package at a glance: findings, library graph, device code, RUNPATHs
///
/// One HTML file that fetches nothing: a summary, the findings of lint, the library graph with the
/// search that leads to each library, a map of device code by library and architecture, the
/// entries of all RUNPATHs with their use, libraries that are there twice, and, of packages of Nix,
/// the store paths that they keep alive.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::REPORT)]
pub(crate) struct Args {
    /// Files, directories or archives
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The page; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Show the changes since this tree, too; once for each tree
    #[arg(long, value_name = "PATH")]
    before: Vec<PathBuf>,
    #[command(flatten)]
    survey: SurveyArgs,
}

pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    let file = args.survey.rules.exceptions()?;
    let survey = args.survey.read(&args.paths)?;
    let findings = reported(&survey, &file);
    let before = match args.before.is_empty() {
        true => None,
        false => Some(args.survey.read(&args.before)?),
    };
    let comparison = before.as_ref().map(|before| {
        let old = reported(before, &file);
        Comparison::new((before, &old), (&survey, &findings))
    });
    let graph = survey.graph();
    let closure = args.survey.closure(&survey)?;
    let text = page(PageInput {
        survey: &survey,
        graph: &graph,
        findings: &findings,
        comparison: comparison.as_ref(),
        closure: closure.as_ref(),
    })?;
    write(&args.output, &text)?;
    let mut unread = print_problems(&survey)?;
    if let Some(before) = &before {
        unread |= print_problems(before)?;
    }
    Ok(match unread {
        true => Outcome::Errors,
        false => Outcome::Fine,
    })
}

/// Writes the page whole: one that is there already stays until the new one is complete.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if path == Path::new("-") {
        return Ok(terminal::stdout().write_all(text.as_bytes())?);
    }
    let name = || format!("{}: cannot be written", shown(path));
    // A device or a pipe can't be replaced.
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return std::fs::write(path, text).with_context(name);
    }
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let written = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .tempfile_in(directory)?;
        file.write_all(text.as_bytes())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    written().with_context(name)
}
