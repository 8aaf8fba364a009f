//! Layouts of prefixes: Nix outputs, wheels, redist archives, Debian's packages.

use super::FarmError;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A directory or file of a prefix, and its place in the farm.
#[derive(Clone, Debug)]
pub(super) struct ToolkitPart {
    /// Place in the farm, relative.
    pub place: PathBuf,
    pub source: PathBuf,
}

/// Names below `bin` that are not linked into a farm: the farm has its own, or (Debian's gcc and
/// g++) they would shadow the user's compilers on PATH.
const NOT_FROM_BIN: [&str; 7] = ["nvcc", "nvcc.profile", "gcc", "g++", "cc", "c++", "cmake"];

/// Paths of nvcc, the real one first: `bin/nvcc` is a script in Debian's layout and a wrapper in
/// some Nix outputs.
const NVCC: [&str; 4] = [
    "bin/.nvcc-wrapped",
    "bin/.nvcc-unwrapped",
    "lib/nvidia-cuda-toolkit/bin/nvcc",
    "bin/nvcc",
];

/// Directories that go to the same place, as the installer and redist archives have them.
const SAME_PLACE: [&str; 9] = [
    "bin",
    "nvvm",
    "include",
    "extras",
    "compute-sanitizer",
    "gds",
    "nvml",
    "tools",
    "version.json",
];

/// Whether a prefix has part of a toolkit.
pub(super) fn has_pieces(prefix: &Path) -> Result<bool, FarmError> {
    check(prefix)?;
    let has_some = SAME_PLACE.iter().any(|place| prefix.join(place).exists());
    Ok(has_some || !pieces(prefix)?.is_empty())
}

/// Refuses what can't join a farm.
fn check(prefix: &Path) -> Result<(), FarmError> {
    if !prefix.is_dir() {
        return Err(FarmError::prefix(prefix, "is no directory"));
    }
    if prefix.join(super::record::PLACE).exists() {
        return Err(FarmError::prefix(
            prefix,
            "is a farm itself: name the prefixes that it was made from",
        ));
    }
    if prefix.join("include/stdio.h").exists() {
        return Err(FarmError::prefix(
            prefix,
            "holds the system's headers too: unpack the CUDA packages to a directory of their own \
             (dpkg -x PACKAGE DIR) and name DIR/usr",
        ));
    }
    Ok(())
}

/// The pieces of a prefix and their paths in the farm. Empty if it has no part of a toolkit.
pub(super) fn pieces(prefix: &Path) -> Result<Vec<ToolkitPart>, FarmError> {
    check(prefix)?;
    let mut pieces = Vec::new();
    // Most of these places are not there: one list of the directory is cheaper than a look at each.
    let names = super::merge::list(prefix).ok();
    let is_listed = |source: &Path| {
        let inside = source.strip_prefix(prefix).unwrap_or(source);
        let name = inside.iter().next();
        let listed =
            |names: &Vec<(OsString, PathBuf)>| names.iter().any(|(n, _)| Some(&**n) == name);
        names.as_ref().is_none_or(listed)
    };
    let mut add = |place: PathBuf, source: PathBuf| {
        if is_listed(&source) && source.exists() {
            pieces.push(ToolkitPart { place, source });
        }
    };
    for place in SAME_PLACE {
        add(place.into(), prefix.join(place));
    }
    let debian = prefix.join("lib/nvidia-cuda-toolkit");
    if debian.is_dir() {
        add("bin/crt".into(), debian.join("bin/crt"));
        add("nvvm/bin/cicc".into(), debian.join("bin/cicc"));
        add("nvvm/libdevice".into(), debian.join("libdevice"));
        let sanitizer = "compute-sanitizer";
        add(sanitizer.into(), debian.join(sanitizer));
    }
    let multiarch = subdirectories(&prefix.join("lib"), |name| name.ends_with("-linux-gnu"))?;
    let mut libraries = multiarch.clone();
    if multiarch.is_empty() && !debian.is_dir() {
        libraries.extend([prefix.join("lib"), prefix.join("lib64")]);
    }
    for (place, source) in nvvm_elsewhere(prefix, &libraries)? {
        add(place, source);
    }
    for dir in libraries {
        add("lib".into(), dir);
    }
    // The installer's layout: include and lib64 are links to these, where they are there at all.
    for target in subdirectories(&prefix.join("targets"), |name| name.ends_with("-linux"))? {
        for name in ["include", "lib"] {
            let source = target.join(name);
            let place = source.strip_prefix(prefix).unwrap_or(Path::new(name));
            add(place.to_owned(), source.clone());
        }
    }
    Ok(pieces)
}

/// libNVVM of a prefix that keeps it among all other libraries and headers, as wheels and Debian
/// do: nvlink opens `nvvm/lib64/libnvvm.so` for -dlto, and nothing else.
fn nvvm_elsewhere(
    prefix: &Path,
    libraries: &[PathBuf],
) -> Result<Vec<(PathBuf, PathBuf)>, FarmError> {
    let mut found = Vec::new();
    if !prefix.join("nvvm/lib64").exists() {
        for (name, path) in libraries
            .iter()
            .map(|dir| super::merge::list(dir))
            .collect::<Result<Vec<_>, _>>()?
            .concat()
        {
            if name.as_encoded_bytes().starts_with(b"libnvvm.so") {
                found.push((Path::new("nvvm/lib64").join(name), path));
            }
        }
    }
    if !prefix.join("nvvm/include").exists() {
        found.push(("nvvm/include/nvvm.h".into(), prefix.join("include/nvvm.h")));
    }
    Ok(found)
}

/// Whether a name below a piece goes to the farm.
pub(super) fn joins(place: &Path, name: &OsStr) -> bool {
    let ours = NOT_FROM_BIN.iter().any(|not| name == *not)
        || name.as_encoded_bytes().starts_with(b".nvcc-");
    place != Path::new("bin") || !ours
}

/// The real nvcc of a prefix, a program and no script.
pub(super) fn nvcc(prefix: &Path) -> Result<Option<PathBuf>, FarmError> {
    for place in NVCC {
        let path = prefix.join(place);
        match starts_as_elf(&path) {
            Ok(true) => {
                return path
                    .canonicalize()
                    .map(Some)
                    .map_err(|e| FarmError::io(&path, e));
            }
            Ok(false) => {
                return Err(FarmError::prefix(
                    prefix,
                    format!(
                        "{place} is no program but a script, and the program that it runs is not \
                         beside it: name the prefix of NVIDIA's own nvcc"
                    ),
                ));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(FarmError::io(&path, e)),
        }
    }
    Ok(None)
}

fn starts_as_elf(path: &Path) -> io::Result<bool> {
    let mut magic = Vec::new();
    fs::File::open(path)?.take(4).read_to_end(&mut magic)?;
    Ok(magic == b"\x7fELF")
}

fn subdirectories(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, FarmError> {
    let mut found = Vec::new();
    for (name, path) in super::merge::list(dir)? {
        if name.to_str().is_some_and(&wanted) && path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}
