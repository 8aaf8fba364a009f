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
//! No command can do it: PTX is made by the compiler.

use crate::cuda::capability::Variant;
use crate::cuda::device_code::Image;
use crate::cuda::fatbin::ImageKind;
use crate::lint::Subject;

/// Sections that host code registers with the runtime. In others (CUPTI's `.rodata`) a library
/// keeps its own code for the GPUs that it supports.
const REGISTERED: [&[u8]; 2] = [b".nv_fatbin", b"__nv_relfatbin"];

/// PTX with a letter runs on nothing newer.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let is_registered = |image: &&Image| {
        let section = s.device_code.places.get(image.place);
        let section = section.and_then(|place| place.section.as_deref());
        section.is_none_or(|section| REGISTERED.contains(&section))
    };
    let images = || s.device_code.images.iter().filter(is_registered);
    let is_code = |image: &Image| matches!(image.entry.kind, ImageKind::Cubin | ImageKind::Ptx);
    let forward = |image: &Image| {
        image.entry.kind == ImageKind::Ptx && image.entry.variant == Variant::Base
    };
    if images().any(is_code) && !images().any(forward) {
        say("has device code and no PTX for GPUs that are still to come".to_owned());
    }
}
