//! Listings of directories, each read once in a run: a tree of 5,000 libraries has as many misses,
//! and all of them ask for the same directories.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Names of one directory.
const MAX_NAMES: usize = 20_000;
/// Names that are kept of all directories together.
const MAX_KEPT: usize = 1_000_000;

/// The names in a directory, sorted; a limited number of them.
#[derive(Debug, Default)]
pub(super) struct Listing {
    names: Vec<OsString>,
    /// Which of them are directories.
    directories: Vec<usize>,
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
        let all = entries.iter().enumerate();
        Listing {
            directories: all.filter(|(_, (_, is))| *is).map(|(at, _)| at).collect(),
            names: entries.into_iter().map(|(name, _)| name).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn names(&self) -> &[OsString] {
        &self.names
    }

    /// Those of the first `most` names that begin so.
    pub(super) fn beginning(&self, start: &[u8], most: usize) -> &[OsString] {
        let names = &self.names[..most.min(self.names.len())];
        let from = names.partition_point(|name| name.as_bytes() < start);
        let to = names[from..].partition_point(|name| name.as_bytes().starts_with(start));
        &names[from..from + to]
    }

    /// The directories among the first `most` names.
    pub(super) fn directories(&self, most: usize) -> impl Iterator<Item = &OsStr> {
        let first = self.directories.iter().take_while(move |&&at| at < most);
        first.map(|&at| self.names[at].as_os_str())
    }
}

/// The libraries in the packages of a `site-packages`, by their names.
type SiteIndex = HashMap<OsString, Vec<PathBuf>>;

/// The directories that were listed.
#[derive(Debug, Default)]
pub(super) struct Listings {
    known: Mutex<HashMap<PathBuf, Arc<Listing>>>,
    sites: Mutex<HashMap<PathBuf, Arc<OnceLock<SiteIndex>>>>,
    kept: std::sync::atomic::AtomicUsize,
}

impl Listings {
    pub(super) fn of(&self, directory: &Path) -> Arc<Listing> {
        use std::sync::atomic::Ordering::Relaxed;
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listing) = known().get(directory) {
            return listing.clone();
        }
        let listing = Arc::new(Listing::read(directory));
        let kept = self.kept.fetch_add(listing.len() + 1, Relaxed);
        if kept < MAX_KEPT {
            known().insert(directory.to_owned(), listing.clone());
        }
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
                    let places = index.entry(name.clone()).or_default();
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
        let of = |start: &str, most| listing.beginning(start.as_bytes(), most).to_vec();
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
