//! Libraries that come with NVIDIA's driver: they are on no machine but the one that runs the
//! program, behind the driver link, so no build ever finds them.

use super::Soname;
use memchr::memmem;
use object::elf;

/// A library of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DriverLibrary {
    /// The name up to and with `.so`.
    pub stem: &'static str,
    /// Purpose of the library.
    pub what: &'static str,
    /// The source of this fact: a chapter of the driver's own README, or the Debian package that
    /// contains this file of the driver.
    pub source: &'static str,
}

const README: &str = "README of driver 550.163.01, \"Listing of Installed Components\"";
/// Newer than the README, and in no package of Debian's yet.
const LATER: &str = "named so in drivers after 555; not compared with a list of NVIDIA's";

/// Directories of the driver's libraries on common systems.
pub(crate) const DIRECTORIES: [&str; 14] = [
    "/run/opengl-driver/lib",
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib64/nvidia",
    "/lib/x86_64-linux-gnu",
];

/// All of them that programs link to or dlopen by these names.
pub(crate) const LIBRARIES: [DriverLibrary; 25] = [
    row("libcuda.so", "CUDA driver", README),
    row("libcudadebugger.so", "GPU debugger", README),
    row("libnvcuvid.so", "video decoder", README),
    row("libnvidia-allocator.so", "buffer allocator", README),
    row("libnvidia-api.so", "NVAPI for Wine", README),
    row("libnvidia-cfg.so", "X configuration", README),
    row("libnvidia-encode.so", "video encoder", README),
    row(
        "libnvidia-fatbinaryloader.so",
        "fatbin loader of old drivers",
        "Debian libnvidia-tesla-418-fatbinaryloader",
    ),
    row("libnvidia-fbc.so", "framebuffer capture", README),
    row("libnvidia-gpucomp.so", "GPU compiler", README),
    row("libnvidia-ml.so", "management (NVML)", README),
    row("libnvidia-ngx.so", "NGX", README),
    row("libnvidia-nvvm.so", "JIT compiler, LTO", README),
    row("libnvidia-nvvm70.so", "JIT compiler, LTO", LATER),
    row("libnvidia-opencl.so", "OpenCL", README),
    row("libnvidia-opticalflow.so", "optical flow", README),
    row("libnvidia-pkcs11.so", "attestation", README),
    row(
        "libnvidia-pkcs11-openssl3.so",
        "attestation",
        "Debian libnvidia-pkcs11-openssl3",
    ),
    row("libnvidia-ptxjitcompiler.so", "PTX compiler", README),
    row("libnvidia-sandboxutils.so", "sandboxing", LATER),
    row("libnvoptix.so", "OptiX", README),
    row("libGLX_nvidia.so", "GLX vendor library", README),
    row("libEGL_nvidia.so", "EGL vendor library", README),
    row(
        "libGLESv2_nvidia.so",
        "OpenGL ES 2 vendor library",
        "Debian libgles-nvidia2",
    ),
    row("libvdpau_nvidia.so", "VDPAU", README),
];

const fn row(stem: &'static str, what: &'static str, source: &'static str) -> DriverLibrary {
    DriverLibrary { stem, what, source }
}

/// The driver library that a file name (`libcuda.so.1`, `libcuda.so`) means.
pub(crate) fn library(name: &[u8]) -> Option<&'static DriverLibrary> {
    copy_of(name).filter(|_| Soname::parse(name).is_some_and(|soname| !soname.renamed))
}

/// The driver library of which a file with this name is a renamed copy (`libcuda-53d54daa.so.1`); a
/// driver never provides that name.
pub(crate) fn copy_of(name: &[u8]) -> Option<&'static DriverLibrary> {
    let soname = Soname::parse(name)?;
    let stem = |library: &&DriverLibrary| library.stem.strip_suffix(".so").map(str::as_bytes);
    LIBRARIES
        .iter()
        .find(|library| stem(library) == Some(soname.stem))
}

/// The directory in which NixOS links the driver's libraries, for programs of this machine.
pub(crate) fn link(machine: u16) -> &'static str {
    match machine {
        elf::EM_386 => "/run/opengl-driver-32/lib",
        _ => "/run/opengl-driver/lib",
    }
}

/// The components of a path, the last one first.
fn from_the_end(directory: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = directory.rsplit(|&byte| byte == b'/');
    parts.skip_while(|part| part.is_empty())
}

/// Whether a directory of a CUDA toolkit has its stubs.
pub(crate) fn is_stubs_of_toolkit(directory: &[u8]) -> bool {
    from_the_end(directory).next() == Some(b"stubs")
}

/// Whether a directory has CUDA's stubs: `…cuda…/lib/stubs` in any of its layouts.
pub(crate) fn is_stubs(directory: &[u8]) -> bool {
    is_stubs_of_toolkit(directory)
        && from_the_end(directory).any(|part| {
            let part = part.to_ascii_lowercase();
            [b"cuda".as_slice(), b"nvidia"]
                .iter()
                .any(|word| memmem::find(&part, word).is_some())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stub_directories_of_cuda_are_known_by_their_path() {
        for path in [
            "/nix/store/x-cuda_cudart-12.8.90-stubs/lib/stubs",
            "/usr/local/cuda-12.4/targets/x86_64-linux/lib/stubs/",
            "/opt/NVIDIA/lib64/stubs",
        ] {
            assert!(is_stubs(path.as_bytes()), "{path}");
        }
        for path in [
            "/opt/game/lib/stubs",
            "/usr/local/cuda/stubs/x",
            "stubs",
            "",
        ] {
            assert!(!is_stubs(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn names_with_and_without_a_version_are_known_and_lookalikes_are_not() {
        for name in ["libcuda.so", "libcuda.so.1", "libnvidia-ml.so.570.86.15"] {
            assert!(library(name.as_bytes()).is_some(), "{name}");
        }
        for name in [
            "libcudart.so.12",
            "libcuda.so.1.bak",
            "libcuda.so.",
            "libcuda",
            "libnvidia-ml.so1",
        ] {
            assert!(library(name.as_bytes()).is_none(), "{name}");
        }
    }

    #[test]
    fn a_renamed_copy_is_none_that_a_driver_provides() {
        let name = b"libcuda-53d54daa.so.550.54";
        assert!(library(name).is_none());
        assert_eq!(
            copy_of(name).map(|library| library.stem),
            Some("libcuda.so")
        );
    }

    #[test]
    fn every_row_is_there_once_with_a_source() {
        for (at, row) in LIBRARIES.iter().enumerate() {
            assert!(row.stem.starts_with("lib") && row.stem.ends_with(".so"));
            assert!(!row.source.is_empty() && !row.what.is_empty());
            assert!(LIBRARIES[..at].iter().all(|other| other.stem != row.stem));
        }
    }
}
