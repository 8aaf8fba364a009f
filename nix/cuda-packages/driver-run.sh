# shellcheck shell=bash
# The rest of nvidia-driver-run: driver-run.nix sets version, lib, lib32, icd, egl and opencl.
# shellcheck disable=SC2154
set -eu

if (($# == 0)); then
    echo "usage: nvidia-driver-run PROGRAM [ARGUMENT]…" >&2
    echo "Runs a program with the libraries of NVIDIA's driver $version." >&2
    exit 2
fi

# The libraries work with the kernel's module of the same version only.
file=${NVIDIA_DRIVER_RUN_VERSION:-/proc/driver/nvidia/version}
if [[ -n $version && -r $file ]]; then
    kernel=
    while read -r line; do
        if [[ $line =~ ^NVRM\ version:.*[[:space:]]([0-9]+(\.[0-9]+)+)[[:space:]] ]]; then
            kernel=${BASH_REMATCH[1]}
        fi
    done <"$file"
    if [[ -n $kernel && $kernel != "$version" ]]; then
        echo "error: $file: expected the kernel module $version, as these libraries are, found $kernel" >&2
        echo "help: take nvidia_driver $kernel: versions.nvidia_driver.\"$kernel\", or its manifest" >&2
        exit 1
    fi
fi

export LD_LIBRARY_PATH="$lib:$lib32${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
if [[ -n $icd ]]; then export VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd"; fi
if [[ -n $egl ]]; then export __EGL_VENDOR_LIBRARY_FILENAMES="$egl"; fi
if [[ -n $opencl ]]; then export OCL_ICD_VENDORS="${opencl%/*}/"; fi
if [[ -e $lib/libGLX_nvidia.so.0 ]]; then export __GLX_VENDOR_LIBRARY_NAME=nvidia; fi
exec "$@"
