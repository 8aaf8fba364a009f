//! The difference of two manifests: came, went, changed, and republished under the same version.

use super::manifest::{Manifest, Package, Release};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub change: Change,
    /// The product, such as `cuda`.
    pub product: String,
    /// The release in A and in B.
    pub release: [Option<String>; 2],
    /// The package; absent for a whole release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The archive, such as `linux-sbsa/cuda13`; absent for a whole package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// The difference: `version`, `sha256`, `size`, `path`, `license`, `name` or `cuda`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<&'static str>,
    /// The value in A.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The value in B.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    /// B has it, A does not.
    Came,
    /// A has it, B does not.
    Went,
    /// A new version, or another property than the archive.
    Changed,
    /// Another file under the same version: NVIDIA replaced a published one.
    Republished,
}

impl Change {
    /// The word that is printed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Change::Came => "came",
            Change::Went => "went",
            Change::Changed => "changed",
            Change::Republished => "republished",
        }
    }
}

/// Compares release with release; two manifests of one release each are compared whatever their
/// versions are.
pub(crate) fn diff(a: &Manifest, b: &Manifest) -> Vec<Difference> {
    if let ([one], [other]) = (a.releases.as_slice(), b.releases.as_slice())
        && one.product == other.product
    {
        return releases(one, other);
    }
    let keyed = |manifest: &Manifest| -> BTreeMap<(String, String), Release> {
        let releases = manifest.releases.iter().cloned();
        releases
            .map(|release| ((release.product.clone(), release.version.clone()), release))
            .collect()
    };
    let (a, b) = (keyed(a), keyed(b));
    let mut found = Vec::new();
    for (product, version) in in_order(&a, &b) {
        let key = (product, version);
        match (a.get(&key), b.get(&key)) {
            (Some(one), Some(other)) => found.extend(releases(one, other)),
            (one, other) => {
                let change = if one.is_none() {
                    Change::Came
                } else {
                    Change::Went
                };
                let version = |release: Option<&Release>| release.map(|r| r.version.clone());
                found.push(Difference {
                    change,
                    product: key.0,
                    release: [version(one), version(other)],
                    package: None,
                    archive: None,
                    what: None,
                    from: None,
                    to: None,
                });
            }
        }
    }
    found
}

/// The keys of either, products by name and versions by number.
fn in_order<V>(
    a: &BTreeMap<(String, String), V>,
    b: &BTreeMap<(String, String), V>,
) -> Vec<(String, String)> {
    let mut keys: Vec<_> = a.keys().chain(b.keys()).cloned().collect();
    keys.sort_by(|x, y| {
        x.0.cmp(&y.0)
            .then_with(|| super::version::compare(&x.1, &y.1))
    });
    keys.dedup();
    keys
}

fn releases(a: &Release, b: &Release) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut names: Vec<&String> = a.packages.keys().chain(b.packages.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let base = |change| Difference {
            change,
            product: a.product.clone(),
            release: [Some(a.version.clone()), Some(b.version.clone())],
            package: Some(name.clone()),
            archive: None,
            what: None,
            from: None,
            to: None,
        };
        match (a.packages.get(name), b.packages.get(name)) {
            (None, Some(package)) => found.push(Difference {
                to: Some(package.version.clone()),
                ..base(Change::Came)
            }),
            (Some(package), None) => found.push(Difference {
                from: Some(package.version.clone()),
                ..base(Change::Went)
            }),
            (Some(one), Some(other)) => packages(one, other, base, &mut found),
            (None, None) => {}
        }
    }
    found
}

/// A value on both sides.
struct Pair<'a> {
    what: &'static str,
    from: &'a str,
    to: &'a str,
}

fn packages(
    a: &Package,
    b: &Package,
    base: impl Fn(Change) -> Difference,
    found: &mut Vec<Difference>,
) {
    let (cuda_a, cuda_b) = (a.cuda.join(" "), b.cuda.join(" "));
    let pairs = [
        ("version", &a.version, &b.version),
        ("license", &a.license, &b.license),
        ("name", &a.name, &b.name),
        ("cuda", &cuda_a, &cuda_b),
    ];
    let differing = |change, archive: &Option<String>, pair: Pair| Difference {
        archive: archive.clone(),
        what: Some(pair.what),
        from: Some(pair.from.to_owned()),
        to: Some(pair.to.to_owned()),
        ..base(change)
    };
    for (what, from, to) in pairs {
        if from != to {
            found.push(differing(Change::Changed, &None, Pair { what, from, to }));
        }
    }
    let mut keys: Vec<_> = a.archives.keys().chain(b.archives.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let archive = Some(key.to_string());
        match (a.archives.get(key), b.archives.get(key)) {
            (Some(one), Some(other)) if a.version == b.version => {
                let (size_a, size_b) = (one.size.to_string(), other.size.to_string());
                let pairs = [
                    ("sha256", &one.sha256, &other.sha256),
                    ("size", &size_a, &size_b),
                    ("path", &one.path, &other.path),
                ];
                for (what, from, to) in pairs {
                    if from != to {
                        let pair = Pair { what, from, to };
                        found.push(differing(Change::Republished, &archive, pair));
                    }
                }
            }
            (None, Some(other)) => found.push(Difference {
                archive,
                to: Some(other.path.clone()),
                ..base(Change::Came)
            }),
            (Some(one), None) => found.push(Difference {
                archive,
                from: Some(one.path.clone()),
                ..base(Change::Went)
            }),
            _ => {}
        }
    }
}
