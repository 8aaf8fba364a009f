//! Reports a machine's support for CUDA, and its faults.

use super::Outcome;
use super::inspect::targets::program;
use super::jobs::Jobs;
use crate::cuda::driver_versions::DriverVersions;
use crate::cuda::table::GpuTable;
use crate::cuda::{Capability, CudaVersion};
use crate::doctor::{Machine, Severity, Subject, Where, Yardstick};
use crate::escape::shown;
use crate::loader::{Cpu, Environment, Loader};
use crate::report::doctor;
use crate::terminal::{Label, Paint, message};
use anyhow::Context;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Show the NVIDIA driver, GPUs and driver libraries of this machine, and their faults
///
/// Of each PATH, a program, a library or a tree, it says which libcuda.so.1 the files get, which
/// CUDA runtime they have, and whether their device code runs on the GPUs.
///
/// The first thing to run when a program says "no CUDA-capable device is detected" or "CUDA driver
/// version is insufficient". Reads /proc, /dev and the libraries' own headers, runs nvidia-smi, and
/// calls cuInit in a child process, so that a broken driver can't crash it. Exit status 1 when no
/// CUDA program can work here.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::DOCTOR)]
pub(crate) struct Args {
    /// Programs, libraries and trees to look at, too; a name without a slash may be a program on PATH
    paths: Vec<PathBuf>,
    /// Judge the PATHs for these GPUs, such as 8.6,9.0, rather than for this machine
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "paths")]
    capabilities: Vec<Capability>,
    /// Judge the PATHs for a driver that runs this CUDA version, rather than for this machine
    #[arg(long, value_name = "VERSION", requires = "paths")]
    max_driver_cuda: Option<CudaVersion>,
    /// Don't call cuInit, which starts the GPUs and may take seconds, in a child process
    #[arg(long)]
    no_cuinit: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Examine the machine whose files are below DIR, such as a mounted disk or an unpacked image;
    /// nvidia-smi and cuInit are not run
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(flatten)]
    jobs: Jobs,
}

pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    let root = match &args.root {
        Some(root) => Some(
            root.canonicalize()
                .with_context(|| shown(root).to_string())?,
        ),
        None => None,
    };
    // Another machine's environment is not known.
    let variable = |name: &str| match args.root {
        Some(_) => None,
        None => std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
    };
    let loader = Loader::new(Environment {
        library_path: variable("LD_LIBRARY_PATH").map(String::into_bytes),
        cwd: PathBuf::from("/"),
        cpu: Cpu::host(),
        root: root.clone(),
        ..Environment::default()
    });
    let place = Where {
        root: root.as_deref().unwrap_or(Path::new("/")),
        run_smi: root.is_none(),
        call_driver: root.is_none() && !args.no_cuinit,
        loader: &loader,
        variable: &variable,
    };
    let machine = Machine::read(&place);
    let yardstick = yardstick(&args, &machine)?;
    let mut findings = match yardstick.given {
        true => Vec::new(),
        false => machine.findings(),
    };
    let pool = args.jobs.pool()?;
    let mut subjects = Vec::new();
    let mut unread = false;
    for word in &args.paths {
        let on_path = root.is_none().then(|| program(word)).flatten().flatten();
        let path = on_path.as_ref().unwrap_or(word);
        let look = || Subject::read(&place, &machine, &yardstick, path);
        let subject = pool.install(look);
        if let Some(problem) = &subject.problem {
            message(Label::Error, format_args!("{}: {problem}", shown(path)))?;
            unread = true;
        }
        findings.extend(subject.findings(&machine, &yardstick));
        subjects.push(subject);
    }
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", doctor::json(&machine, &subjects, &findings))?;
    } else {
        out.write_all(
            doctor::human(&machine, &yardstick, &subjects, &findings, Paint::stdout()).as_bytes(),
        )?;
    }
    let broken = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    Ok(if unread {
        Outcome::Errors
    } else if broken {
        Outcome::Findings
    } else {
        Outcome::Fine
    })
}

fn yardstick(args: &Args, machine: &Machine) -> anyhow::Result<Yardstick> {
    let mut gpus: Vec<(String, Capability)> = Vec::new();
    match args.capabilities.is_empty() {
        false => gpus.extend(args.capabilities.iter().map(|c| ("a GPU".to_owned(), *c))),
        true => {
            let known = machine.gpus.iter();
            let known = known.filter_map(|gpu| Some((gpu.name.clone(), gpu.capability?)));
            gpus.extend(known);
        }
    }
    gpus.dedup_by_key(|(_, capability)| *capability);
    Ok(Yardstick {
        given: !args.capabilities.is_empty() || args.max_driver_cuda.is_some(),
        gpus,
        driver: args.max_driver_cuda,
        table: GpuTable::read()?,
        drivers: DriverVersions::read()?,
    })
}
