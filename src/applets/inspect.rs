//! What files load, from where and why; and what they will not find.

use super::Outcome;
use super::jobs::Jobs;
use crate::cuda::device_code;
use crate::cuda::linkage::Cudart;
use crate::escape::shown;
use crate::loader::{Cpu, Environment, Loader, Resolution};
use crate::report::inspect::{self, Cuda, Inspected};
use crate::report::{Ordered, Paint, Piece};
use crate::rodata::{self, Contents};
use crate::scan::{self, FileError, Skip, Skipped, Tree, Walked};
use anyhow::{Context, bail};
use clap::ValueEnum;
use elf_edit::{ElfInfo, FileReader, Kind};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Show what ELF files load, from where, by which step of the search, and what is missing
///
/// Files or whole trees; nothing is run. For each file: its interpreter, what every entry of
/// its RUNPATH is good for, where each needed library is found and by which step, symbol
/// versions that the found file lacks, and for a miss the places that were looked at in order
/// and why each failed. The search is that of the loader that the file names, glibc's or musl's;
/// a library is looked at on its own, as if nothing had been loaded before it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ELF files, or directories that are searched for dynamic ones
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// One JSON object a file, one a line; docs/inspect.md tells its keys
    #[arg(long)]
    json: bool,
    /// What needs what, as a tree
    #[arg(long, conflicts_with = "json")]
    tree: bool,
    /// Only how the files come to load this library; exit 1 if none does
    #[arg(long, value_name = "SONAME", conflicts_with_all = ["json", "tree"])]
    why: Option<OsString>,
    /// Exit 1 when something will not load; without --json or --tree, print just that
    #[arg(long)]
    check: bool,
    /// Only what stands in the files' headers: nothing is searched for
    #[arg(long, conflicts_with_all = ["tree", "why", "check", "root", "dlopen", "device_code",
        "interpreter", "library_path"])]
    headers: bool,
    /// Look for everything below DIR, as a process does whose root it is. Paths are named as
    /// seen from outside
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Which libraries that a file may dlopen are listed
    #[arg(long, value_enum, default_value_t = Dlopen::Auto)]
    dlopen: Dlopen,
    /// List every image of device code; of all files, not just of those named
    #[arg(long, conflicts_with_all = ["tree", "why"])]
    device_code: bool,
    /// The interpreter for files that name none [default: that of the libc in their RUNPATH,
    /// else the usual one of their machine]
    #[arg(long, value_name = "FILE")]
    interpreter: Option<PathBuf>,
    /// Instead of the environment's LD_LIBRARY_PATH, which counts unless --root is given
    #[arg(long, value_name = "LIST")]
    library_path: Option<OsString>,
    #[command(flatten)]
    jobs: Jobs,
    /// Tell what was passed over
    #[arg(short, long)]
    verbose: bool,
}

/// Where names of libraries that a file may dlopen are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dlopen {
    /// `.note.dlopen`; of files named on the command line, strings in read-only data too
    Auto,
    /// Notes and strings of every file: reads all of its read-only data
    All,
    /// `.note.dlopen` alone
    Notes,
    /// Nothing
    Off,
}

/// Files that a thread takes at a time.
const CHUNK: usize = 16;

/// Looks at everything and prints it in the order of the command line and of each tree.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let root = match &args.root {
        Some(root) => Some(
            root.canonicalize()
                .with_context(|| shown(root).to_string())?,
        ),
        None => None,
    };
    let run = Run {
        loader: Loader::new(environment(&args, root.clone())?),
        paint: Paint {
            colour: !args.json
                && io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        },
        root,
        counts: Mutex::new(Counts::default()),
        args,
    };
    let mut tree = scan::walk(&run.args.paths, true, |_| false);
    tree.files.sort_by(|a, b| {
        let by_path = || scan::tree_order(&a.path, &b.path);
        a.root.cmp(&b.root).then_with(by_path)
    });
    run.all(&tree)
}

