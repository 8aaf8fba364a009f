# shellcheck shell=bash
# shellcheck source=/dev/null
source "@lib@"

# The first entry that is a stub directory becomes the driver link, others are dropped.
removeStubsFromRunpath() {
    local old entry driver=/run/opengl-driver/lib
    local -a entries=() kept=()
    old=$("@patchelf@" --print-rpath "$1")
    IFS=: read -ra entries <<<"$old"
    for entry in "${entries[@]}"; do
        case $entry in
            *-cuda*/lib/stubs)
                if [[ -n $driver ]]; then kept+=("$driver"); fi
                driver=
                ;;
            *) kept+=("$entry") ;;
        esac
    done
    entry=$(IFS=: && echo "${kept[*]}")
    if [[ $entry != "$old" ]]; then "@patchelf@" --set-rpath "$entry" "$1"; fi
}
postFixupHooks+=("autoFixElfFiles removeStubsFromRunpath")
