//! `toolkit farm` and `toolkit leaks`.

mod for_build;

use super::Outcome;
use super::capabilities::parse_list;
use super::jobs::Jobs;
use crate::cuda::selection::Selection;
use crate::cuda::table::GpuTable;
use crate::escape::{counted, shown};
use crate::report::schema::{self, Line};
use crate::terminal::{Label, message};
use crate::toolkit::compiler;
use crate::toolkit::farm::{self, Farm, FarmRequest};
use crate::toolkit::leaks;
use crate::toolkit::record::{Record, Runtime};
use anyhow::Context;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Merge a split CUDA toolkit into one directory of symlinks (a farm)
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::TOOLKIT)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Farm(FarmArgs),
    Leaks(LeaksArgs),
    ForBuild(for_build::Args),
}

/// Make a tree of links that looks like one whole toolkit, with this program as its nvcc
///
/// Prints the map from the farm's directories to the prefixes', one `FARM=REAL[:REAL…]` a line,
/// for `cuda-fixup fixup --replace-runpath`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::TOOLKIT_FARM)]
struct FarmArgs {
    /// Directory of the farm; an earlier farm there is updated
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Skip prefixes that have no part of a toolkit
    #[arg(long)]
    skip_others: bool,
    /// Make relative links, for a farm that moves together with its prefixes
    #[arg(long)]
    relative: bool,
    /// Target of the links nvcc and cmake [default: this binary]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    #[command(flatten)]
    options: FarmOptions,
    /// Print the farm's record, farm.json, instead of the map
    #[arg(long)]
    json: bool,
    /// Nix outputs, PyPI's nvidia/cu13, Debian's packages unpacked (their usr), redist archives
    #[arg(required = true, value_name = "PREFIX")]
    prefixes: Vec<PathBuf>,
}

/// The farm's defaults for nvcc and CMake.
#[derive(Debug, clap::Args)]
struct FarmOptions {
    /// nvcc's host compiler, unless -ccbin is given
    #[arg(long, value_name = "FILE")]
    host_compiler: Option<PathBuf>,
    /// Architectures that CMake builds for by default, such as "8.6;9.0a"
    #[arg(long, value_name = "LIST")]
    capabilities: Option<String>,
    /// Leave the PTX for GPUs that are still to come out of that
    #[arg(long, requires = "capabilities")]
    no_forward_compat: bool,
    /// The CUDA runtime that CMake links by default
    #[arg(long, value_name = "KIND")]
    cuda_runtime: Option<Runtime>,
    /// Don't let nvcc compress device code
    #[arg(long)]
    no_compress: bool,
    /// A directory that CMake is not to take for one of the compiler's own
    #[arg(long, value_name = "DIR")]
    exclude_link_directory: Vec<PathBuf>,
}

/// Find references to a farm, or to other paths, in the files of a package
///
/// All bytes of all files are searched, in parallel. In .cmake and .pc files the farm's paths are
/// rewritten to those of the prefixes that it was made from; whatever else holds a path is named,
/// and the exit status is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::TOOLKIT_LEAKS)]
struct LeaksArgs {
    /// The farm
    #[arg(long, value_name = "DIR")]
    farm: Option<PathBuf>,
    /// Another forbidden path, such as the build directory; several times
    #[arg(long, value_name = "DIR", required_unless_present = "farm")]
    forbid: Vec<PathBuf>,
    /// Search RUNPATHs only
    #[arg(long)]
    runpaths: bool,
    /// Print possible rewrites, without making them
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    jobs: Jobs,
    /// Trees and files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    match args.command {
        Command::Farm(args) => make_farm(args),
        Command::Leaks(args) => find_leaks(args),
        Command::ForBuild(args) => for_build::run(args),
    }
}

