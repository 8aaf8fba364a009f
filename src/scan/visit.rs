//! Opens each listed file once, in parallel, and brings the names of one inode together.

use super::{ScanProblem, Skip, Skipped, Tree, Walk, Walked};
use elf_edit::{
    ElfInfo, FileId, FileLock, FileReader, Kind, LockError, Patience, ReadAt, ReadError,
};
use rayon::ThreadPool;
use rayon::prelude::*;
use rustix::fs::OFlags;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Why a file is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// Not wanted: counted, and reported only where the user named it.
    Skip(Skip),
    /// ELF magic, but malformed: a fault, unless the caller turns it into [`Skip::Malformed`].
    Malformed(String),
    /// Any other fault, which is reported.
    Problem(String),
}

/// One inode that was kept.
#[derive(Clone, Debug)]
pub struct Visited<T> {
    /// Every name of it in the trees, sorted; each a separate directory entry.
    pub names: Vec<PathBuf>,
    /// The root of the first name, by its place in [`Tree::roots`].
    pub root: usize,
    /// Whether the user named the file itself.
    pub named: bool,
    /// Identity of the file when it was read.
    pub id: FileId,
    /// The caller's result.
    pub value: T,
}

/// Result of `visit`: sorted, so that it depends on neither threads nor the file system.
#[derive(Debug)]
pub struct Visit<T> {
    /// Kept files, by root and then by first name.
    pub files: Vec<Visited<T>>,
    /// Skipped files, those of the walk included.
    pub skipped: Skipped,
    /// Files that can't be handled, those of the walk included, by path.
    pub problems: Vec<ScanProblem>,
}

/// Opens a regular file for reading. Never blocks on a FIFO that has taken the file's place.
pub(crate) fn open(path: &Path, follow_link: bool) -> Result<FileReader, FileError> {
    let file = open_file(path, follow_link).map_err(passed)?;
    // Checked before the first read, as other kinds of files may block or have no end.
    let metadata = file.metadata().map_err(passed)?;
    if !metadata.is_file() {
        return Err(FileError::Skip(Skip::Special));
    }
    FileReader::with_metadata(file, metadata).map_err(passed)
}

/// [`open`] for a file that is to be rewritten: waits for its lock before the first read. `None`
/// where another process holds it, and `patience` has an end.
pub(crate) fn open_locked(
    path: &Path,
    patience: Patience,
    waits: &(dyn Fn(&Path) + Sync),
) -> Result<Option<(FileLock, FileReader)>, FileError> {
    loop {
        let file = open_file(path, false).map_err(passed)?;
        let lock = match FileLock::take(&file, patience, &|| waits(path)) {
            Ok(lock) => lock,
            Err(LockError::Held { .. }) if patience.give_up_after.is_zero() => return Ok(None),
            Err(error) => return Err(FileError::Problem(error.to_string())),
        };
        // Not before the wait: the holder may have written to it.
        let metadata = file.metadata().map_err(passed)?;
        if !metadata.is_file() {
            return Err(FileError::Skip(Skip::Special));
        }
        // The holder may have replaced it by a copy. Not where it has its only name still.
        let replaced = metadata.nlink() != 1
            && FileId::at(path).is_ok_and(|now| now != FileId::from(&metadata));
        if !replaced {
            let reader = FileReader::with_metadata(file, metadata).map_err(passed)?;
            return Ok(Some((lock, reader.recorded())));
        }
    }
}

/// Waits until no process rewrites the file, and keeps others away. `None` where that takes too
/// long.
fn settled(path: &Path, follow_link: bool) -> Option<(File, FileLock)> {
    let file = open_file(path, follow_link).ok()?;
    let lock = FileLock::take(&file, Patience::default(), &|| ()).ok()?;
    Some((file, lock))
}

fn open_file(path: &Path, follow_link: bool) -> io::Result<File> {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if !follow_link {
        flags |= OFlags::NOFOLLOW;
    }
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}

fn passed(error: io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::Skip(Skip::Vanished),
        _ => FileError::Problem(format!("cannot be read: {}", elf_edit::reason(&error))),
    }
}

