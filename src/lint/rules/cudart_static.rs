//! A CUDA runtime is linked into the file (nvcc's default, `-cudart static`).
//!
//! ## Why is this bad
//! A static runtime opens libcuda.so.1 itself, so each such file needs a driver link in its own
//! RUNPATH, and a fix of the runtime needs a rebuild of each. A shared libcudart needs one driver
//! link, its own. In wheels and on an ordinary system it is a note: the loader's cache leads to the
//! driver there.
//!
//! ## Example
//! `nvcc -o program program.cu`
//!
//! ## Fix
//! Link CUDA::cudart, set CMAKE_CUDA_RUNTIME_LIBRARY=Shared (CMake), CUDA_USE_STATIC_CUDA_RUNTIME=OFF
//! (CMake's old FindCUDA) or pass `-cudart shared` (nvcc).
//! No command can do it: the runtime is code of the file.

use crate::cuda::linkage::Linkage;
use crate::lint::Subject;

/// Evidence from the contents of the file.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if s.cudart.linkage != Linkage::Static {
        return;
    }
    let first = s.cudart.evidence.first().map_or("", |e| &e.what);
    let more = s.cudart.evidence.len().saturating_sub(1);
    let version = s.cudart.version.map(|v| v.to_string());
    let version = version.as_deref().unwrap_or("of unknown version");
    say(format!(
        "holds a static cudart {version}: it has the {first} and {more} more signs of it"
    ));
}
