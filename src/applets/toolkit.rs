//! Lays a CUDA toolkit that stands in several prefixes out as one.

use super::Outcome;
use super::capabilities::parse_list;
use super::nvcc::known_compiler;
use crate::cuda::selection::Selection;
use crate::cuda::table::Table;
use crate::cuda::toolkit::farm::{self, Request};
use crate::cuda::toolkit::record::Runtime;
use crate::report::shown;
use anyhow::Context;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Lay a CUDA toolkit that stands in several prefixes out as one
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Farm(FarmArgs),
}

/// Make a tree of links that looks like one whole toolkit, with this program as its nvcc
///
/// Prints the map from the farm's directories to the prefixes', one `FARM=REAL[:REAL…]` a line,
/// for `cuda-fixup fixup --replace-runpath`.
#[derive(Debug, clap::Args)]
struct FarmArgs {
    /// Where the farm is made; it may hold an earlier farm, which is brought up to date
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Make relative links, for a farm that moves together with its prefixes
    #[arg(long)]
    relative: bool,
    /// What the links nvcc and cmake point to [default: this binary]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// nvcc's host compiler, where nobody says -ccbin
    #[arg(long, value_name = "FILE")]
    host_compiler: Option<PathBuf>,
    /// What CMake builds for by default, such as "8.6;9.0a"
    #[arg(long, value_name = "LIST")]
    capabilities: Option<String>,
    /// Leave the PTX for GPUs that are still to come out of that
    #[arg(long, requires = "capabilities")]
    no_forward_compat: bool,
    /// Which CUDA runtime CMake links by default
    #[arg(long, value_name = "KIND")]
    cuda_runtime: Option<Runtime>,
    /// Don't let nvcc compress device code
    #[arg(long)]
    no_compress: bool,
    /// A directory that CMake is not to take for one of the compiler's own
    #[arg(long, value_name = "DIR")]
    exclude_link_directory: Vec<PathBuf>,
    /// Print the farm's record, farm.json, instead of the map
    #[arg(long)]
    json: bool,
    /// Nix outputs, PyPI's nvidia/cu13, Debian's packages unpacked (their usr), redist archives
    #[arg(required = true, value_name = "PREFIX")]
    prefixes: Vec<PathBuf>,
}

/// Does what the subcommand says.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    match args.command {
        Command::Farm(args) => make_farm(args),
    }
}

fn make_farm(args: FarmArgs) -> anyhow::Result<Outcome> {
    let program = match args.program {
        Some(program) => std::path::absolute(program)?,
        None => env::current_exe().context("cannot tell where this binary is")?,
    };
    let host_compiler = match &args.host_compiler {
        Some(file) => Some(std::path::absolute(file)?),
        None => None,
    };
    let known = host_compiler.clone().or_else(gcc_on_path);
    let capabilities = match &args.capabilities {
        Some(list) => parse_list(list)?,
        None => Vec::new(),
    };
    let mut request = Request {
        prefixes: args.prefixes,
        out: std::path::absolute(&args.out)?,
        program,
        relative: args.relative,
        known_compiler: known.as_deref().and_then(known_compiler),
        host_compiler,
        capabilities: capabilities.clone(),
        cmake_cuda_architectures: None,
        cuda_runtime: args.cuda_runtime,
        compress_fatbins: !args.no_compress,
        exclude_link_directories: args.exclude_link_directory,
    };
    if !capabilities.is_empty() {
        // The list is checked against the toolkit's version, which the prefixes tell.
        let cuda = farm::cuda_version(&request.prefixes)?;
        let table = Table::read().context("the table of capabilities")?;
        let selection = Selection::new(&table, cuda, capabilities, !args.no_forward_compat)?;
        request.cmake_cuda_architectures = Some(selection.cmake_cuda_architectures);
        request.capabilities = selection.cuda_capabilities;
    }
    let made = farm::make(&request)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &made.record)?;
        writeln!(out)?;
    } else {
        for (place, real) in &made.record.directories {
            let real: Vec<_> = real.iter().map(|dir| shown(dir).to_string()).collect();
            let place = request.out.join(place);
            writeln!(out, "{}={}", shown(&place), real.join(":"))?;
        }
    }
    let without = if made.record.nvcc.is_none() {
        ", without nvcc, for no prefix has it"
    } else {
        ""
    };
    writeln!(
        io::stderr(),
        "{}: CUDA {}{without}, {} places, {} written, {} dangling links left out",
        shown(&request.out),
        made.record.cuda_version,
        made.entries,
        made.written,
        made.dangling
    )?;
    Ok(Outcome::Fine)
}

/// The compiler that nvcc takes when it is told of none.
fn gcc_on_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut candidates = env::split_paths(&path).map(|dir| dir.join("gcc"));
    candidates.find(|file: &PathBuf| Path::is_file(file))
}
