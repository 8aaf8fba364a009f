//! Libraries that are found through the DT_RPATH of a file that loads them indirectly.
//!
//! The loader also searches the DT_RPATH of a file for the dependencies of its libraries, unless
//! they have a DT_RUNPATH; a DT_RUNPATH applies to its own file only (ld.so(8)). So converting a
//! DT_RPATH to a DT_RUNPATH, or adding a DT_RUNPATH to a library without one, may lose libraries.

use crate::loader::{Environment, Loader, Resolution};
use crate::scan::{self, Visited};
use crate::soname_index::LibraryInfo;
use elf_edit::FileId;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// Files that need a DT_RPATH, for themselves or for their libraries, each with one library as an
/// example.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    files: BTreeMap<FileId, Vec<u8>>,
}

impl Inherited {
    /// Looks at the files with a DT_RPATH. Libraries of the trees don't count where they
    /// get entries of their own (`heals`).
    pub(super) fn new(files: &[Visited<LibraryInfo>], heals: bool) -> Inherited {
        let holders: Vec<_> = files.iter().filter(|file| file.value.has_rpath).collect();
        if holders.is_empty() {
            return Inherited::default();
        }
        let own: HashSet<FileId> = match heals {
            true => files.iter().map(|file| file.id).collect(),
            false => HashSet::new(),
        };
        let environment = Environment {
            cwd: std::env::current_dir().unwrap_or_else(|_| "/".into()),
            ..Environment::default()
        };
        let loader = Loader::new(environment);
        let found = holders.par_iter().filter_map(|file| {
            let resolution = resolve(&loader, file.names.first()?)?;
            Some(inherited(&resolution, &own))
        });
        let mut files = BTreeMap::new();
        for (file, what) in found.collect::<Vec<_>>().into_iter().flatten() {
            files.entry(file).or_insert(what);
        }
        Inherited { files }
    }

    /// A library that is lost without a DT_RPATH in this file, and its dependent.
    pub(super) fn of(&self, file: FileId) -> Option<&[u8]> {
        self.files.get(&file).map(Vec::as_slice)
    }
}

fn resolve(loader: &Loader, path: &Path) -> Option<Resolution> {
    let reader = scan::open(path, true).ok()?;
    let info = scan::dynamic_info(&reader).ok()?;
    let path = path.canonicalize().ok()?;
    loader.resolve(&path, &reader, &info, &[]).ok()
}

/// Of each library that is found through the DT_RPATH of another file: that file and the one that
/// needs the library.
fn inherited(resolution: &Resolution, own: &HashSet<FileId>) -> Vec<(FileId, Vec<u8>)> {
    let mut found = Vec::new();
    for (holder, user, name) in resolution.inherited() {
        let (Some(holder_file), Some(user_file)) = (&holder.library, &user.library) else {
            continue;
        };
        if own.contains(&user_file.id) {
            continue;
        }
        let what = [
            &user.path,
            b" finds ".as_slice(),
            name,
            b" through the DT_RPATH of ",
            &holder.path,
        ];
        let what = what.concat();
        found.push((holder_file.id, what.clone()));
        found.push((user_file.id, what));
    }
    found
}
