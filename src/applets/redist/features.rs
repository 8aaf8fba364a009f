//! `redist features`: what unpacked archives hold.

use super::super::jobs::Jobs;
use super::Outcome;
use crate::escape::shown;
use crate::features::{self, Features};
use crate::report::schema::{self, Line};
use crate::report::write_features;
use crate::scan::read_small;
use crate::terminal::{Label, message};
use anyhow::{Context, bail};
use serde_json::Value;
use std::collections::BTreeSet;
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
    #[arg(required_unless_present = "archive", value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Only check that a file is an archive, by its first bytes: exit status 2 if it is none
    #[arg(long, value_name = "FILE", conflicts_with_all = ["directories", "expect"])]
    archive: Option<PathBuf>,
    /// Compare with what `--json` wrote for the same archive: exit status 1 if it differs
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    #[command(flatten)]
    jobs: Jobs,
    /// Print one JSON object a directory, on a line each
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    if let Some(file) = &args.archive {
        check_archive(file)?;
        return Ok(Outcome::Fine);
    }
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
    for problem in &problems {
        let path = shown(&problem.path);
        message(Label::Error, format_args!("{path}: {}", problem.what))?;
    }
    let faults: Vec<String> = archives.iter().flat_map(Features::problems).collect();
    for fault in &faults {
        message(Label::Warning, format_args!("{fault}"))?;
    }
    if let Some(file) = &args.expect {
        return compare(file, &archives, !problems.is_empty());
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for features in &archives {
        if args.json {
            line(features).write(&mut out)?;
        } else {
            write_features(&mut out, features)?;
        }
    }
    out.flush()?;
    Ok(match (problems.is_empty(), faults.is_empty()) {
        (false, _) => Outcome::Errors,
        (true, false) => Outcome::Findings,
        (true, true) => Outcome::Fine,
    })
}

fn line(features: &Features) -> Line<'_, Features> {
    Line {
        schema: schema::FEATURES,
        value: features,
    }
}

/// Largest file of features that is read.
const LARGEST: u64 = 64 << 20;

/// Prints each difference between a file of features and the one archive that was read.
fn compare(file: &Path, archives: &[Features], failed: bool) -> anyhow::Result<Outcome> {
    let name = shown(file);
    let [found] = archives else {
        bail!(
            "--expect {name}: expected one directory, found {}",
            archives.len()
        );
    };
    let text = read_small(file, LARGEST).with_context(|| name.to_string())?;
    let expected: Value = serde_json::from_slice(&text).with_context(|| {
        format!("{name}: expected one JSON object, as `redist features --json` writes it")
    })?;
    if expected["schema"] != schema::FEATURES {
        bail!(
            "{name}: expected the schema `{}`, found {}\n  help: write it anew: cuda-fixup redist features --json DIR >{name}",
            schema::FEATURES,
            expected["schema"]
        );
    }
    let differences = differences(&expected, &serde_json::to_value(line(found))?);
    for difference in &differences {
        message(Label::Error, format_args!("{}: {difference}", found.path))?;
    }
    if !differences.is_empty() {
        let help = "another archive was unpacked, or the file is of another release: write it anew";
        message(Label::Help, format_args!("{help}"))?;
    }
    Ok(match (failed, differences.is_empty()) {
        (true, _) => Outcome::Errors,
        (false, true) => Outcome::Fine,
        (false, false) => Outcome::Findings,
    })
}

/// `libraries[0].soname: expected …, found …`
fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let mut left = vec![(String::new(), expected, found)];
    while let Some((key, expected, found)) = left.pop() {
        match (expected, found) {
            (Value::Object(a), Value::Object(b)) => {
                let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                // The directory may be any.
                let keys = keys
                    .into_iter()
                    .filter(|name| !key.is_empty() || *name != "path");
                let dot = if key.is_empty() { "" } else { "." };
                // A key that is not there is null.
                let pair =
                    |name: &String| (format!("{key}{dot}{name}"), &expected[name], &found[name]);
                left.extend(keys.map(pair));
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                let pairs = a.iter().zip(b).enumerate();
                left.extend(pairs.map(|(at, (a, b))| (format!("{key}[{at}]"), a, b)));
            }
            _ if expected == found => {}
            _ => all.push(format!("{key}: expected {expected}, found {found}")),
        }
    }
    all.sort();
    all
}

/// Archives by their first bytes, and the command that unpacks each.
const ARCHIVES: [(&[u8], &str, &str); 6] = [
    (b"\xfd7zXZ\0", "an xz archive", "tar -xf"),
    (b"\x1f\x8b", "a gzip archive", "tar -xf"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "tar -xf"),
    (b"BZh", "a bzip2 archive", "tar -xf"),
    (b"PK\x03\x04", "a wheel or another zip archive", "unzip"),
    (b"!<arch>\ndebian-binary", "a Debian package", "dpkg-deb -x"),
];
/// Offset and text of the magic of POSIX archives that are not compressed.
const USTAR: (usize, &[u8]) = (257, b"ustar");

/// The kind of an archive and the command that unpacks it.
fn archive_kind(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let known = ARCHIVES.iter().find(|(magic, ..)| start.starts_with(magic));
    let known = known.map(|(_, what, command)| (*what, *command));
    let (at, magic) = USTAR;
    let is_tar = start.get(at..).is_some_and(|rest| rest.starts_with(magic));
    known.or(is_tar.then_some(("a tar archive", "tar -xf")))
}

fn read_start(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut start = Vec::new();
    // A FIFO is never waited for.
    if path.is_file() {
        let opened = File::open(path).with_context(|| shown(path).to_string())?;
        opened.take(512).read_to_end(&mut start)?;
    }
    Ok(start)
}

const DOWNLOAD_AGAIN: &str = "download it again: cuda-fixup redist url prints its address";

/// What a file is that is no archive.
fn not_an_archive(start: &[u8]) -> &'static str {
    match start.trim_ascii_start() {
        [] => "an empty file",
        [b'<', ..] => "a page of HTML or XML, of a server that did not send the archive",
        _ => "a file that is no archive",
    }
}

/// Refuses a file that is no archive.
fn check_archive(path: &Path) -> anyhow::Result<()> {
    let name = shown(path);
    if !path.is_file() {
        bail!("{name}: expected an archive, found no file\n  help: {DOWNLOAD_AGAIN}");
    }
    let start = read_start(path)?;
    if archive_kind(&start).is_none() {
        let found = not_an_archive(&start);
        bail!("{name}: expected an archive, found {found}\n  help: {DOWNLOAD_AGAIN}");
    }
    Ok(())
}

/// Explains why a path is no directory of an archive.
fn check_directory(path: &Path) -> anyhow::Result<()> {
    let name = shown(path);
    if !path.exists() {
        bail!(
            "{name}: no such directory\n  help: name the directory that the archive was unpacked to"
        );
    }
    let start = read_start(path)?;
    let Some((what, command)) = archive_kind(&start) else {
        let found = not_an_archive(&start);
        bail!("{name}: expected a directory, found {found}\n  help: {DOWNLOAD_AGAIN}");
    };
    let unpack = match command {
        "unzip" => format!("unzip -d unpacked {name}"),
        "tar -xf" => format!("mkdir unpacked && tar -xf {name} -C unpacked"),
        other => format!("{other} {name} unpacked"),
    };
    bail!(
        "{name}: expected a directory, found {what}\n  help: {unpack} && cuda-fixup redist features unpacked"
    );
}
