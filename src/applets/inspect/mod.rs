//! Shows the libraries that files load, from where and why, and the missing ones.

mod args;
mod first_pass;
pub(super) mod targets;
mod together;
mod totals;

pub(crate) use args::Args;

use super::Outcome;
use super::archives;
use crate::advice::{Advice, joined};
use crate::archive::{Archives, Extent};
use crate::cuda::device_code::{self, DeviceCode};
use crate::cuda::linkage::Cudart;
use crate::escape::{sentence, shown};
use crate::loader::{LoadedBy, Loader, Resolution, TreeLoaders, User};
use crate::near::{self, Surroundings};
use crate::report::inspect::{self, Cuda, Inspected};
use crate::report::{Ordered, Output};
use crate::resolution;
use crate::rodata::{self, Contents};
use crate::scan::{self, FileError, Walked};
use crate::survey::graph::LinkedFile;
use crate::terminal::{self, Label, Paint, Progress};
use anyhow::{Context, anyhow, bail};
use args::{Dlopen, environment};
use elf_edit::{ElfInfo, FileReader, Kind};
use first_pass::Found;
use rayon::ThreadPool;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use targets::Targets;
use totals::Counts;

/// Files that a thread takes at a time.
const CHUNK: usize = 4;

/// Looks at everything and prints it in the order of the command line and of each tree.
pub(crate) fn run(mut args: Args) -> anyhow::Result<Outcome> {
    let archives = archives::open(&mut args.paths, Extent::Needed)?;
    if args.root.is_none() {
        args.root.clone_from(&archives.image);
    }
    let root = match &args.root {
        Some(root) => Some(
            root.canonicalize()
                .with_context(|| shown(root).to_string())?,
        ),
        None => None,
    };
    let targets = Targets::new(&args.paths, root.as_deref());
    let loader = Loader::new(environment(&args, root.clone())?);
    let pool = args.jobs.pool_for_paths(&targets.paths)?;
    let mut run = Run {
        targets,
        loader,
        tree: TreeLoaders::default(),
        around: Surroundings::default(),
        loaded_by: None,
        paint: match args.json {
            true => Paint::PLAIN,
            false => Paint::stdout(),
        },
        root,
        counts: Mutex::new(Counts::default()),
        together: false,
        linked: Mutex::default(),
        archives,
        args,
    };
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let progress =
        Progress::start(move || format!("{} files read", counted.load(Ordering::Relaxed)));
    let tree = pool.install(|| run.first_pass(&seen));
    drop(progress);
    let walked = tree.roots.len() > tree.files.iter().filter(|(file, _)| file.named).count();
    run.together = run.args.graph.is_some() || (run.args.tree && walked);
    run.tree = run.tree_loaders(&tree)?;
    let files = tree.files.iter().map(|(file, _)| file.path.clone());
    let variable = environment(&run.args, None)?.library_path;
    run.around = Surroundings::new(Arc::new(files.collect()), variable, run.root.clone());
    run.loaded_by = run.program()?;
    run.all(&pool, &tree)?;
    run.show_together()?;
    let outcome = run.end(walked)?;
    Ok(archives::outcome(&run.archives, outcome))
}

fn what(error: FileError) -> String {
    match error {
        FileError::Skip(skip) => format!("expected an ELF file, found: {}", skip.found()),
        FileError::Problem(what) | FileError::Malformed(what) => what,
    }
}

struct Run {
    args: Args,
    targets: Targets,
    loader: Loader,
    /// The loaders of a tree's libraries.
    tree: TreeLoaders,
    around: Surroundings,
    /// The program of `--loaded-by`, as seen inside the root.
    loaded_by: Option<PathBuf>,
    paint: Paint,
    /// Canonical.
    root: Option<PathBuf>,
    counts: Mutex<Counts>,
    /// Whether all files are shown together, rather than each when it has been read.
    together: bool,
    /// Those files, each with its place in the tree.
    linked: Mutex<Vec<(Walked, LinkedFile)>>,
    archives: Archives,
}

