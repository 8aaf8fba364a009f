//! Walks a tree for references: contents, targets of links, and names, which are the parts of a
//! tree's NAR, in which Nix looks for them.

use super::gather::FileReferences;
use super::hashes::Needles;
use super::places::{Places, UseKind};
use crate::scan::{self, FileError, ScanProblem};
use elf_edit::windows::{OVERLAP, Region, windows};
use elf_edit::{FileReader, ReadAt};
use rayon::prelude::*;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use walkdir::WalkDir;

/// Receives the references of each file and link that has any.
pub(super) type Seen<'a> = dyn Fn(&Path, FileReferences) + Sync + 'a;

/// A tree as it was walked.
#[derive(Debug, Default)]
pub(super) struct WalkedTree {
    /// The size of its NAR, which Nix calls the size of a store path.
    pub nar_size: u64,
    pub files: u64,
    /// Bytes that were read.
    pub read: u64,
    pub problems: Vec<ScanProblem>,
}

impl WalkedTree {
    /// Sparse files may have any length.
    fn add(&mut self, bytes: u64) {
        self.nar_size = self.nar_size.saturating_add(bytes);
    }

    fn file(&mut self, metadata: &Metadata) {
        self.files += 1;
        self.add(FILE.saturating_add(nar_string(metadata.len())));
        if metadata.mode() & 0o100 != 0 {
            self.add(EXECUTABLE);
        }
    }
}

/// A walk that looks for `needles`.
pub(super) struct ReferenceWalk<'a> {
    pub needles: &'a Needles,
    pub seen: &'a Seen<'a>,
    /// Bytes read so far.
    pub progress: &'a AtomicU64,
    /// Whether contents are read, too.
    pub contents: bool,
    /// Whether a root that is a link is followed.
    pub follow: bool,
}

