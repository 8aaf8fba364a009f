//! Opens each file of a walk once, in parallel, and brings the names of one inode together.

use super::open::{FLAGS, reader, settled, unreadable};
use super::part::{Kept, Part};
use super::walk::Met;
use super::{FileError, Link, Root, ScanProblem, Skipped, Walk, Walked, open, tree_order};
use crate::parallel;
use elf_edit::{FileId, FileReader, Stamp};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::mem;
use std::path::{Path, PathBuf};

/// One inode that was kept.
#[derive(Clone, Debug)]
pub struct Visited<T> {
    /// Every name of it in the trees, sorted; each a separate directory entry.
    pub names: Vec<PathBuf>,
    /// The root of the first name, by its place in [`Visit::roots`].
    pub root: usize,
    /// Whether the user named the file itself.
    pub named: bool,
    /// Identity of the file when it was read.
    pub id: FileId,
    /// Its length in bytes then.
    pub size: u64,
    /// The caller's result.
    pub value: T,
}

/// Result of [`visit`].
#[derive(Debug)]
pub struct Visit<T> {
    /// The paths given, without those that are problems.
    pub roots: Vec<Root>,
    /// Kept files, by root and then by first name.
    pub files: Vec<Visited<T>>,
    /// Kept links, by root and then by name.
    pub links: Vec<Link>,
    /// Everything else in the trees.
    pub skipped: Skipped,
    /// Files that can't be handled, by path.
    pub problems: Vec<ScanProblem>,
}

/// Walks in the current pool, and keeps the result of `read` for each inode.
pub fn visit<T: Send>(
    walk: Walk<'_>,
    read: impl Fn(&Walked, &FileReader) -> Result<T, FileError> + Sync,
) -> Visit<T> {
    let (roots, part) = walk.each(|met| {
        let walked = met.walked;
        with_reader(
            &walked.path,
            walked.named,
            || met.reader(),
            |file| Ok((file.stamp(), read(walked, file)?)),
        )
    });
    Visit::new(roots, part)
}

/// [`visit`] for files that [`list`] has found.
pub(crate) fn visit_listed<T: Send>(
    listed: FileList,
    read: impl Fn(&Walked, &FileReader) -> Result<T, FileError> + Sync,
) -> Visit<T> {
    let add = |mut part: Part<(Stamp, T)>, walked: Walked| {
        let result = read_file(&walked.path, walked.named, |file| {
            Ok((file.stamp(), read(&walked, file)?))
        });
        match result {
            Ok(value) => part.kept.push(Kept { walked, value }),
            Err(error) => part.error(walked, error, false),
        }
        part
    };
    let parts = listed.files.into_par_iter().fold(Part::new, add);
    let mut part = parts.reduce(Part::new, Part::merge);
    part.problems.extend(listed.problems);
    part.links.extend(listed.links);
    Visit::new(listed.roots, part)
}

/// Opens a file that a visit kept, by one of its names, and reads it.
pub(crate) fn read_file<T>(
    path: &Path,
    named: bool,
    read: impl Fn(&FileReader) -> Result<T, FileError>,
) -> Result<T, FileError> {
    with_reader(path, named, || open(path, named), read)
}

/// Opens a file and reads it.
fn with_reader<T>(
    path: &Path,
    named: bool,
    open: impl Fn() -> Result<FileReader, FileError>,
    read: impl Fn(&FileReader) -> Result<T, FileError>,
) -> Result<T, FileError> {
    match open().and_then(|file| read(&file)) {
        // Another process that rewrites the file may have written a header of it between two
        // reads. It holds the lock until it has ended.
        Err(FileError::Malformed(what)) => match settled(path, named) {
            Some(_lock) => open().and_then(|file| read(&file)),
            None => Err(FileError::Malformed(what)),
        },
        result => result,
    }
}

impl Met<'_> {
    /// Opens the file for reading. Never blocks on a FIFO that has taken its place.
    pub(crate) fn reader(&self) -> Result<FileReader, FileError> {
        reader(File::from(self.open(FLAGS).map_err(unreadable)?))
    }
}

/// The files of some trees, in their order, each with its result.
pub(crate) struct EachFile<T> {
    /// The paths given, without those that are problems.
    pub roots: Vec<Root>,
    /// All files but skipped ones that the user did not name.
    pub files: Vec<(Walked, Result<T, FileError>)>,
    /// Kept links, by root and then by name.
    pub links: Vec<Link>,
    pub skipped: Skipped,
    /// Roots that don't exist, directories that can't be read; by path.
    pub problems: Vec<ScanProblem>,
}

