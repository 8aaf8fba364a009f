//! `redist features`: what unpacked archives hold.

use super::super::jobs::Jobs;
use super::Outcome;
use crate::escape::shown;
use crate::features::{self, Features};
use crate::report::{schema, write_features};
use crate::terminal::{Label, message};
use anyhow::bail;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Describe what unpacked archives hold
///
/// Libraries and programs with their SONAME, what they need and may dlopen, GPU architectures, CUDA
/// runtime and the oldest glibc that they run with; stubs, static libraries, headers, pkg-config and
/// CMake files, Python modules, folders for several CUDAs, and the outputs of a package that the
/// files go to.
#[derive(Debug, clap::Args)]
#[command(after_help = super::super::examples::REDIST_FEATURES)]
pub(super) struct Args {
    /// Directories that archives were unpacked to
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    #[command(flatten)]
    jobs: Jobs,
    /// Print one JSON object a directory, on a line each
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    #[serde(flatten)]
    features: &'a Features,
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    for directory in args.directories.iter().filter(|path| !path.is_dir()) {
        check_directory(directory)?;
    }
    let pool = args.jobs.pool()?;
    let (archives, problems) = pool.install(|| features::read(&args.directories));
    if let Some(empty) = archives.iter().find(|archive| archive.files == 0) {
        bail!(
            "{}: expected the files of an unpacked archive, found an empty directory\n  help: unpack the archive there: tar -xf ARCHIVE -C {}",
            empty.path,
            empty.path
        );
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for features in &archives {
        if args.json {
            let schema = schema::FEATURES;
            serde_json::to_writer(&mut out, &Line { schema, features })?;
            writeln!(out)?;
        } else {
            write_features(&mut out, features)?;
        }
    }
    out.flush()?;
    for problem in &problems {
        let path = shown(&problem.path);
        message(Label::Error, format_args!("{path}: {}", problem.what))?;
    }
    Ok(match problems.is_empty() {
        true => Outcome::Fine,
        false => Outcome::Errors,
    })
}

/// Archives by their first bytes, and the command that unpacks each.
const ARCHIVES: [(&[u8], &str, &str); 5] = [
    (b"\xfd7zXZ\0", "an xz archive", "tar -xf"),
    (b"\x1f\x8b", "a gzip archive", "tar -xf"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "tar -xf"),
    (b"PK\x03\x04", "a wheel or another zip archive", "unzip"),
    (b"!<arch>\ndebian-binary", "a Debian package", "dpkg-deb -x"),
];

/// Explains why a path is no directory of an archive.
fn check_directory(path: &Path) -> anyhow::Result<()> {
    let name = shown(path);
    if !path.exists() {
        bail!(
            "{name}: no such directory\n  help: name the directory that the archive was unpacked to"
        );
    }
    let mut start = Vec::new();
    if path.is_file() {
        File::open(path)?.take(64).read_to_end(&mut start)?;
    }
    let known = ARCHIVES.iter().find(|(magic, ..)| start.starts_with(magic));
    match known {
        Some((_, what, "tar -xf")) => bail!(
            "{name}: expected a directory, found {what}\n  help: mkdir unpacked && tar -xf {name} -C unpacked && cuda-fixup redist features unpacked"
        ),
        Some((_, what, "unzip")) => bail!(
            "{name}: expected a directory, found {what}\n  help: unzip -d unpacked {name} && cuda-fixup redist features unpacked"
        ),
        Some((_, what, _)) => bail!(
            "{name}: expected a directory, found {what}\n  help: dpkg-deb -x {name} unpacked && cuda-fixup redist features unpacked"
        ),
        None if start.trim_ascii_start().starts_with(b"<") => bail!(
            "{name}: expected a directory, found a page of HTML or XML: the download is none of an archive\n  help: download it again: cuda-fixup redist url prints its address"
        ),
        None => bail!(
            "{name}: expected a directory, found a file that is no archive\n  help: download it again: cuda-fixup redist url prints its address"
        ),
    }
}
