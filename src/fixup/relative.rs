//! Selects the trees with entries relative to `$ORIGIN`, and their files in which such entries
//! would fail.

use super::FixupRequest;
use crate::plan::StaysAbsolute;
use crate::scan::{Link, Root};
use elf_edit::{ElfInfo, FileReader};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// When entries are written relative to `$ORIGIN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Relative {
    /// Never.
    #[default]
    Off,
    /// Where file and directory are in the same tree of the request.
    Tree,
    /// The same, for trees outside of the store, which may be moved or copied.
    OutsideStore,
}

/// The trees whose entries become relative, and the links that lead into them.
pub(super) struct RelativeRoots {
    roots: Vec<PathBuf>,
    /// Target of a link -> the link.
    links: BTreeMap<PathBuf, PathBuf>,
}

impl RelativeRoots {
    /// The trees of a request by their real paths. `links` are those that the walk found.
    pub(super) fn new(request: &FixupRequest, roots: &[Root], links: &[Link]) -> RelativeRoots {
        let stores = store_names(&request.store);
        let in_store = |path: &Path| stores.iter().any(|store| path.starts_with(store));
        let wanted = |root: &&Root| match request.relative {
            Relative::Off => false,
            Relative::Tree => true,
            Relative::OutsideStore => !in_store(&root.canonical),
        };
        let mut relative = RelativeRoots {
            roots: roots
                .iter()
                .filter(wanted)
                .map(|root| root.canonical.clone())
                .collect(),
            links: BTreeMap::new(),
        };
        if request.relative == Relative::OutsideStore && !relative.roots.is_empty() {
            let named = roots.iter().map(|root| root.given.clone());
            let met = links.iter().map(|link| link.path.clone());
            let libs = request.libs.iter().flat_map(|lib| links_in(lib));
            for link in met.chain(named).chain(libs) {
                relative.add_link(&link);
            }
        }
        relative
    }

    /// The trees, as the rules take them.
    pub(super) fn roots(&self) -> impl Iterator<Item = Vec<u8>> {
        let roots = self.roots.iter();
        roots.map(|root| root.as_os_str().as_bytes().to_vec())
    }

    /// A library that is loaded through a link has the link's directory for `$ORIGIN`.
    fn add_link(&mut self, link: &Path) {
        let is_link = link.symlink_metadata().is_ok_and(|m| m.is_symlink());
        let Some(target) = link.canonicalize().ok().filter(|t| is_link && t.is_file()) else {
            return;
        };
        let directory = link.parent().unwrap_or(Path::new("."));
        let directory = match directory.as_os_str().is_empty() {
            true => Path::new(".").canonicalize(),
            false => directory.canonicalize(),
        };
        let Ok(directory) = directory else {
            return;
        };
        let roots = self.roots.iter();
        let Some(root) = roots.filter(|root| target.starts_with(root)).max() else {
            return;
        };
        // Within a tree, a library is loaded from the directory of the file itself, unless only
        // the link has its name.
        let other_name = link.file_name() != target.file_name();
        let elsewhere = Some(directory.as_path()) != target.parent();
        if elsewhere && (other_name || !directory.starts_with(root)) {
            let first = self.links.entry(target).or_insert_with(|| link.to_owned());
            if link < first.as_path() {
                *first = link.to_owned();
            }
        }
    }

    /// Why entries of this file must stay absolute.
    pub(super) fn stays_absolute(
        &self,
        path: &Path,
        file: &FileReader,
        info: &ElfInfo,
    ) -> Option<StaysAbsolute> {
        if self.roots.is_empty() {
            return None;
        }
        if info.interpreter.is_some() {
            // The kernel names a program by its real path: links to it change nothing.
            return privilege(path, file).map(StaysAbsolute::Privileged);
        }
        if self.links.is_empty() {
            return None;
        }
        let link = self.links.get(&path.canonicalize().ok()?)?;
        let link = link.as_os_str().as_bytes().to_vec();
        Some(StaysAbsolute::Link(link))
    }
}

/// The store by its name and by its real path.
fn store_names(store: &Path) -> Vec<PathBuf> {
    let mut names = vec![store.to_owned()];
    names.extend(store.canonicalize());
    names
}

/// The links in a directory, or the path itself.
fn links_in(lib: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(lib) else {
        return vec![lib.to_owned()];
    };
    let entries = entries.flatten();
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    links.map(|entry| entry.path()).collect()
}

/// The reason why a program gains privileges (AT_SECURE in ld.so(8)).
fn privilege(path: &Path, file: &FileReader) -> Option<&'static str> {
    let mode = file.metadata().mode();
    let mut value = [0u8; 64];
    if mode & 0o4000 != 0 {
        Some("set-user-ID program")
    } else if mode & 0o2010 == 0o2010 {
        Some("set-group-ID program")
    } else if rustix::fs::getxattr(path, "security.capability", &mut value).is_ok() {
        Some("program with file capabilities")
    } else {
        None
    }
}