fn environment(args: &Args, root: Option<PathBuf>) -> anyhow::Result<Environment> {
    let library_path = match (&args.library_path, &root) {
        (Some(given), _) => Some(given.clone()),
        (None, Some(_)) => None,
        (None, None) => std::env::var_os("LD_LIBRARY_PATH"),
    };
    let cwd = std::env::current_dir().context("cannot tell the current directory")?;
    let cwd = match &root {
        Some(root) => Path::new("/").join(cwd.strip_prefix(root).unwrap_or(Path::new(""))),
        None => cwd,
    };
    Ok(Environment {
        root,
        library_path: library_path.map(OsStringExt::into_vec),
        cwd,
        interpreter: args
            .interpreter
            .as_ref()
            .map(|path| path.clone().into_os_string().into_vec()),
        cpu: Cpu::host(),
    })
}

/// What the run has come to so far.
#[derive(Debug, Default)]
struct Counts {
    files: u64,
    skipped: Skipped,
    errors: bool,
    findings: bool,
    /// Some file loads what `--why` asks for.
    wanted: bool,
}

struct Run {
    args: Args,
    loader: Loader,
    paint: Paint,
    /// Canonical.
    root: Option<PathBuf>,
    counts: Mutex<Counts>,
}

impl Run {
    fn all(&self, tree: &Tree) -> anyhow::Result<Outcome> {
        let ordered = Ordered::new(io::BufWriter::new(io::stdout()), io::stderr());
        self.count(|counts| counts.skipped.merge(tree.skipped));
        let mut first = Piece::default();
        let mut problems = tree.problems.clone();
        problems.sort();
        for problem in &problems {
            self.message(&mut first, &problem.path, &problem.what);
        }
        ordered.submit(0, first);
        let chunks = AtomicUsize::new(0);
        let pool = self.args.jobs.pool_for(tree.files.len())?;
        pool.broadcast(|_| {
            loop {
                let at = chunks.fetch_add(1, Ordering::Relaxed);
                let mut piece = Piece::default();
                let files = tree.files.iter().skip(at * CHUNK).take(CHUNK);
                let mut any = false;
                for file in files {
                    any = true;
                    self.one(tree, file, &mut piece);
                }
                if !any || !ordered.submit(at + 1, piece) {
                    break;
                }
            }
        });
        ordered.finish()?;
        self.end(tree)
    }

    fn end(&self, tree: &Tree) -> anyhow::Result<Outcome> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = || counts.skipped.counts().map(|(skip, n)| (skip.key(), n));
        let walked = tree.roots.len() > tree.files.iter().filter(|f| f.named).count();
        if self.args.json && walked {
            let line = inspect::summary(counts.files, skipped())?;
            io::stdout().write_all(line.as_bytes())?;
        }
        if self.args.verbose {
            let mut err = io::stderr().lock();
            writeln!(err, "{} files looked at", counts.files)?;
            for (skip, n) in skipped() {
                writeln!(err, "passed over: {n} {}", skip.replace('_', " "))?;
            }
        }
        let unwanted = self.args.why.is_some() && !counts.wanted;
        Ok(if counts.errors {
            Outcome::Errors
        } else if unwanted || (self.args.check && counts.findings) {
            Outcome::Findings
        } else {
            Outcome::Fine
        })
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn message(&self, piece: &mut Piece, path: &Path, what: &str) {
        self.count(|counts| counts.errors = true);
        let what = shown(what);
        let line = format!("cuda-fixup inspect: {}: {what}\n", shown(path));
        piece.messages.extend_from_slice(line.as_bytes());
    }

    fn one(&self, tree: &Tree, walked: &Walked, piece: &mut Piece) {
        match self.look(tree, walked) {
            Ok(text) => piece.out.extend_from_slice(text.as_bytes()),
            Err(FileError::Skip(skip)) if !walked.named => {
                self.count(|counts| counts.skipped.add(skip));
            }
            Err(FileError::Skip(skip)) => {
                let what = format!("expected an ELF file, found: {}", skip.found());
                self.message(piece, &walked.path, &what);
            }
            Err(FileError::Problem(what) | FileError::Malformed(what)) => {
                self.message(piece, &walked.path, &what);
            }
        }
    }

