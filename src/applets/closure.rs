//! Shows the store paths that trees keep alive.

use super::jobs::Jobs;
use super::survey_args::StoreArgs;
use super::{Outcome, archives, fixup as fixup_applet};
use crate::archive::Extent;
use crate::escape::{sentence, shown};
use crate::fixup::{self, Status};
use crate::plan::{self, Plan};
use crate::report::closure as report;
use crate::store::{EntryUse, Shrink, StoreClosure, StoreOptions};
use crate::terminal::{self, Label, Paint, Progress, message};
use anyhow::Context;
use rayon::ThreadPool;
use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Show which store paths of Nix a tree keeps alive, through which files, and how large they are
///
/// Looks for hashes of store paths in all files, links and names below PATH, as Nix does for the
/// references of a package, and says for each path which RUNPATH, interpreter or string refers to
/// it, the size of its closure, and how much of that only this reference keeps alive. A dry run of
/// `fixup --shrink` says which RUNPATH entries have no use, and which paths would go with them.
/// References of the trees to themselves don't count.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::CLOSURE)]
pub(crate) struct Args {
    /// Trees, files or archives
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
    /// Where absolute paths begin, such as the store's
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Leave out sizes of closures, for which all that PATH needs is read
    #[arg(long)]
    direct: bool,
    /// Print one JSON object a store path, then one with the totals
    #[arg(long)]
    json: bool,
    /// Name all files that refer to a path
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    jobs: Jobs,
}

pub(crate) fn run(mut args: Args) -> anyhow::Result<Outcome> {
    let store = args.store.store;
    let archives = archives::open(&mut args.paths, Extent::Whole)?;
    let root = args.root.as_deref().or(archives.image.as_deref());
    let options = StoreOptions {
        directory: match root {
            Some(root) => root.join(store.strip_prefix("/").unwrap_or(&store)),
            None => store.clone(),
        },
        store,
        follow: !args.direct,
    };
    let pool = args.jobs.pool()?;
    let read = Arc::new(AtomicU64::new(0));
    let counted = read.clone();
    let progress = Progress::start(move || {
        let bytes = counted.load(Ordering::Relaxed);
        format!("{} MiB read", bytes >> 20)
    });
    let closure = self::read(&pool, &args.paths, &options, &read)?;
    drop(progress);
    let mut out = BufWriter::new(terminal::stdout());
    if args.json {
        for object in report::json(&closure) {
            writeln!(out, "{object}")?;
        }
    } else {
        let text = report::human(&closure, args.verbose, Paint::stdout());
        out.write_all(text.as_bytes())?;
    }
    out.flush()?;
    for problem in &closure.problems {
        let (path, what) = (shown(&problem.path), sentence(&problem.what));
        message(Label::Error, format_args!("{path}: {what}"))?;
    }
    if !args.json {
        writeln!(terminal::stderr(), "{}", report::summary(&closure))?;
        if closure.references.iter().any(|reference| reference.goes) && !archives.any() {
            message(
                Label::Help,
                "cuda-fixup fixup --shrink PATH; in a package, cudaFixupFlags = [ \"--shrink\" ]",
            )?;
        }
    }
    let outcome = match closure.problems.is_empty() {
        true => Outcome::Fine,
        false => Outcome::Errors,
    };
    Ok(archives::outcome(&archives, outcome))
}

/// Reads the trees, and what `fixup --shrink` would do to them.
pub(super) fn read(
    pool: &ThreadPool,
    paths: &[PathBuf],
    options: &StoreOptions,
    progress: &AtomicU64,
) -> anyhow::Result<StoreClosure> {
    let entries = Entries::read(pool, paths)?;
    Ok(pool.install(|| StoreClosure::read(paths, options, &entries, progress)))
}

/// The RUNPATHs that `fixup --shrink` would write, by file.
#[derive(Debug, Default)]
struct Entries(HashMap<PathBuf, Plan>);

impl Entries {
    fn read(pool: &ThreadPool, paths: &[PathBuf]) -> anyhow::Result<Entries> {
        let mut entries = Entries::default();
        let mut request = fixup_applet::shrink_request(paths)?;
        request.skip_malformed = true;
        request.skip_named = true;
        request.refuse_unfit = false;
        let mut emit = |file: &fixup::FileReport| {
            let failed = matches!(file.status, Status::Failed(_));
            if !failed && file.plan.old_runpath.is_some() {
                for name in &file.names {
                    entries.0.insert(name.clone(), file.plan.clone());
                }
            }
            Ok(())
        };
        // Files that can't be read are reported by the search for references.
        fixup::run(pool, &request, &super::waits_for, &mut emit).context("RUNPATHs")?;
        Ok(entries)
    }
}

impl Shrink for Entries {
    fn entry(&self, file: &Path, entry: &[u8]) -> Option<EntryUse> {
        let plan = self.0.get(file)?;
        if plan.changes_runpath() && !plan.runpath.iter().any(|kept| kept.text == entry) {
            return Some(EntryUse::Drops);
        }
        let directory = plan::expand(entry, None);
        let is_here = |outcome: &plan::Outcome| match outcome {
            plan::Outcome::Existing(text) => text == entry,
            plan::Outcome::Directory(found) => found == entry || Some(found) == directory.as_ref(),
            _ => false,
        };
        let needed = plan.resolutions.iter().filter(|one| is_here(&one.outcome));
        let opened = plan.candidates.iter().filter(|one| is_here(&one.outcome));
        let mut names: Vec<Vec<u8>> = needed.map(|one| one.shown_name()).collect();
        names.extend(opened.map(|one| one.name.clone()));
        Some(match names.is_empty() {
            true => EntryUse::Stays,
            false => EntryUse::Serves(names),
        })
    }

    fn changes(&self, file: &Path) -> bool {
        self.0.get(file).is_some_and(Plan::changes_runpath)
    }
}
