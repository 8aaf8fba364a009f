# shellcheck shell=bash
# addDriverRunpath, a function, and autoAddDriverRunpath, which does it to all outputs: the
# driver's directory goes first into RUNPATHs, so that libcuda.so.1 is found where the system
# keeps it.
# shellcheck source=lib.sh
source "@lib@"

# addDriverRunpath [--force-rpath] [--] FILE…: by hand, at once. Directories, and files that are no
# dynamic ELF files, are left alone.
addDriverRunpath() {
    local file
    local -a options=() files=()
    if [[ ${1-} == --force-rpath ]]; then options=("$1"); shift; fi
    if [[ ${1-} == -- ]]; then shift; fi
    for file; do
        if [[ ! -d $file ]]; then cudaFixupElfFiles files "$file" || return; fi
    done
    if (( ${#files[@]} )); then cudaFixupCall "${options[@]}" addDriverRunpathPart -- "${files[@]}"; fi
}
addOpenGLRunpath() { addDriverRunpath "$@"; }

# cudaFixupDriverRunpath = "needed": only files that load the driver themselves.
addDriverRunpathPart() { cudaFixupModes[add-driver-runpath]=${cudaFixupDriverRunpath:-all}; }

cudaFixupAuto="@auto@"
if [[ -n $cudaFixupAuto ]]; then
    cudaFixupRegister addDriverRunpathPart dontUseAutoAddDriverRunpath dontUseAutoAddOpenGLRunpath
fi
