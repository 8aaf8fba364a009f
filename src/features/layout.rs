//! What the paths of an archive say: where its prefix is, which outputs its files go to, and which
//! files need not be opened.

use crate::redist::place::{Outputs, TopLink, out_of_deb};
use std::collections::BTreeSet;

/// Directories of a prefix. An archive that has one of them at its top is a prefix itself.
const PREFIX: [&str; 16] = [
    "bin",
    "compute-sanitizer",
    "docs",
    "etc",
    "extras",
    "include",
    "lib",
    "lib64",
    "nvvm",
    "pkg-config",
    "samples",
    "share",
    "src",
    "stubs",
    "targets",
    "usr",
];
/// All outputs that packages have.
const OUTPUTS: [&str; 9] = [
    "out", "bin", "dev", "include", "lib", "static", "stubs", "doc", "samples",
];

/// A file by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// With the name right below `include`.
    Header(String),
    PkgConfig,
    CMake,
    Python,
    /// The contents say it.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Layout {
    /// Empty, or ends in a slash.
    prefix: String,
    outputs: Outputs,
    links: Vec<TopLink>,
}

impl Layout {
    /// From all paths of an archive, and its links with what they name.
    pub(super) fn new(paths: &BTreeSet<String>, links: &[(String, String)]) -> Layout {
        let prefix = prefix(paths);
        let link = |(name, to): &(String, String)| TopLink::new(name.strip_prefix(&prefix)?, to);
        let links: Vec<TopLink> = links.iter().filter_map(link).collect();
        let inside = paths
            .iter()
            .filter_map(|path| inside(&prefix, &links, path));
        let inside: Vec<String> = inside.collect();
        let names = OUTPUTS.iter().map(|name| (*name).to_owned());
        // Which of the folders for several CUDAs is taken makes no difference to the outputs.
        let outputs = Outputs::new(names, "", inside.iter().map(String::as_str));
        Layout {
            prefix,
            outputs,
            links,
        }
    }

    pub(super) fn prefix(&self) -> &str {
        self.prefix.trim_end_matches('/')
    }

    /// Outputs that files go to, in nixpkgs' order; `out` is always there.
    pub(super) fn outputs(&self, paths: &BTreeSet<String>) -> Vec<String> {
        let inside = paths
            .iter()
            .filter_map(|path| inside(&self.prefix, &self.links, path));
        let placed: BTreeSet<String> = inside
            .map(|path| self.outputs.output_for_any_cuda(&path))
            .collect();
        let used = |name: &&str| *name == "out" || placed.contains(*name);
        let used = OUTPUTS.into_iter().filter(used);
        used.map(str::to_owned).collect()
    }

    pub(super) fn cuda_folders(&self) -> Vec<String> {
        self.outputs.cuda_folders()
    }

    pub(super) fn kind(&self, path: &str) -> FileKind {
        let ends = |ending: &str| path.ends_with(ending);
        if ends(".pc") {
            return FileKind::PkgConfig;
        }
        if ends(".cmake") {
            return FileKind::CMake;
        }
        if ends(".py") || ends(".pyc") || ends(".pyi") || ends(".whl") {
            return FileKind::Python;
        }
        match below_include(path) {
            Some(header) if !ends(".a") && !ends(".o") && !path.contains(".so") => {
                FileKind::Header(header)
            }
            _ => FileKind::Unknown,
        }
    }
}

/// The first component below a directory `include`; directories with a slash.
fn below_include(path: &str) -> Option<String> {
    let mut parts = path.split_inclusive('/');
    parts.find(|part| *part == "include/")?;
    parts.next().map(str::to_owned)
}

/// Whether a library replaces the driver's when programs are linked.
pub(super) fn is_stub(path: &str) -> bool {
    let mut directories = path.rsplit('/').skip(1);
    directories.any(|directory| directory == "stubs")
}

