# shellcheck shell=bash
addDriverRunpath() {
    local file forceRpath=
    if [[ $1 == --force-rpath ]]; then forceRpath=$1; shift; fi
    for file; do
        if isELF "$file"; then
            # shellcheck disable=SC2086 # an option or nothing
            patchelf --set-rpath "@driverLink@/lib:$(patchelf --print-rpath "$file")" $forceRpath "$file"
        fi
    done
}

autoFixElfFiles() {
    local file output
    for output in $(getAllOutputNames); do
        while IFS= read -r -d '' file; do
            if isELF "$file" && patchelf --print-rpath "$file" >/dev/null 2>&1; then "$1" "$file"; fi
        done < <(find "${!output}" -type f -print0)
    done
}
