//! Faults of a program, library or tree on this machine. Pure: reads a [`Subject`] only.

use super::{CudaFile, Driver, Finding, Machine, Severity, Subject, Yardstick};
use crate::advice::shell;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Files that a finding names; of the others it has the number.
const NAMED: usize = 3;

impl Subject {
    /// Faults, one finding for each cause.
    pub(crate) fn findings(&self, machine: &Machine, yardstick: &Yardstick) -> Vec<Finding> {
        let mut found = Vec::new();
        if !yardstick.given {
            self.check_loading(&mut found);
            self.check_driver(machine, &mut found);
            self.check_copy(machine, &mut found);
        }
        self.check_runtime(machine, yardstick, &mut found);
        self.check_device_code(yardstick, &mut found);
        found
    }

    /// The path as a word of a shell; in words where it can't be one.
    fn word(&self) -> String {
        let word = shell::word(self.path.as_os_str().as_bytes());
        word.unwrap_or_else(|| "PATH".to_owned())
    }

    fn those(&self, which: impl Fn(&CudaFile) -> bool) -> Vec<&Path> {
        let files = self.cuda.iter().filter(|file| which(file));
        files.map(|file| &*file.path).collect()
    }

    fn check_loading(&self, found: &mut Vec<Finding>) {
        let not = self.those(|file| !file.loads);
        if !not.is_empty() {
            found.push(Finding {
                code: "does-not-load",
                severity: Severity::Error,
                what: format!("the loader does not load {}", listed(&not)),
                help: format!("run `cuda-fixup inspect --check {}`", self.word()),
            });
        }
    }

    fn check_driver(&self, machine: &Machine, found: &mut Vec<Finding>) {
        for (needed, severity) in [(true, Severity::Error), (false, Severity::Note)] {
            let missing = self.those(|file| {
                matches!(file.driver, Driver::Missing(_)) && file.needs_driver == needed
            });
            if missing.is_empty() {
                continue;
            }
            let help = match machine.libraries.copies.iter().find(|copy| !copy.stub) {
                Some(copy) => {
                    let dir = copy.path.rsplit_once('/').map_or("/", |(dir, _)| dir);
                    let tree = self.word();
                    format!(
                        "it is {}: run `cuda-fixup add-driver-runpath --driver-link {dir} {tree}`, or once \
                         `LD_LIBRARY_PATH={dir} PROGRAM`",
                        copy.path
                    )
                }
                None => {
                    "install the NVIDIA driver: nothing on this machine has that library".to_owned()
                }
            };
            let optional = if needed { "" } else { ", which may do without" };
            found.push(Finding {
                code: "driver-not-found",
                severity,
                what: format!(
                    "libcuda.so.1 is not found by {}{optional}",
                    listed(&missing)
                ),
                help,
            });
        }
    }

    fn check_copy(&self, machine: &Machine, found: &mut Vec<Finding>) {
        let stub = self.those(
            |file| matches!(&file.driver, Driver::Found { copy: Some(copy), .. } if copy.stub),
        );
        if !stub.is_empty() {
            found.push(Finding {
                code: "driver-is-a-stub",
                severity: Severity::Error,
                what: format!(
                    "the libcuda.so.1 that is found by {} is a stub: \"CUDA driver is a stub library\"",
                    listed(&stub)
                ),
                help: format!(
                    "run `cuda-fixup fixup {}`, which drops stub directories from RUNPATHs",
                    self.word()
                ),
            });
        }
        let Some(module) = &machine.kernel.module else {
            return;
        };
        let other = self.those(|file| match &file.driver {
            Driver::Found {
                copy: Some(copy), ..
            } => !copy.compat && copy.version.as_ref().is_some_and(|v| v != module),
            _ => false,
        });
        if !other.is_empty() {
            found.push(Finding {
                code: "driver-of-another-version",
                severity: Severity::Error,
                what: format!(
                    "the libcuda.so.1 that is found by {} is of another driver than the kernel module, {module}",
                    listed(&other)
                ),
                help: "run `cuda-fixup inspect --why libcuda.so.1 FILE`, and remove that copy or \
                       the entry that leads to it"
                    .to_owned(),
            });
        }
    }

    fn check_runtime(&self, machine: &Machine, yardstick: &Yardstick, found: &mut Vec<Finding>) {
        let newer = self
            .cuda
            .iter()
            .filter(|file| file.runtime_runs == Some(false));
        let majors: BTreeSet<u32> = newer
            .filter_map(|file| Some(file.cudart.version?.major))
            .collect();
        for major in majors {
            let files = self.those(|file| {
                let of_major = file.cudart.version.is_some_and(|v| v.major == major);
                file.runtime_runs == Some(false) && of_major
            });
            let driver = yardstick.driver.or_else(|| machine.driver_cuda());
            let driver = driver.map_or("an older one".to_owned(), |cuda| format!("CUDA {cuda}"));
            let minimum = yardstick.drivers.min_driver(major);
            let minimum = minimum.map_or(String::new(), |m| format!(" {m} or newer"));
            found.push(Finding {
                code: "runtime-newer-than-driver",
                severity: Severity::Error,
                what: format!(
                    "the CUDA runtime in {} is of CUDA {major}, the driver runs {driver}: \"CUDA driver version is \
                     insufficient for CUDA runtime version\"",
                    listed(&files)
                ),
                help: format!(
                    "install a driver{minimum}, on data-center GPUs the forward compatibility package \
                     (`cuda-compat-{major}`), or take a build with an older CUDA"
                ),
            });
        }
    }

    fn check_device_code(&self, yardstick: &Yardstick, found: &mut Vec<Finding>) {
        for (name, gpu) in &yardstick.gpus {
            let fails = |file: &&CudaFile| {
                let mut runs_on = file.runs_on.iter();
                runs_on.any(|on| on.gpu == *gpu && on.image.is_none())
            };
            let no_code = self.those(|file| fails(&file));
            let Some(first) = no_code.first() else {
                continue;
            };
            let has = self.cuda.iter().find(|file| file.path == *first);
            let why = has.and_then(|file| file.runs_on.iter().find(|on| on.gpu == *gpu));
            let why = why.map_or("", |on| &on.why);
            let has = has.map_or(String::new(), |file| file.has.join(", "));
            let arch = format!("{}{}", gpu.major, gpu.minor);
            // Another GPU of the machine may run them all.
            let elsewhere = |file: &CudaFile| file.runs_on.iter().any(|on| on.image.is_some());
            let lost = self
                .cuda
                .iter()
                .any(|file| fails(&file) && !elsewhere(file));
            found.push(Finding {
                code: "no-code-for-gpu",
                severity: match lost || yardstick.given {
                    true => Severity::Error,
                    false => Severity::Warning,
                },
                what: format!(
                    "no device code for {name}, compute capability {gpu}, in {} (it has {has}){why}: \"no \
                     kernel image is available for execution on the device\"",
                    listed(&no_code)
                ),
                help: format!(
                    "build it with `-DCMAKE_CUDA_ARCHITECTURES={arch}` (nvcc: `-gencode \
                     arch=compute_{arch},code=sm_{arch}`), or take a build that has it"
                ),
            });
        }
    }
}

/// The first files by name.
fn listed(files: &[&Path]) -> String {
    let names = files
        .iter()
        .take(NAMED)
        .map(|f| crate::escape::shown(f).to_string());
    let names: Vec<String> = names.collect();
    let names = names.join(", ");
    match files.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}
