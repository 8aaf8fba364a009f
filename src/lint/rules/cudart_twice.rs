//! A file with a static CUDA runtime is loaded together with the shared one, or with another version.
//!
//! ## Why is this bad
//! Two runtimes in one process have separate state: a device that one of them set is not set for the
//! other, and errors of one are not seen by the other.
//!
//! ## Example
//! A program that links CUDA::cudart_static and a library that needs libcudart.so.12.
//!
//! ## Fix
//! Link the shared runtime everywhere: see `cudart-static`.

use crate::cuda::linkage::Linkage;
use crate::lint::{Kind, Subject};

/// The static one from the file's contents, the others from what is loaded with it. NVIDIA's own
/// libraries come with static ones of one version on purpose.
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if s.cudart.linkage != Linkage::Static {
        return;
    }
    let other = |kind| match kind {
        Kind::Shared => true,
        Kind::Static(version) => version.is_some() && version != s.cudart.version,
    };
    if let Some(others) = s.shown_runtimes(other) {
        say(format!("holds {} and loads {others}", s.cudart_name()));
    }
}
