# shellcheck shell=bash
# autoAddCudaCompatRunpath: Jetson's cuda_compat goes before everything else in RUNPATHs, before
# the driver link too. Where there is no cuda_compat, nothing is done.
# shellcheck source=lib.sh
source "@lib@"

# addCudaCompatRunpath FILE: by hand, at once.
addCudaCompatRunpath() {
    cudaFixupOneArgument "library path" "$@" || return
    cudaFixupCall addCudaCompatRunpathPart -- "$1"
}

cudaFixupCompat="@compat@"
addCudaCompatRunpathPart() { cudaFixupArgs+=("--compat-runpath=$cudaFixupCompat"); }

if [[ -n $cudaFixupCompat ]]; then
    cudaFixupRegister "autoFixElfFiles addCudaCompatRunpath" addCudaCompatRunpathPart \
        dontUseAutoAddCudaCompatRunpath
fi