/// Reads the headers of a file that the loader may load: dynamic, not a separate debug file.
pub fn dynamic_info(file: &FileReader) -> Result<ElfInfo, FileError> {
    let skip = |skip| Err(FileError::Skip(skip));
    let info = match ElfInfo::read(file) {
        Ok(info) => info,
        Err(ReadError::NotElf) if file.is_empty() => return skip(Skip::Empty),
        Err(ReadError::NotElf) if file.head().starts_with(b"!<arch>\n") => {
            return skip(Skip::Archive);
        }
        Err(ReadError::NotElf) => return skip(Skip::NotElf),
        Err(error @ ReadError::Malformed(_)) => {
            return Err(FileError::Malformed(error.to_string()));
        }
        Err(error @ ReadError::Io(_)) => return Err(FileError::Problem(error.to_string())),
    };
    match info.kind {
        Kind::Object => skip(Skip::ObjectFile),
        Kind::Core => skip(Skip::CoreDump),
        Kind::StaticExecutable | Kind::StaticPie => skip(Skip::Static),
        Kind::SeparateDebug => skip(Skip::SeparateDebug),
        Kind::Other => skip(Skip::Other),
        // ET_EXEC that names no interpreter is never loaded by one.
        Kind::Executable if info.interpreter.is_none() => skip(Skip::Static),
        Kind::Executable | Kind::Pie | Kind::SharedLibrary if info.dynamic.is_none() => {
            skip(Skip::Static)
        }
        Kind::Executable | Kind::Pie | Kind::SharedLibrary => Ok(info),
    }
}

/// The order of a tree: the files of a directory by name, then its subdirectories. Compares bytes,
/// since comparing the components of 100,000 long paths takes longer than reading the files.
pub(crate) fn tree_order(a: &Path, b: &Path) -> Ordering {
    let (a, b) = (a.as_os_str().as_bytes(), b.as_os_str().as_bytes());
    let split = |path: &[u8]| path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let (a_dir, a_name) = a.split_at(split(a));
    let (b_dir, b_name) = b.split_at(split(b));
    // The separator sorts before any other byte, so that the contents of a directory follow it.
    let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    let differ = a_dir.iter().zip(b_dir).find(|(x, y)| x != y);
    match differ {
        Some((x, y)) => rank(*x).cmp(&rank(*y)),
        None => a_dir
            .len()
            .cmp(&b_dir.len())
            .then_with(|| a_name.cmp(b_name)),
    }
}

struct Kept<T> {
    walked: Walked,
    id: FileId,
    value: T,
}

/// Results of one thread. Merged in any order, sorted afterwards.
struct Part<T> {
    kept: Vec<Kept<T>>,
    skipped: Skipped,
    problems: Vec<ScanProblem>,
}

impl<T> Part<T> {
    /// Opens one file and adds the result of `read`.
    fn read(
        self,
        walked: Walked,
        read: &impl Fn(&Walked, &FileReader) -> Result<T, FileError>,
        quiet: bool,
    ) -> Part<T> {
        let once = || {
            let file = open(&walked.path, walked.named)?;
            Ok((FileId::from(&file), read(&walked, &file)?))
        };
        let result = match once() {
            // Another process that rewrites the file may have written a header of it between two
            // reads. Its lock tells when it has ended.
            Err(FileError::Malformed(what)) => match settled(&walked.path, walked.named) {
                Some(_lock) => once(),
                None => Err(FileError::Malformed(what)),
            },
            result => result,
        };
        self.add(walked, result, quiet)
    }

    /// All results, with the files that the walk skipped.
    fn sorted(mut self, skipped: Skipped, problems: Vec<ScanProblem>) -> Visit<T> {
        self.skipped.merge(skipped);
        self.problems.extend(problems);
        self.problems.sort();
        self.problems.dedup();
        Visit {
            files: by_inode(self.kept),
            skipped: self.skipped,
            problems: self.problems,
        }
    }

    fn new() -> Part<T> {
        Part {
            kept: Vec::new(),
            skipped: Skipped::default(),
            problems: Vec::new(),
        }
    }

