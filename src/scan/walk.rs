//! Walks trees on all threads of the current pool: each directory is a task, which lists it and
//! gives the files in it to the caller. Opens nothing but directories.

use super::part::{Kept, Part};
use super::{FileError, ScanProblem, Skip};
use elf_edit::TEMPORARY_PREFIX;
use rayon::Scope;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::{CStr, OsStr};
use std::fs;
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Files of a directory that one task reads.
const CHUNK: usize = 32;
/// Bytes of directory entries that are read at once.
const ENTRIES: usize = 16 << 10;

/// A path that the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// As named.
    pub given: PathBuf,
    /// Absolute, no links.
    pub canonical: PathBuf,
}

/// The place in `roots` of the one that `path` was met under, and the way from there.
pub(crate) fn root_of<'a>(roots: &[Root], path: &'a Path) -> Option<(usize, &'a Path)> {
    let bytes = path.as_os_str().as_bytes();
    roots.iter().enumerate().find_map(|(at, root)| {
        // By bytes: `walk` made the path by appending to the root as it was given.
        let given = root.given.as_os_str().as_bytes();
        let inside = match bytes.strip_prefix(given)? {
            [] => &[],
            [b'/', inside @ ..] => inside,
            inside if given.ends_with(b"/") => inside,
            _ => return None,
        };
        Some((at, Path::new(OsStr::from_bytes(inside))))
    })
}

/// The absolute path of a file found under one of `roots`, free of links but for the last
/// component.
pub(crate) fn absolute(roots: &[Root], path: &Path) -> Option<PathBuf> {
    let (at, inside) = root_of(roots, path)?;
    let canonical = &roots.get(at)?.canonical;
    Some(if inside.as_os_str().is_empty() {
        canonical.clone()
    } else {
        canonical.join(inside)
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// The root as named, and the way from there.
    pub path: PathBuf,
    /// Index of the root in [`Tree::roots`].
    pub root: usize,
    /// The root itself.
    pub named: bool,
}

/// A symbolic link that was met while walking. Not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Path of the link.
    pub path: PathBuf,
    /// Index of the root in [`Tree::roots`].
    pub root: usize,
}

/// Options of a walk.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// Directories and files.
    pub roots: &'a [PathBuf],
    /// Whether to walk subdirectories, too.
    pub recurse: bool,
    /// Skips links to files among `roots`, rather than following them.
    pub skip_named_links: bool,
    /// Skips unwanted files even if the user named them.
    pub quiet: bool,
    /// Decides by its path whether a link is kept.
    pub wanted_link: &'a (dyn Fn(&Path) -> bool + Sync),
    /// Decides by its path whether a file is read.
    pub wanted_file: &'a (dyn Fn(&Path) -> bool + Sync),
}

impl<'a> Walk<'a> {
    /// Walks all of `roots`: every file, no link.
    pub fn of(roots: &'a [PathBuf]) -> Walk<'a> {
        Walk {
            roots,
            recurse: true,
            skip_named_links: false,
            quiet: false,
            wanted_link: &|_| false,
            wanted_file: &|_| true,
        }
    }
}

/// A file that the walk met, with the open directory that it is in.
pub(crate) struct Met<'a> {
    pub walked: &'a Walked,
    directory: Option<BorrowedFd<'a>>,
}

impl Met<'_> {
    /// Opens the file. `flags` are those beside the mode of access; a link is not followed, unless
    /// the user named it.
    pub(super) fn open(&self, flags: OFlags) -> io::Result<OwnedFd> {
        let path = self.walked.path.as_os_str().as_bytes();
        let flags = match self.walked.named {
            true => flags,
            false => flags | OFlags::NOFOLLOW,
        };
        let (directory, path) = match self.directory {
            // The kernel walks one component rather than all of them.
            Some(directory) => {
                let name = memchr::memrchr(b'/', path).map_or(0, |at| at + 1);
                (directory, &path[name..])
            }
            None => (CWD, path),
        };
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(directory, path, flags, Mode::empty());
        Ok(retry_on_intr(open)?)
    }
}

