//! Wheels, Debian packages and nixpkgs attributes of CUDA's libraries:
//! `nix/data/cuda-sonames.json`.

use serde::Deserialize;
use std::sync::OnceLock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LibraryTable {
    #[serde(rename = "format")]
    _format: u32,
    #[serde(rename = "sources")]
    _sources: Vec<String>,
    libraries: Vec<Library>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Library {
    stem: String,
    nixpkgs: String,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    soname: String,
    wheels: Vec<String>,
    debian: Option<String>,
}

/// Location of a library; of a version that the table lacks, no wheels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) wheels: &'static [String],
    pub(super) debian: Option<&'static str>,
    pub(super) nixpkgs: &'static str,
}

fn table() -> Option<&'static LibraryTable> {
    static TABLE: OnceLock<Option<LibraryTable>> = OnceLock::new();
    let read = || serde_json::from_str(include_str!("../../nix/data/cuda-sonames.json")).ok();
    TABLE.get_or_init(read).as_ref()
}

/// The source of the library with this soname.
pub(super) fn source(soname: &[u8]) -> Option<Source> {
    let name = str::from_utf8(soname).ok()?;
    table()?.libraries.iter().find_map(|library| {
        let version = name
            .strip_prefix(library.stem.as_str())?
            .strip_prefix('.')?;
        let number = |b: u8| b.is_ascii_digit() || b == b'.';
        if !version.bytes().all(number) {
            return None;
        }
        let found = library.versions.iter().find(|v| v.soname == version);
        Some(Source {
            wheels: found.map_or(&[], |found| &found.wheels[..]),
            debian: found.and_then(|found| found.debian.as_deref()),
            nixpkgs: &library.nixpkgs,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_every_library_is_there_once() {
        let table = table().unwrap();
        for (at, library) in table.libraries.iter().enumerate() {
            assert!(library.stem.ends_with(".so") && !library.versions.is_empty());
            assert!(table.libraries[..at].iter().all(|o| o.stem < library.stem));
            assert!(library.versions.iter().all(|v| !v.wheels.is_empty()));
        }
        assert!(source(b"libcudart.so.12").is_some());
        assert!(source(b"libcudart.so.10.1").unwrap().wheels.is_empty());
        assert!(source(b"libcudart.so").is_none() && source(b"libcudart.so.x").is_none());
    }
}
