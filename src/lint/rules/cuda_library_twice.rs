//! Two versions of one CUDA library (cuBLAS, cuDNN, NCCL, …) are loaded into one process.
//!
//! ## Why is this bad
//! Both define the same symbols: the order of loading decides which one a caller gets, handles of
//! one are passed to the other, and the process crashes or computes nonsense. Memory and start-up
//! time are spent twice. `cudart-twice` reports the same for the CUDA runtime.
//!
//! ## Example
//! An extension that links libcublas.so.12 and a library built for libcublas.so.13.
//!
//! ## Fix
//! Build or fetch all of it for one CUDA version: `pip install` the packages of one suffix
//! (`-cu12`, `-cu13`), or take all of it from one cudaPackages set. `cuda-fixup inspect --tree
//! FILE` shows the dependencies of each library.
//! No command can do it: each library was built for its version.

use crate::lint::Subject;
use crate::lint::text;

/// By SONAME. Reported for the file that brings them together.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (first, other) in s.cuda_libraries.doubled() {
        if first.stem != "libcudart" {
            let (stem, first, other) = (first.stem, text(first.path), text(other.path));
            say(format!("loads {stem} twice: {first} and {other}"));
        }
    }
}
