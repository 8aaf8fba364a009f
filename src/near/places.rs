//! Places where a missing library may be: beside the file, in the configuration of the loader, and
//! where software is usually installed.

use super::absent::Absent;
use super::listings::Listings;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Directory entries that are looked at for one miss.
const MAX_ENTRIES: usize = 4000;
/// Levels below the file's directory that are searched.
const MAX_DEPTH: usize = 3;

/// Files of that name, then other versions, below the file's directory, below the one that holds
/// its `bin` or the like, and in the `lib` beside any other.
pub(super) fn beside(listings: &Listings, file: &Path, name: &[u8]) -> Vec<PathBuf> {
    let stem = stem(name);
    let parent = file.parent().unwrap_or(Path::new(""));
    let mut starts = vec![parent.to_owned()];
    starts.extend(around(file, parent));
    let (mut same, mut others) = (Vec::new(), Vec::new());
    let mut left = MAX_ENTRIES;
    let mut level: Vec<PathBuf> = starts;
    for _ in 0..=MAX_DEPTH {
        let mut next = Vec::new();
        for dir in level {
            let listing = listings.of(&dir);
            for found in listing.beginning(stem, left) {
                match found.as_bytes() == name {
                    true => same.push(dir.join(found)),
                    false => others.push(dir.join(found)),
                }
            }
            let inner = listing.directories(left);
            let inner = inner.filter(|inner| !inner.as_bytes().starts_with(stem));
            next.extend(inner.map(|inner| dir.join(inner)));
            left = left.saturating_sub(listing.len());
        }
        level = next;
    }
    same.extend(others);
    same
}

/// The directory that holds the `bin` or `lib` of a file, and else its own `lib`, as the user would
/// name it.
fn around(file: &Path, parent: &Path) -> Vec<PathBuf> {
    let absolute = std::path::absolute(file).unwrap_or_default();
    let Some(directory) = absolute.parent() else {
        return Vec::new();
    };
    let inner = ["bin", "sbin", "lib", "lib64", "libexec"].map(OsStr::new);
    let (Some(name), Some(above)) = (directory.file_name(), directory.parent()) else {
        return Vec::new();
    };
    if ["/", "/usr", "/usr/local"].map(Path::new).contains(&above) {
        return Vec::new();
    }
    let above = match parent.parent() {
        Some(above) if parent.file_name().is_some() => above.to_owned(),
        _ => parent.join(".."),
    };
    match inner.contains(&name) {
        true => vec![above],
        false => vec![above.join("lib"), above.join("lib64")],
    }
}

/// The directories of /etc/ld.so.conf and the files that it includes.
pub(super) fn configured() -> Vec<PathBuf> {
    let mut texts = vec![fs::read_to_string("/etc/ld.so.conf").unwrap_or_default()];
    let mut parts: Vec<PathBuf> = fs::read_dir("/etc/ld.so.conf.d")
        .map(|entries| entries.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    parts.sort();
    parts.retain(|path| path.extension().is_some_and(|e| e == "conf"));
    texts.extend(
        parts
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok()),
    );
    let lines = texts.iter().flat_map(|text| text.lines());
    let dirs = lines.filter_map(|line| line.split('#').next().map(str::trim));
    dirs.filter(|dir| dir.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// Files of that name in the places of a machine where software is installed without a package.
pub(super) fn installed(listings: &Listings, absent: &Absent, name: &OsStr) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = Vec::new();
    let mut add = |dir: PathBuf| dirs.push(dir);
    add("/usr/local/cuda/lib64".into());
    let local = listings.of(Path::new("/usr/local"));
    for toolkit in local.beginning(b"cuda-", local.len()).rev() {
        add(Path::new("/usr/local").join(toolkit).join("lib64"));
    }
    add("/usr/local/lib".into());
    add("/usr/local/lib64".into());
    for product in listings.of(Path::new("/opt")).names() {
        let product = Path::new("/opt").join(product);
        add(product.join("lib"));
        add(product.join("lib64"));
    }
    let files = dirs.into_iter().map(|dir| dir.join(name));
    files.filter(|file| absent.exists(file)).collect()
}

/// Files of that name in the other packages of the file's `site-packages`.
pub(super) fn site_packages(listings: &Listings, file: &Path, name: &OsStr) -> Vec<PathBuf> {
    let of = |path: &Path| {
        let is = |dir: &&Path| dir.ends_with("site-packages") || dir.ends_with("dist-packages");
        path.ancestors().find(is).map(Path::to_owned)
    };
    let absolute = || std::path::absolute(file).ok();
    let root = of(file).or_else(|| of(&absolute()?));
    root.map(|root| listings.in_site(&root, name))
        .unwrap_or_default()
}

/// Other versions in the directories of the system, by their names.
pub(super) fn other_versions(
    listings: &Listings,
    directories: &[Vec<u8>],
    name: &[u8],
) -> Vec<PathBuf> {
    let stem = stem(name);
    let mut found = Vec::new();
    for directory in directories {
        let directory = Path::new(OsStr::from_bytes(directory));
        let listing = listings.of(directory);
        let others = listing.beginning(stem, listing.len());
        found.extend(others.map(|other| directory.join(other)));
    }
    found
}

/// `libfoo.so` of `libfoo.so.1`.
fn stem(name: &[u8]) -> &[u8] {
    memchr::memmem::find(name, b".so").map_or(name, |at| &name[..at + 3])
}
