//! Python modules of an archive.

use super::elf::ElfFeatures;
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct PythonModule {
    pub path: String,
    /// `package` (a directory), `module`, `extension` or `wheel`.
    pub kind: &'static str,
    /// The Python that an extension module is for: `3.12`, `3.13t`, or `abi3` for any.
    pub python: Option<String>,
}

/// Packages, modules outside of them, and wheels.
pub(super) fn modules(paths: &BTreeSet<String>) -> Vec<PythonModule> {
    let packages: BTreeSet<&str> = paths
        .iter()
        .filter_map(|path| path.strip_suffix("/__init__.py"))
        .collect();
    let in_package = |path: &str| {
        let mut parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        parents.any(|parent| packages.contains(parent))
    };
    let mut found = Vec::new();
    let mut add = |path: &str, kind| {
        found.push(PythonModule {
            path: path.to_owned(),
            kind,
            python: None,
        });
    };
    for package in packages.iter().filter(|package| !in_package(package)) {
        add(package, "package");
    }
    for path in paths {
        if path.ends_with(".whl") {
            add(path, "wheel");
        } else if path.ends_with(".py") && !in_package(path) {
            add(path, "module");
        }
    }
    found
}

/// The extension module that a library is.
pub(super) fn extension(elf: &ElfFeatures) -> Option<PythonModule> {
    let name = elf.path.rsplit('/').next()?;
    let tag = name
        .strip_suffix(".so")?
        .split_once('.')
        .map(|(_, tag)| tag);
    let python = tag.and_then(python_of);
    (python.is_some() || elf.has_python_module).then(|| PythonModule {
        path: elf.path.clone(),
        kind: "extension",
        python,
    })
}

/// `3.12` of `cpython-312-x86_64-linux-gnu`.
fn python_of(tag: &str) -> Option<String> {
    if tag == "abi3" {
        return Some(tag.to_owned());
    }
    let digits = tag.strip_prefix("cpython-")?.split('-').next()?;
    let (major, minor) = digits.split_at_checked(1)?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // `t`: free-threaded.
    (number(major) && number(minor.trim_end_matches('t'))).then(|| format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_modules_and_extensions() {
        let paths = [
            "python/a/__init__.py",
            "python/a/b/__init__.py",
            "python/a/b/c.py",
            "python/d.py",
            "python/e.whl",
        ];
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let found = modules(&paths);
        let found: Vec<_> = found.iter().map(|m| (m.path.as_str(), m.kind)).collect();
        assert_eq!(
            found,
            [
                ("python/a", "package"),
                ("python/d.py", "module"),
                ("python/e.whl", "wheel")
            ]
        );
        let of = |path: &str, has_python_module| {
            let elf = ElfFeatures {
                path: path.to_owned(),
                has_python_module,
                ..ElfFeatures::default()
            };
            extension(&elf).map(|module| module.python)
        };
        let some = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(
            of("a/b.cpython-312-x86_64-linux-gnu.so", false),
            some("3.12")
        );
        assert_eq!(
            of("a/b.cpython-313t-x86_64-linux-gnu.so", false),
            some("3.13t")
        );
        assert_eq!(of("a/b.abi3.so", false), some("abi3"));
        assert_eq!(of("a/_b.so", true), Some(None));
        assert_eq!(of("lib/libb.so", false), None);
        assert_eq!(of("lib/libb.so.1", true), None);
    }
}
