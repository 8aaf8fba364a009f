//! Compares two trees or files.

use super::Outcome;
use super::survey_args::{SurveyArgs, print_problems, reported};
use crate::report::diff as report;
use crate::survey::diff::{Comparison, Topic};
use crate::terminal::{self, Paint};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Compare two trees: RUNPATHs, dependencies, sonames, device code, sizes, findings of lint
///
/// BEFORE and AFTER are trees, archives or files, such as two versions of a package. Files correspond by
/// their paths; hashes of store paths, versions of libraries and Python's version in a path do not
/// count. Lists that only name the tree itself, or other hashes, do not differ. Exit status 1 when
/// something got worse: a file does not load any more, a library is no longer found, code for an
/// architecture or an exported version is gone, or lint has a new error or warning.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::DIFF)]
pub(crate) struct Args {
    /// The tree before
    before: PathBuf,
    /// The tree after
    after: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = DiffFormat::Human)]
    format: DiffFormat,
    /// Changes of this topic are not worse
    #[arg(long, value_enum, value_name = "TOPIC", value_delimiter = ',')]
    accept: Vec<Topic>,
    #[command(flatten)]
    survey: SurveyArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DiffFormat {
    /// A block for each file
    Human,
    /// A JSON object for each file and finding, one a line
    Json,
    /// A table for a comment on a pull request
    Markdown,
}

pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    let file = args.survey.rules.exceptions()?;
    let [before, after] = [&args.before, &args.after].map(|path| {
        let paths = std::slice::from_ref(path);
        args.survey.read(paths)
    });
    let (before, after) = (before?, after?);
    let mut comparison = Comparison::new(
        (&before, &reported(&before, &file)),
        (&after, &reported(&after, &file)),
    );
    comparison.accept(&args.accept);
    let mut out = BufWriter::new(terminal::stdout());
    match args.format {
        DiffFormat::Human => {
            out.write_all(report::human(&comparison, Paint::stdout()).as_bytes())?;
        }
        DiffFormat::Json => {
            for object in report::json(&comparison) {
                writeln!(out, "{object}")?;
            }
        }
        DiffFormat::Markdown => out.write_all(report::markdown(&comparison).as_bytes())?,
    }
    out.flush()?;
    if let DiffFormat::Human = args.format {
        writeln!(terminal::stderr(), "{}", report::summary(&comparison))?;
    }
    let unread = [print_problems(&before)?, print_problems(&after)?];
    Ok(if unread.contains(&true) {
        Outcome::Errors
    } else if comparison.worse() > 0 {
        Outcome::Findings
    } else {
        Outcome::Fine
    })
}
