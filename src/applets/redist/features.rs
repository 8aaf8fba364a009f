//! `redist features`: what unpacked archives hold.

use super::super::jobs::Jobs;
use super::Outcome;
use crate::escape::shown;
use crate::features::{self, Features};
use crate::report::{schema, write_features};
use crate::terminal::{Label, message};
use anyhow::{Context, bail};
use serde::Serialize;
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
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Compare with what `--json` wrote for the same archive: exit status 1 if it differs
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
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
    for problem in &problems {
        let path = shown(&problem.path);
        message(Label::Error, format_args!("{path}: {}", problem.what))?;
    }
    if let Some(file) = &args.expect {
        return compare(file, &archives, !problems.is_empty());
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
    Ok(match problems.is_empty() {
        true => Outcome::Fine,
        false => Outcome::Errors,
    })
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
    let mut text = Vec::new();
    let opened = File::open(file).with_context(|| name.to_string())?;
    opened.take(LARGEST).read_to_end(&mut text)?;
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
    let schema = schema::FEATURES;
    let features = found;
    let found = serde_json::to_value(Line { schema, features })?;
    let differences = differences(&expected, &found);
    for difference in &differences {
        message(
            Label::Error,
            format_args!("{}: {difference}", features.path),
        )?;
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
