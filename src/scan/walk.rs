//! Lists trees. Opens nothing but directories.

use super::{ScanProblem, Skip, Skipped};
use elf_edit::TEMPORARY_PREFIX;
use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

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

/// Result of `walk`, in the order of the file system: sort it before output.
#[derive(Debug, Default)]
pub struct Tree {
    /// The paths given, without those that are problems.
    pub roots: Vec<Root>,
    pub files: Vec<Walked>,
    /// Links whose file name the caller wants to know of.
    pub links: Vec<Link>,
    /// Everything else in the trees.
    pub skipped: Skipped,
    /// Skips unwanted files even if the user named them.
    pub quiet: bool,
    /// Roots that don't exist, directories that can't be read.
    pub problems: Vec<ScanProblem>,
}

/// Lists `roots`, each a directory or a file; with `recurse` off, only the directory's own files.
/// `wanted_link` decides by its path whether to keep a link.
pub fn walk(roots: &[PathBuf], recurse: bool, wanted_link: impl Fn(&Path) -> bool) -> Tree {
    let mut files = Vec::new();
    let walk = Walk {
        roots,
        recurse,
        skip_named_links: false,
        quiet: false,
    };
    let tree = walk.files(&wanted_link, &mut |file| files.push(file));
    Tree { files, ..tree }
}

/// Options of a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    /// Directories and files.
    pub roots: &'a [PathBuf],
    pub recurse: bool,
    /// Skips links to files among `roots`, rather than following them.
    pub skip_named_links: bool,
    /// See [`Tree::quiet`].
    pub quiet: bool,
}

impl Walk<'_> {
    /// Walks, and gives each regular file to `seen` as it is met. The tree has all the rest.
    pub(super) fn files(
        self,
        wanted_link: &dyn Fn(&Path) -> bool,
        seen: &mut dyn FnMut(Walked),
    ) -> Tree {
        let mut tree = Tree {
            quiet: self.quiet,
            ..Tree::default()
        };
        for given in self.roots {
            if let Err(error) = tree.add_root(given, self, wanted_link, seen) {
                tree.problem(
                    given,
                    format!("cannot be read: {}", elf_edit::reason(&error)),
                );
            }
        }
        tree
    }
}

impl Tree {
    fn problem(&mut self, path: &Path, what: String) {
        self.problems.push(ScanProblem {
            path: path.to_owned(),
            what,
        });
    }

    fn add_root(
        &mut self,
        given: &Path,
        walk: Walk<'_>,
        wanted_link: &dyn Fn(&Path) -> bool,
        seen: &mut dyn FnMut(Walked),
    ) -> io::Result<()> {
        let kind = fs::metadata(given)?.file_type();
        if !kind.is_dir() && !kind.is_file() {
            let what = format!("expected a directory or an ELF file, found {}", what(kind));
            self.problem(given, what);
            return Ok(());
        }
        let root = self.roots.len();
        self.roots.push(Root {
            given: given.to_owned(),
            canonical: fs::canonicalize(given)?,
        });
        if !kind.is_file() {
            self.add_directory(given, root, walk.recurse, wanted_link, seen);
        } else if walk.skip_named_links && given.is_symlink() {
            self.skipped.add(Skip::Link);
        } else {
            seen(Walked {
                path: given.to_owned(),
                root,
                named: true,
            });
        }
        Ok(())
    }

    fn add_directory(
        &mut self,
        given: &Path,
        root: usize,
        recurse: bool,
        wanted_link: &dyn Fn(&Path) -> bool,
        seen: &mut dyn FnMut(Walked),
    ) {
        let depth = if recurse { usize::MAX } else { 1 };
        // Another run renames them over the files that they are copies of.
        let temporary = Cell::new(0);
        let is_kept = |entry: &DirEntry| {
            let name = entry.file_name().as_bytes();
            let kept = entry.depth() == 0 || !name.starts_with(TEMPORARY_PREFIX.as_bytes());
            temporary.set(temporary.get() + u64::from(!kept));
            kept
        };
        let entries = WalkDir::new(given).max_depth(depth).into_iter();
        for entry in entries.filter_entry(is_kept) {
            let entry = match entry {
                Ok(root) if root.depth() == 0 => continue,
                Ok(entry) => entry,
                Err(error) => {
                    self.walk_error(given, &error);
                    continue;
                }
            };
            let kind = entry.file_type();
            if kind.is_file() {
                let mut path = entry.into_path();
                // Paths grow by doubling and take most of the memory for a large tree.
                path.shrink_to_fit();
                seen(Walked {
                    path,
                    root,
                    named: false,
                });
            } else if kind.is_symlink() {
                // One `stat` for each link, to recognize dangling ones.
                self.skipped.add(match fs::metadata(entry.path()) {
                    Ok(_) => Skip::Link,
                    Err(_) => Skip::DanglingLink,
                });
                if wanted_link(entry.path()) {
                    self.links.push(Link {
                        path: entry.into_path(),
                        root,
                    });
                }
            } else if !kind.is_dir() {
                self.skipped.add(Skip::Special);
            }
        }
        for _ in 0..temporary.get() {
            self.skipped.add(Skip::Temporary);
        }
    }

    fn walk_error(&mut self, given: &Path, error: &walkdir::Error) {
        let gone = error
            .io_error()
            .is_some_and(|e| e.kind() == io::ErrorKind::NotFound);
        if gone && error.depth() > 0 {
            self.skipped.add(Skip::Vanished);
            return;
        }
        let what = match error.io_error() {
            Some(cause) => format!("cannot be read: {}", elf_edit::reason(cause)),
            None => format!("cannot be read: {error}"),
        };
        self.problem(error.path().unwrap_or(given), what);
    }
}

fn what(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
