# shellcheck shell=bash
declare -ga autoPatchelfLibs=() extraAutoPatchelfLibs=()

autoPatchelfGather() { autoPatchelfLibs+=("$1/lib"); }
addEnvHooks "$targetOffset" autoPatchelfGather

addAutoPatchelfSearchPath() {
    local dir
    while IFS= read -r dir; do
        extraAutoPatchelfLibs+=("$dir")
    done < <(find "$@" ! -type d \( -name '*.so' -o -name '*.so.*' \) -printf '%h\n' | sort -u)
}

autoPatchelf() {
    local file dir name libc status=0 pattern ignored
    local -a ignore=() append=() runtime=() runpath=()
    local -A index=()
    if [[ $1 == -- ]]; then shift; fi
    set -f
    stdenvWords ignore autoPatchelfIgnoreMissingDeps
    stdenvWords append appendRunpaths
    stdenvWords runtime runtimeDependencies
    set +f
    libc=$(<"$NIX_BINTOOLS/nix-support/orig-libc")/lib
    while IFS= read -r -d '' file; do
        : "${index[${file##*/}]:=${file%/*}}"
    done < <(find "$@" -name '*.so*' -type f -print0 | sort -z
        for dir in "${autoPatchelfLibs[@]}" "${extraAutoPatchelfLibs[@]}"; do
            if [[ -d $dir ]]; then find "$dir" -maxdepth 1 -name '*.so*' -print0 | sort -z; fi
        done)
    while IFS= read -r -d '' file; do
        if ! isELF "$file" || ! patchelf --print-rpath "$file" >/dev/null 2>&1; then continue; fi
        runpath=()
        if patchelf --print-interpreter "$file" >/dev/null 2>&1; then
            patchelf --set-interpreter "$(<"$NIX_BINTOOLS/nix-support/dynamic-linker")" "$file"
            runpath=("${runtime[@]/%//lib}")
        fi
        for name in $(patchelf --print-needed "$file"); do
            if [[ -e $libc/$name ]]; then continue; fi
            if [[ -n ${index[$name]-} ]]; then
                runpath+=("${index[$name]}")
                continue
            fi
            ignored=
            for pattern in "${ignore[@]}"; do
                # shellcheck disable=SC2053 # a pattern it is
                if [[ $name == $pattern ]]; then ignored=1; fi
            done
            if [[ -z $ignored ]]; then
                echo "auto-patchelf: $file needs $name, which is nowhere" >&2
                status=1
            fi
        done
        runpath+=("${append[@]}")
        dir=
        for name in "${runpath[@]}"; do
            if [[ ":$dir:" != *":$name:"* ]]; then dir=${dir:+$dir:}$name; fi
        done
        if [[ -n $dir ]]; then patchelf --set-rpath "$dir" "$file"; fi
    done < <(find "$@" -type f -print0)
    return "$status"
}

autoPatchelfPostFixup() {
    local output
    local -a paths=()
    if [[ -n ${dontAutoPatchelf-} ]]; then return 0; fi
    for output in $(getAllOutputNames); do
        if [[ $output != debug && -e ${!output} ]]; then paths+=("${!output}"); fi
    done
    autoPatchelf -- "${paths[@]}"
}
postFixupHooks+=(autoPatchelfPostFixup)
