//! What a machine has for CUDA, and what is wrong with it.

use super::Outcome;
use crate::doctor::{Machine, Severity, Where};
use crate::escape::shown;
use crate::loader::{Cpu, Environment, Loader};
use crate::report::doctor;
use crate::terminal::Paint;
use anyhow::Context;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Show which NVIDIA driver, GPUs and driver libraries this machine has, and what is wrong
///
/// The first thing to run when a program says "no CUDA-capable device is detected" or "CUDA driver
/// version is insufficient". Reads /proc, /dev and the libraries' own headers, and asks nvidia-smi;
/// loads no library of the driver, so a broken one can't take it down. Exit status 1 when no CUDA
/// program can work here.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Look at the machine whose files are below DIR, such as a mounted disk or an unpacked image;
    /// nvidia-smi is not run
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
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
    let machine = Machine::read(&Where {
        root: root.as_deref().unwrap_or(Path::new("/")),
        run_smi: root.is_none(),
        loader: &loader,
        variable: &variable,
    });
    let findings = machine.findings();
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", doctor::json(&machine, &findings))?;
    } else {
        out.write_all(doctor::human(&machine, &findings, Paint::stdout()).as_bytes())?;
    }
    let broken = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    Ok(if broken {
        Outcome::Findings
    } else {
        Outcome::Fine
    })
}
