//! Links of Debian packages, whose directories become others in the outputs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

/// Links that are followed for one link: the limit of Linux.
const MAX_HOPS: usize = 40;
/// Made by update-alternatives when a package is installed.
const ALTERNATIVES: &str = "etc/alternatives";

/// Destination of a link of a Debian package.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// A file of the package, by its path there.
    File(String),
    /// A name in /etc/alternatives, which the package lacks.
    Alternative(String),
    /// A directory, or another package's file: the link stays as it is.
    Other,
}

/// Whether a file of a package is one of the links that choose between packages.
pub(super) fn is_alternative(file: &str) -> bool {
    Path::new(file).starts_with(ALTERNATIVES)
}

/// Where the link `file` leads, by the files of the package in `source`.
pub(super) fn destination(source: &Path, files: &BTreeSet<&str>, file: &str) -> Destination {
    let Some(mut path) = hop(source, file) else {
        return Destination::Other;
    };
    for _ in 0..MAX_HOPS {
        let is_file = files.contains(path.as_str());
        if is_file && !is_alternative(&path) {
            return Destination::File(path);
        }
        let next = match is_file {
            true => hop(source, &path),
            false => through_directory(source, &path),
        };
        match next {
            Some(next) => path = next,
            None if is_alternative(&path) => return Destination::Alternative(path),
            None => return Destination::Other,
        }
    }
    Destination::Other
}

/// The path in the package to which one link leads.
fn hop(source: &Path, link: &str) -> Option<String> {
    let target = fs::read_link(source.join(link)).ok()?;
    let mut parts: Vec<&str> = match target.is_absolute() {
        true => Vec::new(),
        false => link.split('/').collect(),
    };
    parts.pop();
    for component in target.components() {
        match component {
            Component::Normal(name) => parts.push(name.to_str()?),
            // The root's parent is the root.
            Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    Some(parts.join("/"))
}

/// A path below a link to a directory, through that link.
fn through_directory(source: &Path, path: &str) -> Option<String> {
    let mut ends = path.match_indices('/').map(|(at, _)| at);
    // The first one, so that no link outside of the package is followed.
    let end = ends.find(|&at| source.join(&path[..at]).is_symlink())?;
    Some(hop(source, &path[..end])? + &path[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_to_files_of_the_package_or_to_alternatives() {
        let dir = tempfile::tempdir().unwrap();
        let links = [
            ("usr/lib/libx.so", "libx.so.1"),
            ("usr/lib/libx.so.1", "/usr/lib/x/libx.so.1.2"),
            ("usr/lib/liby.so", "/etc/alternatives/liby.so"),
            ("usr/lib/libz.so", "/etc/alternatives/libz.so"),
            ("etc/alternatives/liby.so", "/usr/lib/x/libx.so.1.2"),
            ("usr/local/cuda", "/etc/alternatives/cuda"),
            ("usr/local/cuda-13", "cuda-13.0"),
            ("usr/lib/lib13.so", "../local/cuda-13/lib/libc.so"),
            ("usr/lib/libcuda.so", "../../../usr/local/cuda/lib/libc.so"),
            ("usr/lib/loop1", "loop2"),
            ("usr/lib/loop2", "loop1"),
            ("etc/alternatives/loop3", "/etc/alternatives/loop3"),
            ("usr/lib/loop3", "/etc/alternatives/loop3"),
            ("usr/share/doc", "/usr/share/doc/other"),
        ];
        let plain = ["usr/lib/x/libx.so.1.2", "usr/local/cuda-13.0/lib/libc.so"];
        for file in links.map(|(file, _)| file).iter().chain(&plain) {
            fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
        }
        for (file, target) in links {
            symlink(target, dir.path().join(file)).unwrap();
        }
        for file in plain {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let files: BTreeSet<&str> = links
            .map(|(file, _)| file)
            .into_iter()
            .chain(plain)
            .collect();
        let of = |file| destination(dir.path(), &files, file);
        let is_file = |file: &str| Destination::File(file.to_owned());
        let is_choice = |file: &str| Destination::Alternative(file.to_owned());
        assert_eq!(of("usr/lib/libx.so"), is_file("usr/lib/libx.so.1"));
        assert_eq!(of("usr/lib/libx.so.1"), is_file(plain[0]));
        assert_eq!(of("usr/lib/liby.so"), is_file(plain[0]));
        assert_eq!(of("usr/lib/libz.so"), is_choice("etc/alternatives/libz.so"));
        assert_eq!(of("usr/local/cuda"), is_choice("etc/alternatives/cuda"));
        assert_eq!(of("usr/lib/lib13.so"), is_file(plain[1]));
        assert_eq!(
            of("usr/lib/libcuda.so"),
            is_choice("etc/alternatives/cuda/lib/libc.so")
        );
        assert_eq!(of("usr/lib/loop3"), Destination::Other);
        assert_eq!(of("usr/share/doc"), Destination::Other);
    }
}