    fn look(&self, tree: &Tree, walked: &Walked) -> Result<String, FileError> {
        let problem = |e: anyhow::Error| FileError::Problem(format!("{e:#}"));
        let file = scan::open(&walked.path, walked.named)?;
        let facts = match scan::dynamic_facts(&file) {
            // The user asked for this very file: its kind is an answer too.
            Err(FileError::Skip(skip)) if walked.named && skip != Skip::Empty => {
                ElfInfo::read(&file).map_err(|_| FileError::Skip(skip))?
            }
            other => other?,
        };
        if self.args.headers {
            self.count(|counts| counts.files += 1);
            let path = &walked.path;
            return match self.args.json {
                true => inspect::headers_json(path, &facts).map_err(|e| problem(e.into())),
                false => Ok(inspect::headers(path, &facts, self.paint)),
            };
        }
        let path = self.path_inside(tree, &walked.path).map_err(problem)?;
        let (resolution, cuda) = self
            .resolve(&path, &file, facts.clone(), walked.named)
            .map_err(problem)?;
        let inspected = Inspected {
            path: &walked.path,
            facts: &facts,
            resolution: &resolution,
            cuda: cuda.as_ref(),
        };
        self.count(|counts| {
            counts.files += 1;
            counts.findings |= !resolution.loads();
        });
        self.show(inspected).map_err(problem)
    }

    fn resolve(
        &self,
        path: &Path,
        file: &FileReader,
        mut facts: ElfInfo,
        named: bool,
    ) -> anyhow::Result<(Resolution, Option<Cuda>)> {
        let strings = match self.args.dlopen {
            Dlopen::Off => {
                facts.dlopen_notes.clear();
                false
            }
            Dlopen::Notes => false,
            Dlopen::Auto => named,
            Dlopen::All => true,
        };
        let loaded = facts.dynamic.is_some() && facts.kind != Kind::Object;
        let cuda = named || self.args.device_code;
        let contents = match (strings || cuda) && loaded {
            true => rodata::read(file, &facts)?,
            false => Contents::default(),
        };
        let cuda = match cuda {
            true => Some(Cuda {
                cudart: Cudart::new(&facts, contents.static_cudart.as_ref()),
                code: device_code::read_elf(file, &facts.header)?,
                every: self.args.device_code,
            }),
            false => None,
        };
        let names = match strings {
            true => &contents.sonames[..],
            false => &[],
        };
        Ok((self.loader.resolve(path, file, &facts, names)?, cuda))
    }

    /// The path as the loader sees it: absolute, and below the root without it.
    fn path_inside(&self, tree: &Tree, path: &Path) -> anyhow::Result<PathBuf> {
        let Some(root) = &self.root else {
            return Ok(std::path::absolute(path)?);
        };
        let found = scan::absolute(&tree.roots, path).unwrap_or_else(|| path.to_owned());
        match found.strip_prefix(root) {
            Ok(inside) => Ok(Path::new("/").join(inside)),
            Err(_) => bail!(
                "expected a path below the root {}: name it as seen from outside",
                shown(root)
            ),
        }
    }

    fn show(&self, file: Inspected) -> anyhow::Result<String> {
        let args = &self.args;
        if args.json {
            return Ok(inspect::json(file)?);
        }
        if let Some(name) = &args.why {
            let text = inspect::why(file, name.as_encoded_bytes(), self.paint);
            if text.is_some() {
                self.count(|counts| counts.wanted = true);
            }
            return Ok(text.unwrap_or_default());
        }
        Ok(if args.tree {
            inspect::tree(file, self.paint)
        } else if args.check {
            inspect::problems(file, self.paint)
        } else {
            inspect::human(file, self.paint)
        })
    }
}
