//! The file's device code can't run on one of the wanted GPUs (`--capabilities`).
//!
//! ## Why is this bad
//! "no kernel image is available for execution on the device".
//!
//! ## Example
//! Code for sm_80 and sm_90 only, on a GPU of capability 12.0.
//!
//! ## Fix
//! Build for it: `cudaCapabilities`, CMAKE_CUDA_ARCHITECTURES, or with PTX of an older capability.
//! No command can do it: device code is compiled, not patched.

use crate::cuda::driver_versions::DriverVersions;
use crate::cuda::table::GpuTable;
use crate::lint::Subject;

/// By the images' kinds and capabilities, and with `--max-driver-cuda` by the version of PTX.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if s.options.capabilities.is_empty() || s.device_code.images.is_empty() {
        return;
    }
    let (Ok(table), Ok(drivers)) = (GpuTable::read(), DriverVersions::read()) else {
        return;
    };
    let machine = s.machine(table, drivers);
    for &wanted in &s.options.capabilities {
        let reach = machine.reach(&s.device_code.images, wanted);
        if let Some(why) = reach.filter(|reach| !reach.runs()) {
            say(format!("no device code for capability {wanted}, and no PTX that would do{why}"));
        }
    }
}
