//! Merges releases from several files: the entries of each file are kept, and one key with two
//! values names both files.

use super::manifest::{Manifest, Package, Release};
use super::problem::ManifestProblem;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Joins releases, each with the name of the file that it is from.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    releases: BTreeMap<(String, String), (Release, String)>,
    /// By path: hash and size, and where they were read.
    archives: BTreeMap<(String, String), (String, u64, String)>,
}

const HELP: &str = "one of the two was changed: compare both with what NVIDIA publishes";

impl Joined {
    /// Adds a release; returns the conflicts of its file with the earlier ones.
    pub(crate) fn add(&mut self, release: Release, file: &str) -> Vec<ManifestProblem> {
        let mut problems = self.same_archives(&release, file);
        let key = (release.product.clone(), release.version.clone());
        match self.releases.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert((release, file.to_owned()));
            }
            Entry::Occupied(mut entry) => {
                let (first, first_file) = entry.get_mut();
                first.date = [first.date.take(), release.date]
                    .into_iter()
                    .flatten()
                    .min();
                for (name, package) in release.packages {
                    match first.packages.entry(name) {
                        Entry::Vacant(entry) => {
                            entry.insert(package);
                        }
                        Entry::Occupied(mut entry) => {
                            let name = entry.key().clone();
                            join(&name, entry.get_mut(), package, first_file, &mut problems);
                        }
                    }
                }
            }
        }
        problems
    }

    /// One archive has one hash, in however many releases it is.
    fn same_archives(&mut self, release: &Release, file: &str) -> Vec<ManifestProblem> {
        let mut problems = Vec::new();
        for (name, package) in &release.packages {
            for (key, archive) in &package.archives {
                let path = (release.product.clone(), archive.path.clone());
                let read_at = format!("{file}: {name} {key}");
                let (sha256, size, other) = self
                    .archives
                    .entry(path)
                    .or_insert_with(|| (archive.sha256.clone(), archive.size, read_at));
                let wrong = if *sha256 != archive.sha256 {
                    Some(("sha256", sha256.clone(), archive.sha256.clone()))
                } else if *size != archive.size {
                    Some(("size", size.to_string(), archive.size.to_string()))
                } else {
                    None
                };
                if let Some((what, expected, found)) = wrong {
                    problems.push(ManifestProblem::error(
                        format!("{name}.{key}.{what}"),
                        format!("{expected}, as {other} has for {}", archive.path),
                        found,
                        HELP,
                    ));
                }
            }
        }
        problems
    }

    /// All releases, in order.
    pub(crate) fn into_manifest(self) -> Manifest {
        let releases = self.releases.into_values();
        let mut manifest = Manifest {
            releases: releases.map(|(release, _)| release).collect(),
        };
        manifest.sort();
        manifest
    }
}

fn join(
    name: &str,
    first: &mut Package,
    second: Package,
    first_file: &str,
    problems: &mut Vec<ManifestProblem>,
) {
    if first.version != second.version {
        problems.push(ManifestProblem::error(
            format!("{name}.version"),
            format!(
                "{}, as {first_file} has for the same release",
                first.version
            ),
            second.version,
            HELP,
        ));
        return;
    }
    if first.license != second.license {
        problems.push(ManifestProblem::error(
            format!("{name}.license"),
            format!(
                "`{}`, as {first_file} has for the same release",
                first.license
            ),
            format!("`{}`", second.license),
            HELP,
        ));
    }
    // The same at any order of the files.
    first.name = first.name.clone().min(second.name);
    first.cuda.extend(second.cuda);
    first.cuda.sort_by(|a, b| super::version::compare(a, b));
    first.cuda.dedup();
    for (key, archive) in second.archives {
        match first.archives.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(archive);
            }
            Entry::Occupied(entry) if *entry.get() == archive => {}
            Entry::Occupied(entry) => {
                let (key, known) = (entry.key(), entry.get());
                // The same path with two hashes has its problem already.
                if known.path != archive.path {
                    problems.push(ManifestProblem::error(
                        format!("{name}.{key}"),
                        format!(
                            "{} (sha256 {}), as {first_file} has",
                            known.path, known.sha256
                        ),
                        format!("{} (sha256 {})", archive.path, archive.sha256),
                        HELP,
                    ));
                }
            }
        }
    }
}
