//! The CUDA runtime is newer than the newest that the driver is known to run (`--max-driver-cuda`).
//!
//! ## Why is this bad
//! The program stops with "CUDA driver version is insufficient for CUDA runtime version".
//!
//! ## Example
//! A wheel built with CUDA 13.0 on a machine whose driver supports 12.8.
//!
//! ## Fix
//! Build with an older CUDA, or put NVIDIA's compat libraries (cuda_compat) before the driver link.

use crate::lint::Subject;

/// A shared runtime's version is as exact as its soname.
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let Some(max) = s.options.max_driver_cuda else {
        return;
    };
    if let Some(version) = s.cudart_version()
        && version > max
    {
        say(format!("uses {}, the driver supports CUDA {max}", s.cudart_name()));
    }
}
