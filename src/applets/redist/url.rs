//! `redist url`: where NVIDIA publishes an archive.

use super::load::Loader;
use super::{Outcome, json_line};
use crate::redist::manifest::{Manifest, Release};
use crate::redist::{Archive, ArchiveKey, Package, version};
use anyhow::{anyhow, bail};
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Print the addresses of a package's archives
///
/// ENTRY is PACKAGE[@VERSION][/SYSTEM[/cudaMAJOR]], such as cudnn@9.14/linux-x86_64/cuda13. The
/// version is that of the package or of its release, or a prefix of it; without one, the newest.
#[derive(Debug, clap::Args)]
#[command(after_help = super::super::examples::REDIST_URL)]
pub(super) struct Args {
    /// The package, and one of its archives
    entry: String,
    /// Manifests, or directories of them
    #[arg(
        long,
        required = true,
        value_name = "PATH",
        env = "CUDA_FIXUP_MANIFESTS",
        value_delimiter = ':'
    )]
    from: Vec<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

struct ArchiveQuery<'a> {
    package: &'a str,
    version: Option<&'a str>,
    system: Option<&'a str>,
    cuda: Option<&'a str>,
}

#[derive(Serialize)]
struct FoundArchive<'a> {
    url: String,
    product: &'a str,
    release: &'a str,
    package: &'a str,
    version: &'a str,
    archive: String,
    sha256: &'a str,
    size: u64,
}

impl ArchiveQuery<'_> {
    fn parse(text: &str) -> Option<ArchiveQuery<'_>> {
        let mut parts = text.split('/');
        let name = parts.next()?;
        let (package, version) = match name.split_once('@') {
            Some((package, version)) => (package, Some(version)),
            None => (name, None),
        };
        let system = parts.next();
        let cuda = match parts.next() {
            Some(cuda) => Some(cuda.strip_prefix("cuda")?),
            None => None,
        };
        let whole = [Some(package), version, system, cuda];
        let fine = parts.next().is_none() && whole.iter().flatten().all(|part| !part.is_empty());
        fine.then_some(ArchiveQuery {
            package,
            version,
            system,
            cuda,
        })
    }

    fn takes(&self, key: &ArchiveKey) -> bool {
        self.system.is_none_or(|system| key.system == system)
            && self
                .cuda
                .is_none_or(|cuda| key.cuda.as_deref() == Some(cuda))
    }
}

/// Whether `version` is `wanted` or starts with its parts.
fn starts_with(version: &str, wanted: &str) -> bool {
    (version.strip_prefix(wanted)).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    let entry = ArchiveQuery::parse(&args.entry).ok_or_else(|| {
        anyhow!(
            "`{}` is no entry: write it like cudnn@9.14/linux-x86_64/cuda13",
            args.entry.escape_debug()
        )
    })?;
    let mut loader = Loader::new(args.json)?;
    let Some(manifest) = loader.manifest(&args.from) else {
        return Ok(Outcome::Errors);
    };
    let (release, package) = select(&manifest, &entry)?;
    let archives: Vec<(&ArchiveKey, &Archive)> = (package.archives.iter())
        .filter(|(key, _)| entry.takes(key))
        .collect();
    if archives.is_empty() {
        let keys: Vec<String> = package.archives.keys().map(ArchiveKey::to_string).collect();
        bail!(
            "{} {} has no archive {}\n  help: it has {}",
            entry.package,
            package.version,
            args.entry.split_once('/').map_or("", |(_, rest)| rest),
            keys.join(", ")
        );
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for (key, archive) in archives {
        let url = loader.tables.archive_url(&release.product, &archive.path);
        if args.json {
            let found = FoundArchive {
                url,
                product: &release.product,
                release: &release.version,
                package: entry.package,
                version: &package.version,
                archive: key.to_string(),
                sha256: &archive.sha256,
                size: archive.size,
            };
            json_line(&mut out, &found)?;
        } else {
            writeln!(out, "{url}")?;
        }
    }
    out.flush()?;
    Ok(Outcome::Fine)
}

fn select<'a>(
    manifest: &'a Manifest,
    entry: &ArchiveQuery,
) -> anyhow::Result<(&'a Release, &'a Package)> {
    let mut with: Vec<(&Release, &Package)> = (manifest.releases.iter())
        .filter_map(|release| Some((release, release.packages.get(entry.package)?)))
        .collect();
    with.sort_by(|(a, _), (b, _)| version::compare(&a.version, &b.version));
    if with.is_empty() {
        let mut near: Vec<&str> = (manifest.releases.iter())
            .flat_map(|release| release.packages.keys())
            .map(String::as_str)
            .filter(|name| name.contains(entry.package) || entry.package.contains(name))
            .collect();
        near.sort_unstable();
        near.dedup();
        let near = match near.is_empty() {
            true => "the manifests have other packages only: name another one with --from".into(),
            false => format!("there is {}", near.join(", ")),
        };
        bail!(
            "no manifest has a package {}\n  help: {near}",
            entry.package
        );
    }
    let wanted = |&&(release, package): &&(&Release, &Package)| {
        entry.version.is_none_or(|version| {
            starts_with(&release.version, version) || starts_with(&package.version, version)
        })
    };
    match with.iter().rev().find(wanted) {
        Some(&found) => Ok(found),
        None => {
            let mut has: Vec<&str> = with.iter().map(|(r, _)| r.version.as_str()).collect();
            has.dedup();
            bail!(
                "no manifest has {} {}\n  help: there is {}",
                entry.package,
                entry.version.unwrap_or_default(),
                has.join(", ")
            )
        }
    }
}
