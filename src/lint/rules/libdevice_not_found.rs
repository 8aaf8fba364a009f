//! The file compiles device code with libdevice.10.bc, which is missing.
//!
//! ## Why is this bad
//! Compilers that call NVVM (XLA, Triton, numba, clang) link device functions such as `expf` from
//! libdevice.10.bc. Without it: "libdevice not found at ./libdevice.10.bc", at the first kernel
//! that uses one.
//!
//! ## Example
//! A package of XLA without `nvidia-cuda-nvcc-cu12` (`nvidia-nvvm` since CUDA 13) beside it.
//!
//! ## Fix
//! Add the package that has `nvvm/libdevice/libdevice.10.bc` (`cudaPackages.libnvvm`, before CUDA
//! 13 `cudaPackages.cuda_nvcc`), and set its directory: `XLA_FLAGS=--xla_gpu_cuda_data_dir=DIR`,
//! CUDA_HOME for numba.
//! No command of cuda-fixup can do it: the file is data of another package.

use crate::lint::tree::LintedTree;
use std::path::Path;

/// NVIDIA's and Debian's places.
const SYSTEM: [&str; 2] = [
    "/usr/local/cuda/nvvm/libdevice/libdevice.10.bc",
    "/usr/lib/nvidia-cuda-toolkit/libdevice/libdevice.10.bc",
];

/// By the name in read-only data, and the files of all linted trees.
pub(super) fn check_tree(tree: &LintedTree<'_>, say: &mut dyn FnMut(&Path, String)) {
    let is_here = tree.names.contains(&b"libdevice.10.bc"[..]);
    if is_here || SYSTEM.iter().any(|path| tree.options.here(Path::new(path)).exists()) {
        return;
    }
    for member in tree.members.iter().filter(|member| member.wants_libdevice) {
        say(
            &member.shown,
            "looks for libdevice.10.bc, which is neither in this tree nor in /usr/local/cuda".to_owned(),
        );
    }
}
