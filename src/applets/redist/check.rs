//! `redist check`: a directory of manifests and of archives, such as a mirror.

use super::load::Loader;
use super::{Outcome, json_line};
use crate::escape::{counted, shown};
use crate::redist::{Archive, ManifestProblem};
use anyhow::{Context, bail};
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Check a directory of manifests and archives
///
/// Each manifest below DIR is read and checked; each file that has the name of an archive in one
/// of them, or in those of --from, must have that archive's size and hash. Exit status 1 if
/// something is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = super::super::examples::REDIST_CHECK)]
pub(super) struct Args {
    /// The directory
    dir: PathBuf,
    /// More manifests, or directories of them
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    /// Take each warning for an error
    #[arg(long)]
    strict: bool,
    /// Print problems (on standard error) and the sums as JSON objects, one a line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Sums {
    releases: usize,
    archives: usize,
    files: usize,
    errors: usize,
    warnings: usize,
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    if !args.dir.is_dir() {
        bail!(
            "{}: expected a directory, found none\n  help: name the directory of the manifests or the mirror",
            shown(&args.dir)
        );
    }
    let mut loader = Loader::new(args.json)?;
    loader.strict = args.strict;
    let mut from = vec![args.dir.clone()];
    from.extend(args.from);
    let manifest = loader.manifest(&from).unwrap_or_default();
    // A mirror may be laid out in any way: an archive's name has its version and system.
    let mut known: BTreeMap<&str, Vec<&Archive>> = BTreeMap::new();
    let packages = manifest.releases.iter().flat_map(|r| r.packages.values());
    for archive in packages.flat_map(|package| package.archives.values()) {
        let name = archive.path.rsplit('/').next().unwrap_or(&archive.path);
        let same = known.entry(name).or_default();
        if !same.contains(&archive) {
            same.push(archive);
        }
    }
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(&args.dir).sort_by_file_name() {
        let entry = entry.with_context(|| shown(&args.dir).to_string())?;
        let archives = entry.file_name().to_str().and_then(|name| known.get(name));
        // A store's mirror may be links.
        if let Some(archives) = archives.filter(|_| entry.path().is_file()) {
            files.push((entry.into_path(), archives));
        }
    }
    let problems: Vec<(PathBuf, Vec<ManifestProblem>)> = (files.par_iter())
        .map(|(file, archives)| (file.clone(), compare(file, archives)))
        .collect();
    let sums = (manifest.releases.len(), known.len(), files.len());
    for (file, problems) in problems {
        loader.report(&file, problems);
    }
    let sums = Sums {
        releases: sums.0,
        archives: sums.1,
        files: sums.2,
        errors: loader.errors,
        warnings: loader.warnings,
    };
    let mut out = io::stdout().lock();
    if args.json {
        json_line(&mut out, &sums)?;
    } else {
        writeln!(
            out,
            "{}, {}, {} of them here; {}, {}",
            counted(sums.releases, "release", "releases"),
            counted(sums.archives, "archive", "archives"),
            sums.files,
            counted(sums.errors, "error", "errors"),
            counted(sums.warnings, "warning", "warnings")
        )?;
    }
    Ok(if sums.errors == 0 {
        Outcome::Fine
    } else {
        Outcome::Findings
    })
}

/// Any of the archives of this name will do.
fn compare(file: &Path, archives: &[&Archive]) -> Vec<ManifestProblem> {
    let (sha256, size) = match hash(file) {
        Ok(found) => found,
        Err(error) => {
            let help = "make the file readable";
            return vec![ManifestProblem::error(
                "",
                "an archive",
                elf_edit::reason(&error),
                help,
            )];
        }
    };
    if archives
        .iter()
        .any(|a| a.sha256 == sha256 && a.size == size)
    {
        return Vec::new();
    }
    let expected: Vec<String> = (archives.iter())
        .map(|a| format!("{} bytes with sha256 {}", a.size, a.sha256))
        .collect();
    vec![ManifestProblem::error(
        "",
        expected.join(" or "),
        format!("{size} bytes with sha256 {sha256}"),
        "download the archive again: cuda-fixup redist url prints its address",
    )]
}

fn hash(file: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(file)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
    let digits = hash
        .finalize()
        .into_iter()
        .map(|byte| format!("{byte:02x}"));
    Ok((digits.collect(), size))
}
