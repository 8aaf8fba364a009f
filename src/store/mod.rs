//! Store paths of Nix that trees refer to, and what each of them keeps alive.
//!
//! A reference is a hash of a path in the store, wherever in a tree's contents, links or names: Nix
//! finds the references of a build's output in the same way. Hashes of paths that are not in the
//! store count only behind the store's own path.

mod gather;
mod hashes;
mod places;
mod retained;
mod walk;

pub(crate) use places::UseKind;

use crate::scan::ScanProblem;
use gather::{AllReferences, FileReferences};
use hashes::Needles;
use rayon::prelude::*;
use retained::StoreGraph;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use walk::{ReferenceWalk, WalkedTree};

/// A number of store paths and the sum of their sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreSum {
    pub paths: u64,
    /// As sizes of NARs.
    pub bytes: u64,
}

impl StoreSum {
    fn add(&mut self, bytes: u64) {
        self.paths += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// The question.
#[derive(Clone, Debug)]
pub(crate) struct StoreOptions {
    /// The path of the store in references.
    pub store: PathBuf,
    /// The directory that has its paths.
    pub directory: PathBuf,
    /// Reads what the trees refer to, too, for the sizes of closures.
    pub follow: bool,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreClosure {
    /// By hash.
    pub references: Vec<StoreReference>,
    /// Whether there are more references to paths that are not in the store.
    pub more_absent: bool,
    /// Files and links of the trees.
    pub files: u64,
    /// Bytes of files that were read.
    pub read: u64,
    /// The trees themselves.
    pub trees: StoreSum,
    /// All paths that the trees keep alive, without themselves.
    pub kept: Option<StoreSum>,
    /// The same without the references that [`StoreReference::goes`] with `fixup --shrink`.
    pub kept_after: Option<StoreSum>,
    pub problems: Vec<ScanProblem>,
}

/// A store path that the trees refer to.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreReference {
    /// As the trees refer to it: below [`StoreOptions::store`].
    pub path: PathBuf,
    /// Whether it is in the store.
    pub present: bool,
    /// By file and kind.
    pub uses: Vec<PathUse>,
    /// Files that refer to it, those left out of `uses` included.
    pub files: u64,
    pub occurrences: u64,
    pub size: Option<u64>,
    /// It and all that it refers to.
    pub closure: Option<StoreSum>,
    /// Those that no other reference keeps alive.
    pub alone: Option<StoreSum>,
    /// Whether only entries refer to it that `fixup --shrink` drops.
    pub goes: bool,
}

/// The references of one file to one path, of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathUse {
    pub file: PathBuf,
    pub kind: UseKind,
    pub count: u64,
    /// What `fixup --shrink` says of a RUNPATH entry.
    pub entry: Option<EntryUse>,
}

/// What a RUNPATH entry does for its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryUse {
    /// It has these libraries, which the file needs or may open.
    Serves(Vec<Vec<u8>>),
    /// Nothing that is known, and it stays.
    Stays,
    /// `fixup --shrink` drops it.
    Drops,
}

/// Answers about the RUNPATHs of files, from a dry run of `fixup --shrink`.
pub(crate) trait Shrink: Sync {
    /// `None` for a file that is not edited.
    fn entry(&self, file: &Path, entry: &[u8]) -> Option<EntryUse>;
    /// Whether the RUNPATH of the file changes, and its resolution cache goes with it.
    fn changes(&self, file: &Path) -> bool;
}

/// The paths of the store.
struct Store<'a> {
    options: &'a StoreOptions,
    /// Sorted.
    names: Vec<Vec<u8>>,
    needles: Needles,
    progress: &'a AtomicU64,
}

impl StoreClosure {
    /// Reads the trees, and what they refer to, in the current pool of threads.
    pub(crate) fn read(
        trees: &[PathBuf],
        options: &StoreOptions,
        shrink: &dyn Shrink,
        progress: &AtomicU64,
    ) -> StoreClosure {
        let mut closure = StoreClosure::default();
        let names = match names(&options.directory) {
            Ok(names) => names,
            Err(error) => {
                closure.problems.extend(error);
                Vec::new()
            }
        };
        let store = Store {
            needles: Needles::new(options.store.as_os_str().as_bytes(), &names),
            names,
            options,
            progress,
        };
        let own = store.own(trees);
        let mut all = store.gather(trees, shrink, &mut closure);
        all.present.retain(|number, _| !own.contains(number));
        store.measure(&all, &own, &mut closure);
        closure.describe(&store, all, shrink);
        closure.problems.sort();
        closure.problems.dedup();
        closure
    }

