//! The CUDA runtime is of a newer major version than the driver runs (`--max-driver-cuda`).
//!
//! ## Why is this bad
//! The program stops with "CUDA driver version is insufficient for CUDA runtime version". Since
//! CUDA 11 any driver of a major version runs all runtimes of that version: 13.5 on a driver for
//! 13.0 is no finding. PTX has no such compatibility: see `capability-missing`.
//!
//! ## Example
//! A wheel built with CUDA 13.0 on a machine whose driver supports 12.8.
//!
//! ## Fix
//! Build with an older CUDA, or put NVIDIA's compat libraries (cuda_compat) before the driver link.
//! No command can do it: the runtime belongs to the code that calls it.

use crate::cuda::driver_versions::DriverVersions;
use crate::lint::Subject;

/// By the table of minor version compatibility.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let (Some(max), Ok(table)) = (s.options.max_driver_cuda, DriverVersions::read()) else {
        return;
    };
    let Some((runtime, version)) = s.own_runtime() else {
        return;
    };
    if !table.runs(max, version) {
        let minimum = match table.min_driver(version.major) {
            Some(driver) => format!(": CUDA {} needs a driver >= {driver}", version.major),
            None => String::new(),
        };
        say(format!("{runtime}, the driver supports CUDA {max}{minimum}"));
    }
}
