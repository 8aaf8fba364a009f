//! The applets, one file each: clap arguments and `run`.

pub(crate) mod add_driver_runpath;
mod archives;
pub(crate) mod auto_patchelf;
pub(crate) mod capabilities;
pub(crate) mod closure;
pub(crate) mod cmake;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod device_code;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod elf_files;
pub(crate) mod examples;
mod exec_wrapper;
pub(crate) mod fixup;
pub(crate) mod inspect;
pub(crate) mod install_links;
mod jobs;
pub(crate) mod lint;
pub(crate) mod man;
mod missing_dependencies;
pub(crate) mod nvcc;
pub(crate) mod patchelf;
mod patchelf_flags;
pub(crate) mod redist;
pub(crate) mod report;
mod survey_args;
pub(crate) mod toolkit;

use crate::escape::shown;
use crate::terminal::{Label, message};
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Outcome of a run (errors are `Err`).
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

/// Reports that another process has locked a file.
pub(crate) fn waits_for(path: &Path) {
    // A closed standard error is no reason to stop.
    let _ = message(
        Label::Note,
        format_args!(
            "{}: waiting for another process that holds a lock on it",
            shown(path)
        ),
    );
}

/// `cuda-fixup inspect … | head` ends quietly.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