/// Walks in the current pool, and keeps the result of `read` for each name of a file.
pub(crate) fn each_file<T: Send>(
    walk: Walk<'_>,
    read: impl Fn(&Met<'_>) -> Result<T, FileError> + Sync,
) -> EachFile<T> {
    let (roots, mut part) = walk.each(|met| match read(met) {
        Err(FileError::Skip(skip)) if !met.walked.named => Err(FileError::Skip(skip)),
        other => Ok(other),
    });
    part.sort();
    EachFile {
        roots,
        files: part.kept.into_iter().map(|k| (k.walked, k.value)).collect(),
        links: part.links,
        skipped: part.skipped,
        problems: part.problems,
    }
}

/// The files of some trees.
#[derive(Debug)]
pub(crate) struct FileList {
    /// The paths given, without those that are problems.
    pub roots: Vec<Root>,
    /// By root and then in the order of the tree.
    pub files: Vec<Walked>,
    /// Kept links, by root and then by name.
    pub links: Vec<Link>,
    /// Roots that don't exist, directories that can't be read; by path.
    pub problems: Vec<ScanProblem>,
}

/// Walks in the current pool and opens no file.
pub(crate) fn list(walk: Walk<'_>) -> FileList {
    let (roots, mut part) = walk.each(|_| Ok(()));
    part.sort();
    FileList {
        roots,
        files: part.kept.into_iter().map(|kept| kept.walked).collect(),
        links: part.links,
        problems: part.problems,
    }
}

impl<T> Part<T> {
    fn sort(&mut self) {
        let order =
            |a: (usize, &Path), b: (usize, &Path)| a.0.cmp(&b.0).then_with(|| tree_order(a.1, b.1));
        self.kept.sort_by(|a, b| {
            let (a, b) = (&a.walked, &b.walked);
            order((a.root, &a.path), (b.root, &b.path))
        });
        self.links
            .sort_by(|a, b| order((a.root, &a.path), (b.root, &b.path)));
        self.problems.sort();
        self.problems.dedup();
    }
}

impl<T> Visit<T> {
    fn new(roots: Vec<Root>, mut part: Part<(Stamp, T)>) -> Visit<T> {
        part.sort();
        Visit {
            roots,
            files: by_inode(part.kept),
            links: mem::take(&mut part.links),
            skipped: part.skipped,
            problems: part.problems,
        }
    }
}

impl<T: Sync> Visit<T> {
    /// Reads the kept files again, each by its first name, in the current pool. The heaviest go
    /// first.
    pub(crate) fn again<U: Send + Sync>(
        self,
        read: impl Fn(&Path, &FileReader) -> Result<U, FileError> + Sync,
    ) -> Visit<U> {
        let (mut skipped, mut problems) = (self.skipped, self.problems);
        let results = parallel::map(
            &self.files,
            |file| file.size,
            |file| {
                let path = file.names.first().map_or(Path::new(""), PathBuf::as_path);
                read_file(path, file.named, |reader| read(path, reader))
            },
        );
        let mut files = Vec::with_capacity(results.len());
        for (file, result) in self.files.into_iter().zip(results) {
            match result {
                Ok(value) => files.push(file.with(value)),
                Err(FileError::Skip(skip)) => skipped.add(skip),
                Err(FileError::Malformed(what) | FileError::Problem(what)) => {
                    let path = file.names.into_iter().next().unwrap_or_default();
                    problems.push(ScanProblem { path, what });
                }
            }
        }
        problems.sort();
        Visit {
            roots: self.roots,
            files,
            links: self.links,
            skipped,
            problems,
        }
    }
}

impl<T> Visited<T> {
    fn with<U>(self, value: U) -> Visited<U> {
        Visited {
            names: self.names,
            root: self.root,
            named: self.named,
            id: self.id,
            size: self.size,
            value,
        }
    }
}

/// `kept` is sorted.
fn by_inode<T>(kept: Vec<Kept<(Stamp, T)>>) -> Vec<Visited<T>> {
    let mut place: HashMap<FileId, usize> = HashMap::with_capacity(kept.len());
    let mut files: Vec<Visited<T>> = Vec::with_capacity(kept.len());
    for Kept { walked, value } in kept {
        let (stamp, value) = value;
        let at = *place.entry(stamp.file).or_insert(files.len());
        match files.get_mut(at) {
            Some(visited) => {
                visited.names.push(walked.path);
                visited.named |= walked.named;
            }
            None => files.push(Visited {
                names: vec![walked.path],
                root: walked.root,
                named: walked.named,
                id: stamp.file,
                size: stamp.len,
                value,
            }),
        }
    }
    for visited in files.iter_mut().filter(|v| v.names.len() > 1) {
        one_name_an_entry(&mut visited.names);
    }
    files
}

/// A file listed twice under one directory entry (overlapping roots) has one name, not two: the
/// number of names shows whether a hard link leads out of the trees.
fn one_name_an_entry(names: &mut Vec<PathBuf>) {
    let mut seen = HashSet::new();
    names.retain(|name| {
        let entry = match (name.parent(), name.file_name()) {
            (Some(dir), Some(file)) => {
                let dir = if dir.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    dir
                };
                dir.canonicalize().map(|dir| dir.join(file))
            }
            _ => name.canonicalize(),
        };
        seen.insert(entry.unwrap_or_else(|_| name.clone()))
    });
}