impl ReferenceWalk<'_> {
    /// Walks `root`, and reads its files in the current pool of threads.
    pub(super) fn tree(&self, root: &Path) -> WalkedTree {
        let mut tree = WalkedTree {
            nar_size: nar_string(b"nix-archive-1".len() as u64),
            ..WalkedTree::default()
        };
        let mut files = Vec::new();
        let is_link = !self.follow && root.is_symlink();
        // WalkDir follows a root that is a link.
        let walk = WalkDir::new(root).max_depth(if is_link { 0 } else { usize::MAX });
        for entry in walk {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_owned();
                    let what = match error.io_error() {
                        Some(cause) => format!("cannot be read: {}", elf_edit::reason(cause)),
                        None => format!("cannot be read: {error}"),
                    };
                    tree.problems.push(ScanProblem { path, what });
                    continue;
                }
            };
            let path = entry.path();
            let mut references = FileReferences::default();
            if entry.depth() > 0 {
                let name = entry.file_name().as_bytes();
                tree.add(ENTRY + nar_string(name.len() as u64));
                references.look(self.needles, name, UseKind::Name);
            }
            let metadata = match is_link || entry.depth() > 0 {
                true => path.symlink_metadata(),
                false => path.metadata(),
            };
            match metadata {
                Ok(metadata) if metadata.is_file() => {
                    tree.file(&metadata);
                    files.push((path.to_owned(), references));
                    continue;
                }
                Ok(metadata) if metadata.is_dir() => tree.add(DIRECTORY),
                Ok(metadata) if metadata.is_symlink() => match path.read_link() {
                    Ok(target) => {
                        let target = target.as_os_str().as_bytes();
                        tree.files += 1;
                        tree.add(LINK + nar_string(target.len() as u64));
                        references.look(self.needles, target, UseKind::Link);
                    }
                    Err(error) => tree.problems.push(problem(path, &error)),
                },
                Ok(_) => {}
                Err(error) => tree.problems.push(problem(path, &error)),
            }
            self.send(path, references);
        }
        if self.contents {
            self.read(&mut tree, root, files);
        } else {
            for (path, references) in files {
                self.send(&path, references);
            }
        }
        tree.problems.sort();
        tree
    }

    fn send(&self, path: &Path, references: FileReferences) {
        if !references.is_empty() {
            (self.seen)(path, references);
        }
    }

    fn read(&self, tree: &mut WalkedTree, root: &Path, files: Vec<(PathBuf, FileReferences)>) {
        let read = |(path, mut references): (PathBuf, FileReferences)| {
            let read = match scan::open(&path, self.follow && path == root) {
                Ok(file) => match self.file(&file, &mut references) {
                    Ok(()) => Ok(file.len()),
                    Err(error) => Err(problem(&path, &error)),
                },
                Err(FileError::Skip(_)) => Ok(0),
                Err(FileError::Malformed(what) | FileError::Problem(what)) => Err(ScanProblem {
                    path: path.clone(),
                    what,
                }),
            };
            self.send(&path, references);
            read
        };
        for read in files.into_par_iter().map(read).collect::<Vec<_>>() {
            match read {
                Ok(length) => tree.read += length,
                Err(problem) => tree.problems.push(problem),
            }
        }
    }

    /// Streams a file, but for its holes: there are no references in zeroes.
    fn file(&self, file: &FileReader, references: &mut FileReferences) -> io::Result<()> {
        // Read for the first reference: most files have none.
        let mut places = None;
        let mut start = 0;
        while start < file.len()
            && let Some(region) = data(file, start)?
        {
            let mut next = region.start;
            windows(file, region, |window| {
                let end = window.offset + window.bytes.len() as u64;
                // A path in the second half of the overlap is whole in the next window.
                let to = match end == region.end {
                    true => window.bytes.len(),
                    false => window.bytes.len() - OVERLAP / 2,
                };
                let from = usize::try_from(next - window.offset).unwrap_or(to);
                self.needles.find(window.bytes, from, to, |at, found| {
                    let places = &*places.get_or_insert_with(|| Places::read(file));
                    references.add(found, places.kind(window.offset + at as u64));
                });
                next = window.offset + to as u64;
                self.progress
                    .fetch_add(end - window.offset, Ordering::Relaxed);
            })?;
            start = region.end;
        }
        Ok(())
    }
}

/// The first data at or behind `start`; all of it where the file system knows no holes.
fn data(file: &FileReader, start: u64) -> io::Result<Option<Region>> {
    let all = Region {
        start,
        end: file.len(),
    };
    let begin = match seek(file.file(), SeekFrom::Data(start)) {
        Ok(begin) if begin < all.end => begin.max(start),
        Ok(_) | Err(Errno::NXIO) => return Ok(None),
        Err(_) => return Ok(Some(all)),
    };
    let end = seek(file.file(), SeekFrom::Hole(begin)).unwrap_or(all.end);
    Ok(Some(Region {
        start: begin,
        end: end.clamp(begin + 1, all.end),
    }))
}

fn problem(path: &Path, error: &io::Error) -> ScanProblem {
    ScanProblem {
        path: path.to_owned(),
        what: format!("cannot be read: {}", elf_edit::reason(error)),
    }
}

/// Bytes of a string in a NAR: its length, itself, and padding.
const fn nar_string(length: u64) -> u64 {
    8 + length.next_multiple_of(8)
}

const fn nar_words(words: &[&str]) -> u64 {
    let mut sum = 0;
    let mut at = 0;
    while at < words.len() {
        sum += nar_string(words[at].len() as u64);
        at += 1;
    }
    sum
}

/// The nodes of a NAR without names, targets and contents.
const DIRECTORY: u64 = nar_words(&["(", "type", "directory", ")"]);
const LINK: u64 = nar_words(&["(", "type", "symlink", "target", ")"]);
const FILE: u64 = nar_words(&["(", "type", "regular", "contents", ")"]);
const EXECUTABLE: u64 = nar_words(&["executable", ""]);
const ENTRY: u64 = nar_words(&["entry", "(", "name", "node", ")"]);
