//! Examines a machine's support for CUDA: the driver's kernel module, device files, GPUs, the
//! driver's libraries and the programs that find them; and reports faults.
//!
//! Everything is read from files below a root, so that a test can build a machine in a directory,
//! and a static binary can examine one: nothing is opened with dlopen. On this machine, nvidia-smi
//! and a small program that calls cuInit run as child processes with a time limit.

mod call;
mod child;
mod findings;
mod gpus;
mod kernel;
mod libraries;
mod platform;
mod smi;
mod subject;
mod verdicts;

pub use call::build as driver_program;
pub(crate) use call::{CallOutcome, DriverCall, result_name};
pub(crate) use findings::{Finding, Severity};
pub(crate) use gpus::Gpu;
pub(crate) use kernel::{DeviceFile, DeviceState, Kernel};
pub(crate) use libraries::{DriverCopy, Libraries};
pub(crate) use platform::{Container, Platform};
pub(crate) use smi::Smi;
pub(crate) use subject::{CudaFile, Driver, RunsOn, Subject, Yardstick};

use crate::cuda::CudaVersion;
use crate::loader::Loader;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Variables that select the GPUs that a program sees.
const VARIABLES: [&str; 3] = [
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
];

pub(crate) struct Where<'a> {
    /// Everything is read below this directory; `/` for this machine.
    pub root: &'a Path,
    /// Whether nvidia-smi may be run; not where `root` is another machine's.
    pub run_smi: bool,
    /// Whether a child may call cuInit.
    pub call_driver: bool,
    /// Searches as this machine's loader does.
    pub loader: &'a Loader,
    /// Values of environment variables.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

impl Where<'_> {
    /// A path of this machine as seen inside the root, absolute; none outside of it.
    fn inside(&self, path: &Path) -> Option<PathBuf> {
        if self.root == Path::new("/") {
            return std::path::absolute(path).ok();
        }
        let whole = path.canonicalize().ok()?;
        Some(Path::new("/").join(whole.strip_prefix(self.root).ok()?))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A small text file such as those of /proc, without the newline at its end.
    fn text(&self, path: &str) -> Option<String> {
        // Limit for files of /proc, which have no length; no real one of these is longer.
        const MOST: u64 = 64 << 10;
        // Opening a FIFO must not wait for its writer.
        let mut options = std::fs::OpenOptions::new();
        options.read(true).custom_flags(kernel::nonblocking());
        let file = options.open(self.path(path)).ok()?;
        file.metadata().ok().filter(|m| m.is_file())?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        Some(text.trim_matches(['\0', '\n', ' ']).to_owned())
    }

    /// Names in a directory, sorted.
    fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(path));
        let names = entries.into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> = names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// All that is known of a machine.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Kind of the system.
    pub platform: Platform,
    /// Kind of the container, if any.
    pub container: Option<Container>,
    /// The kernel module and the device files.
    pub kernel: Kernel,
    /// In the order of their bus addresses.
    pub gpus: Vec<Gpu>,
    pub smi: Smi,
    pub libraries: Libraries,
    /// The driver's own answer.
    pub call: Option<DriverCall>,
    /// Variables that are set, of those that matter.
    pub variables: Vec<(&'static str, String)>,
}

impl Machine {
    /// Looks at a machine.
    pub(crate) fn read(place: &Where<'_>) -> Machine {
        let platform = Platform::of(place);
        let smi = Smi::run(place);
        let variables = VARIABLES
            .into_iter()
            .filter_map(|name| Some((name, (place.variable)(name)?)));
        let libraries = Libraries::find(place);
        let call = place.call_driver.then(|| DriverCall::make(&libraries));
        let call = call.flatten();
        Machine {
            container: Container::of(place),
            kernel: Kernel::read(place),
            gpus: gpus::read(place, &smi, call.as_ref()),
            call,
            libraries,
            variables: variables.collect(),
            smi,
            platform,
        }
    }

    /// The newest CUDA version that the driver supports, from the copy of libcuda.so.1 that
    /// programs load, else from its answer or from nvidia-smi.
    pub(crate) fn driver_cuda(&self) -> Option<CudaVersion> {
        let first = self
            .libraries
            .copies
            .iter()
            .find(|copy| copy.cuda.is_some());
        let used = self.libraries.default_copy().and_then(|copy| copy.cuda);
        let answer = self.call.as_ref().and_then(|call| call.answer());
        used.or(answer.and_then(|answer| answer.version))
            .or(self.smi.cuda)
            .or(first.and_then(|copy| copy.cuda))
    }
}
