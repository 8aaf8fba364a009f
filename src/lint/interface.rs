//! CUDA libraries older than those that a file was linked against: the symbols that they lack.

use super::runtimes;
use crate::cuda::Soname;
use crate::cuda::symbols::{is_of, of_interface, prefixes_of};
use crate::loader::{Loader, Resolution};
use elf_edit::{ElfInfo, FileReader, ReadError};
use std::collections::BTreeSet;

/// A needed library that was found, but lacks symbols that the file imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OlderLibrary {
    /// The path that the loader opens.
    pub path: Vec<u8>,
    /// In order.
    pub symbols: Vec<Vec<u8>>,
}

/// The libraries without symbols that no other loaded library defines either.
pub(super) fn older(
    loader: &Loader,
    file: &FileReader,
    info: &ElfInfo,
    resolution: &Resolution,
) -> Result<Vec<OlderLibrary>, ReadError> {
    let Some(own) = resolution.objects.first() else {
        return Ok(Vec::new());
    };
    // A missing library may define the symbol.
    let all_found = || {
        let mut needs = resolution.loaded().iter().flat_map(|object| &object.needs);
        needs.all(|need| need.object.is_some() || is_of_driver(&need.name))
    };
    let mut found = Vec::new();
    for need in &own.needs {
        let stem = Soname::parse(&need.name).map(|soname| soname.stem);
        let prefixes = stem.map(prefixes_of).unwrap_or_default();
        let library = need.object.and_then(|at| resolution.objects.get(at));
        let (Some(library), false) = (library, prefixes.is_empty()) else {
            continue;
        };
        let mut wanted = of_interface(file, info, &prefixes)?.wanted;
        wanted.retain(|symbol| prefixes.iter().any(|prefix| is_of(symbol, prefix)));
        without_defined(loader, &mut wanted, &library.path, &prefixes);
        if wanted.is_empty() || !all_found() {
            continue;
        }
        for object in resolution.loaded() {
            without_defined(loader, &mut wanted, &object.path, &prefixes);
        }
        if !wanted.is_empty() {
            found.push(OlderLibrary {
                path: library.path.clone(),
                symbols: wanted.into_iter().collect(),
            });
        }
    }
    Ok(found)
}

fn is_of_driver(name: &[u8]) -> bool {
    crate::cuda::driver::library(name).is_some()
}

fn without_defined(
    loader: &Loader,
    wanted: &mut BTreeSet<Vec<u8>>,
    path: &[u8],
    prefixes: &[&[u8]],
) {
    if wanted.is_empty() {
        return;
    }
    let Some((file, info)) = runtimes::open(loader, path) else {
        // An unreadable library may define all of them.
        wanted.clear();
        return;
    };
    match of_interface(&file, &info, prefixes) {
        Ok(interface) => wanted.retain(|name| !interface.defined.contains(name)),
        Err(_) => wanted.clear(),
    }
}
