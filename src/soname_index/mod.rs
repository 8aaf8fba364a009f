//! Maps a library's file name, machine and OS ABI to the directory that has it.
//!
//! The name is that of the directory entry, not the SONAME, since that is what the loader opens.
//! The first directory wins, so a package's own trees are added before those of its inputs.

mod runpaths;

pub use runpaths::RunpathDirectories;

use crate::scan::{self, FileError, Link, Root, ScanProblem, Visited, Walk};
use elf_edit::{ElfInfo, FileReader, Platform};
use indexmap::IndexSet;
use memchr::memmem;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Limit of directories taken from the RUNPATHs of libraries, against hostile files.
const MAX_FOLLOWED: usize = 4096;

/// Directories that are kept of one name.
const MAX_PLACES: usize = 256;

/// Whether a file name is one that the index has: `*.so*`.
pub fn is_library_name(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| memmem::find(name.as_bytes(), b".so").is_some())
}

/// The indexed properties of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryInfo {
    /// The platform that the file was built for.
    pub platform: Platform,
    /// Whether it has a DT_RPATH that the loader reads.
    pub has_rpath: bool,
    /// Existing absolute directories of its RUNPATH, by [`RunpathDirectories`] number.
    searches: Box<[u32]>,
}

/// File name, machine and OS ABI -> directories, in the order of the search.
#[derive(Debug, Default)]
pub struct Index {
    /// Entries of `by_name` name a directory by its number here.
    directories: IndexSet<PathBuf>,
    by_name: HashMap<Box<[u8]>, Vec<(Platform, u32)>>,
    runpaths: RunpathDirectories,
    searched: IndexSet<PathBuf>,
    followed: usize,
}

/// A file as a walk met it.
struct FoundFile<'a> {
    root: usize,
    path: &'a Path,
    info: &'a LibraryInfo,
}

/// A library under one of its names.
struct Library<'a> {
    name: &'a OsStr,
    directory: PathBuf,
    seen: &'a LibraryInfo,
}

impl Index {
    /// An index of nothing. `runpaths` is the table that `see` filled.
    pub fn new(runpaths: RunpathDirectories) -> Index {
        Index {
            runpaths,
            ..Index::default()
        }
    }

    /// Adds trees that were walked and visited already, then the directories that the RUNPATHs
    /// of their libraries name.
    pub fn add_trees(&mut self, roots: &[Root], files: &[Visited<LibraryInfo>], links: &[Link]) {
        for root in roots {
            self.mark_searched(&root.given);
        }
        let files = files.iter().flat_map(|file| {
            file.names.iter().filter_map(|path| {
                let (root, _) = scan::root_of(roots, path)?;
                let info = &file.value;
                is_library_name(path).then_some(FoundFile { root, path, info })
            })
        });
        let more = self.add_found(roots, files.collect(), links);
        self.follow(more);
    }

    /// Adds directories, not their subdirectories, and single files; then the directories that the
    /// RUNPATHs of their libraries name. Returns the unreadable ones.
    pub fn add_directories(&mut self, directories: &[PathBuf]) -> Vec<ScanProblem> {
        let mut problems = Vec::new();
        let new = directories
            .iter()
            .filter(|directory| self.mark_searched(directory));
        let new: Vec<PathBuf> = new.cloned().collect();
        let more = self.add_each(&new, &mut problems);
        self.follow(more);
        problems
    }

