//! The compute capabilities that a CUDA version supports, and the flags to build for them.

use super::Outcome;
use crate::cuda::selection::Selection;
use crate::cuda::table::GpuTable;
use crate::cuda::{Capability, CudaVersion};
use crate::report::schema::{self, Line};
use crate::terminal::{self, Label, message};
use anyhow::Context;
use std::io::{self, Write};

/// List the GPU architectures that a CUDA version supports, and the flags to build for them
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::CAPABILITIES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the faults of a list of capabilities, if it has any (exit status 1)
    #[command(after_help = super::examples::CAPABILITIES_CHECK)]
    Check(Wanted),
    /// Print the flags of nvcc and CMake for a list of capabilities
    #[command(after_help = super::examples::CAPABILITIES_FLAGS)]
    Flags {
        #[command(flatten)]
        wanted: Wanted,
        /// Print one JSON object
        #[arg(long, conflicts_with = "null")]
        json: bool,
        /// End each item with a NUL byte instead of a newline
        #[arg(short = '0', long)]
        null: bool,
        /// Print one list's items only
        #[arg(long, value_name = "LIST")]
        only: Option<List>,
    },
    /// Print the table: each capability with its CUDA versions and how that is known
    #[command(after_help = super::examples::CAPABILITIES_TABLE)]
    Table,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum List {
    Gencode,
    Cmake,
    Real,
    Virtual,
    Capabilities,
}

#[derive(Debug, clap::Args)]
struct Wanted {
    /// The CUDA version, such as 12.4
    #[arg(long, value_name = "VERSION")]
    cuda: CudaVersion,
    /// Such as "8.6;9.0a" (`;`, comma or space between them) [default: all but Jetson's, letters
    /// and the deprecated]
    #[arg(long, value_name = "LIST")]
    capabilities: Option<String>,
    /// Default to Jetson's capabilities
    #[arg(long, conflicts_with = "capabilities")]
    jetson: bool,
    /// Leave out the PTX for GPUs that are still to come
    #[arg(long)]
    no_forward_compat: bool,
}

/// Prints the answer; faults of the list go to stderr.
pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    let table = GpuTable::read().context("the table of capabilities")?;
    let mut out = io::stdout().lock();
    let (wanted, printed) = match args.command {
        Command::Table => {
            // On a terminal in columns, and without the sources, which are sentences.
            let width = terminal::columns();
            for row in &table.capabilities {
                let capability = row.capability.to_string();
                let (name, min) = (&row.name, row.min.to_string());
                let max = row.max.map(|max| max.to_string()).unwrap_or_default();
                let jetson = if row.jetson { "Jetson" } else { "" };
                let line = match width {
                    Some(_) => format!("{capability:<6}  {name:<12}  {min:>5}  {max:>5}  {jetson}"),
                    None => {
                        let source = &row.source;
                        format!("{capability}\t{name}\t{min}\t{max}\t{jetson}\t{source}")
                    }
                };
                writeln!(out, "{}", line.trim_end_matches(' '))?;
            }
            return Ok(Outcome::Fine);
        }
        Command::Check(wanted) => (wanted, None),
        Command::Flags {
            wanted,
            json,
            null,
            only,
        } => (wanted, Some((json, null, only))),
    };
    let list = match &wanted.capabilities {
        Some(text) => parse_list(text)?,
        None => table.defaults(wanted.cuda, wanted.jetson),
    };
    match (
        Selection::new(table, wanted.cuda, list, !wanted.no_forward_compat),
        printed,
    ) {
        (Err(wrong), _) => {
            for line in wrong.to_string().lines() {
                message(Label::Error, line)?;
            }
            return Ok(Outcome::Findings);
        }
        (Ok(_), None) => {}
        (Ok(selection), Some((true, _, _))) => {
            let line = Line {
                schema: schema::CAPABILITIES,
                value: &selection,
            };
            line.write_pretty(&mut out)?;
        }
        (Ok(selection), Some((false, null, only))) => {
            let end = if null { '\0' } else { '\n' };
            for item in items(&selection, only) {
                write!(out, "{item}{end}")?;
            }
        }
    }
    Ok(Outcome::Fine)
}

/// Capabilities out of `8.6;9.0a`, as CMake, Nix and a shell write lists.
pub(crate) fn parse_list(text: &str) -> anyhow::Result<Vec<Capability>> {
    text.split([';', ',', ' '])
        .filter(|item| !item.is_empty())
        .map(|item| Ok(item.parse()?))
        .collect()
}

fn items(selection: &Selection, only: Option<List>) -> Vec<String> {
    let capabilities = || selection.cuda_capabilities.iter().map(|c| c.to_string());
    match only {
        Some(List::Gencode) => selection.gencode.clone(),
        Some(List::Cmake) => vec![selection.cmake_cuda_architectures.clone()],
        Some(List::Real) => selection.real_arches.clone(),
        Some(List::Virtual) => selection.virtual_arches.clone(),
        Some(List::Capabilities) => capabilities().collect(),
        None => vec![
            format!("cudaVersion={}", selection.cuda_version),
            format!(
                "cudaCapabilities={}",
                capabilities().collect::<Vec<_>>().join(" ")
            ),
            format!("cudaForwardCompat={}", selection.cuda_forward_compat),
            format!("isJetsonBuild={}", selection.is_jetson_build),
            format!("realArches={}", selection.real_arches.join(" ")),
            format!("virtualArches={}", selection.virtual_arches.join(" ")),
            format!("gencode={}", selection.gencode.join(" ")),
            format!(
                "cmakeCudaArchitectures={}",
                selection.cmake_cuda_architectures
            ),
        ],
    }
}
