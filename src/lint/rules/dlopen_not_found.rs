//! A library that the file may open by itself (dlopen) would not be found.
//!
//! ## Why is this bad
//! A feature is missing at run time, often without a message. Some of these names are never opened,
//! so this severity only asks for a look.
//!
//! ## Example
//! A program that opens libvulkan.so.1 and has no RUNPATH for it.
//!
//! ## Fix
//! `cuda-fixup fixup --dlopen auto --lib DIR FILE`, or an exception with the reason.

use super::{cudnn_sublibrary_not_found, nvrtc_builtins_not_found};
use crate::cuda::driver;
use crate::lint::{Said, Subject, text};

/// Starts of the names of CUDA's libraries: without them the GPU is not used, or the program stops.
const CUDA: [&[u8]; 10] = [
    b"libcub", b"libcud", b"libcuf", b"libcupti", b"libcurand", b"libcus", b"libcut", b"libnccl", b"libnpp",
    b"libnv",
];

/// Starts of the names of libraries that programs try and go on without, with the purpose of each.
const OPTIONAL: [(&str, &str); 20] = [
    ("libittnotify", "Intel's tracing: INTEL_LIBITTNOTIFY64 or a profiler asks for it"),
    ("libmkl_", "MKL's variants, one for each processor and threading"),
    ("libtbbmalloc", "TBB's allocator, in the place of malloc"),
    ("libOSMesa", "rendering without a display"),
    ("libEGL", "rendering without a display"),
    ("libGL.", "rendering with a display"),
    ("libOpenCL", "another interface to GPUs"),
    ("libVulkan", "another interface to GPUs"),
    ("libvulkan", "another interface to GPUs"),
    ("libnvidia-vksc-core", "Vulkan SC, of NVIDIA's automotive platform"),
    ("libcask_profile_interface", "NVIDIA's profiling of its own kernels"),
    ("libnvToolsExt", "NVTX, for profilers"),
    ("libnvtx3", "NVTX, for profilers"),
    ("libnuma", "placement of memory"),
    ("libhwloc", "placement of threads"),
    ("libgdrapi", "GPUDirect RDMA"),
    ("libibverbs", "RDMA"),
    ("libmlx", "RDMA of Mellanox's adapters"),
    ("librdmacm", "RDMA"),
    ("liburcu", "cuFile, with its own statistics"),
];

/// From `.note.dlopen`, each, and from strings, all at once: CUDA's first, optional ones last; one
/// of several alternatives is enough.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    let mut strings = Vec::new();
    for candidate in s.resolution.dlopen.iter().filter(|c| c.found.is_none()) {
        let name = candidate.names.first().map_or(&[][..], |name| name);
        if candidate.names.iter().any(|name| driver::library(name).is_some()) {
            continue;
        }
        if nvrtc_builtins_not_found::covers(s, name) || cudnn_sublibrary_not_found::covers(s, name) {
            continue;
        }
        if candidate.noted {
            let message = format!("{}, which its .note.dlopen names, would not be found", text(name));
            let names: Vec<&[u8]> = candidate.names.iter().map(|name| &name[..]).collect();
            say(Said::opens(message, &names, s));
        } else if !has_version_of(s, name) {
            strings.push(name);
        }
    }
    // A stable sort: within each group the order of the alphabet stays.
    strings.sort_by_key(|name| !CUDA.iter().any(|start| name.starts_with(start)));
    let (optional, wanted): (Vec<_>, Vec<_>) = strings.into_iter().partition(|name| is_optional(name));
    let list = |names: &[&[u8]]| names.iter().map(|name| text(name)).collect::<Vec<_>>().join(", ");
    let message = match (list(&wanted), list(&optional)) {
        (wanted, optional) if wanted.is_empty() && optional.is_empty() => return,
        (wanted, optional) if optional.is_empty() => {
            format!("strings in it name {wanted}, which would not be found")
        }
        (wanted, optional) if wanted.is_empty() => {
            format!("strings in it name {optional}, which would not be found and are optional")
        }
        (wanted, optional) => format!(
            "strings in it name {wanted}, which would not be found; optional ones too: {optional}"
        ),
    };
    say(Said::opens(message, &[wanted, optional].concat(), s));
}

/// Whether programs that name a library go on without it.
fn is_optional(name: &[u8]) -> bool {
    let mut optional = OPTIONAL.iter();
    optional.any(|(start, _)| name.starts_with(start.as_bytes()))
}

/// Whether another version of the library exists: programs try `libx.so` and `libx.so.1` in turn.
/// Ignores dependencies of the file, which are reported already, and its own name.
fn has_version_of(s: &Subject<'_>, name: &[u8]) -> bool {
    let wanted = bare(name);
    let own = s.info.dynamic.as_ref().and_then(|d| d.soname.as_deref());
    let found = s.resolution.dlopen.iter().filter_map(|c| c.found.as_ref());
    own.into_iter()
        .chain(s.info.needed().iter().map(Vec::as_slice))
        .chain(found.map(|found| found.name.as_slice()))
        .any(|other| bare(other) == wanted)
}

/// `libx` of `libx.so.1`.
fn bare(name: &[u8]) -> &[u8] {
    memchr::memmem::find(name, b".so").map_or(name, |at| &name[..at])
}
