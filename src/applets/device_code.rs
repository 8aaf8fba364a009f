//! Lists and extracts device code.

use super::Outcome;
use super::archives;
use crate::archive::Extent;
use crate::cuda::device_code::{self, DeviceCode};
use crate::cuda::fatbin::payload;
use crate::cuda::fatbin::{FatbinEntry, ImageKind};
use crate::escape::shown;
use crate::report::by_arch::{self, FileCode};
use crate::report::{self, schema};
use crate::scan::{self, FileError, ScanProblem, Skip, Visit, Walk};
use crate::terminal::{self, Label, Paint, message};
use anyhow::{Context, bail};
use serde_json::json;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// List and extract the GPU code in files: architectures, PTX versions, compression
///
/// Reads ELF files (sections .nv_fatbin and __nv_relfatbin, and fatbins in any other section of
/// loaded data), static archives and their members, .fatbin files and cubins; headers only.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::DEVICE_CODE, args_conflicts_with_subcommands = true)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    /// Print how many bytes of device code all files together have for each architecture
    #[arg(long, num_args = 1.., value_name = "PATH", required = true)]
    by_arch: Vec<PathBuf>,
    /// With --by-arch: print one JSON object a file, and one with the sums
    #[arg(long, requires = "by_arch")]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the device code of files, and of all files in directories
    #[command(after_help = super::examples::DEVICE_CODE_LIST)]
    List {
        /// Files or directories
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Print one line for each architecture and kind, not for each image
        #[arg(long)]
        summary: bool,
        /// Print one JSON object a file
        #[arg(long)]
        json: bool,
    },
    /// Write single images to files: cubins and PTX decoded, LTO-IR as it is in the file
    ///
    /// NVIDIA documents no encoding of LTO-IR; nvlink and nvJitLink read it in this form.
    #[command(after_help = super::examples::DEVICE_CODE_EXTRACT)]
    Extract {
        /// An ELF file, static archive, fatbin or cubin
        file: PathBuf,
        /// Directory of the extracted files
        #[arg(short, long, value_name = "DIR", default_value = ".")]
        output: PathBuf,
        /// Only the image of this index, as `list` shows it
        #[arg(long, value_name = "INDEX")]
        index: Vec<usize>,
        /// Only images for this architecture: sm_90a, compute_90, lto_86
        #[arg(long, value_name = "NAME")]
        arch: Vec<String>,
        /// Only images of this kind: ptx, cubin, lto-ir
        #[arg(long, value_name = "KIND")]
        kind: Vec<String>,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    match args.command {
        None => {
            let mut paths = args.by_arch;
            let archives = archives::open(&mut paths, Extent::Needed)?;
            let outcome = sums(&paths, args.json)?;
            Ok(archives::outcome(&archives, outcome))
        }
        Some(Command::List {
            mut paths,
            summary,
            json,
        }) => {
            let archives = archives::open(&mut paths, Extent::Needed)?;
            let outcome = list(&paths, summary, json)?;
            Ok(archives::outcome(&archives, outcome))
        }
        Some(Command::Extract {
            file,
            output,
            index,
            arch,
            kind,
        }) => extract(&file, &output, |i, entry| {
            (index.is_empty() || index.contains(&i))
                && (arch.is_empty() || entry.arch_name().is_some_and(|a| arch.contains(&a)))
                && (kind.is_empty() || kind.contains(&entry.kind.word()))
        }),
    }
}

/// The code of all files that are of a kind that may have any, and of those that the user named.
fn read(paths: &[PathBuf]) -> Visit<DeviceCode> {
    let found = scan::visit(Walk::of(paths), |walked, file| {
        match walked.named || device_code::may_be_in(file.head()) {
            true => Ok(()),
            false => Err(FileError::Skip(Skip::NotElf)),
        }
    });
    found.again(|path, file| {
        device_code::read(path, file).map_err(|error| FileError::Problem(error.to_string()))
    })
}

/// `--by-arch`: sums of all files.
fn sums(paths: &[PathBuf], json: bool) -> anyhow::Result<Outcome> {
    let visit = read(paths);
    let sums = visit.files.iter().map(|file| {
        let sums = device_code::by_arch(&file.value);
        (file.names[0].as_path(), sums)
    });
    let sums: Vec<_> = sums.filter(|(_, sums)| !sums.is_empty()).collect();
    let files: Vec<FileCode<'_>> = sums.iter().map(|(path, sums)| (*path, sums)).collect();
    let mut out = BufWriter::new(terminal::stdout());
    match json {
        true => {
            for object in by_arch::json(&files) {
                writeln!(out, "{object}")?;
            }
        }
        false => {
            let text = by_arch::human(&files, Paint::stdout(), terminal::columns());
            out.write_all(text.as_bytes())?;
        }
    }
    out.flush()?;
    unreadable(&visit.problems)
}

