# shellcheck shell=bash
# shellcheck source=/dev/null
source "@lib@"

addDriverRunpath() {
    local old
    old=$("@patchelf@" --print-rpath "$1")
    "@patchelf@" --set-rpath "/run/opengl-driver/lib${old:+:$old}" "$1"
}
postFixupHooks+=("autoFixElfFiles addDriverRunpath")
