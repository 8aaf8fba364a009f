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

use crate::cuda::capability::{Capability, Variant};
use crate::cuda::fatbin::ImageKind;
use crate::lint::Subject;

/// cubins run on the same major capability from their minor one on, PTX on anything newer.
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let images = &s.device_code.images;
    if !images.iter().any(|i| i.entry.arch != 0) {
        return;
    }
    for &wanted in &s.options.capabilities {
        let runs = images.iter().any(|image| {
            image
                .entry
                .capability()
                .is_some_and(|has| covers(image.entry.kind, has, wanted))
        });
        if !runs {
            say(format!("no device code for capability {wanted}, and no PTX that would do"));
        }
    }
}

fn covers(kind: ImageKind, has: Capability, wanted: Capability) -> bool {
    let number = |c: Capability| (c.major, c.minor);
    match (kind, has.variant) {
        (_, Variant::Architecture) => number(has) == number(wanted),
        (_, Variant::Family) | (ImageKind::Cubin, Variant::Base) => {
            has.major == wanted.major && has.minor <= wanted.minor
        }
        (ImageKind::Ptx, Variant::Base) => number(has) <= number(wanted),
        _ => false,
    }
}
