//! The file has device code and no PTX that newer GPUs could run.
//!
//! ## Why is this bad
//! On a GPU of a newer major capability than any in the file, nothing runs.
//!
//! ## Example
//! `-gencode=arch=compute_90,code=sm_90` alone.
//!
//! ## Fix
//! Add `-gencode=arch=compute_90,code=compute_90` (cudaForwardCompat).

use crate::cuda::capability::Variant;
use crate::cuda::fatbin::ImageKind;
use crate::lint::Subject;

/// PTX with a letter runs on nothing newer.
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let images = &s.device_code.images;
    let forward = |i: &crate::cuda::device_code::Image| {
        i.entry.kind == ImageKind::Ptx && i.entry.variant == Variant::Base
    };
    let code = images.iter().any(|i| i.entry.kind == ImageKind::Cubin);
    if code && !images.iter().any(forward) {
        say("has device code and no PTX for GPUs that are still to come".to_owned());
    }
}
