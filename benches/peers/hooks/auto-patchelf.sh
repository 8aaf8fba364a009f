# shellcheck shell=bash
# A Python program for all outputs, with the library directories of all inputs.
declare -ga autoPatchelfLibs=()
gatherLibraries() { if [[ -d $1/lib ]]; then autoPatchelfLibs+=("$1/lib"); fi; }
addEnvHooks "${targetOffset:?}" gatherLibraries

autoPatchelf() {
    local output
    for output in $(getAllOutputNames); do
        "@python@" "@autoPatchelf@" "@patchelf@" "@interpreter@" "${!output}" "${autoPatchelfLibs[@]}"
    done
}
postFixupHooks+=(autoPatchelf)