    fn add(mut self, walked: Walked, read: Result<(FileId, T), FileError>, quiet: bool) -> Part<T> {
        let what = match read {
            Ok((id, value)) => {
                self.kept.push(Kept { walked, id, value });
                return self;
            }
            Err(FileError::Skip(skip)) if quiet || !walked.named => {
                self.skipped.add(skip);
                return self;
            }
            Err(FileError::Skip(skip)) => {
                format!("expected a dynamic ELF file, found: {}", skip.found())
            }
            Err(FileError::Malformed(what) | FileError::Problem(what)) => what,
        };
        self.problems.push(ScanProblem {
            path: walked.path,
            what,
        });
        self
    }

    fn merge(mut self, mut other: Part<T>) -> Part<T> {
        self.kept.append(&mut other.kept);
        self.skipped.merge(other.skipped);
        self.problems.append(&mut other.problems);
        self
    }
}

/// Opens every file of `tree` in the current rayon pool and keeps the result of `read`.
pub fn visit<T: Send>(
    tree: Tree,
    read: impl Fn(&Walked, &FileReader) -> Result<T, FileError> + Sync,
) -> Visit<T> {
    let quiet = tree.quiet;
    let add = |part: Part<T>, walked| part.read(walked, &read, quiet);
    let found = match tree.files.len() {
        // Starting a pool costs more than it gains here.
        1 => tree.files.into_iter().fold(Part::new(), add),
        _ => {
            let parts = tree.files.into_par_iter().fold(Part::new, add);
            parts.reduce(Part::new, Part::merge)
        }
    };
    found.sorted(tree.skipped, tree.problems)
}

/// Files that one thread reads while the walk goes on.
const CHUNK: usize = 128;

/// `walk` and [`visit`] at once: the threads of `pool` read the files that this one finds. The
/// returned tree has no files.
pub(crate) fn walk_and_visit<T: Send>(
    pool: &ThreadPool,
    walk: Walk<'_>,
    wanted_link: impl Fn(&Path) -> bool,
    read: impl Fn(&Walked, &FileReader) -> Result<T, FileError> + Sync,
) -> (Tree, Visit<T>) {
    let parts = Mutex::new(Vec::new());
    let read_all = |files: Vec<Walked>| {
        let add = |part: Part<T>, walked| part.read(walked, &read, walk.quiet);
        let part = files.into_iter().fold(Part::new(), add);
        // A thread that panicked left the list whole.
        let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(part);
    };
    let read_all = &read_all;
    let mut tree = pool.in_place_scope(|scope| {
        let mut chunk = Vec::new();
        let mut later = Vec::new();
        let tree = walk.files(&wanted_link, &mut |file| {
            chunk.push(file);
            if chunk.len() == CHUNK {
                let full = mem::take(&mut chunk);
                if pool.current_num_threads() == 1 {
                    // The pool has a single thread.
                    later.push(full);
                } else {
                    scope.spawn(move |_| read_all(full));
                }
            }
        });
        later.push(chunk);
        for files in later {
            scope.spawn(move |_| read_all(files));
        }
        tree
    });
    let parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let found = parts.into_iter().fold(Part::new(), Part::merge);
    let problems = mem::take(&mut tree.problems);
    let visit = found.sorted(tree.skipped, problems);
    (tree, visit)
}

fn by_inode<T>(mut kept: Vec<Kept<T>>) -> Vec<Visited<T>> {
    kept.sort_by(|a, b| {
        let (a, b) = (&a.walked, &b.walked);
        a.root
            .cmp(&b.root)
            .then_with(|| tree_order(&a.path, &b.path))
    });
    let mut place: HashMap<FileId, usize> = HashMap::with_capacity(kept.len());
    let mut files: Vec<Visited<T>> = Vec::with_capacity(kept.len());
    for file in kept {
        let at = *place.entry(file.id).or_insert(files.len());
        match files.get_mut(at) {
            Some(visited) => {
                visited.names.push(file.walked.path);
                visited.named |= file.walked.named;
            }
            None => files.push(Visited {
                names: vec![file.walked.path],
                root: file.walked.root,
                named: file.walked.named,
                id: file.id,
                value: file.value,
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
