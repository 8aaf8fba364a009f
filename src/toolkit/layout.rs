//! Directories of NVIDIA's own layout that no prefix has as such: `targets/<triple>`, which meson
//! and cross builds search, and `extras/CUPTI`, which profilers search.
//!
//! The installer keeps headers and libraries in `targets/<triple>` and makes `include` and `lib64`
//! links to them. In a farm `include` and `lib` are the directories, and all others are links.

use super::FarmError;
use super::merge::{FarmEntry, Tree, insert, list};
use super::prefix::ToolkitPart;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// e_machine, and the names of its targets. Servers and Jetsons have different names for AArch64;
/// builds look for either, and only the installer's own directories show which is meant.
const TARGETS: [(u16, &[&str]); 3] = [
    (object::elf::EM_X86_64, &["x86_64-linux"]),
    (object::elf::EM_AARCH64, &["sbsa-linux", "aarch64-linux"]),
    (object::elf::EM_PPC64, &["ppc64le-linux"]),
];

/// Moves the farm's own target from `targets/<triple>` to `include` and `lib`, and returns the
/// names of that target. Other targets, of a toolkit for cross builds, stay where they are.
pub(super) fn own_target(
    pieces: &mut [ToolkitPart],
    nvcc: Option<&Path>,
) -> Result<Vec<String>, FarmError> {
    let there: BTreeSet<String> = pieces.iter().filter_map(target_of).collect();
    let names = match machine(pieces, nvcc)? {
        Some(machine) => TARGETS.iter().find(|(of, _)| *of == machine),
        None => None,
    };
    let names: &[&str] = names.map_or(&[], |(_, names)| names);
    let own = names.iter().find(|name| there.contains(**name));
    let plain = pieces.iter().any(|piece| piece.place == Path::new("lib"));
    let own = match (own, there.first()) {
        (Some(own), _) => Some((*own).to_owned()),
        (None, Some(only)) if there.len() == 1 && !plain => Some(only.clone()),
        _ => None,
    };
    let Some(own) = own else {
        let new = names.iter().filter(|name| !there.contains(**name));
        return Ok(new.map(|name| (*name).to_owned()).collect());
    };
    for piece in pieces {
        if target_of(piece).as_ref() == Some(&own) {
            piece.place = piece.place.iter().skip(2).collect();
        }
    }
    Ok(vec![own])
}

/// `x86_64-linux` for `targets/x86_64-linux/lib`.
fn target_of(piece: &ToolkitPart) -> Option<String> {
    let below = piece.place.strip_prefix("targets").ok()?;
    Some(below.iter().next()?.to_str()?.to_owned())
}

/// The machine that the farm's libraries are for; without any, the one that nvcc runs on.
fn machine(pieces: &[ToolkitPart], nvcc: Option<&Path>) -> Result<Option<u16>, FarmError> {
    for piece in pieces {
        if piece.place != Path::new("lib") {
            continue;
        }
        for (name, path) in list(&piece.source)? {
            let library = name.to_string_lossy().contains(".so");
            if let Some(machine) = Some(path).filter(|_| library).and_then(|p| e_machine(&p)) {
                return Ok(Some(machine));
            }
        }
    }
    Ok(nvcc.and_then(e_machine))
}

/// e_machine of a file, if it is a little-endian ELF file.
fn e_machine(path: &Path) -> Option<u16> {
    let mut header = [0; 20];
    let file = File::open(path).ok();
    file.filter(|file| file.metadata().is_ok_and(|meta| meta.is_file()))?
        .read_exact(&mut header)
        .ok()?;
    let little_endian = header[..4] == object::elf::ELFMAG && header[5] == 1;
    little_endian.then(|| u16::from_le_bytes([header[18], header[19]]))
}

/// Adds the links to `tree`.
pub(super) fn add(tree: &mut Tree, targets: &[String]) {
    let mut links: Vec<(PathBuf, &str)> = vec![("lib64".into(), "lib")];
    for target in targets {
        let target = Path::new("targets").join(target);
        links.push((target.join("include"), "include"));
        links.push((target.join("lib"), "lib"));
    }
    let in_lib = |name: &str| tree.contains_key(&Path::new("lib").join(name));
    if in_lib("libcupti.so") {
        links.push(("extras/CUPTI/include".into(), "include"));
        links.push(("extras/CUPTI/lib64".into(), "lib"));
    }
    for (place, to) in links {
        let up = place.iter().skip(1).map(|_| "..");
        let target: PathBuf = up.chain([to]).collect();
        if !tree.contains_key(Path::new(to)) || tree.contains_key(&place) {
            continue;
        }
        insert(tree, place, FarmEntry::Link(target));
    }
}

