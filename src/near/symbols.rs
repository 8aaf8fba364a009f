//! Libraries near a file that define a symbol which the process lacks.

use super::listings::Listings;
use super::{bytes, expanded};
use crate::advice::{NearFile, NearState};
use crate::loader::{MissingSymbol, Resolution, library_has};
use elf_edit::ElfInfo;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Libraries that are looked into for one symbol.
const MAX_LIBRARIES: usize = 256;
/// Those that are named.
const MAX_NAMED: usize = 2;

/// The search for one symbol.
pub(super) struct Providers<'a> {
    info: &'a ElfInfo,
    resolution: &'a Resolution,
    symbol: &'a MissingSymbol,
    left: usize,
    found: Vec<NearFile>,
}

impl<'a> Providers<'a> {
    pub(super) fn new(
        info: &'a ElfInfo,
        resolution: &'a Resolution,
        symbol: &'a MissingSymbol,
    ) -> Providers<'a> {
        Providers {
            info,
            resolution,
            symbol,
            left: MAX_LIBRARIES,
            found: Vec::new(),
        }
    }

    /// Searches beside the file, in its RUNPATH and beside the loaded libraries, but not in those;
    /// then in `namesakes` of the libraries that it needs.
    pub(super) fn search(
        mut self,
        listings: &Listings,
        file: &Path,
        namesakes: Vec<PathBuf>,
    ) -> Vec<NearFile> {
        for directory in directories(file, self.resolution) {
            self.add(libraries(listings, &directory));
        }
        if self.found.is_empty() {
            self.add(namesakes);
        }
        self.found
    }

    fn add(&mut self, paths: Vec<PathBuf>) {
        for path in paths {
            if self.left == 0 || self.found.len() >= MAX_NAMED {
                return;
            }
            self.left -= 1;
            if let Some(state) = state(&path, self.info, self.resolution, self.symbol) {
                let path = bytes(&path);
                self.found.push(NearFile { path, state });
            }
        }
    }
}

fn directories(file: &Path, resolution: &Resolution) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    let mut add = |directory: PathBuf| {
        let system = |dir: &&str| directory.starts_with(dir);
        // The system's directories have every library that there is.
        if !["/lib", "/lib64", "/usr/lib", "/usr/lib64"]
            .iter()
            .any(system)
            && !all.contains(&directory)
        {
            all.push(directory);
        }
    };
    add(file.parent().unwrap_or(Path::new("")).to_owned());
    for object in resolution.loaded() {
        let origin = Path::new(OsStr::from_bytes(&object.path)).parent();
        let library = object.library.as_ref();
        let runpath = library.and_then(|l| l.runpath.as_deref().or(l.rpath.as_deref()));
        let entries = runpath.unwrap_or_default().split(|&byte| byte == b':');
        for entry in entries.take(64).filter(|entry| !entry.is_empty()) {
            if let Some(directory) = expanded(entry, origin) {
                add(directory);
            }
        }
        if let Some(origin) = origin {
            add(origin.to_owned());
        }
    }
    all
}

/// The libraries in a directory, sorted, by their names.
fn libraries(listings: &Listings, directory: &Path) -> Vec<PathBuf> {
    let listing = listings.of(directory);
    let is_library = |name: &&OsStr| memchr::memmem::find(name.as_bytes(), b".so").is_some();
    let names = listing.names().filter(is_library);
    let paths = names.take(MAX_LIBRARIES).map(|name| directory.join(name));
    paths.collect()
}

fn state(
    path: &Path,
    info: &ElfInfo,
    resolution: &Resolution,
    symbol: &MissingSymbol,
) -> Option<NearState> {
    let file = crate::scan::open(path, true).ok()?;
    let found = ElfInfo::read(&file).ok()?;
    let soname = found.dynamic.as_ref().and_then(|d| d.soname.clone());
    let fits = found.platform().goes_with(info.platform());
    let (name, version) = (&symbol.name, symbol.version.as_deref());
    if !fits || !library_has(file.file(), &found, name, version) {
        return None;
    }
    let same = resolution.loaded().iter().find(|object| {
        let library = object.library.as_ref();
        soname.is_some() && library.is_some_and(|library| library.soname == soname)
    });
    Some(match same {
        Some(loaded) => NearState::InsteadOf(loaded.path.clone()),
        None => NearState::Fits,
    })
}
