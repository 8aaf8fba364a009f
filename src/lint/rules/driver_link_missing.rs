//! The file loads the NVIDIA driver, and its own RUNPATH has no driver link.
//!
//! ## Why is this bad
//! The loader looks for libcuda.so.1 in the RUNPATH of the object that asks for it, not in that of
//! the program: the driver isn't found, though the GPU works.
//!
//! ## Example
//! A library with a static cudart whose RUNPATH is `$ORIGIN` alone.
//!
//! ## Fix
//! `cuda-fixup fixup FILE`, or autoAddDriverRunpath in nativeBuildInputs.

use crate::lint::Subject;
use crate::plan::{DriverUse, loads_driver};
use crate::lint::text;

/// By NEEDED, strings, notes and a static cudart.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if s.has_driver_link() {
        return;
    }
    let link = text(s.driver_link());
    match loads_driver(s.info, Some(s.contents)) {
        Some(DriverUse::Library(name)) => say(format!(
            "loads {} of the driver, and its RUNPATH lacks {link}",
            text(&name[..])
        )),
        Some(DriverUse::StaticCudart) => say(format!(
            "holds a static cudart, which loads the driver, and its RUNPATH lacks {link}"
        )),
        Some(DriverUse::Cudart) => say(format!(
            "is libcudart, which loads the driver, and its own RUNPATH lacks {link}"
        )),
        None => {}
    }
}
