//! nixpkgs' auto-patchelf: its command line, its decisions.

use super::jobs::Jobs;
use super::missing_dependencies::MissingDependencies;
use super::{Outcome, patchelf_flags};
use crate::escape::{Shown, shown};
use crate::fixup::{self, FileReport, FixupRequest, Libc, Relative, Status};
use crate::plan::{self, Dlopen, Driver, Existing, InheritedRpath, Policy, Stubs};
use crate::report::{fixup::lost_rpath, structured_logs};
use crate::terminal::{Label, message};
use anyhow::{Context, bail};
use clap::{ArgAction, Parser};
use elf_edit::{Edit, Platform, RewriteOptions};
use object::elf;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Set interpreter and RUNPATH of ELF files by their dependencies, like nixpkgs' auto-patchelf
///
/// Takes the same command line: a list has any number of values, and a repeated option replaces the
/// earlier list. Interpreter and libc are those of $NIX_BINTOOLS, else of $DEFAULT_BINTOOLS, which
/// the package auto-patchelf sets. A new RUNPATH replaces the existing one.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::AUTO_PATCHELF)]
pub(crate) struct Args {
    /// Trees and files to patch; their own libraries are found first
    #[arg(long, num_args = 0.., action = ArgAction::Set, overrides_with = "paths", value_name = "PATH")]
    paths: Option<Vec<PathBuf>>,
    /// Directories (not their subdirectories) and files whose libraries are found
    #[arg(long, num_args = 0.., action = ArgAction::Set, overrides_with = "libs", value_name = "DIR")]
    libs: Option<Vec<PathBuf>>,
    /// Globs of names that may be missing; 1 means *
    #[arg(long, num_args = 0.., action = ArgAction::Set, overrides_with = "ignore_missing", value_name = "GLOB")]
    ignore_missing: Option<Vec<OsString>>,
    /// First entries of executables
    #[arg(long, num_args = 0.., action = ArgAction::Set, overrides_with = "runtime_dependencies", value_name = "DIR")]
    runtime_dependencies: Option<Vec<OsString>>,
    /// Last entries of every file
    #[arg(long, num_args = 0.., action = ArgAction::Set, overrides_with = "append_rpaths", value_name = "DIR")]
    append_rpaths: Option<Vec<OsString>>,
    /// Leave subdirectories of the paths alone
    #[arg(long, overrides_with = "no_recurse")]
    no_recurse: bool,
    /// Search for all libraries, even those of the libc
    #[arg(long, overrides_with = "keep_libc")]
    keep_libc: bool,
    /// Don't find libraries in the paths themselves
    #[arg(long, overrides_with = "ignore_existing")]
    ignore_existing: bool,
    /// Keep $ORIGIN entries, also in place of the directory that they mean
    #[arg(long, overrides_with = "preserve_origin")]
    preserve_origin: bool,
    /// Write entries below a path relative to $ORIGIN, for files below it too
    #[arg(long, overrides_with = "relativize_rpath")]
    relativize_rpath: bool,
    /// Write entries in the Nix store relative to $ORIGIN
    #[arg(long, overrides_with = "relative_rpaths")]
    relative_rpaths: bool,
    /// Print nixpkgs' events as JSON lines rather than prose
    #[arg(long, overrides_with = "structured_logs")]
    structured_logs: bool,
    /// Flags of patchelf for each file that is patched: all that follows
    #[arg(long, num_args = 0.., allow_hyphen_values = true, value_name = "FLAG")]
    extra_args: Option<Vec<OsString>>,
}

/// The Nix store of a build's environment.
pub(super) fn store() -> Vec<u8> {
    env::var_os("NIX_STORE")
        .filter(|store| !store.is_empty())
        .unwrap_or_else(|| "/nix/store".into())
        .into_vec()
}

/// The platform of the programs that an interpreter runs, which the files must match.
pub(super) fn platform_of_interpreter(file: &Path) -> anyhow::Result<Platform> {
    if !file.is_absolute() {
        bail!(
            "{}: an interpreter is named by its absolute path, since the kernel opens it",
            shown(file)
        );
    }
    fixup::platform_of(file).with_context(|| {
        format!(
            "{}: expected an interpreter (ld.so), but it is no ELF file that can be read",
            shown(file)
        )
    })
}

/// The interpreter and the libc's `lib` that the binutils wrapper names.
struct Bintools {
    interpreter: PathBuf,
    libc: PathBuf,
}

