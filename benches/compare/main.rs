//! The benchmark: every tool on the same fresh copies in turn, times as ratios of the same round.
//!
//! `cargo bench --bench compare` fetches its corpora and its peers from the registries, runs all
//! parts and prints Markdown; docs/performance.md holds what it printed last.

mod contest;
mod corpus;
mod evaluate;
mod growth;
mod hooks;
mod measure;
mod nvcc;
mod parts;
mod peers;
mod small;
mod table;
mod walk;

use clap::{Parser, ValueEnum};
use contest::Ring;
use corpus::Corpus;
use std::path::PathBuf;

/// Compares cuda-fixup with its peers on real files
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Args {
    /// Small corpora and two rounds: a minute
    #[arg(long)]
    quick: bool,
    /// Leave out tools that take many seconds
    #[arg(long)]
    fast: bool,
    /// Only this part; several times
    #[arg(long = "part", value_name = "PART")]
    parts: Vec<Part>,
    /// Rounds of every contest [default: each has its own number]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// A nixpkgs whose own CUDA set is evaluated beside ours
    #[arg(long, value_name = "DIR")]
    nixpkgs: Option<PathBuf>,
    /// Measure this build of the program, such as the static one of a release, instead of cargo's
    #[arg(long, value_name = "FILE")]
    ours: Option<PathBuf>,
    /// Where trees are copied; best on a memory-backed file system
    #[arg(long, value_name = "DIR", default_value = env!("CARGO_TARGET_TMPDIR"))]
    scratch: PathBuf,
    /// Cargo gives it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// In the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Whole trees: CUDA wheels
    Torch,
    /// Whole trees: many small files
    Debs,
    /// One huge library
    Huge,
    /// Readers
    Read,
    /// Each applet that reads, beside a fixup that finds nothing to do
    Walk,
    /// One program with many libraries
    Deep,
    /// Read-only data
    Contents,
    /// GPU code in libraries
    DeviceCode,
    /// What archives hold
    Features,
    /// A process that does nothing, and one for one small file
    Start,
    /// Our nvcc before NVIDIA's
    Nvcc,
    /// What hooks add to a build
    Hooks,
    /// Evaluation of package sets
    Evaluate,
    /// How cost grows
    Growth,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(file) = &args.ours {
        peers::measure_instead(std::fs::canonicalize(file)?);
    }
    let scratch = tempfile::tempdir_in(&args.scratch)?;
    peers::compile_floor(scratch.path())?;
    let ring = Ring {
        scratch: scratch.path().to_owned(),
        rounds: args.rounds,
        quick: args.quick,
        fast: args.fast,
        threads: std::thread::available_parallelism()?.get(),
    };
    println!("{}\n", machine(&ring));
    for part in Part::value_variants() {
        if !args.parts.is_empty() && !args.parts.contains(part) {
            continue;
        }
        eprintln!("{part:?}");
        let contests = match part {
            Part::Growth => {
                for table in growth::growth(&ring)? {
                    println!("{}", table.markdown());
                }
                continue;
            }
            Part::Hooks => {
                println!("{}", hooks::hooks(&ring)?);
                continue;
            }
            Part::Torch => parts::trees(&ring, &Corpus::wheels(ring.quick)?),
            Part::Debs => parts::trees(&ring, &Corpus::debs(ring.quick)?),
            Part::Huge => parts::huge(&ring),
            Part::Read => parts::read(&ring, &Corpus::debs(ring.quick)?),
            Part::Walk => walk::walk(&ring, &Corpus::debs(ring.quick)?),
            Part::Deep => parts::deep(&ring),
            Part::Contents => parts::contents(&ring, &Corpus::wheels(ring.quick)?),
            Part::DeviceCode => parts::device_code(&ring),
            Part::Features => parts::features(&ring),
            Part::Nvcc => nvcc::nvcc(&ring),
            Part::Evaluate => evaluate::evaluate(&ring, args.nixpkgs.as_deref()),
            Part::Start => small::start(&ring),
        };
        for contest in contests? {
            println!("{}", contest.markdown());
        }
    }
    Ok(())
}

/// What the figures were taken on.
fn machine(ring: &Ring) -> String {
    let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let quick = if ring.quick { ", --quick" } else { "" };
    format!(
        "{} cores, Linux {}, load {load} at the start{quick}.",
        ring.threads,
        version.trim()
    )
}
