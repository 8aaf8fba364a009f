//! Listings of directories, each read once in a run: a tree of 5,000 libraries has as many misses,
//! and all of them ask for the same directories.

use crate::loader::Cache;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Names of one directory.
const MAX_NAMES: usize = 20_000;
/// Bytes, roughly, that are kept of all directories together.
const MAX_KEPT: usize = 8 << 20;

/// The names in a directory, sorted; a limited number of them.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// One after the other.
    names: Box<[u8]>,
    /// Where each ends.
    ends: Box<[u32]>,
    /// Which of them are directories.
    directories: Box<[u32]>,
}

impl Listing {
    fn read(directory: &Path) -> Listing {
        let listed = match directory.as_os_str().is_empty() {
            true => Path::new("."),
            false => directory,
        };
        let entries = fs::read_dir(listed).into_iter().flatten().flatten();
        let kinds = entries.map(|entry| {
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            (entry.file_name(), is_directory)
        });
        let mut entries: Vec<(OsString, bool)> = kinds.collect();
        entries.sort();
        entries.truncate(MAX_NAMES);
        let mut names = Vec::new();
        let ends = entries.iter().map(|(name, _)| {
            names.extend_from_slice(name.as_bytes());
            // 20,000 names of 255 bytes.
            names.len() as u32
        });
        let ends = ends.collect();
        let all = (0..).zip(&entries);
        Listing {
            directories: all.filter(|(_, (_, is))| *is).map(|(at, _)| at).collect(),
            ends,
            names: names.into(),
        }
    }

    /// Bytes, roughly.
    fn weight(&self) -> usize {
        self.names.len() + size_of_val(&*self.ends) + size_of_val(&*self.directories) + 128
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn name(&self, at: usize) -> &OsStr {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        OsStr::from_bytes(&self.names[start as usize..self.ends[at] as usize])
    }

    /// The first of the first `most` names that fails a test which the ones before it pass.
    fn partition_point(&self, most: usize, passes: impl Fn(&[u8]) -> bool) -> usize {
        let (mut from, mut to) = (0, most.min(self.len()));
        while from < to {
            let middle = from + (to - from) / 2;
            match passes(self.name(middle).as_bytes()) {
                true => from = middle + 1,
                false => to = middle,
            }
        }
        from
    }

    pub(super) fn names(&self) -> impl DoubleEndedIterator<Item = &OsStr> {
        (0..self.len()).map(|at| self.name(at))
    }

    /// Those of the first `most` names that begin so.
    pub(super) fn beginning(
        &self,
        start: &[u8],
        most: usize,
    ) -> impl DoubleEndedIterator<Item = &OsStr> {
        let from = self.partition_point(most, |name| name < start);
        let to = self.partition_point(most, |name| name < start || name.starts_with(start));
        (from..to).map(|at| self.name(at))
    }

    /// The directories among the first `most` names.
    pub(super) fn directories(&self, most: usize) -> impl Iterator<Item = &OsStr> {
        let all = self.directories.iter().map(|&at| at as usize);
        all.take_while(move |&at| at < most).map(|at| self.name(at))
    }
}

/// The libraries in the packages of a `site-packages`, by their names.
type SiteIndex = HashMap<OsString, Vec<PathBuf>>;

/// The directories that were listed lately.
pub(super) struct Listings {
    known: Cache<Box<[u8]>, Arc<Listing>>,
    sites: Mutex<HashMap<PathBuf, Arc<OnceLock<SiteIndex>>>>,
}

impl Default for Listings {
    fn default() -> Listings {
        Listings {
            // A listing may be large: in few parts there is room for more of them.
            known: Cache::of_shards(1, MAX_KEPT),
            sites: Mutex::default(),
        }
    }
}

impl Listings {
    pub(super) fn of(&self, directory: &Path) -> Arc<Listing> {
        let key = directory.as_os_str().as_bytes();
        if let Some(listing) = self.known.get(key) {
            return listing;
        }
        let listing = Arc::new(Listing::read(directory));
        let weight = key.len() + listing.weight();
        self.known.insert(key.into(), listing.clone(), weight);
        listing
    }

    /// The files of that name in the packages of a `site-packages`.
    pub(super) fn in_site(&self, root: &Path, name: &OsStr) -> Vec<PathBuf> {
        let index = {
            let lock = self.sites.lock();
            let mut sites = lock.unwrap_or_else(PoisonError::into_inner);
            sites.entry(root.to_owned()).or_default().clone()
        };
        let index = index.get_or_init(|| self.index(root));
        let mut found = index.get(name).cloned().unwrap_or_default();
        found.retain(|path| path.exists());
        found
    }

    fn index(&self, root: &Path) -> SiteIndex {
        let mut index = SiteIndex::new();
        let mut add = |directory: &Path| {
            for name in self.of(directory).names() {
                if memchr::memmem::find(name.as_bytes(), b".so").is_some() {
                    let places = index.entry(name.to_owned()).or_default();
                    places.push(directory.join(name));
                }
            }
        };
        for package in self.of(root).names() {
            let package = root.join(package);
            add(&package);
            add(&package.join("lib"));
            if package.ends_with("nvidia") {
                for part in self.of(&package).names() {
                    add(&package.join(part).join("lib"));
                }
            }
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_answer_as_a_search_of_all_names_does() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a", "libx.so", "libx.so.1", "libx.so.2", "libxy.so", "z"];
        for name in names {
            fs::write(dir.path().join(name), "").unwrap();
        }
        for name in ["lib", "libx.so.d"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let listings = Listings::default();
        let listing = listings.of(dir.path());
        let of = |start: &str, most| {
            let found = listing.beginning(start.as_bytes(), most);
            found.map(OsStr::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            of("libx.so", 99),
            ["libx.so", "libx.so.1", "libx.so.2", "libx.so.d"]
        );
        assert_eq!(of("libx.so", 4), ["libx.so", "libx.so.1"]);
        assert_eq!(of("q", 99), [""; 0]);
        assert_eq!(
            listing.directories(99).collect::<Vec<_>>(),
            ["lib", "libx.so.d"]
        );
        assert_eq!(listing.directories(2).collect::<Vec<_>>(), ["lib"]);
        // Read once.
        fs::write(dir.path().join("new"), "").unwrap();
        assert_eq!(listings.of(dir.path()).len(), 8);
    }
}
