//! The driver's own answer: cuInit, the version and the GPUs that a CUDA program would get.
//!
//! A child process calls libcuda.so.1, so that a driver that crashes or hangs takes nothing down,
//! and a static binary, which can't open a library, gets the answer too. The child is started by
//! the system's own loader, the PT_INTERP of an ordinary program, from memory.

mod aarch64;
mod answer;
mod finding;
mod program;
mod x86_64;

pub(crate) use answer::Answer;
pub use program::build;

use super::child::{self, Failure};
use super::libraries::Libraries;
use elf_edit::reason;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

/// The call of one copy of libcuda.so.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DriverCall {
    /// Path of the library.
    pub library: String,
    pub outcome: CallOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    Answered(Answer),
    /// The loader's error message.
    NotLoaded(String),
    /// The child was ended by this signal.
    Died(i32),
    /// No answer in time.
    Hangs,
    /// The child could not be started, or gave no answer, which says nothing of the driver.
    NotCalled(String),
}

impl DriverCall {
    /// Calls the copy that an ordinary program gets, else the first one; none where there is none.
    pub(super) fn make(libraries: &Libraries) -> Option<DriverCall> {
        let real = |copy: &&super::DriverCopy| !copy.stub && !copy.compat;
        let first = || libraries.copies.iter().find(real);
        let copy = libraries.default_copy().or_else(first)?;
        if copy.stub {
            return None;
        }
        let outcome = match &libraries.loader {
            None => CallOutcome::NotCalled("no program here has a loader".to_owned()),
            Some(loader) => {
                match program::build(loader.machine, &loader.path, copy.path.as_bytes()) {
                    None => CallOutcome::NotCalled("no code for this kind of processor".to_owned()),
                    Some(file) => call(&file),
                }
            }
        };
        Some(DriverCall {
            library: copy.path.clone(),
            outcome,
        })
    }

    pub(crate) fn answer(&self) -> Option<&Answer> {
        match &self.outcome {
            CallOutcome::Answered(answer) => Some(answer),
            _ => None,
        }
    }
}

fn call(file: &[u8]) -> CallOutcome {
    let program = match in_memory(file) {
        Ok(program) => program,
        Err(error) => return CallOutcome::NotCalled(reason(&error)),
    };
    // The child inherits the descriptor until it has started the program.
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    let done = match child::run(&mut Command::new(path)) {
        Ok(done) => done,
        Err(Failure::Hangs) => return CallOutcome::Hangs,
        Err(Failure::Start(error)) => return CallOutcome::NotCalled(reason(&error)),
    };
    if let Some(answer) = Answer::read(&done.out) {
        return CallOutcome::Answered(answer);
    }
    if let Some(signal) = done.status.signal() {
        return CallOutcome::Died(signal);
    }
    let words = String::from_utf8_lossy(&done.err).into_owned();
    // glibc: "PROGRAM: error while loading shared libraries: …"; the program's name is ours.
    let words = words.lines().find_map(|line| {
        let (_, rest) = line.split_once("error while loading shared libraries: ")?;
        Some(rest.to_owned())
    });
    words.map_or_else(
        || CallOutcome::NotCalled(done.status.to_string()),
        CallOutcome::NotLoaded,
    )
}

fn in_memory(file: &[u8]) -> std::io::Result<File> {
    let descriptor = memfd_create("cuda-fixup-doctor", MemfdFlags::CLOEXEC)?;
    let mut program = File::from(descriptor);
    program.write_all(file)?;
    Ok(program)
}

/// The name in cuda.h of a result, and the remedy of those that a user can mend.
pub(crate) fn result_name(result: u32) -> Option<(&'static str, &'static str)> {
    RESULTS
        .into_iter()
        .find(|(number, ..)| *number == result)
        .map(|(_, name, help)| (name, help))
}

/// Results of cuInit by the documentation of the driver API (CUresult), with the remedies of
/// NVIDIA's documentation: "CUDA Compatibility" (803, 804), "Fabric Manager User Guide" (802),
/// "Multi-Process Service" (46, 805).
const RESULTS: [(u32, &str, &str); 11] = [
    (
        2,
        "CUDA_ERROR_OUT_OF_MEMORY",
        "end other programs of the GPUs: `nvidia-smi`",
    ),
    (
        3,
        "CUDA_ERROR_NOT_INITIALIZED",
        "run `sudo dmesg | grep -i -e nvrm -e xid` for the kernel's own words",
    ),
    (
        34,
        "CUDA_ERROR_STUB_LIBRARY",
        "the library is a toolkit's stub: install the driver's own, and take the stub out of LD_LIBRARY_PATH",
    ),
    (
        46,
        "CUDA_ERROR_DEVICE_UNAVAILABLE",
        "the GPU is in exclusive or prohibited mode: `nvidia-smi -q -d COMPUTE`, `sudo nvidia-smi -c DEFAULT`",
    ),
    (
        100,
        "CUDA_ERROR_NO_DEVICE",
        "`nvidia-smi` lists what the kernel module has; a container needs the device files, and CUDA_VISIBLE_DEVICES \
         must not hide them",
    ),
    (
        101,
        "CUDA_ERROR_INVALID_DEVICE",
        "CUDA_VISIBLE_DEVICES names a GPU that is not there: `unset CUDA_VISIBLE_DEVICES`",
    ),
    (
        802,
        "CUDA_ERROR_SYSTEM_NOT_READY",
        "GPUs behind NVSwitch need Fabric Manager of the driver's own version: \
         `sudo systemctl restart nvidia-fabricmanager`, then `systemctl status nvidia-fabricmanager`",
    ),
    (
        803,
        "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        "the library is not of the kernel module's driver: compare it with `cat /proc/driver/nvidia/version`; reboot \
         after an update, and take other copies out of LD_LIBRARY_PATH",
    ),
    (
        804,
        "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
        "the forward compatibility package works on data-center GPUs only: take its directory, compat, out of \
         LD_LIBRARY_PATH, or update the driver",
    ),
    (
        805,
        "CUDA_ERROR_MPS_CONNECTION_FAILED",
        "start the Multi-Process Service, `nvidia-cuda-mps-control -d`, or stop using it: \
         `unset CUDA_MPS_PIPE_DIRECTORY`",
    ),
    (
        999,
        "CUDA_ERROR_UNKNOWN",
        "load the module for unified memory anew: `sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm`; \
         `sudo dmesg | grep -i -e nvrm -e xid` has the kernel's own words",
    ),
];