/// The path below the prefix, where an archive of the usual layout has it.
fn inside(prefix: &str, links: &[TopLink], path: &str) -> Option<String> {
    let path = TopLink::place(links, path.strip_prefix(prefix)?)?;
    Some(out_of_deb(&path))
}

/// The directory of bin, include and lib: archives and wheels have it below others.
fn prefix(paths: &BTreeSet<String>) -> String {
    let mut prefix = String::new();
    loop {
        let mut directories = BTreeSet::new();
        for path in paths {
            let Some(rest) = path.strip_prefix(&prefix) else {
                continue;
            };
            match rest.split_once('/') {
                Some((directory, _)) => {
                    if !is_metadata(directory) {
                        directories.insert(directory);
                    }
                }
                // Of a Python package.
                None if rest == "__init__.py" => {}
                None => return prefix,
            }
        }
        let mut directories = directories.into_iter();
        match (directories.next(), directories.next()) {
            (Some(only), None) if !PREFIX.contains(&only) => {
                prefix.push_str(only);
                prefix.push('/');
            }
            _ => return prefix,
        }
    }
}

/// Directories that wheels have beside their files.
fn is_metadata(directory: &str) -> bool {
    directory.ends_with(".dist-info") || directory == "__pycache__"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(paths: &[&str]) -> (String, String, String) {
        let paths: BTreeSet<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let links = [("lib".to_owned(), "targets/x86_64-linux-gnu/lib".to_owned())];
        let layout = Layout::new(&paths, &links);
        (
            layout.prefix().to_owned(),
            layout.outputs(&paths).join(" "),
            layout.cuda_folders().join(" "),
        )
    }

    #[test]
    fn a_prefix_is_where_lib_is() {
        for (paths, prefix, outputs, folders) in [
            (&["lib/libx.so", "LICENSE"][..], "", "out lib", ""),
            (
                &["x-archive/lib/libx.a", "x-archive/LICENSE"],
                "x-archive",
                "out static",
                "",
            ),
            (
                &[
                    "nvidia/cu13/include/x.h",
                    "nvidia/__init__.py",
                    "x-1.dist-info/RECORD",
                ],
                "nvidia/cu13",
                "out include",
                "",
            ),
            (
                &["lib/12/libx.so", "lib/13/libx.so", "lib/13/libx.a"],
                "",
                "out lib static",
                "12 13",
            ),
            (&["usr/lib/aarch64-linux-gnu/libx.so"], "", "out lib", ""),
            (
                &["usr/local/cuda-12.6/targets/sbsa-linux/include/x.h"],
                "",
                "out include",
                "",
            ),
            (
                &["bin/x", "pkg-config/x.pc", "lib/stubs/libx.so", "docs/x"],
                "",
                "out bin dev stubs doc",
                "",
            ),
            (&["samples/x.cu"], "", "out samples", ""),
            (
                &["lib", "targets/x86_64-linux-gnu/lib/libx.a", "bin/x"],
                "",
                "out bin static",
                "",
            ),
            (&["a/x", "b/y"], "", "out", ""),
            (&[], "", "out", ""),
        ] {
            let expected = (prefix.into(), outputs.into(), folders.into());
            assert_eq!(layout(paths), expected, "{paths:?}");
        }
    }

    #[test]
    fn headers_are_known_by_their_directory() {
        let paths = BTreeSet::new();
        let kind = |path| Layout::new(&paths, &[]).kind(path);
        let header = |name: &str| FileKind::Header(name.to_owned());
        assert_eq!(kind("include/cuda/std/atomic"), header("cuda/"));
        assert_eq!(kind("nvvm/include/nvvm.h"), header("nvvm.h"));
        assert_eq!(kind("include/libx.so"), FileKind::Unknown);
        assert_eq!(kind("include"), FileKind::Unknown);
        assert_eq!(kind("lib/cmake/x/x-config.cmake"), FileKind::CMake);
        assert!(is_stub("lib/stubs/libcuda.so") && is_stub("stubs/libcuda.so"));
        assert!(!is_stub("lib/libstubs.so") && !is_stub("stubs"));
    }
}
