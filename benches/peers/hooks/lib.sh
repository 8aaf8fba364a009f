# shellcheck shell=bash
# What nixpkgs' hooks for ELF files share: for each dynamic ELF file of an output, one action. A
# file is dynamic if patchelf can print its RUNPATH.
autoFixElfFiles() {
    local output file
    for output in $(getAllOutputNames); do
        while IFS= read -r -d '' file; do
            if isELF "$file" && "@patchelf@" --print-rpath "$file" >/dev/null 2>&1; then "$1" "$file"; fi
        done < <(find "${!output}" -type f -print0)
    done
}