/// The directories merged into one of the farm's: for one that only has single files of prefixes,
/// the directories of those files.
pub(super) fn sources(tree: &Tree, place: &Path, sources: &[PathBuf]) -> Vec<PathBuf> {
    if !sources.is_empty() {
        return sources.to_vec();
    }
    let mut found = Vec::new();
    for (below, entry) in tree.range(place.to_owned()..) {
        if !below.starts_with(place) {
            break;
        }
        let (FarmEntry::Link(target) | FarmEntry::DirectoryLink(target)) = entry else {
            continue;
        };
        let dir = target.parent().filter(|dir| dir.is_absolute());
        if let (true, Some(dir)) = (below.parent() == Some(place), dir)
            && !found.iter().any(|there| there == dir)
        {
            found.push(dir.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(place: &str, source: &Path) -> ToolkitPart {
        ToolkitPart {
            place: place.into(),
            source: source.to_owned(),
        }
    }

    /// A directory with a library of a machine.
    fn library(machine: u16) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0".to_vec();
        header.extend(machine.to_le_bytes());
        std::fs::write(dir.path().join("libcudart.so.13"), header).unwrap();
        dir
    }

    fn places(pieces: &[ToolkitPart]) -> Vec<String> {
        let places = pieces.iter().map(|piece| piece.place.display().to_string());
        places.collect()
    }

    #[test]
    fn the_libraries_say_the_target() {
        for (machine, expected) in [
            (object::elf::EM_X86_64, &["x86_64-linux"][..]),
            (object::elf::EM_AARCH64, &["sbsa-linux", "aarch64-linux"]),
            (object::elf::EM_RISCV, &[]),
        ] {
            let lib = library(machine);
            let mut pieces = [part("lib", lib.path())];
            assert_eq!(own_target(&mut pieces, None).unwrap(), expected);
            assert_eq!(places(&pieces), ["lib"]);
        }
    }

    #[test]
    fn another_target_stays_below_targets() {
        let (x86, arm) = (
            library(object::elf::EM_X86_64),
            library(object::elf::EM_AARCH64),
        );
        let nvcc = x86.path().join("libcudart.so.13");
        let both = || {
            [
                part("targets/sbsa-linux/lib", arm.path()),
                part("targets/x86_64-linux/lib", x86.path()),
            ]
        };
        let mut pieces = both();
        assert_eq!(
            own_target(&mut pieces, Some(&nvcc)).unwrap(),
            ["x86_64-linux"]
        );
        assert_eq!(places(&pieces), ["targets/sbsa-linux/lib", "lib"]);
        // Jetson's nvcc, and only the server's libraries: they are the farm's.
        let mut pieces = [both()[0].clone()];
        assert_eq!(
            own_target(&mut pieces, Some(&nvcc)).unwrap(),
            ["sbsa-linux"]
        );
        assert_eq!(places(&pieces), ["lib"]);
    }

    #[test]
    fn links_stay_inside_and_what_is_there_wins() {
        let link = |to: &str| FarmEntry::Link(to.into());
        let mut tree = Tree::from([
            ("extras/CUPTI/include".into(), link("/a/CUPTI/include")),
            ("include".into(), FarmEntry::Directory(vec!["/a".into()])),
            ("lib".into(), FarmEntry::Directory(vec!["/a".into()])),
            ("lib/libcupti.so".into(), link("/a/libcupti.so.13")),
        ]);
        add(&mut tree, &["x86_64-linux".to_owned()]);
        for (place, to) in [
            ("lib64", "lib"),
            ("targets/x86_64-linux/lib", "../../lib"),
            ("targets/x86_64-linux/include", "../../include"),
            ("extras/CUPTI/lib64", "../../lib"),
            ("extras/CUPTI/include", "/a/CUPTI/include"),
        ] {
            assert_eq!(tree[Path::new(place)], link(to), "{place}");
        }
    }
}
