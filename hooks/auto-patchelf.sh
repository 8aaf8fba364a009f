# shellcheck shell=bash
# autoPatchelfHook: interpreter and RUNPATH of every file of the outputs, from what it needs.
# shellcheck source=lib.sh
source "@lib@"

if ! declare -F autoPatchelfPostFixup >/dev/null; then

# cudaFixupArray VARIABLE: makes an array of a list that an attribute may have set, so that
# elements can be added to it.
cudaFixupArray() {
    local -a cudaFixupArrayItems=()
    cudaFixupList cudaFixupArrayItems "$1"
    unset -v "$1"
    declare -ga "$1"
    local -n cudaFixupArrayTo=$1
    # shellcheck disable=SC2034 # it is the caller's variable
    cudaFixupArrayTo=("${cudaFixupArrayItems[@]}")
}

# nixpkgs' names: library directories of inputs, and those that the package adds.
cudaFixupArray autoPatchelfLibs
cudaFixupArray extraAutoPatchelfLibs
declare -ga cudaFixupOffsets=()

# gatherLibraries PACKAGE: the env hook. Lax builds name each input several times.
gatherLibraries() {
    local dir
    for dir in "${autoPatchelfLibs[@]}"; do
        if [[ $dir == "$1/lib" ]]; then return 0; fi
    done
    if [[ -d $1/lib ]]; then autoPatchelfLibs+=("$1/lib"); fi
}

# autoPatchelf [--no-recurse] [--] PATH…: the same by hand, for these paths, at once.
autoPatchelf() {
    local -a options=()
    while (( $# )); do
        case $1 in
            --) shift; break ;;
            --no-recurse) options+=("$1"); shift ;;
            --*)
                echo "autoPatchelf: ERROR: Invalid command line argument: $1" >&2
                return 1
                ;;
            *) break ;;
        esac
    done
    if (( $# == 0 )); then
        echo "autoPatchelf: ERROR: no paths to patch" >&2
        return 1
    fi
    cudaFixupCall "${options[@]}" autoPatchelfPart -- "$@"
}

# autoPatchelfPostFixup: nixpkgs' name of the element of postFixupHooks. Builders of packages of
# packages call it in other phases, for all outputs, with `runHook autoPatchelfPostFixup`.
autoPatchelfPostFixup() {
    local -a paths=()
    if cudaFixupInLoop; then
        cudaFixupPass autoPatchelfPostFixup
        return
    fi
    if [[ -n ${dontAutoPatchelf-} ]]; then return 0; fi
    cudaFixupOutputs paths || return
    if (( ${#paths[@]} == 0 )); then return 0; fi
    autoPatchelf -- "${paths[@]}"
}

# addAutoPatchelfSearchPath [--no-recurse] [--] [DIR…]: more places to look for libraries in; the
# current directory where none is named.
addAutoPatchelfSearchPath() {
    local dir
    local -a depth=()
    while (( $# )); do
        case $1 in
            --) shift; break ;;
            --no-recurse) depth=(-maxdepth 1); shift ;;
            --*)
                echo "addAutoPatchelfSearchPath: ERROR: Invalid command line argument: $1" >&2
                return 1
                ;;
            *) break ;;
        esac
    done
    if (( $# == 0 )); then set -- .; fi
    for dir; do
        if [[ -z $dir ]]; then
            echo "addAutoPatchelfSearchPath: WARNING: ignoring empty search path" >&2
            continue
        fi
        cudaFixupLibraryDirs extraAutoPatchelfLibs "$dir" "${depth[@]}" || return
    done
}

# cudaFixupLibraryDirs ARRAY DIR [FIND OPTION…]: appends the directories in DIR that hold libraries.
cudaFixupLibraryDirs() {
    local -n cudaFixupLibraryDirsTo=$1
    local -a cudaFixupLibraryDirsFound=()
    if [[ ! -e $2 ]]; then
        "${cudaFixupSay[log]}" "$2 does not exist, so no library is looked for in it"
        return 0
    fi
    # Sorted, since find prints in the file system's order.
    mapfile -d '' -t cudaFixupLibraryDirsFound < <(find "${@:2}" ! -type d \( -name '*.so' -o -name '*.so.*' \) \
        -printf '%h\0' | LC_ALL=C sort -zu)
    wait "$!" || return
    cudaFixupLibraryDirsTo+=("${cudaFixupLibraryDirsFound[@]}")
}

# The interpreter and the libc of the package's own files: those of the wrapped binutils of the
# build, else of the one that the hook was made with, as nixpkgs' program has a default.
cudaFixupLoader() {
    local bintools=${NIX_BINTOOLS:-${NIX_BINTOOLS_FOR_TARGET:-${NIX_BINTOOLS_FOR_BUILD:-"@bintools@"}}}
    local interpreter libc
    interpreter=$(<"$bintools/nix-support/dynamic-linker") || return
    libc=$(<"$bintools/nix-support/orig-libc") || return
    cudaFixupArgs+=("--interpreter=$interpreter" "--libc=$libc/lib")
}

# cudaFixupIgnoreMissing VARIABLE: the options for the list VARIABLE, where `1` means all.
cudaFixupIgnoreMissing() {
    local pattern
    local -a patterns=()
    cudaFixupList patterns "$1"
    for pattern in "${patterns[@]}"; do
        if [[ $pattern == 1 ]]; then
            "${cudaFixupSay[log]}" "$1: 1 is deprecated, write [ \"*\" ]"
            pattern='*'
        fi
        cudaFixupArgs+=("--ignore-missing=$pattern")
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

fi

cudaFixupRegister autoPatchelfPostFixup autoPatchelfPart dontAutoPatchelf
# The inputs that the package's own files run with are at the target offset of a hook in
# nativeBuildInputs, and at the host offset of one that was put into buildInputs by mistake.
cudaFixupOffset=$(( ${hostOffset:--1} < 0 ? ${targetOffset:-0} : ${hostOffset:--1} ))
if [[ " ${cudaFixupOffsets[*]} " != *" $cudaFixupOffset "* ]]; then
    cudaFixupOffsets+=("$cudaFixupOffset")
    addEnvHooks "$cudaFixupOffset" gatherLibraries
fi
unset -v cudaFixupOffset