impl Walk<'_> {
    /// Walks, and keeps the result of `read` for each file. The parts have no order.
    pub(super) fn each<T: Send>(
        self,
        read: impl Fn(&Met<'_>) -> Result<T, FileError> + Sync,
    ) -> (Vec<Root>, Part<T>) {
        let tasks = Tasks {
            walk: self,
            read,
            done: Mutex::default(),
        };
        let mut part = Part::new();
        let mut roots = Vec::new();
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for given in self.roots {
            match kind_of(given) {
                Ok((root, is_file)) => {
                    let path = given.clone();
                    match is_file {
                        true if self.skip_named_links && given.is_symlink() => {
                            part.skipped.add(Skip::Link);
                        }
                        true => files.push(Walked {
                            path,
                            root: roots.len(),
                            named: true,
                        }),
                        false => directories.push((path, roots.len())),
                    }
                    roots.push(root);
                }
                Err(what) => part.problem(given, what),
            }
        }
        match (&directories[..], files.len()) {
            // Waking a pool costs more than it gains here.
            ([], 0 | 1) => files
                .into_iter()
                .for_each(|f| tasks.read(f, None, &mut part)),
            _ => rayon::scope(|scope| {
                let tasks = &tasks;
                for (path, root) in directories {
                    scope.spawn(move |scope| tasks.directory(scope, path, root, true));
                }
                for file in files {
                    scope.spawn(move |_| {
                        let mut part = Part::new();
                        tasks.read(file, None, &mut part);
                        tasks.done(part);
                    });
                }
            }),
        }
        let done = tasks.done.into_inner();
        let done = done.unwrap_or_else(PoisonError::into_inner);
        (roots, done.into_iter().fold(part, Part::merge))
    }
}

/// A root that is a directory or (`true`) a regular file, or why it is none.
fn kind_of(given: &Path) -> Result<(Root, bool), String> {
    let unreadable = |error: io::Error| format!("cannot be read: {}", elf_edit::reason(&error));
    let kind = fs::metadata(given).map_err(unreadable)?.file_type();
    if !kind.is_dir() && !kind.is_file() {
        let what = match () {
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_socket() => "a socket",
            () => "a device",
        };
        return Err(format!("expected a directory or an ELF file, found {what}"));
    }
    let root = Root {
        given: given.to_owned(),
        canonical: fs::canonicalize(given).map_err(unreadable)?,
    };
    Ok((root, kind.is_file()))
}

/// What all tasks of a walk share.
struct Tasks<'a, T, F> {
    walk: Walk<'a>,
    read: F,
    done: Mutex<Vec<Part<T>>>,
}

