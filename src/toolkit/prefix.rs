//! Where a prefix keeps what: Nix outputs, wheels, redist archives, Debian's packages.

use super::FarmError;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A directory or file of a prefix, and its place in the farm.
#[derive(Clone, Debug)]
pub(super) struct ToolkitPart {
    /// Place in the farm, relative.
    pub place: &'static str,
    pub source: PathBuf,
}

/// Names below `bin` that never go to a farm's: the farm brings its own, or (Debian's gcc and
/// g++) they would shadow the compilers of whoever puts the farm on PATH.
const NOT_FROM_BIN: [&str; 7] = ["nvcc", "nvcc.profile", "gcc", "g++", "cc", "c++", "cmake"];

/// Where nvcc may be, the real one first: `bin/nvcc` is a script in Debian's layout and a
/// wrapper in some Nix outputs.
const NVCC: [&str; 4] = [
    "bin/.nvcc-wrapped",
    "bin/.nvcc-unwrapped",
    "lib/nvidia-cuda-toolkit/bin/nvcc",
    "bin/nvcc",
];

/// What of a prefix goes where. Empty if it has nothing that a toolkit is made of.
pub(super) fn pieces(prefix: &Path) -> Result<Vec<ToolkitPart>, FarmError> {
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
    let mut pieces = Vec::new();
    let mut add = |place, source: PathBuf| {
        if source.exists() {
            pieces.push(ToolkitPart { place, source });
        }
    };
    add("bin", prefix.join("bin"));
    add("nvvm", prefix.join("nvvm"));
    add("include", prefix.join("include"));
    add("extras", prefix.join("extras"));
    add("version.json", prefix.join("version.json"));
    let debian = prefix.join("lib/nvidia-cuda-toolkit");
    if debian.is_dir() {
        add("bin/crt", debian.join("bin/crt"));
        add("nvvm/bin/cicc", debian.join("bin/cicc"));
        add("nvvm/libdevice", debian.join("libdevice"));
    }
    let multiarch = subdirectories(&prefix.join("lib"), |name| name.ends_with("-linux-gnu"))?;
    if multiarch.is_empty() && !debian.is_dir() {
        add("lib", prefix.join("lib"));
        add("lib", prefix.join("lib64"));
    }
    for dir in multiarch {
        add("lib", dir);
    }
    // The installer's layout: include and lib64 are links to these, where they are there at all.
    for target in subdirectories(&prefix.join("targets"), |name| name.ends_with("-linux"))? {
        add("include", target.join("include"));
        add("lib", target.join("lib"));
    }
    Ok(pieces)
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