impl Run {
    fn all(&self, pool: &ThreadPool, tree: &Found) -> io::Result<()> {
        let ordered = Ordered::new(io::BufWriter::new(terminal::stdout()), terminal::stderr());
        self.count(|counts| counts.skipped.merge(tree.skipped));
        let mut first = Output::default();
        for problem in &tree.problems {
            let mut what = problem.what.clone();
            if self.targets.not_on_path.contains(&problem.path) {
                what.push_str(", and no program of that name is on PATH");
            }
            self.message(&mut first, &problem.path, &what);
        }
        for problem in &self.targets.problems {
            self.no_interpreter(&mut first, problem);
        }
        ordered.submit(0, first);
        let chunks = AtomicUsize::new(0);
        let seen = Arc::new(AtomicUsize::new(0));
        let _progress = Progress::files("inspected", tree.files.len(), &seen);
        let work = || {
            loop {
                let at = chunks.fetch_add(1, Ordering::Relaxed);
                let mut piece = Output::default();
                let files = tree.files.iter().skip(at * CHUNK).take(CHUNK);
                let mut any = false;
                for (walked, found) in files {
                    any = true;
                    seen.fetch_add(1, Ordering::Relaxed);
                    self.one(tree, walked, found, &mut piece);
                }
                if !any || !ordered.submit(at + 1, piece) {
                    break;
                }
            }
        };
        match self.args.headers {
            // Nothing but the output is left.
            true => work(),
            false => drop(pool.broadcast(|_| work())),
        }
        ordered.finish()
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn message(&self, piece: &mut Output, path: &Path, what: &str) {
        self.count(|counts| counts.errors = true);
        let what = sentence(what);
        let label = Paint::stderr().label(Label::Error, Label::Error.word());
        let line = format!("{label}: {}: {what}\n", shown(path));
        piece.messages.extend_from_slice(line.as_bytes());
    }

    /// A script that can't be run: a finding, not an error.
    fn no_interpreter(&self, piece: &mut Output, problem: &targets::Problem) {
        self.count(|counts| counts.findings = true);
        let paint = Paint::stderr();
        let label = paint.label(Label::Error, Label::Error.word());
        let mut text = format!("{label}: {}: {}\n", shown(&problem.path), problem.what);
        if let Some(help) = &problem.help {
            text.push_str(&paint.advice(&format!("help: {help}\n")));
        }
        piece.messages.extend_from_slice(text.as_bytes());
    }

    fn one(
        &self,
        tree: &Found,
        walked: &Walked,
        found: &Result<Option<String>, FileError>,
        piece: &mut Output,
    ) {
        let looked;
        let text = match found {
            Ok(Some(text)) => Ok(text),
            Ok(None) => {
                looked = self.look(tree, walked);
                looked.as_ref()
            }
            Err(error) => Err(error),
        };
        match text {
            Ok(text) => piece.out.extend_from_slice(text.as_bytes()),
            Err(FileError::Skip(skip)) if !walked.named => {
                self.count(|counts| counts.skipped.add(*skip));
            }
            Err(error) => self.message(piece, &walked.path, &what(error.clone())),
        }
    }

    fn look(&self, tree: &Found, walked: &Walked) -> Result<String, FileError> {
        let problem = |e: anyhow::Error| FileError::Problem(format!("{e:#}"));
        let file = scan::open(&walked.path, walked.named)?;
        let info = first_pass::info(walked, &file)?;
        let path = self.path_inside(tree, &walked.path).map_err(problem)?;
        let (resolution, cuda) = self
            .resolve(&path, &file, info.clone(), walked.named)
            .map_err(problem)?;
        let ordinary = match &resolution.loaded_by {
            LoadedBy::Itself { privileges, user }
                if privileges.any() && !privileges.secure_for(*user) =>
            {
                let other = User::Ordinary;
                let found = self.loader.resolve_for(other, &path, &file, &info, &[]);
                Some(found.map_err(|e| problem(e.into()))?)
            }
            _ => None,
        };
        let advice = self.advice(&walked.path, &info, &resolution);
        let scripts = match walked.named {
            true => self.targets.scripts_of(&walked.path),
            false => Vec::new(),
        };
        let stale_cache = match self.root {
            None => resolution::note::faults(&info),
            Some(_) => Vec::new(),
        };
        let inspected = Inspected {
            path: &walked.path,
            scripts: &scripts,
            info: &info,
            resolution: &resolution,
            ordinary: ordinary.as_ref(),
            advice: &advice,
            stale_cache: &stale_cache,
            cuda: cuda.as_ref(),
        };
        let keep_names = self.args.why.is_some();
        self.count(|counts| counts.add(&info, &resolution, keep_names));
        if self.together {
            self.keep(walked, &file, &resolution);
            return Ok(String::new());
        }
        self.show(inspected).map_err(problem)
    }

    /// The advice for each problem.
    fn advice(&self, path: &Path, info: &ElfInfo, resolution: &Resolution) -> Vec<Advice> {
        let problems = resolution.problems().into_iter();
        let advise = |problem| near::advice(&self.around, path, info, resolution, problem);
        let mut advice = joined(problems.map(advise).collect());
        for advice in &mut advice {
            archives::without_commands(&self.archives, None, advice);
        }
        advice
    }

    fn resolve(
        &self,
        path: &Path,
        file: &FileReader,
        mut info: ElfInfo,
        named: bool,
    ) -> anyhow::Result<(Resolution, Option<Cuda>)> {
        let strings = match self.args.dlopen {
            Dlopen::Off => {
                info.dlopen_notes.clear();
                false
            }
            Dlopen::Notes => false,
            Dlopen::Auto => named || self.args.graph.is_some(),
            Dlopen::All => true,
        };
        let loaded = info.dynamic.is_some() && info.kind != Kind::Object;
        let cuda = named || self.args.device_code;
        let (mut contents, mut code) = (Contents::default(), DeviceCode::default());
        match (cuda, loaded) {
            (true, true) => (contents, code) = rodata::read_with_device_code(file, &info)?,
            (true, false) => code = device_code::read_elf(file, &info.header)?,
            (false, true) if strings => contents = rodata::read(file, &info)?,
            (false, _) => {}
        }
        let cuda = cuda.then(|| Cuda {
            cudart: Cudart::new(&info, contents.cudart.as_ref()),
            code,
            every: self.args.device_code,
        });
        let names = match strings {
            true => &contents.sonames[..],
            false => &[],
        };
        let resolution = match &self.loaded_by {
            Some(by) if by != path && info.interpreter.is_none() => {
                self.loader.resolve_by(by, path, file, &info, names)?
            }
            _ => self.tree.resolve(&self.loader, path, file, &info, names)?,
        };
        Ok((resolution, cuda))
    }

    fn tree_loaders(&self, tree: &Found) -> anyhow::Result<TreeLoaders> {
        if self.args.headers || self.args.loaded_by.is_some() {
            return Ok(TreeLoaders::default());
        }
        let paths = tree.files.iter();
        let inside = paths.map(|(walked, _)| self.path_inside(tree, &walked.path));
        // A path outside of the root is reported when it is inspected.
        Ok(TreeLoaders::new(inside.filter_map(Result::ok).collect()))
    }

    /// The program of `--loaded-by`, which must be an ELF file.
    fn program(&self) -> anyhow::Result<Option<PathBuf>> {
        let Some(given) = &self.args.loaded_by else {
            return Ok(None);
        };
        let name = || format!("--loaded-by {}", shown(given));
        let found = match self.root {
            None => targets::program(given).flatten(),
            Some(_) => None,
        };
        let program = found.as_ref().unwrap_or(given);
        if !program.exists() {
            bail!("{}: no such file, and no such program on PATH", name());
        }
        scan::open(program, true)
            .and_then(|file| scan::dynamic_info(&file))
            .map_err(|error| anyhow!(what(error)))
            .with_context(name)?;
        let path = match &self.root {
            None => std::path::absolute(program)?,
            Some(root) => {
                let whole = program.canonicalize().with_context(name)?;
                match whole.strip_prefix(root) {
                    Ok(inside) => Path::new("/").join(inside),
                    Err(_) => bail!("{}: expected a path below the root", name()),
                }
            }
        };
        Ok(Some(path))
    }

    /// The path as the loader sees it: absolute, and below the root without it.
    fn path_inside(&self, tree: &Found, path: &Path) -> anyhow::Result<PathBuf> {
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
            return Ok(text.map_or_else(String::new, |text| {
                inspect::scripts(file.scripts, self.paint) + &text
            }));
        }
        let text = if args.tree {
            inspect::tree(file, args.verbose, self.paint)
        } else if args.check {
            inspect::problems(file, self.paint)
        } else {
            inspect::human(file, self.paint)
        };
        Ok(match text.is_empty() {
            true => text,
            false => inspect::scripts(file.scripts, self.paint) + &text,
        })
    }
}