    /// Adds uses to the references that are in the store, and those that are not.
    fn describe(&mut self, store: &Store<'_>, all: AllReferences, shrink: &dyn Shrink) {
        self.more_absent = all.more_absent;
        let measured = std::mem::take(&mut self.references).into_iter();
        let absent = all.absent.into_values().map(|gathered| {
            let reference = StoreReference {
                path: store.path(&gathered.name),
                ..StoreReference::default()
            };
            (reference, gathered)
        });
        let all = measured.zip(all.present.into_values()).chain(absent);
        self.references = all
            .map(|(mut reference, gathered)| {
                reference.files = gathered.files;
                reference.occurrences = gathered.occurrences;
                reference.goes = !gathered.stays;
                let uses = gathered.uses.into_iter();
                reference.uses = uses
                    .map(|((file, kind), count)| PathUse {
                        entry: match &kind {
                            UseKind::Runpath(entry) => shrink.entry(&file, entry),
                            _ => None,
                        },
                        file,
                        kind,
                        count,
                    })
                    .collect();
                reference
            })
            .collect();
        self.references.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

impl Store<'_> {
    /// As the trees name it.
    fn path(&self, name: &[u8]) -> PathBuf {
        self.options.store.join(OsStr::from_bytes(name))
    }

    /// The paths that the trees are in, or that are in the trees.
    fn own(&self, trees: &[PathBuf]) -> BTreeSet<usize> {
        let mut own = BTreeSet::new();
        let Ok(store) = self.options.directory.canonicalize() else {
            return own;
        };
        for tree in trees.iter().filter_map(|tree| tree.canonicalize().ok()) {
            if store.starts_with(&tree) {
                own.extend(0..self.names.len());
            }
            let inside = tree.strip_prefix(&store).ok();
            let name = inside.and_then(|inside| inside.components().next());
            if let Some(name) = name {
                let name = name.as_os_str().as_bytes();
                let found = self.names.binary_search_by(|known| known[..].cmp(name));
                own.extend(found);
            }
        }
        own
    }

    fn gather(
        &self,
        trees: &[PathBuf],
        shrink: &dyn Shrink,
        closure: &mut StoreClosure,
    ) -> AllReferences {
        let all = Mutex::new(AllReferences::default());
        let seen = |file: &Path, references: FileReferences| {
            let goes = |kind: &UseKind| match kind {
                UseKind::Runpath(entry) => shrink.entry(file, entry) == Some(EntryUse::Drops),
                UseKind::ResolutionCache => shrink.changes(file),
                _ => false,
            };
            // A thread that panicked left the lists whole.
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.add(file, references, &goes);
        };
        for tree in trees {
            match tree.metadata() {
                Ok(metadata) if !metadata.is_dir() && !metadata.is_file() => {
                    closure.problems.push(ScanProblem {
                        path: tree.clone(),
                        what: "expected a directory, a file or an archive".to_owned(),
                    });
                    continue;
                }
                _ => {}
            }
            let walk = ReferenceWalk {
                needles: &self.needles,
                seen: &seen,
                progress: self.progress,
                contents: true,
                follow: true,
            };
            let walked = walk.tree(tree);
            closure.files += walked.files;
            closure.read += walked.read;
            closure.trees.add(walked.nar_size);
            closure.problems.extend(walked.problems);
        }
        all.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The size of a path, and the numbers of the paths that it refers to.
    fn look(&self, number: usize) -> (WalkedTree, BTreeSet<usize>) {
        let found = Mutex::new(BTreeSet::new());
        let seen = |_: &Path, references: FileReferences| {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.extend(references.numbers());
        };
        let walk = ReferenceWalk {
            needles: &self.needles,
            seen: &seen,
            progress: self.progress,
            contents: self.options.follow,
            follow: false,
        };
        let name = OsStr::from_bytes(&self.names[number]);
        let walked = walk.tree(&self.options.directory.join(name));
        (
            walked,
            found.into_inner().unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Measures the paths in `all`, in their order.
    fn measure(&self, all: &AllReferences, own: &BTreeSet<usize>, closure: &mut StoreClosure) {
        let direct: Vec<usize> = all.present.keys().copied().collect();
        let mut graph = StoreGraph::default();
        // Number in the store -> number in the graph.
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        let mut links: Vec<BTreeSet<usize>> = Vec::new();
        let mut next = direct.clone();
        while !next.is_empty() {
            let looked: Vec<_> = next.par_iter().map(|&number| self.look(number)).collect();
            for (&number, (walked, to)) in next.iter().zip(looked) {
                places.insert(number, graph.sizes.len());
                graph.sizes.push(walked.nar_size);
                closure.problems.extend(walked.problems);
                links.push(to);
            }
            if !self.options.follow {
                break;
            }
            let from = links.len() - next.len();
            let found: BTreeSet<usize> = links[from..].iter().flatten().copied().collect();
            let new = |number: &usize| !places.contains_key(number) && !own.contains(number);
            next = found.into_iter().filter(new).collect();
        }
        graph.edges = links
            .into_iter()
            .map(|to| to.iter().filter_map(|n| places.get(n).copied()).collect())
            .collect();
        let roots: Vec<usize> = (0..direct.len()).collect();
        let alone = graph.retained(&roots);
        for (root, number) in direct.into_iter().enumerate() {
            let follow = self.options.follow;
            closure.references.push(StoreReference {
                path: self.path(&self.names[number]),
                present: true,
                size: Some(graph.sizes[root]),
                closure: follow.then(|| graph.sum(&[root])),
                alone: follow.then(|| alone[root]),
                ..StoreReference::default()
            });
        }
        if self.options.follow {
            let stay = all.present.values().enumerate();
            let stay: Vec<usize> = stay.filter(|(_, g)| g.stays).map(|(at, _)| at).collect();
            closure.kept = Some(graph.sum(&roots));
            closure.kept_after = Some(graph.sum(&stay));
        }
    }
}

/// The names of all files in the store; none where there is no store.
fn names(store: &Path) -> Result<Vec<Vec<u8>>, Option<ScanProblem>> {
    let read = || -> io::Result<Vec<Vec<u8>>> {
        let entries = fs::read_dir(store)?;
        let names = entries.map(|entry| Ok(entry?.file_name().as_bytes().to_vec()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    };
    read().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => None,
        _ => Some(ScanProblem {
            path: store.to_owned(),
            what: format!("cannot be read: {}", elf_edit::reason(&error)),
        }),
    })
}
