//! The applets, one file each: clap arguments beside `run`.

pub mod add_driver_runpath;
pub mod auto_patchelf;
pub mod capabilities;
pub mod cmake;
pub mod completions;
pub mod demo;
pub mod device_code;
pub mod doctor;
pub mod elf_files;
mod exec_wrapper;
pub mod fixup;
pub mod inspect;
pub mod install_links;
mod jobs;
pub mod lint;
pub mod man;
mod missing_dependencies;
pub mod nvcc;
pub mod patchelf;
mod patchelf_flags;
pub mod redist;
pub mod toolkit;

use std::io;
use std::process::ExitCode;

/// How a run ended (errors are `Err`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to complain of: exit 0.
    Fine,
    /// Findings, or a dependency not satisfied: exit 1.
    Findings,
    /// Some paths could not be handled; each has had its message: exit 2.
    Errors,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Findings => 1,
            Outcome::Errors => 2,
        })
    }
}

/// `cuda-fixup inspect … | head` ends quietly.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
