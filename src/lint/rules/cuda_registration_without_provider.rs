//! The file registers device code (`__cudaRegister…`), and no CUDA runtime is loaded with it.
//!
//! ## Why is this bad
//! It can't be loaded: "undefined symbol: __cudaRegisterFatBinary".
//!
//! ## Example
//! `nvcc -cudart none -shared -o libkernels.so kernels.cu`, in a program without a runtime.
//!
//! ## Fix
//! Link the library itself to cudart (`-cudart shared`).
//! No command can do it: `patchelf --add-needed libcudart.so.13` would load a runtime, but not
//! know of which version.

use crate::cuda::driver;
use crate::lint::Subject;
use crate::lint::text;

/// Compares the symbols of all libraries loaded with the file. If one of them is missing, which has
/// its own finding, it may define the symbol, so nothing is reported.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let needs = s.resolution.objects.iter().flat_map(|object| &object.needs);
    let mut missing = needs.filter(|need| need.object.is_none());
    if let Some(symbol) = s.unprovided.first()
        && !missing.any(|need| driver::library(&need.name).is_none())
    {
        say(format!(
            "has the undefined symbol {}, and nothing that it loads defines it",
            text(&symbol[..])
        ));
    }
}
