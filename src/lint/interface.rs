//! CUDA libraries older than those that a file was linked against: the symbols that they lack.

use super::runtimes;
use super::symbols::{self, of_interface};
use crate::cuda::Soname;
use crate::loader::Resolution;
use elf_edit::{ElfInfo, FileReader, ReadError};
use std::collections::BTreeSet;

/// Prefixes of the symbols in a library's interface, followed by a capital letter.
const INTERFACES: [(&str, &str); 17] = [
    ("libcublas", "cublas"),
    ("libcublasLt", "cublasLt"),
    ("libcudart", "cuda"),
    ("libcudnn", "cudnn"),
    ("libcufft", "cufft"),
    ("libcufile", "cuFile"),
    ("libcupti", "cupti"),
    ("libcurand", "curand"),
    ("libcusolver", "cusolver"),
    ("libcusparse", "cusparse"),
    ("libcusparseLt", "cusparseLt"),
    ("libcutensor", "cutensor"),
    ("libnccl", "nccl"),
    ("libnvJitLink", "nvJitLink"),
    ("libnvJitLink", "__nvJitLink"),
    ("libnvjpeg", "nvjpeg"),
    ("libnvrtc", "nvrtc"),
];

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
        let prefixes: Vec<&[u8]> = INTERFACES
            .iter()
            .filter(|(library, _)| stem == Some(library.as_bytes()))
            .map(|(_, prefix)| prefix.as_bytes())
            .collect();
        let library = need.object.and_then(|at| resolution.objects.get(at));
        let (Some(library), false) = (library, prefixes.is_empty()) else {
            continue;
        };
        let mut wanted = of_interface(file, info, &prefixes)?.wanted;
        wanted.retain(|symbol| prefixes.iter().any(|prefix| is_of(symbol, prefix)));
        without_defined(&mut wanted, &library.path, &prefixes);
        if wanted.is_empty() || !all_found() {
            continue;
        }
        for object in resolution.loaded() {
            without_defined(&mut wanted, &object.path, &prefixes);
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

/// `cublasCreate_v2` is of `cublas`, `cublas_helper` is the program's own.
fn is_of(symbol: &[u8], prefix: &[u8]) -> bool {
    let rest = symbol.strip_prefix(prefix);
    rest.and_then(<[u8]>::first)
        .is_some_and(u8::is_ascii_uppercase)
}

fn without_defined(wanted: &mut BTreeSet<Vec<u8>>, path: &[u8], prefixes: &[&[u8]]) {
    if wanted.is_empty() {
        return;
    }
    let Some((file, info)) = runtimes::open(path) else {
        // An unreadable library may define all of them.
        wanted.clear();
        return;
    };
    match symbols::of_interface(&file, &info, prefixes) {
        Ok(interface) => wanted.retain(|name| !interface.defined.contains(name)),
        Err(_) => wanted.clear(),
    }
}
