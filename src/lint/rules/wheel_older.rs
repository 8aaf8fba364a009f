//! A CUDA package of a site-packages directory is older than another package there asks for.
//!
//! ## Why is this bad
//! A wheel names in its metadata the CUDA libraries that it was built against. Within one SONAME
//! (libcudnn.so.9) it runs with those and with newer ones. An older one lacks functions ("undefined
//! symbol", "cuDNN version incompatibility: PyTorch was compiled against (9, 10, 2) but found
//! runtime version (9, 1, 0)") or has faults that the wheel relies on to be mended.
//!
//! ## Example
//! `pip install torch`, which brings nvidia-cudnn-cu12 9.10, then `pip install
//! nvidia-cudnn-cu12==9.1.0.70`, which takes its place.
//!
//! ## Fix
//! `pip check` lists such packages too; `pip install PACKAGE==VERSION` with the version that is asked
//! for, or a newer one of the same SONAME. No command of cuda-fixup can do it: the library is another
//! package's.

use crate::lint::tree::LintedTree;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longer metadata is read this far: the requirements come before the description.
const MAX_METADATA: u64 = 1 << 20;

/// One installed package.
struct Package {
    name: String,
    version: String,
    /// Name and lowest version of CUDA packages.
    wants: Vec<(String, String)>,
}

/// By `Requires-Dist` with `==` or `>=`, of packages whose names begin with `nvidia-`.
pub(super) fn check_tree(tree: &LintedTree<'_>, say: &mut dyn FnMut(&Path, String)) {
    let mut sites: BTreeMap<PathBuf, Vec<Package>> = BTreeMap::new();
    for path in &tree.metadata {
        let site = path.ancestors().nth(2).map(Path::to_owned);
        let package = read(path).as_deref().and_then(package);
        if let (Some(site), Some(package)) = (site, package) {
            sites.entry(site).or_default().push(package);
        }
    }
    for (site, packages) in &sites {
        let versions: BTreeMap<&str, &str> = packages
            .iter()
            .map(|package| (package.name.as_str(), package.version.as_str()))
            .collect();
        for package in packages {
            for (name, wanted) in &package.wants {
                let Some(found) = versions.get(name.as_str()) else {
                    continue;
                };
                if compare(found, wanted) == Ordering::Less {
                    let Package { name: by, version, .. } = package;
                    say(
                        site,
                        format!("has {name} {found}; {by} {version} was built against {wanted}"),
                    );
                }
            }
        }
    }
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MAX_METADATA).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// From the header of a METADATA file.
fn package(metadata: &str) -> Option<Package> {
    let mut found = Package {
        name: String::new(),
        version: String::new(),
        wants: Vec::new(),
    };
    for line in metadata.lines().take_while(|line| !line.is_empty()) {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key {
            "Name" => found.name = normal(value),
            "Version" => value.clone_into(&mut found.version),
            "Requires-Dist" => found.wants.extend(lowest(value)),
            _ => {}
        }
    }
    (!found.name.is_empty() && !found.version.is_empty()).then_some(found)
}

/// `nvidia-cudnn-cu12` and 9.1.0.70 of `nvidia-cudnn-cu12 (==9.1.0.70) ; platform_system == 'Linux'`.
fn lowest(requirement: &str) -> Option<(String, String)> {
    let (requirement, marker) = requirement.split_once(';').unwrap_or((requirement, ""));
    if marker.contains("extra") || !requirement.starts_with("nvidia") {
        return None;
    }
    let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))?;
    let name = normal(&requirement[..end]);
    let bounds = requirement[end..].trim().trim_matches(['(', ')']);
    let bound = bounds.split(',').find_map(|bound| {
        let bound = bound.trim();
        bound.strip_prefix("==").or(bound.strip_prefix(">="))
    })?;
    let version = bound.trim().trim_end_matches(".*");
    Some((name, version.to_owned()))
}

/// Names are compared as pip does (PEP 503).
fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

/// Compares numbers. A version without one is equal to every other, so that it has no finding.
fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        let parts = text.split('.').map(|part| part.parse().ok());
        parts.collect()
    };
    let (Some(mut a), Some(mut b)) = (numbers(a), numbers(b)) else {
        return Ordering::Equal;
    };
    let length = a.len().max(b.len());
    a.resize(length, 0);
    b.resize(length, 0);
    a.cmp(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_read_as_pip_writes_them() {
        let of = |text| lowest(text).map(|(name, version)| format!("{name} {version}"));
        for (text, expected) in [
            ("nvidia-cudnn-cu12==9.1.0.70", Some("nvidia-cudnn-cu12 9.1.0.70")),
            (
                "nvidia_cudnn_cu12 (==9.1.0.70) ; platform_system == 'Linux'",
                Some("nvidia-cudnn-cu12 9.1.0.70"),
            ),
            ("nvidia-cudnn-cu12 <10,>=9.8", Some("nvidia-cudnn-cu12 9.8")),
            ("nvidia-cublas==13.4.*", Some("nvidia-cublas 13.4")),
            ("nvidia-cudnn-cu12<10", None),
            ("nvidia-cudnn-cu12", None),
            ("nvidia-cudnn-cu12==9.1; extra == 'cuda'", None),
            ("numpy>=2", None),
        ] {
            assert_eq!(of(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn versions_are_numbers() {
        for (a, b, expected) in [
            ("9.1.0.70", "9.10.2.21", Ordering::Less),
            ("9.10", "9.10.0.0", Ordering::Equal),
            ("9.10.0.1", "9.10", Ordering::Greater),
            ("9.1.post1", "9.10", Ordering::Equal),
        ] {
            assert_eq!(compare(a, b), expected, "{a} {b}");
        }
    }
}
