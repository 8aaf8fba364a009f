//! The options of applets that read whole trees, and their run.

use super::archives;
use super::closure;
use super::jobs::Jobs;
use super::lint::config_file::ConfigFile;
use crate::archive::Extent;
use crate::escape::{sentence, shown};
use crate::lint::config::Levels;
use crate::lint::{Context, ReportedFinding, Sayings};
use crate::store::{StoreClosure, StoreOptions};
use crate::survey::{Survey, SurveyOptions};
use crate::terminal::{Label, Progress, message};
use anyhow::Context as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The directory of packages.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct StoreArgs {
    /// Directory of packages
    #[arg(
        long,
        value_name = "DIR",
        env = "NIX_STORE",
        default_value = "/nix/store"
    )]
    pub(super) store: PathBuf,
}

/// The options that decide which findings there are, in each applet that has findings of `lint`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RuleArgs {
    /// The file of exceptions for findings [default: cuda-fixup.toml, where it is there]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// Location of the files, which decides which rules apply [default: by their paths]
    #[arg(long, value_enum, value_name = "CONTEXT")]
    pub(super) context: Option<Context>,
    /// Look for everything below DIR, as a process does whose root it is
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
}

impl RuleArgs {
    /// The package's own exceptions.
    pub(super) fn exceptions(&self) -> anyhow::Result<ConfigFile> {
        ConfigFile::read(self.config.as_deref())
    }

    pub(super) fn store(&self) -> &Path {
        &self.store.store
    }
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct SurveyArgs {
    #[command(flatten)]
    pub(super) rules: RuleArgs,
    #[command(flatten)]
    jobs: Jobs,
}

impl SurveyArgs {
    /// Reads these files, trees and archives.
    pub(super) fn read(&self, paths: &[PathBuf]) -> anyhow::Result<Survey> {
        let mut paths = paths.to_vec();
        // All of their members are read when they go.
        let archives = archives::open(&mut paths, Extent::Needed)?;
        let cwd = std::env::current_dir().context("cannot determine the current directory")?;
        let options = SurveyOptions {
            store: self.rules.store().to_owned(),
            context: self.rules.context,
            root: archives::root(self.rules.root.as_deref(), &archives, &paths)?,
        };
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = seen.clone();
        let _progress =
            Progress::start(move || format!("{} files read", counted.load(Ordering::Relaxed)));
        let pool = self.jobs.pool()?;
        let mut survey = pool.install(|| Survey::read(&paths, &options, cwd, &seen));
        survey.incomplete = !archives.problems.is_empty();
        let (findings, root) = (&mut survey.findings, options.root.as_deref());
        archives::without_commands_of(findings, &archives, root, &Sayings::default());
        Ok(survey)
    }

    /// The store paths that a package of Nix keeps alive; `None` for other trees, and where the
    /// members of an archive are gone.
    pub(super) fn closure(&self, survey: &Survey) -> anyhow::Result<Option<StoreClosure>> {
        let paths = survey.roots.iter().map(|root| root.given.clone());
        let paths: Vec<PathBuf> = paths.collect();
        let store = self.rules.store();
        if !survey.refers_to(store) || !paths.iter().all(|path| path.exists()) {
            return Ok(None);
        }
        let root = self.rules.root.as_deref().unwrap_or(Path::new("/"));
        let options = StoreOptions {
            store: store.to_owned(),
            directory: root.join(store.strip_prefix("/").unwrap_or(store)),
            follow: true,
        };
        let read = AtomicU64::new(0);
        let closure = closure::read(&self.jobs.pool()?, &paths, &options, &read)?;
        Ok((!closure.references.is_empty()).then_some(closure))
    }
}

/// The findings that no exception covers, with their severities.
pub(super) fn reported<'a>(survey: &'a Survey, file: &ConfigFile) -> Vec<ReportedFinding<'a>> {
    let levels = Levels::new(&file.config);
    let findings = survey.findings.iter();
    findings
        .filter(|finding| file.config.exception(finding).is_none())
        .filter_map(|finding| {
            let severity = levels.of(finding)?;
            Some(ReportedFinding { finding, severity })
        })
        .collect()
}

/// Prints what can't be read; returns whether there is any.
pub(super) fn print_problems(survey: &Survey) -> io::Result<bool> {
    for problem in &survey.problems {
        let path = shown(&problem.path);
        let what = sentence(&problem.what);
        message(Label::Error, format_args!("{path}: {what}"))?;
    }
    Ok(survey.incomplete || !survey.problems.is_empty())
}