    /// Directories that have a library of that name that `platform` can load, best first.
    pub fn find<'a>(
        &'a self,
        name: &[u8],
        platform: Platform,
    ) -> impl Iterator<Item = &'a Path> + use<'a> {
        self.by_name
            .get(name)
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .filter(move |(other, _)| platform.goes_with(*other))
            .filter_map(|(_, number)| self.directory(*number))
    }

    /// A directory with a library of that name that `platform` can't load, and the library's
    /// platform.
    pub fn elsewhere(&self, name: &[u8], platform: Platform) -> Option<(Platform, &Path)> {
        let (other, number) = self
            .by_name
            .get(name)?
            .iter()
            .find(|(other, _)| !platform.goes_with(*other))?;
        Some((*other, self.directory(*number)?))
    }

    /// The searched trees and directories, in order, as the user named them.
    pub fn searched(&self) -> impl ExactSizeIterator<Item = &PathBuf> {
        self.searched.iter()
    }

    fn directory(&self, number: u32) -> Option<&Path> {
        let directory = self.directories.get_index(number as usize);
        directory.map(PathBuf::as_path)
    }

    /// Notes a place as searched; false if it was already.
    fn mark_searched(&mut self, place: &Path) -> bool {
        self.searched.insert(place.to_owned())
    }

    /// Adds directories, all read at once but added in their order; returns the directories to
    /// follow.
    fn add_each(&mut self, directories: &[PathBuf], problems: &mut Vec<ScanProblem>) -> Vec<u32> {
        let walk = Walk {
            recurse: false,
            wanted_link: &is_library_name,
            wanted_file: &is_library_name,
            ..Walk::of(directories)
        };
        let runpaths = &self.runpaths;
        let mut found =
            scan::each_file(walk, |met| see(runpaths, &met.walked.path, &met.reader()?));
        problems.append(&mut found.problems);
        let files = found.files.iter().filter_map(|(walked, info)| {
            let found = FoundFile {
                root: walked.root,
                path: &walked.path,
                info: info.as_ref().ok()?,
            };
            Some(found)
        });
        self.add_found(&found.roots, files.collect(), &found.links)
    }

    /// Adds files and links in the order of their trees, and returns the directories to follow.
    fn add_found(&mut self, roots: &[Root], files: Vec<FoundFile<'_>>, links: &[Link]) -> Vec<u32> {
        let runpaths = &self.runpaths;
        let targets: Vec<Option<(PathBuf, LibraryInfo)>> = links
            .par_iter()
            .map(|link| resolve(runpaths, &link.path))
            .collect();
        let of_links = links.iter().zip(&targets).filter_map(|(link, target)| {
            let (directory, info) = target.as_ref()?;
            let (root, path) = (link.root, link.path.as_path());
            Some((FoundFile { root, path, info }, Some(directory)))
        });
        let mut found: Vec<(FoundFile<'_>, Option<&PathBuf>)> = files
            .into_iter()
            .map(|file| (file, None))
            .chain(of_links)
            .collect();
        found.sort_by(|(a, _), (b, _)| {
            let by_path = || scan::tree_order(a.path, b.path);
            a.root.cmp(&b.root).then_with(by_path)
        });
        let mut follow = Vec::new();
        for (file, of_link) in found {
            let FoundFile { root, path, info } = file;
            follow.extend_from_slice(&info.searches);
            let root = std::slice::from_ref(&roots[root]);
            let directory = match of_link {
                Some(directory) => Some(directory.clone()),
                None => scan::absolute(root, path).and_then(|whole| Some(whole.parent()?.into())),
            };
            if let (Some(name), Some(directory)) = (path.file_name(), directory) {
                self.add(Library {
                    name,
                    directory,
                    seen: info,
                });
            }
        }
        follow
    }

    fn add(&mut self, library: Library<'_>) {
        let (number, _) = self.directories.insert_full(library.directory);
        let entry = (library.seen.platform, number as u32);
        let places = self.by_name.entry(library.name.as_bytes().into());
        let places = places.or_default();
        // The first match wins, so the last of very many directories are of no use.
        let full = places.len() >= MAX_PLACES && places.iter().any(|(of, _)| *of == entry.0);
        if !full && !places.contains(&entry) {
            places.push(entry);
        }
    }

    /// Adds directories that RUNPATHs name, then those that the RUNPATHs of their libraries name.
    fn follow(&mut self, mut level: Vec<u32>) {
        while !level.is_empty() {
            let mut directories = Vec::new();
            for number in level {
                if let Some(directory) = self.runpaths.get(number)
                    && self.followed < MAX_FOLLOWED
                    && self.mark_searched(&directory)
                {
                    self.followed += 1;
                    directories.push(directory);
                }
            }
            // A RUNPATH may name anything, so unreadable directories are no error here.
            level = self.add_each(&directories, &mut Vec::new());
        }
    }
}

/// Reads the indexed properties of a file that may be a library.
pub fn see(
    runpaths: &RunpathDirectories,
    path: &Path,
    file: &FileReader,
) -> Result<LibraryInfo, FileError> {
    Ok(seen(runpaths, path, &scan::dynamic_info(file)?))
}

fn seen(runpaths: &RunpathDirectories, path: &Path, info: &ElfInfo) -> LibraryInfo {
    let searches = match info.runpath_or_rpath() {
        Some(runpath) if is_library_name(path) => runpaths.numbers(runpath),
        _ => Box::default(),
    };
    LibraryInfo {
        platform: info.platform(),
        has_rpath: info
            .dynamic
            .as_ref()
            .is_some_and(|d| d.rpath.is_some() && d.runpath.is_none()),
        searches,
    }
}

/// The directory to index for a link: that of its target where the target has the same file name,
/// else the link's own, since the loader will open it by the link's name.
fn resolve(runpaths: &RunpathDirectories, link: &Path) -> Option<(PathBuf, LibraryInfo)> {
    let target = link.canonicalize().ok()?;
    // A FIFO is never opened, not even by way of a link.
    if !target.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let seen = see(runpaths, link, &scan::open(&target, false).ok()?).ok()?;
    let directory = if target.file_name() == link.file_name() {
        target.parent()?.to_owned()
    } else {
        std::path::absolute(link.parent()?).ok()?
    };
    Some((directory, seen))
}
