//! The files that rules read, found in one pass over the trees, and the facts that this pass keeps of
//! all other files. Memory grows with the ELF files alone.

use super::context::site_of;
use super::look::{Linter, has_text_finding};
use super::{Context, Contexts, Options, SelectedRules};
use crate::loader::{Environment, TreeLoaders};
use crate::parallel;
use crate::path_list::PathList;
use crate::scan::{self, FileError, Root, ScanProblem, Skip, Walk, Walked};
use elf_edit::FileReader;
use memchr::memmem;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The files of some trees that rules read.
pub(crate) struct LintFiles {
    rules: SelectedRules,
    roots: Vec<Root>,
    files: Vec<LintFile>,
    /// As the user names them: all names of each file, in the order of the files.
    names_of_files: Arc<PathList>,
    /// What the walk could not read.
    problems: Vec<ScanProblem>,
    /// Names that a program may ask the loader for, and libdevice.10.bc.
    names: Arc<BTreeSet<Vec<u8>>>,
    /// Files that may be metadata of Python packages.
    metadata: BTreeSet<PathBuf>,
    /// Where absolute paths begin: canonical.
    root: Option<PathBuf>,
    /// Regular files in the trees.
    pub all: u64,
}

/// A file that rules read. There may be very many.
struct LintFile {
    /// The place of its first name.
    name: u32,
    /// Whether the user named the file itself.
    named: bool,
    size: u64,
}

/// Files that rules ask for by their paths.
#[derive(Default)]
struct Noted {
    /// Names that a program may ask the loader for, and libdevice.10.bc.
    names: BTreeSet<Vec<u8>>,
    /// Files that may be metadata of Python packages.
    metadata: BTreeSet<PathBuf>,
}

/// The files that a caller may ask for by name, whatever they are.
fn is_library_or_libdevice(name: &[u8]) -> bool {
    name == b"libdevice.10.bc" || memmem::find(name, b".so").is_some()
}

impl LintFiles {
    /// Walks in the current pool, for these rules. `root` is the directory where absolute paths
    /// begin, if it is not this machine's root.
    pub(crate) fn find(paths: &[PathBuf], root: Option<&Path>, rules: SelectedRules) -> LintFiles {
        let all = AtomicU64::new(0);
        let noted = Mutex::new(Noted::default());
        let note = |path: &Path| {
            all.fetch_add(1, Ordering::Relaxed);
            let name = path.file_name().unwrap_or_default().as_bytes();
            // A thread that panicked left the sets whole.
            let noted = || noted.lock().unwrap_or_else(PoisonError::into_inner);
            if is_library_or_libdevice(name) {
                noted().names.insert(name.to_vec());
            } else if name == b"METADATA" || name == b"RECORD" {
                noted().metadata.insert(path.to_owned());
            }
            true
        };
        let walk = Walk {
            wanted_file: &note,
            ..Walk::of(paths)
        };
        let read = |walked: &Walked, file: &FileReader| match scan::dynamic_info(file) {
            Ok(_) => Ok(()),
            Err(FileError::Skip(Skip::NotElf))
                if walked.named || has_text_finding(&rules, &walked.path, file) =>
            {
                Ok(())
            }
            Err(other) => Err(other),
        };
        let visit = scan::visit(walk, read);
        let mut noted = noted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let absolute = |path: &PathBuf| scan::absolute(&visit.roots, path);
        noted.metadata = noted.metadata.iter().filter_map(absolute).collect();
        noted.metadata.retain(|path| site_of(path).is_some());
        let names: PathList = visit.files.iter().flat_map(|file| &file.names).collect();
        noted
            .names
            .extend((0..names.len()).map(|at| names.name(at).to_vec()));
        let mut name = 0;
        let files = visit.files.iter().map(|file| {
            let first = name;
            // 2^32 names do not fit into memory.
            name += file.names.len() as u32;
            LintFile {
                name: first,
                named: file.named,
                size: file.size,
            }
        });
        LintFiles {
            rules,
            files: files.collect(),
            roots: visit.roots,
            names_of_files: Arc::new(names),
            problems: visit.problems,
            names: Arc::new(noted.names),
            metadata: noted.metadata,
            root: root.map(Path::to_owned),
            all: all.into_inner(),
        }
    }

    pub(crate) fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The number of files that rules read.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// The first name of a file, as the user names it.
    pub(crate) fn path(&self, at: usize) -> PathBuf {
        self.names_of_files.get(self.files[at].name as usize)
    }

    /// The options of a run over these files. `context` is the user's choice.
    pub(crate) fn options(&self, context: Option<Context>, options: Options) -> Options {
        let metadata = self.metadata.iter();
        let options = Options {
            root: self.root.clone(),
            ..options
        };
        let inside: Vec<PathBuf> = metadata.clone().map(|path| options.inside(path)).collect();
        let trees = self.roots().iter();
        Options {
            contexts: Contexts::new(context, &options.stores, inside.iter()),
            names: self.names.clone(),
            metadata: metadata
                .filter(|path| path.ends_with("METADATA"))
                .cloned()
                .collect(),
            trees: trees.map(|tree| options.inside(&tree.canonical)).collect(),
            ..options
        }
    }

    /// A linter that knows these files.
    pub(crate) fn linter(&self, environment: Environment, options: Options) -> Linter {
        let shown = &self.names_of_files;
        let inside = shown
            .iter()
            .map(|path| options.inside(&self.absolute(&path)));
        let tree = TreeLoaders::new(inside.collect());
        let environment = Environment {
            cwd: options.inside(&environment.cwd),
            root: self.root.clone(),
            ..environment
        };
        Linter::new(
            environment,
            options,
            self.rules.clone(),
            tree,
            shown.clone(),
        )
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        scan::absolute(self.roots(), path).unwrap_or_else(|| path.to_owned())
    }

    /// Reads each file again, in the current pool. `look` receives its path, its absolute path
    /// inside the root, and the open file; `take` the place of the file and the result, in any
    /// order. Returns what can't be read, sorted.
    pub(crate) fn read<T>(
        &self,
        look: impl Fn(&Path, &Path, &FileReader) -> Result<T, FileError> + Sync,
        take: impl FnMut(usize, T) + Send,
    ) -> Vec<ScanProblem> {
        let options = Options {
            root: self.root.clone(),
            ..Options::default()
        };
        let taken = Mutex::new((take, self.problems.clone()));
        let work = |at: usize| {
            let path = self.path(at);
            let inside = options.inside(&self.absolute(&path));
            let read = |file: &FileReader| look(&path, &inside, file);
            let result = scan::read_file(&path, self.files[at].named, read);
            let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
            let (take, problems) = &mut *taken;
            match result {
                Ok(value) => take(at, value),
                Err(FileError::Skip(_)) => {}
                Err(FileError::Malformed(what) | FileError::Problem(what)) => {
                    problems.push(ScanProblem { path, what });
                }
            }
        };
        parallel::each(self.files.len(), |at| self.files[at].size, work);
        let (_, mut problems) = taken.into_inner().unwrap_or_else(PoisonError::into_inner);
        problems.sort();
        problems
    }
}