fn unreadable(problems: &[ScanProblem]) -> anyhow::Result<Outcome> {
    for problem in problems {
        let path = shown(&problem.path);
        message(Label::Error, format_args!("{path}: {}", problem.what))?;
    }
    Ok(match problems.is_empty() {
        true => Outcome::Fine,
        false => Outcome::Errors,
    })
}

fn list(paths: &[PathBuf], summary: bool, json: bool) -> anyhow::Result<Outcome> {
    let visit = read(paths);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut outcome = Outcome::Fine;
    for file in &visit.files {
        let code = &file.value;
        if code.is_empty() && !file.named {
            continue;
        }
        if !code.problems.is_empty() {
            outcome = Outcome::Findings;
        }
        let path = &file.names[0];
        if json {
            writeln!(out, "{}", to_json(path, code))?;
        } else {
            writeln!(out, "{}", shown(path))?;
            match summary {
                _ if code.is_empty() => writeln!(out, "  no device code")?,
                true => report::write_groups(&mut out, "  ", code)?,
                false => report::write_entries(&mut out, "  ", code)?,
            }
            report::write_problems(&mut out, "  ", code)?;
        }
    }
    out.flush()?;
    let any = visit
        .files
        .iter()
        .any(|file| file.named || !file.value.is_empty());
    if !json && !any && visit.problems.is_empty() {
        message(Label::Note, "no device code")?;
    }
    Ok(match unreadable(&visit.problems)? {
        Outcome::Fine => outcome,
        errors => errors,
    })
}

fn to_json(path: &Path, code: &DeviceCode) -> serde_json::Value {
    json!({
        "schema": schema::DEVICE_CODE,
        "path": shown(path).to_string(),
        "device_code": report::groups_json(code),
        "entries": report::entries_json(code),
        "wrappers": code.wrappers,
        "linked_wrappers": code.linked_wrappers,
        "problems": report::problems_json(code),
        "truncated": code.truncated,
    })
}

fn extract(
    path: &Path,
    dir: &Path,
    wanted: impl Fn(usize, &FatbinEntry) -> bool,
) -> anyhow::Result<Outcome> {
    let name = || shown(path).to_string();
    let file = device_code::open(path).with_context(name)?;
    let code = device_code::read(path, &file).with_context(name)?;
    let stem = path.file_name().unwrap_or_default();
    let mut out = io::stdout().lock();
    let mut written = 0;
    for (index, image) in code.images.iter().enumerate() {
        let entry = &image.entry;
        // The contents of a concatenated entry are listed after it, image by image.
        if entry.kind == ImageKind::Concatenated || !wanted(index, entry) {
            continue;
        }
        let whole = entry.part.and_then(|part| {
            let at_offset = |i: &&device_code::Image| i.entry.offset == part.of;
            code.images[..index].iter().rev().find(at_offset)
        });
        let mut target = stem.to_owned();
        target.push(format!(
            ".{index:04}.{}.{}",
            entry.arch_name().as_deref().unwrap_or("unknown"),
            extension(entry.kind)
        ));
        let target = dir.join(target);
        let context = || format!("{}: image {index}", name());
        let source = code.places[image.place].file.as_deref();
        let thin = source
            .map(device_code::open)
            .transpose()
            .with_context(context)?;
        let source = thin.as_ref().unwrap_or(&file);
        write_new(&target, |out| {
            payload::write(source, entry, whole.map(|w| &w.entry), out).with_context(context)
        })?;
        writeln!(out, "{}", shown(&target))?;
        if entry.kind == ImageKind::LtoIr {
            let target = shown(&target);
            message(
                Label::Warning,
                format_args!(
                    "{target} is LTO-IR as it is in the file, not decoded: NVIDIA documents no encoding of it"
                ),
            )?;
        }
        written += 1;
    }
    if written == 0 {
        bail!(
            "{}: none of its {} images is wanted: see `cuda-fixup device-code list`",
            name(),
            code.images.len()
        );
    }
    Ok(Outcome::Fine)
}

fn extension(kind: ImageKind) -> &'static str {
    match kind {
        ImageKind::Ptx => "ptx",
        ImageKind::Cubin => "cubin",
        ImageKind::LtoIr => "ltoir",
        _ => "bin",
    }
}

/// Writes a file that isn't there yet: whole, or not at all.
fn write_new(
    target: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let name = || format!("{}: cannot be written", shown(target));
    let mut out = BufWriter::new(File::create_new(target).with_context(name)?);
    let written = write(&mut out).and_then(|()| out.flush().with_context(name));
    if written.is_err() {
        // The first error is reported; a leftover file is the lesser problem.
        let _ = fs::remove_file(target);
    }
    written
}