fn make_farm(mut args: FarmArgs) -> anyhow::Result<Outcome> {
    if args.skip_others {
        let mut prefixes = Vec::new();
        for prefix in args.prefixes {
            if farm::parts(&prefix)?.0 {
                prefixes.push(prefix);
            }
        }
        args.prefixes = prefixes;
    }
    let mut request = args.options.request(args.prefixes, &args.out)?;
    request.relative = args.relative;
    if let Some(program) = args.program {
        request.program = std::path::absolute(program)?;
    }
    let made = make(&request)?;
    let mut out = io::stdout().lock();
    if args.json {
        let line = Line {
            schema: schema::FARM,
            value: &made.record,
        };
        line.write_pretty(&mut out)?;
    } else {
        for line in map(&request, &made) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(Outcome::Fine)
}

/// `FARM=REAL[:REAL…]` for each directory. One comes before the one that it is in, so that the
/// first that fits is right.
fn map(request: &FarmRequest, made: &Farm) -> Vec<String> {
    let directories = made.record.directories.iter().rev();
    let lines = directories.map(|(place, real)| {
        let real: Vec<_> = real.iter().map(|dir| shown(dir).to_string()).collect();
        format!("{}={}", shown(&request.out.join(place)), real.join(":"))
    });
    lines.collect()
}

/// Makes a farm and prints its path and version to stderr.
fn make(request: &FarmRequest) -> anyhow::Result<Farm> {
    let made = farm::make(request)?;
    let without = if made.record.nvcc.is_none() {
        ", without nvcc, for no prefix has it"
    } else {
        ""
    };
    // One write: standard error has no buffer.
    let text = format!(
        "{}: CUDA {}{without}, {}, {} written, {} left out\n",
        shown(&request.out),
        made.record.cuda_version,
        counted(made.entries, "place", "places"),
        made.written,
        counted(made.dangling, "dangling link", "dangling links")
    );
    io::stderr().write_all(text.as_bytes())?;
    Ok(made)
}

impl FarmOptions {
    fn request(&self, prefixes: Vec<PathBuf>, out: &Path) -> anyhow::Result<FarmRequest> {
        let host_compiler = match &self.host_compiler {
            Some(file) => Some(std::path::absolute(file)?),
            None => None,
        };
        let known = host_compiler.clone().or_else(gcc_on_path);
        let mut request = FarmRequest {
            prefixes,
            out: std::path::absolute(out)?,
            program: env::current_exe().context("cannot determine the path of this binary")?,
            relative: false,
            known_compiler: known.as_deref().and_then(compiler::known),
            host_compiler,
            capabilities: Vec::new(),
            cmake_cuda_architectures: None,
            cuda_runtime: self.cuda_runtime,
            compress_fatbins: !self.no_compress,
            exclude_link_directories: self.exclude_link_directory.clone(),
        };
        if let Some(list) = &self.capabilities {
            // The list is checked against the toolkit's version, which comes from the prefixes.
            let cuda = farm::cuda_version(&request.prefixes)?;
            let table = GpuTable::read().context("the table of capabilities")?;
            let forward = !self.no_forward_compat;
            let selection = Selection::new(table, cuda, parse_list(list)?, forward)?;
            request.cmake_cuda_architectures = Some(selection.cmake_cuda_architectures);
            request.capabilities = selection.cuda_capabilities;
        }
        Ok(request)
    }
}

/// The compiler that nvcc uses by default.
fn gcc_on_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut candidates = env::split_paths(&path).map(|dir| dir.join("gcc"));
    candidates.find(|file: &PathBuf| Path::is_file(file))
}

fn find_leaks(args: LeaksArgs) -> anyhow::Result<Outcome> {
    let farm = match &args.farm {
        Some(dir) => {
            let root = std::path::absolute(dir)?;
            let record = Record::read(&root).with_context(|| shown(&root).to_string())?;
            let record = record.with_context(|| format!("{}: is no farm", shown(&root)))?;
            Some((root, record))
        }
        None => None,
    };
    let forbidden = args.forbid.iter().map(std::path::absolute);
    let request = leaks::LeaksRequest {
        paths: args.paths,
        forbidden: forbidden.collect::<io::Result<_>>()?,
        farm,
        runpaths_only: args.runpaths,
        dry_run: args.dry_run,
    };
    let pool = args.jobs.pool_for_paths(&request.paths)?;
    let found = pool.install(|| leaks::find(&request))?;
    let mut out = io::stdout().lock();
    for file in &found.rewritten {
        let did = if args.dry_run {
            "would rewrite"
        } else {
            "rewrote"
        };
        writeln!(out, "{}: {did} the farm's paths", shown(file))?;
    }
    let mut errors = io::stderr().lock();
    for leak in &found.leaks {
        writeln!(errors, "{}: {}", shown(&leak.file), leak.what)?;
    }
    for problem in &found.problems {
        message(
            Label::Error,
            format_args!("{}: {}", shown(&problem.path), problem.what),
        )?;
    }
    Ok(match (found.problems.is_empty(), found.leaks.is_empty()) {
        (false, _) => Outcome::Errors,
        (true, false) => Outcome::Findings,
        (true, true) => Outcome::Fine,
    })
}
