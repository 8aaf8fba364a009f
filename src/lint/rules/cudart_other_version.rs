//! The CUDA runtime is of another version than the CUDA that the package is built with (`--cuda`).
//!
//! ## Why is this bad
//! Usually a bundled or vendored runtime slipped in: two versions in one closure, and libraries that
//! don't fit each other.
//!
//! ## Example
//! A package of the CUDA 12.8 set with a prebuilt library that holds cudart 12.4.
//!
//! ## Fix
//! Build the library from source, or take the prebuilt file that is made for this CUDA.

use crate::cuda::linkage::Linkage;
use crate::lint::Subject;

/// A soname tells the major version only (and 11.0 for all of CUDA 11).
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let (Some(cuda), Some(found)) = (s.options.cuda, s.cudart_version()) else {
        return;
    };
    let same = match s.cudart.linkage {
        Linkage::Static => found == cuda,
        _ => found.major == cuda.major,
    };
    if !same {
        say(format!("uses {}, the package is built with CUDA {cuda}", s.cudart_name()));
    }
}
