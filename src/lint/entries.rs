//! The entries of a file's RUNPATH or RPATH, and their faults.

use super::{Context, Subject};
use crate::cuda::driver;
use crate::loader::{Mark, SearchEntry};

/// The fault of an entry of a RUNPATH or RPATH: the first that applies, so that one cause has one
/// finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryFault {
    Empty,
    Relative,
    Duplicate,
    Stubs,
    BuildDirectory,
    OutsideStore,
    System,
    Missing,
    Unused,
}

impl<'a> Subject<'a> {
    /// The entries with a fault, each with the name of its tag.
    pub(crate) fn entries_with(
        &self,
        fault: EntryFault,
    ) -> impl Iterator<Item = (&'static str, &'a SearchEntry)> {
        let all = self.search_path();
        all.filter(move |(_, entry)| self.fault(entry) == Some(fault))
    }

    fn fault(&self, entry: &SearchEntry) -> Option<EntryFault> {
        let has = |mark| entry.marks.contains(&mark);
        let is_stubs = || driver::is_stubs(entry.directory.as_deref().unwrap_or(&entry.text));
        let leaves_store = || {
            let directory = entry.directory.as_deref();
            self.in_store(self.path.as_os_str().as_encoded_bytes())
                && directory.is_some_and(|directory| !self.in_store(directory))
        };
        // A wheel lists the directories of packages that may be installed beside it.
        let is_option = self.context == Context::Wheels && entry.text.starts_with(b"$");
        if has(Mark::Empty) {
            Some(EntryFault::Empty)
        } else if has(Mark::Relative) {
            Some(EntryFault::Relative)
        } else if has(Mark::Duplicate) {
            Some(EntryFault::Duplicate)
        } else if is_stubs() {
            Some(EntryFault::Stubs)
        } else if self.is_build_directory(entry) {
            Some(EntryFault::BuildDirectory)
        } else if self.is_driver_link(entry) {
            None
        } else if leaves_store() {
            Some(EntryFault::OutsideStore)
        } else if self.is_system(entry) && self.context != Context::Linux {
            Some(EntryFault::System)
        } else if is_option {
            None
        } else if has(Mark::Missing) {
            Some(EntryFault::Missing)
        } else if has(Mark::ProvidesNothing) && !has(Mark::Ignored) {
            Some(EntryFault::Unused)
        } else {
            None
        }
    }

    /// Entries of RUNPATH and RPATH, each with the name of its tag.
    pub(crate) fn search_path(&self) -> impl Iterator<Item = (&'static str, &'a SearchEntry)> {
        let runpath = self.resolution.runpath.iter().map(|e| ("RUNPATH", e));
        runpath.chain(self.resolution.rpath.iter().map(|e| ("RPATH", e)))
    }

    /// Directory of the driver's libraries for the file's machine.
    pub(crate) fn driver_link(&self) -> &'a [u8] {
        match &self.options.driver_link {
            Some(path) => path.as_os_str().as_encoded_bytes(),
            None => driver::link(self.info.header.machine).as_bytes(),
        }
    }

    /// Whether this entry is the driver link.
    pub(crate) fn is_driver_link(&self, entry: &SearchEntry) -> bool {
        let bare = |path: &[u8]| {
            path.trim_ascii()
                .strip_suffix(b"/")
                .unwrap_or(path)
                .to_vec()
        };
        bare(&entry.text) == bare(self.driver_link())
    }

    /// Whether the file's own search path leads to the driver.
    pub(crate) fn has_driver_link(&self) -> bool {
        self.search_path()
            .any(|(_, entry)| self.is_driver_link(entry))
    }

    /// Whether a path is below the store.
    pub(crate) fn in_store(&self, path: &[u8]) -> bool {
        let stores = self.options.stores.iter();
        let mut stores = stores.map(|store| store.as_os_str().as_encoded_bytes());
        stores.any(|store| below(path, store))
    }

    /// Whether an entry is a directory of the machine that built the file. A store, or the linted
    /// tree, may itself be below /tmp or /home: entries that lead there are intended.
    pub(crate) fn is_build_directory(&self, entry: &SearchEntry) -> bool {
        let meant = || entry.directory.as_deref().is_some_and(|d| self.in_store(d));
        entry.marks.contains(&Mark::BuildDirectory)
            && !meant()
            && !self.is_below_tree(entry)
            && !self.is_in_own_home(entry)
    }

    /// Whether an entry exists in the home directory in which the file is installed, as in a virtual
    /// environment. A package is built there for other machines.
    fn is_in_own_home(&self, entry: &SearchEntry) -> bool {
        let path = self.path.as_os_str().as_encoded_bytes();
        let directory = entry.directory.as_deref();
        self.context != Context::Nix
            && !entry.marks.contains(&Mark::Missing)
            && directory.is_some_and(|directory| is_same_home(path, directory))
    }

    /// Whether an entry leads into one of the linted trees.
    fn is_below_tree(&self, entry: &SearchEntry) -> bool {
        let Some(directory) = &entry.directory else {
            return false;
        };
        let trees = self.options.trees.iter();
        let mut trees = trees.map(|tree| tree.as_os_str().as_encoded_bytes());
        trees.any(|tree| below(directory, tree))
    }

    /// Whether an entry is a directory of the system.
    pub(crate) fn is_system(&self, entry: &SearchEntry) -> bool {
        let mut system = [&b"/usr"[..], b"/lib", b"/lib64", b"/opt"].into_iter();
        system.any(|directory| below(&entry.text, directory))
    }
}

/// Whether `path` is `directory` or below it, by name: `/a/b/../../c` is not below `/a`.
pub(super) fn below(path: &[u8], directory: &[u8]) -> bool {
    let normal = crate::plan::expand(path, None);
    let path = normal.as_deref().unwrap_or(path);
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Whether both paths are in the home directory of one user.
fn is_same_home(one: &[u8], other: &[u8]) -> bool {
    const HOMES: &[u8] = b"/home/";
    let user = one.strip_prefix(HOMES);
    let home = match user.and_then(|rest| rest.iter().position(|&byte| byte == b'/')) {
        Some(length) => &one[..HOMES.len() + length],
        None => b"/root",
    };
    below(one, home) && below(other, home)
}

#[cfg(test)]
mod tests {
    use super::{below, is_same_home};

    #[test]
    fn dots_lead_out_of_a_directory() {
        assert!(below(b"/a/b", b"/a") && below(b"/a/b/../c", b"/a/") && below(b"/a", b"/a"));
        assert!(!below(b"/a/b/../../c", b"/a") && !below(b"/ab", b"/a"));
        assert!(below(b"$ORIGIN", b"$ORIGIN"));
    }

    #[test]
    fn homes_are_of_one_user() {
        let same = |one: &str, other: &str| is_same_home(one.as_bytes(), other.as_bytes());
        assert!(same("/home/u/env/site-packages/a.so", "/home/u/env/lib"));
        assert!(same("/root/env/site-packages/a.so", "/root/lib"));
        for (one, other) in [
            ("/home/u/a.so", "/home/v/lib"),
            ("/home/u/a.so", "/home/user/lib"),
            ("/home/a.so", "/home/lib"),
            ("/srv/a.so", "/srv/lib"),
            ("/srv/a.so", "/root/lib"),
            ("/home/u/a.so", "/root/lib"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
