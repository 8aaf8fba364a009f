# shellcheck shell=bash
# shellcheck source=/dev/null
source "@lib@"

addCudaCompatRunpath() {
    local old
    old=$("@patchelf@" --print-rpath "$1")
    "@patchelf@" --set-rpath "@compat@:$old" "$1"
}
postFixupHooks+=("autoFixElfFiles addCudaCompatRunpath")