impl Bintools {
    /// Those that a variable names, if one does.
    fn of_environment() -> anyhow::Result<Option<Bintools>> {
        let named = ["NIX_BINTOOLS", "DEFAULT_BINTOOLS"].into_iter();
        let mut named = named.filter_map(|name| Some((name, env::var_os(name)?)));
        let Some((name, dir)) = named.find(|(_, dir)| !dir.is_empty()) else {
            return Ok(None);
        };
        let support = Path::new(&dir).join("nix-support");
        Ok(Some(Bintools {
            interpreter: first_line(&support.join("dynamic-linker"), name)?,
            libc: first_line(&support.join("orig-libc"), name)?.join("lib"),
        }))
    }
}

fn first_line(file: &Path, variable: &str) -> anyhow::Result<PathBuf> {
    let text = fs::read(file)
        .with_context(|| format!("{}: cannot be read ({variable} leads there)", shown(file)))?;
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Ok(PathBuf::from(OsStr::from_bytes(line.trim_ascii())))
}

fn bytes(values: &[OsString]) -> Vec<Vec<u8>> {
    values.iter().map(|v| v.as_bytes().to_vec()).collect()
}

fn ignore_patterns(values: &[OsString]) -> Vec<Vec<u8>> {
    let star = |pattern: Vec<u8>| {
        if pattern == b"1" {
            b"*".to_vec()
        } else {
            pattern
        }
    };
    bytes(values).into_iter().map(star).collect()
}

impl Args {
    /// Applies these arguments to a request; lists replace, switches add.
    fn apply(&self, request: &mut FixupRequest) -> anyhow::Result<()> {
        let policy = &mut request.policy;
        if let Some(paths) = &self.paths {
            request.paths.clone_from(paths);
        }
        if let Some(libs) = &self.libs {
            request.libs.clone_from(libs);
        }
        if let Some(values) = &self.ignore_missing {
            policy.ignore_missing = ignore_patterns(values);
        }
        if let Some(values) = &self.runtime_dependencies {
            policy.runtime_dependencies = bytes(values);
        }
        if let Some(values) = &self.append_rpaths {
            policy.append = bytes(values);
        }
        if let Some(words) = &self.extra_args {
            let flags = patchelf_flags::parse(words).context("--extra-args")?;
            policy.force_rpath |= flags.force_rpath;
            policy.extra = flags.edits;
            request.rewrite.page_size = flags.page_size.or(request.rewrite.page_size);
        }
        request.recurse &= !self.no_recurse;
        request.index_own &= !self.ignore_existing;
        policy.keep_libc |= self.keep_libc;
        policy.preserve_origin |= self.preserve_origin;
        if self.relativize_rpath {
            request.relative = Relative::Tree;
        }
        request.structured_logs |= self.structured_logs;
        if self.relative_rpaths {
            policy.relative_roots.push(store());
        }
        Ok(())
    }

    fn request(&self) -> anyhow::Result<FixupRequest> {
        let mut request = FixupRequest {
            recurse: true,
            index_own: true,
            policy: Policy {
                existing: Existing::Replace,
                dlopen: Dlopen::Off,
                driver: Driver::Off,
                stubs: Stubs::Keep,
                inherited_rpath: InheritedRpath::Convert,
                ..Policy::default()
            },
            skip_malformed: true,
            selected: None,
            skip_links: true,
            skip_named: true,
            skip_unreadable_libs: true,
            rewrite: RewriteOptions::default(),
            ..FixupRequest::default()
        };
        match Bintools::of_environment()? {
            Some(bintools) => bintools.apply(&mut request)?,
            // Libraries need no interpreter, and a whole libc is on this machine.
            None => {
                request.libc = Libc::of_this_machine();
                request.no_interpreter = Some(
                    "this program needs an interpreter, and neither NIX_BINTOOLS nor \
                     DEFAULT_BINTOOLS is set: expected a wrapped binutils, whose \
                     nix-support/dynamic-linker names it"
                        .to_owned(),
                );
            }
        }
        self.apply(&mut request)?;
        Ok(request)
    }
}

