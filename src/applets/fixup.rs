//! One pass over trees: interpreter, dependencies, driver link, and all else that a RUNPATH needs.

use super::auto_patchelf;
use super::jobs::Jobs;
use super::missing_dependencies::MissingDependencies;
use super::{Outcome, patchelf_flags};
use crate::escape::shown;
use crate::fixup::{self, Libc, Request, Status};
use crate::plan::{Dlopen, Driver, Existing, Policy, Stubs};
use crate::report::{fixup as report, structured_logs};
use anyhow::Context;
use clap::ValueEnum;
use elf_edit::RewriteOptions;
use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Set interpreters and RUNPATHs of whole trees, in one pass
///
/// Reads each ELF file below PATH, decides, and writes a few bytes where something is to change; a
/// file that needs no change is not touched. A new RUNPATH has, in this order: compat directory,
/// driver link, runtime dependencies (executables only), directories of what is needed, what was
/// there, what is appended.
#[derive(Debug, clap::Args)]
// Of an option given twice the last wins, so that a package's flags go behind those of a hook.
#[command(args_override_self = true)]
pub struct Args {
    /// Trees and files to fix
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    find: Find,
    #[command(flatten)]
    write: RunpathArgs,
    /// Print old and new RUNPATHs with the reason of each entry; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON lines: one object a file, then a summary
    #[arg(long)]
    json: bool,
    /// Tell of each file that is changed, and what was passed over
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    jobs: Jobs,
}

/// Where things are found, and what counts.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is found")]
struct Find {
    /// A directory whose libraries are found, or one library; several times
    #[arg(long = "lib", value_name = "DIR")]
    libs: Vec<PathBuf>,
    /// The interpreter of executables; files for other machines are passed over
    #[arg(long, value_name = "FILE")]
    interpreter: Option<PathBuf>,
    /// The libc, whose libraries need no entry [default: that beside the interpreter]
    #[arg(long, value_name = "DIR")]
    libc: Option<PathBuf>,
    /// Whether what is needed is looked for
    #[arg(long, value_name = "MODE", default_value = "find")]
    dependencies: DependenciesMode,
    /// A glob of names that may be missing; several times
    #[arg(long, value_name = "GLOB")]
    ignore_missing: Vec<OsString>,
    /// What to do with libraries that a file may dlopen
    #[arg(long, value_name = "MODE", default_value = "report")]
    dlopen: DlopenMode,
    /// Look for libraries before the libc has its say
    #[arg(long)]
    keep_libc: bool,
    /// Leave subdirectories of PATH alone
    #[arg(long)]
    no_recurse: bool,
    /// Don't find libraries in PATH itself
    #[arg(long)]
    ignore_existing: bool,
    /// A word of auto-patchelf's command line, for hooks; several times
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    auto_patchelf_flag: Vec<OsString>,
}