impl<T: Send, F: Fn(&Met<'_>) -> Result<T, FileError> + Sync> Tasks<'_, T, F> {
    /// Lists a directory, and reads its files; others may take some of them. Each subdirectory is a
    /// task of its own.
    fn directory<'s>(&'s self, scope: &Scope<'s>, path: PathBuf, root: usize, is_root: bool) {
        let mut part = Part::new();
        let opened = match open_directory(&path, is_root) {
            Ok(opened) => Arc::new(opened),
            Err(error) => {
                unreadable(&mut part, path, error, is_root);
                return self.done(part);
            }
        };
        let mut chunk = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); ENTRIES];
        let mut entries = RawDir::new(opened.as_fd(), &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    unreadable(&mut part, path.clone(), error, is_root);
                    break;
                }
            };
            let name = entry.file_name();
            match name.to_bytes() {
                b"." | b".." => continue,
                // Another run renames it over the file that it is a copy of.
                name if name.starts_with(TEMPORARY_PREFIX.as_bytes()) => {
                    part.skipped.add(Skip::Temporary);
                    continue;
                }
                _ => {}
            }
            match file_type(opened.as_fd(), name, entry.file_type()) {
                Ok(rustix::fs::FileType::RegularFile) => chunk.push(below(&path, name)),
                Ok(rustix::fs::FileType::Directory) if self.walk.recurse => {
                    let path = below(&path, name);
                    scope.spawn(move |scope| self.directory(scope, path, root, false));
                }
                Ok(rustix::fs::FileType::Directory) => {}
                Ok(rustix::fs::FileType::Symlink) => {
                    self.link(opened.as_fd(), below(&path, name), name, root, &mut part);
                }
                Ok(_) => part.skipped.add(Skip::Special),
                Err(error) => unreadable(&mut part, below(&path, name), error, false),
            }
            if chunk.len() == CHUNK {
                let (files, opened) = (mem::take(&mut chunk), opened.clone());
                scope.spawn(move |_| self.done(self.files(files, root, &opened, Part::new())));
            }
        }
        self.done(self.files(chunk, root, &opened, part));
    }

    /// Notes a link: one `stat`, to recognize dangling ones.
    fn link(
        &self,
        directory: BorrowedFd<'_>,
        path: PathBuf,
        name: &CStr,
        root: usize,
        part: &mut Part<T>,
    ) {
        let target = rustix::fs::statat(directory, name, AtFlags::empty());
        part.skipped.add(match target {
            Ok(_) => Skip::Link,
            Err(_) => Skip::DanglingLink,
        });
        if (self.walk.wanted_link)(&path) {
            part.links.push(Link { path, root });
        }
    }

    fn files(
        &self,
        paths: Vec<PathBuf>,
        root: usize,
        directory: &OwnedFd,
        mut part: Part<T>,
    ) -> Part<T> {
        for path in paths {
            let walked = Walked {
                path,
                root,
                named: false,
            };
            self.read(walked, Some(directory.as_fd()), &mut part);
        }
        part
    }

    fn read(&self, walked: Walked, directory: Option<BorrowedFd<'_>>, part: &mut Part<T>) {
        if !(self.walk.wanted_file)(&walked.path) {
            return;
        }
        let met = Met {
            walked: &walked,
            directory,
        };
        match (self.read)(&met) {
            Ok(value) => part.kept.push(Kept { walked, value }),
            Err(error) => part.error(walked, error, self.walk.quiet),
        }
    }

    fn done(&self, part: Part<T>) {
        if !part.is_empty() {
            // A thread that panicked left the list whole.
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push(part);
        }
    }
}

fn open_directory(path: &Path, follow_link: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if !follow_link {
        flags |= OFlags::NOFOLLOW;
    }
    retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))
}

/// Notes a directory or an entry that can't be read. One that is gone is no problem, except a root.
fn unreadable<T>(part: &mut Part<T>, path: PathBuf, error: Errno, is_root: bool) {
    // ENOTDIR, ELOOP: something else took the place of the directory.
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].contains(&error);
    match gone && !is_root {
        true => part.skipped.add(Skip::Vanished),
        false => part.problems.push(ScanProblem {
            what: format!("cannot be read: {}", elf_edit::reason(&error.into())),
            path,
        }),
    }
}

/// Of a directory entry; some file systems don't say it.
fn file_type(
    directory: BorrowedFd<'_>,
    name: &CStr,
    said: rustix::fs::FileType,
) -> Result<rustix::fs::FileType, Errno> {
    match said {
        rustix::fs::FileType::Unknown => {
            let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode))
        }
        known => Ok(known),
    }
}

/// The path of a directory entry, without spare memory.
fn below(directory: &Path, name: &CStr) -> PathBuf {
    let (directory, name) = (directory.as_os_str(), OsStr::from_bytes(name.to_bytes()));
    let mut path = PathBuf::with_capacity(directory.len() + 1 + name.len());
    path.push(directory);
    path.push(name);
    path
}
