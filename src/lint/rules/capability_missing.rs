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

use crate::cuda::Capability;
use crate::cuda::driver_versions::DriverVersions;
use crate::cuda::reach::Machine;
use crate::cuda::table::GpuTable;
use crate::lint::Subject;

/// By the images' kinds and capabilities, and with `--max-driver-cuda` by the version of PTX.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let (Ok(table), Ok(drivers)) = (GpuTable::read(), DriverVersions::read()) else {
        return;
    };
    let machine = s.machine(&table, &drivers);
    let mut images = s.device_code.images.iter();
    if !images.any(|image| image.entry.arch != 0) {
        return;
    }
    for &wanted in &s.options.capabilities {
        let mut images = s.device_code.images.iter();
        if !images.any(|image| machine.runs(&image.entry, wanted)) {
            let why = why(s, machine, wanted);
            say(format!("no device code for capability {wanted}, and no PTX that would do{why}"));
        }
    }
}

/// Why similar device code does not count.
fn why(s: &Subject<'_>, machine: Machine<'_>, wanted: Capability) -> String {
    let images = || s.device_code.images.iter().map(|image| &image.entry);
    let any_driver = Machine {
        driver: None,
        ..machine
    };
    let too_new = images().filter(|image| any_driver.runs(image, wanted));
    if let Some((major, minor)) = too_new.map(|image| image.version).min()
        && let Some(max) = machine.driver
    {
        let known = machine.drivers.newest_ptx(max);
        let known = known.map_or(String::new(), |(a, b)| format!(", which compiles up to {a}.{b}"));
        return format!(": its PTX is of version {major}.{minor}, too new for a driver of CUDA {max}{known}");
    }
    let mut near = images().filter(|image| machine.only_tegra_forbids(image, wanted));
    match near.next().and_then(|image| image.capability()) {
        Some(code) => format!(": code for {code} does not run there, for one of them is a Jetson's"),
        None => String::new(),
    }
}
