//! `redist index`: NVIDIA's manifests in, the project's own out.

use super::load::Loader;
use super::{Outcome, json_line};
use crate::escape::shown;
use crate::redist::manifest::Manifest;
use anyhow::{Context, bail};
use serde::Serialize;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Make the compact manifest of NVIDIA's redistrib_VERSION.json
///
/// Versions, paths, hashes, sizes and licences of all systems but Windows, sorted, an archive a
/// line. Unknown keys, systems, licences and kinds of archive are warnings; bad hashes, sizes and
/// paths, and one archive with two hashes, are errors, after which nothing is written (exit
/// status 2).
#[derive(Debug, clap::Args)]
#[command(after_help = super::super::examples::REDIST_INDEX)]
pub(super) struct Args {
    /// NVIDIA's manifests, or directories of them; compact ones are joined with them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write PRODUCT/VERSION.json for each release below this directory
    /// [default: all releases to standard output]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take each warning for an error
    #[arg(long)]
    strict: bool,
    /// The product, for a manifest that does not name it
    #[arg(long, value_name = "NAME", value_parser = name)]
    product: Option<String>,
    /// The release, for a manifest that does not name it
    #[arg(long, value_name = "VERSION", value_parser = name)]
    release: Option<String>,
    /// Print problems (on standard error) and written files as JSON objects, one a line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Written {
    file: String,
    product: String,
    version: String,
    packages: usize,
    archives: usize,
}

/// A name that becomes a file's.
fn name(text: &str) -> Result<String, String> {
    match crate::redist::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err("expected letters, digits, `_`, `-` and `.`".to_owned()),
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    let mut loader = Loader::new(args.json)?;
    loader.strict = args.strict;
    loader.product = args.product;
    loader.version = args.release;
    let Some(manifest) = loader.manifest(&args.files) else {
        return Ok(Outcome::Errors);
    };
    if manifest.releases.is_empty() {
        bail!("no manifest in what was named\n  help: name files redistrib_VERSION.json");
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match args.out {
        None => out.write_all(manifest.to_text().as_bytes())?,
        Some(dir) => write_all(&mut out, manifest, &dir, args.json)?,
    }
    out.flush()?;
    Ok(Outcome::Fine)
}

fn write_all(
    out: &mut impl Write,
    manifest: Manifest,
    dir: &Path,
    json: bool,
) -> anyhow::Result<()> {
    for release in manifest.releases {
        let product = dir.join(&release.product);
        fs::create_dir_all(&product).with_context(|| shown(&product).to_string())?;
        let file = product.join(format!("{}.json", release.version));
        let written = Written {
            file: shown(&file).to_string(),
            product: release.product.clone(),
            version: release.version.clone(),
            packages: release.packages.len(),
            archives: release.packages.values().map(|p| p.archives.len()).sum(),
        };
        let text = Manifest {
            releases: vec![release],
        }
        .to_text();
        replace(&file, &product, &text).with_context(|| written.file.clone())?;
        if json {
            json_line(out, &written)?;
        } else {
            writeln!(out, "{}", written.file)?;
        }
    }
    Ok(())
}

/// Writes the whole file or none of it.
fn replace(file: &Path, dir: &Path, text: &str) -> io::Result<()> {
    let mut new = tempfile::Builder::new()
        .prefix(".redist-")
        .tempfile_in(dir)?;
    new.write_all(text.as_bytes())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    new.as_file().set_permissions(mode)?;
    new.persist(file)?;
    Ok(())
}
