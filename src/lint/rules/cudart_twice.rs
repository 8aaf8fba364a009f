//! Two CUDA runtimes that share nothing are loaded: a static one beside another, or two shared ones.
//!
//! ## Why is this bad
//! Two runtimes in one process have separate state: a device that one of them set is not set for the
//! other, and errors of one are not seen by the other. CUDA's own libraries (libcusolver, which loads
//! libcublas) hide theirs from each other and are left out.
//!
//! ## Example
//! A program that links CUDA::cudart_static and a library that needs libcudart.so.12; a program whose
//! libraries need libcudart.so.12 and libcudart.so.13.
//!
//! ## Fix
//! Link the shared runtime of one CUDA version everywhere: see `cudart-static`.
//! No command can do it: the runtimes belong to the code that calls them.

use crate::cuda::linkage::Linkage;
use crate::cuda::libraries::CudaLibrary;
use crate::lint::{Runtime, RuntimeKind, Subject};

/// Static runtimes come from the file's contents, shared ones from the libraries loaded with it.
/// NVIDIA's own libraries come with static ones on purpose. Shared ones are reported for the file
/// that combines them.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if s.cudart.linkage == Linkage::Static {
        let is_cudas = s.soname().is_some_and(is_cuda_library);
        let other = |runtime: &Runtime<'_>| match runtime.kind {
            RuntimeKind::Shared(_) => true,
            RuntimeKind::Static(version) => {
                let both_cudas = is_cudas && is_cuda_library(file_name(runtime.path));
                !both_cudas && version.is_some() && version != s.cudart.version
            }
        };
        if let Some(others) = s.shown_runtimes(other) {
            let version = s.cudart.version.map(|v| v.to_string());
            let version = version.as_deref().unwrap_or("of unknown version");
            say(format!("holds a static cudart {version} and loads {others}"));
        }
    } else if s.shared_runtimes_meet
        && let Some(all) = s.shown_runtimes(|runtime| runtime.kind.is_shared())
    {
        say(format!("loads several CUDA runtimes: {all}"));
    }
}

fn is_cuda_library(soname: &[u8]) -> bool {
    CudaLibrary::of_soname(soname).is_some()
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}