/// What becomes of the RUNPATH.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is written")]
struct RunpathArgs {
    /// Which files get the driver link: all, or those that load the driver themselves
    #[arg(long, value_name = "MODE", default_value = "all")]
    add_driver_runpath: DriverMode,
    /// The driver link [default: /run/opengl-driver/lib, for i386 /run/opengl-driver-32/lib]
    #[arg(long, value_name = "DIR")]
    driver_link: Option<OsString>,
    /// A directory that goes before the driver link (Jetson's cuda_compat)
    #[arg(long, value_name = "DIR")]
    compat_runpath: Option<OsString>,
    /// Whether CUDA's stub directories give way to the driver link
    #[arg(long, value_name = "MODE", default_value = "replace")]
    stubs: StubsMode,
    /// First entry of executables; several times
    #[arg(long, value_name = "DIR")]
    runtime_dependency: Vec<OsString>,
    /// Whether the RUNPATH that is there stays, behind what is found, or is replaced by it
    #[arg(long, value_name = "MODE", default_value = "keep")]
    existing: ExistingMode,
    /// Entries at or below OLD become NEW, and go away where NEW is empty; several times
    #[arg(long, value_name = "OLD=NEW")]
    replace_runpath: Vec<OsString>,
    /// Drop entries that are there and provide nothing that is needed
    #[arg(long)]
    shrink: bool,
    /// Last entry of every file; several times
    #[arg(long, value_name = "DIR")]
    append_runpath: Vec<OsString>,
    /// With --existing replace: keep $ORIGIN entries, also in place of the directory they mean
    #[arg(long)]
    preserve_origin: bool,
    /// Write entries below PATH relative to $ORIGIN
    #[arg(long)]
    relativize_runpath: bool,
    /// Write entries in the Nix store relative to $ORIGIN
    #[arg(long)]
    relative_runpaths: bool,
    /// Write DT_RPATH rather than DT_RUNPATH
    #[arg(long)]
    force_rpath: bool,
    /// Replace files by changed copies: programs that run keep what they have mapped
    #[arg(long)]
    atomic: bool,
    /// Write to files that have hard links outside the trees, which then change too
    #[arg(long)]
    keep_links: bool,
    /// A flag of patchelf for each file that is edited, for hooks; several times
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    patchelf_flag: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DependenciesMode {
    Find,
    /// Only in --lib: what they don't have is neither looked for nor missing
    Provided,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DlopenMode {
    /// What is found gets its directory into the RUNPATH
    Auto,
    /// Told by --dry-run, --json and -v
    Report,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DriverMode {
    All,
    Needed,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StubsMode {
    Replace,
    Keep,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExistingMode {
    Keep,
    Replace,
}

fn bytes(values: Vec<OsString>) -> Vec<Vec<u8>> {
    values.into_iter().map(OsString::into_vec).collect()
}

impl Args {
    fn policy(&mut self) -> anyhow::Result<Policy> {
        let (find, write) = (&mut self.find, &mut self.write);
        let flags = patchelf_flags::parse(&write.patchelf_flag).context("--patchelf-flag")?;
        let mut policy = Policy {
            interpreter: find
                .interpreter
                .clone()
                .map(|p| p.into_os_string().into_vec()),
            dependencies: !matches!(find.dependencies, DependenciesMode::Off),
            provided_only: matches!(find.dependencies, DependenciesMode::Provided),
            existing: match write.existing {
                ExistingMode::Keep => Existing::Keep,
                ExistingMode::Replace => Existing::Replace,
            },
            dlopen: match find.dlopen {
                DlopenMode::Auto => Dlopen::Auto,
                DlopenMode::Report => Dlopen::Report,
                DlopenMode::Off => Dlopen::Off,
            },
            driver: match write.add_driver_runpath {
                DriverMode::All => Driver::All,
                DriverMode::Needed => Driver::Needed,
                DriverMode::Off => Driver::Off,
            },
            driver_link: write.driver_link.take().map(OsString::into_vec),
            compat: write.compat_runpath.take().map(OsString::into_vec),
            stubs: match write.stubs {
                StubsMode::Replace => Stubs::Replace,
                StubsMode::Keep => Stubs::Keep,
            },
            runtime_dependencies: bytes(std::mem::take(&mut write.runtime_dependency)),
            append: bytes(std::mem::take(&mut write.append_runpath)),
            replace: write
                .replace_runpath
                .drain(..)
                .map(old_and_new)
                .collect::<anyhow::Result<_>>()?,
            shrink: write.shrink,
            keep_libc: find.keep_libc,
            ignore_missing: bytes(std::mem::take(&mut find.ignore_missing)),
            force_rpath: write.force_rpath || flags.force_rpath,
            preserve_origin: write.preserve_origin,
            keep_driver_link: matches!(write.existing, ExistingMode::Replace),
            relative_roots: Vec::new(),
            extra: flags.edits,
        };
        if write.relative_runpaths {
            policy.relative_roots.push(auto_patchelf::store());
        }
        Ok(policy)
    }

    fn request(&mut self) -> anyhow::Result<Request> {
        let policy = self.policy()?;
        let page_size = patchelf_flags::parse(&self.write.patchelf_flag)?.page_size;
        let platform = match &self.find.interpreter {
            Some(file) => Some(auto_patchelf::platform_of_interpreter(file)?),
            None => None,
        };
        let libc = match (&self.find.libc, &self.find.interpreter) {
            _ if !policy.dependencies || policy.provided_only => Libc::default(),
            (Some(dir), _) => Libc::in_directory(dir)
                .with_context(|| format!("--libc {}: cannot be read", shown(dir)))?,
            (None, Some(file)) => {
                Libc::beside(file).with_context(|| format!("{}: no libc beside it", shown(file)))?
            }
            (None, None) => Libc::of_this_machine(),
        };
        let mut request = Request {
            paths: std::mem::take(&mut self.paths),
            recurse: !self.find.no_recurse,
            index_own: !self.find.ignore_existing && !policy.provided_only,
            libs: std::mem::take(&mut self.find.libs),
            platform,
            libc,
            skip_malformed: policy.existing == Existing::Replace,
            relative_to_paths: self.write.relativize_runpath,
            tell_dlopen: self.dry_run || self.json || self.verbose,
            dry_run: self.dry_run,
            rewrite: RewriteOptions {
                atomic: self.write.atomic,
                keep_links: self.write.keep_links,
                page_size,
            },
            skip_links: false,
            // As auto-patchelf, which is given files of any kind.
            skip_named: policy.existing == Existing::Replace,
            skip_unreadable_libs: false,
            structured_logs: false,
            no_interpreter: None,
            policy,
        };
        if !self.find.auto_patchelf_flag.is_empty() {
            auto_patchelf::apply_words(&self.find.auto_patchelf_flag, &mut request)
                .context("--auto-patchelf-flag")?;
        }
        Ok(request)
    }
}

fn old_and_new(value: OsString) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let value = value.into_vec();
    match value.iter().position(|&byte| byte == b'=') {
        Some(at) if at > 0 => Ok((value[..at].to_vec(), value[at + 1..].to_vec())),
        _ => anyhow::bail!(
            "--replace-runpath {}: expected OLD=NEW",
            crate::escape::Shown::from(&value[..])
        ),
    }
}

/// Fixes the trees.
pub fn run(mut args: Args) -> anyhow::Result<Outcome> {
    let request = args.request()?;
    let pool = args.jobs.pool()?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut misses = MissingDependencies::default();
    let summary = {
        let mut tell = |report: &fixup::FileReport| {
            misses.note(report);
            if let (Status::Failed(why), Some(name)) = (&report.status, report.names.first()) {
                writeln!(io::stderr(), "error: {}: {why}", shown(name))?;
            }
            let changes = !matches!(report.status, Status::Unchanged);
            if args.json {
                writeln!(out, "{}", report::file_json(report))
            } else if request.structured_logs {
                structured_logs::write_file(&mut out, report, &request.policy.ignore_missing)
            } else if (args.dry_run && changes) || args.verbose {
                report::write_plan(&mut out, report)
            } else {
                Ok(())
            }
        };
        fixup::run(&pool, &request, &mut tell)?
    };
    let mut errors = io::stderr().lock();
    for problem in &summary.problems {
        writeln!(errors, "error: {}: {}", shown(&problem.path), problem.what)?;
        if args.json {
            writeln!(
                out,
                "{}",
                report::problem_json(&problem.path, &problem.what)
            )?;
        }
    }
    misses.tell(&mut errors, &summary, "--lib", "--ignore-missing")?;
    if args.json {
        writeln!(out, "{}", report::summary_json(&summary))?;
    } else if request.structured_logs {
        structured_logs::write_skipped(&mut out, &summary)?;
    } else {
        report::write_summary(&mut out, &summary, args.dry_run, args.verbose)?;
    }
    out.flush()?;
    Ok(outcome(&summary))
}

/// The exit status that a summary asks for.
pub(super) fn outcome(summary: &fixup::Summary) -> Outcome {
    if summary.failed > 0 || !summary.problems.is_empty() {
        Outcome::Errors
    } else if summary.missing > 0 {
        Outcome::Findings
    } else {
        Outcome::Fine
    }
}