impl Bintools {
    fn apply(self, request: &mut FixupRequest) -> anyhow::Result<()> {
        let Bintools { interpreter, libc } = self;
        let platform = platform_of_interpreter(&interpreter)?;
        request.platform = Some(platform);
        request.libc = Libc::in_directory(&libc).with_context(|| {
            format!(
                "{}: expected the libc's libraries (orig-libc)",
                shown(&libc)
            )
        })?;
        request.policy.interpreter = Some(interpreter.into_os_string().into_vec());
        // There, no program searches the libc's directory by default.
        request.policy.keep_libc =
            [elf::ELFOSABI_FREEBSD, elf::ELFOSABI_OPENBSD].contains(&platform.os_abi);
        Ok(())
    }
}

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Words {
    #[command(flatten)]
    args: Args,
}

/// Applies words of auto-patchelf's command line to a request.
pub(super) fn apply_words(words: &[OsString], request: &mut FixupRequest) -> anyhow::Result<()> {
    let words = Words::try_parse_from(words).map_err(|error| {
        let message = error.to_string();
        anyhow::anyhow!("{}", message.trim_end())
    })?;
    words.args.apply(request)
}

/// Patches all files of the paths.
pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    let mut request = args.request()?;
    // A missing path has nothing to patch, as in nixpkgs; but it may be a mistake.
    request.paths.retain(|path| {
        let there = path.symlink_metadata().is_ok();
        if !there {
            let _ = message(
                Label::Warning,
                format_args!("{}: no such path, passed over", shown(path)),
            );
        }
        there
    });
    let Some(paths) = &args.paths else {
        bail!("--paths is missing: name trees or files to patch");
    };
    if paths.is_empty() {
        // nixpkgs' status for this is that of a dependency that is missing.
        message(Label::Error, format_args!("no --paths to patch"))?;
        return Ok(Outcome::Findings);
    }
    let pool = Jobs::default().pool_for_paths(request.paths.iter().chain(&request.libs))?;
    let mut out = BufWriter::new(io::stdout());
    let mut misses = MissingDependencies::default();
    let summary = fixup::run(&pool, &request, &super::waits_for, &mut |file| {
        misses.note(file);
        if let (Status::Failed(why), Some(name)) = (&file.status, file.names.first()) {
            message(Label::Error, format_args!("{}: {why}", shown(name)))?;
        }
        if let Some((line, _)) = lost_rpath(file) {
            message(Label::Warning, line)?;
        }
        if request.structured_logs {
            structured_logs::write_file(&mut out, file, &request.policy.ignore_missing)
        } else {
            prose(&mut out, file)
        }
    })?;
    for problem in &summary.problems {
        message(
            Label::Error,
            format_args!("{}: {}", shown(&problem.path), problem.what),
        )?;
    }
    if request.structured_logs {
        structured_logs::write_skipped(&mut out, &summary)?;
    }
    out.flush()?;
    misses.print(&summary, "--libs", "--ignore-missing")?;
    Ok(super::fixup::outcome(&summary))
}

fn prose(out: &mut dyn Write, file: &FileReport) -> io::Result<()> {
    let Some(name) = file.names.first() else {
        return Ok(());
    };
    let text = |bytes: &[u8]| Shown::from(bytes).to_string();
    writeln!(out, "dependencies of {}", shown(name))?;
    for resolution in &file.plan.resolutions {
        let found = match &resolution.outcome {
            plan::Outcome::Directory(directory) => format!("found: {}", text(directory)),
            plan::Outcome::Existing(entry) => format!("found: {}", text(entry)),
            plan::Outcome::Libc => "found: part of the libc".to_owned(),
            plan::Outcome::Absolute => "found: an absolute path".to_owned(),
            plan::Outcome::Driver => {
                "comes with the driver, through the driver link (autoAddDriverRunpath)".to_owned()
            }
            plan::Outcome::ByFileName(directory) => {
                format!("found by its file name: {}", text(directory))
            }
            plan::Outcome::Ignored => "not found, ignored as asked".to_owned(),
            plan::Outcome::Missing { .. } => "not found!".to_owned(),
        };
        writeln!(out, "    {} -> {found}", text(&resolution.shown_name()))?;
    }
    if file.plan.edits.is_empty() {
        return Ok(());
    }
    if let Some((_, new)) = &file.plan.interpreter {
        writeln!(out, "setting interpreter to: {}", text(new))?;
    }
    let sets = |edit: &Edit| matches!(edit, Edit::SetRunpath(_) | Edit::SetRpath(_));
    if file.plan.edits.iter().any(sets) {
        let new = text(&file.plan.new_runpath());
        writeln!(out, "setting RUNPATH to: {new}")?;
    }
    Ok(())
}
