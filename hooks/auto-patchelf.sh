# shellcheck shell=bash
# autoPatchelfHook: interpreter and RUNPATH of every file of the outputs, from what it needs.
# shellcheck source=lib.sh
source "@lib@"

# autoPatchelf [--no-recurse] [--] PATH…: the same by hand, for these paths, at once.
autoPatchelf() {
    local -a options=()
    if [[ ${1-} == --no-recurse ]]; then options=("$1"); shift; fi
    if [[ ${1-} == -- ]]; then shift; fi
    cudaFixupCall "${options[@]}" autoPatchelfPart -- "$@"
}

# addAutoPatchelfSearchPath [--no-recurse] [--] DIR…: more places to look for libraries in.
addAutoPatchelfSearchPath() {
    local dir
    local -a depth=()
    if [[ ${1-} == --no-recurse ]]; then depth=(-maxdepth 1); shift; fi
    if [[ ${1-} == -- ]]; then shift; fi
    for dir; do
        cudaFixupLibraryDirs extraAutoPatchelfLibs "$dir" "${depth[@]}" || return
    done
}

autoPatchelfPart() {
    cudaFixupLoader || return
    cudaFixupModes+=([dependencies]=find [existing]=replace)
    if [[ -n ${autoPatchelfRelativeRpaths-} ]]; then cudaFixupArgs+=(--relative-runpaths); fi
    cudaFixupOptions --lib autoPatchelfLibs
    cudaFixupOptions --lib extraAutoPatchelfLibs
    cudaFixupOptions --runtime-dependency runtimeDependencies /lib
    cudaFixupOptions --append-runpath appendRunpaths
    cudaFixupIgnoreMissing autoPatchelfIgnoreMissingDeps
    cudaFixupOptions --auto-patchelf-flag autoPatchelfFlags
    cudaFixupOptions --patchelf-flag patchelfFlags
}

cudaFixupRegister autoPatchelfPart dontAutoPatchelf
cudaFixupInputs
