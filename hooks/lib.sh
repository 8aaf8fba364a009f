# shellcheck shell=bash
# What the hooks share: lists, logging, guards and the one call of the binary.
#
# A hook, when sourced, only registers a part: a function that adds its options. One function,
# run once in postFixup, hands the options of all parts to one process, which writes each file at
# most once. Nothing here relies on PATH (strict builds leave a misplaced hook's programs off it),
# on exported variables (lists of structured attributes are not) or on the order of outputs.

# Each hook sources this file, and a hook that stands in two input lists is sourced twice.
if declare -F cudaFixupPostFixup >/dev/null; then return 0; fi

cudaFixupDriverLink="@driverLink@"
# Registered parts, each "FUNCTION VARIABLE…", and the offsets whose inputs are gathered.
declare -ga cudaFixupParts=() cudaFixupOffsets=()

# stdenv's log functions where it has them: older generations lack some or all. They print the
# name of their caller, so they are called in place: "${cudaFixupSay[log]}" TEXT.
declare -gA cudaFixupSay=([error]=nixErrorLog [log]=nixLog)
cudaFixupPrint() { echo "${FUNCNAME[1]}: $*" >&"${NIX_LOG_FD:-2}"; }
if ! declare -F nixErrorLog >/dev/null; then cudaFixupSay[error]=cudaFixupPrint; fi
if ! declare -F nixLog >/dev/null; then cudaFixupSay[log]=cudaFixupPrint; fi

# cudaFixupList ARRAY VARIABLE: appends the elements of VARIABLE to ARRAY. VARIABLE is an array
# under structured attributes and a string of words otherwise. Globs stay as they are, although
# nullglob is on. Empty elements go: an empty RUNPATH entry means the current directory.
cudaFixupList() {
    local -n cudaFixupListTo=$1
    local cudaFixupListKind cudaFixupListItem IFS=$' \t\n'
    local -
    set -f
    if ! cudaFixupListKind=$(declare -p "$2" 2>/dev/null); then return 0; fi
    if [[ $cudaFixupListKind == "declare -"*([^ ])[aA]* ]]; then
        local -n cudaFixupListFrom=$2
        for cudaFixupListItem in "${cudaFixupListFrom[@]}"; do
            if [[ -n $cudaFixupListItem ]]; then cudaFixupListTo+=("$cudaFixupListItem"); fi
        done
    else
        # shellcheck disable=SC2206 # splitting is the point, and globbing is off
        cudaFixupListTo+=(${!2-})
    fi
}

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

# cudaFixupOptions OPTION VARIABLE [SUFFIX]: for each element of the list VARIABLE, the argument
# OPTION=ELEMENTSUFFIX.
cudaFixupOptions() {
    local cudaFixupOptionsItem
    local -a cudaFixupOptionsItems=()
    cudaFixupList cudaFixupOptionsItems "$2"
    for cudaFixupOptionsItem in "${cudaFixupOptionsItems[@]}"; do
        cudaFixupArgs+=("$1=$cudaFixupOptionsItem${3-}")
    done
}

# cudaFixupOutputs ARRAY [OUTPUT]: appends the outputs that exist, OUTPUT left out, or else `debug`.
# They are sorted by name, since plain and structured attributes list them in different orders.
cudaFixupOutputs() {
    local -n cudaFixupOutputsTo=$1
    local cudaFixupOutput cudaFixupOutputNames IFS=$' \t\n'
    cudaFixupOutputNames=$(getAllOutputNames | tr ' ' '\n' | LC_ALL=C sort) || return
    for cudaFixupOutput in $cudaFixupOutputNames; do
        if [[ $cudaFixupOutput != "${2-debug}" && -e ${!cudaFixupOutput-} ]]; then
            cudaFixupOutputsTo+=("${!cudaFixupOutput}")
        fi
    done
}

# cudaFixupRegister PART [VARIABLE…]: PART takes part in the pass over the outputs, unless one of
# the variables is set to something by then.
cudaFixupRegister() {
    local part
    for part in "${cudaFixupParts[@]}"; do
        if [[ $part == "$*" ]]; then return 0; fi
    done
    if (( ${#cudaFixupParts[@]} == 0 )); then postFixupHooks+=(cudaFixupPostFixup); fi
    cudaFixupParts+=("$*")
}

# cudaFixupInputs: gathers the library directories of the inputs that the package's own files run
# with. Those are at the target offset of a hook that stands in nativeBuildInputs, as it should,
# and at the host offset of one that was put into buildInputs by mistake.
cudaFixupInputs() {
    local offset=$(( ${hostOffset:--1} < 0 ? ${targetOffset:-0} : ${hostOffset:--1} ))
    if [[ " ${cudaFixupOffsets[*]} " != *" $offset "* ]]; then
        cudaFixupOffsets+=("$offset")
        addEnvHooks "$offset" cudaFixupInput
    fi
}

# Lax builds name each input several times.
cudaFixupInput() {
    local dir
    for dir in "${autoPatchelfLibs[@]}"; do
        if [[ $dir == "$1/lib" ]]; then return 0; fi
    done
    if [[ -d $1/lib ]]; then autoPatchelfLibs+=("$1/lib"); fi
}

# cudaFixupLibraryDirs ARRAY DIR [FIND OPTION…]: appends the directories in DIR that hold libraries.
cudaFixupLibraryDirs() {
    local -n cudaFixupLibraryDirsTo=$1
    local -a cudaFixupLibraryDirsFound=()
    if [[ ! -e $2 ]]; then
        "${cudaFixupSay[log]}" "$2 is not there, so nothing is looked for in it"
        return 0
    fi
    # Sorted, since find prints in the file system's order.
    mapfile -d '' -t cudaFixupLibraryDirsFound < <(find "${@:2}" ! -type d \( -name '*.so' -o -name '*.so.*' \) \
        -printf '%h\0' | LC_ALL=C sort -zu)
    wait "$!" || return
    cudaFixupLibraryDirsTo+=("${cudaFixupLibraryDirsFound[@]}")
}

# cudaFixupLoader: the options for the interpreter and the libc of the package's own files.
cudaFixupLoader() {
    local bintools=${NIX_BINTOOLS:-${NIX_BINTOOLS_FOR_TARGET:-${NIX_BINTOOLS_FOR_BUILD-}}}
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

# cudaFixupCall [OPTION…] PART… -- PATH…: one process that does these parts to these paths.
cudaFixupCall() {
    local cudaFixupStatus=0 cudaFixupMode
    local -a cudaFixupArgs=()
    local -A cudaFixupModes=([add-driver-runpath]=off [dependencies]=off [existing]=keep [stubs]=keep)
    if [[ -n $cudaFixupDriverLink ]]; then cudaFixupArgs+=("--driver-link=$cudaFixupDriverLink"); fi
    while [[ $1 != -- ]]; do
        case $1 in
            --*) cudaFixupArgs+=("$1") ;;
            *) "$1" || return ;;
        esac
        shift
    done
    for cudaFixupMode in add-driver-runpath dependencies existing stubs; do
        cudaFixupArgs+=("--$cudaFixupMode=${cudaFixupModes[$cudaFixupMode]}")
    done
    cudaFixupList cudaFixupArgs cudaFixupFlags
    "@cudaFixup@" fixup "${cudaFixupArgs[@]}" "$@" || cudaFixupStatus=$?
    if (( cudaFixupStatus )); then
        "${cudaFixupSay[error]}" "cuda-fixup ended with status $cudaFixupStatus: what is missing belongs into" \
            "buildInputs or autoPatchelfIgnoreMissingDeps, all else is told above"
    fi
    return "$cudaFixupStatus"
}

# cudaFixupActive ARRAY: appends the registered parts that no variable switches off.
cudaFixupActive() {
    local -n cudaFixupActiveTo=$1
    local part variable IFS=$' \t\n'
    local -a words
    for part in "${cudaFixupParts[@]}"; do
        read -ra words <<<"$part"
        for variable in "${words[@]:1}"; do
            if [[ -n ${!variable-} ]]; then continue 2; fi
        done
        cudaFixupActiveTo+=("${words[0]}")
    done
}

# The pass over all outputs: one call for all parts.
cudaFixupPostFixup() {
    local IFS=$' \t\n'
    local -a parts=() paths=()
    cudaFixupActive parts
    if (( ${#parts[@]} == 0 )); then return 0; fi
    cudaFixupOutputs paths || return
    if (( ${#paths[@]} == 0 )); then return 0; fi
    "${cudaFixupSay[log]}" "${parts[*]%Part} for ${paths[*]}"
    cudaFixupCall "${parts[@]}" -- "${paths[@]}"
}

# cudaFixupElfFiles ARRAY PATH…: appends the dynamic ELF files among and under the paths.
cudaFixupElfFiles() {
    local -n cudaFixupElfFilesTo=$1
    local -a cudaFixupElfFilesFound=()
    # The status of a process substitution is lost unless it is waited for.
    mapfile -d '' -t cudaFixupElfFilesFound < <("@cudaFixup@" elf-files --null -- "${@:2}")
    wait "$!" || return
    cudaFixupElfFilesTo+=("${cudaFixupElfFilesFound[@]}")
}

# autoFixElfFiles ACTION: calls ACTION, which may be several words, with each dynamic ELF file of
# all outputs, `debug` too.
autoFixElfFiles() {
    local file IFS=$' \t\n'
    local -a action paths=() files=()
    read -ra action <<<"$1"
    cudaFixupOutputs paths '' || return
    if (( ${#paths[@]} )); then cudaFixupElfFiles files "${paths[@]}" || return; fi
    for file in "${files[@]}"; do
        "${action[@]}" "$file" || return
    done
}

# elfHasDynamicSection FILE
elfHasDynamicSection() {
    local -a files=()
    cudaFixupElfFiles files "$1" || return
    (( ${#files[@]} ))
}

# --- CUDA toolkits, for cuda-setup.sh and nvcc.sh -------------------------------------------------

# shellcheck disable=SC2034 # cuda-setup.sh reads them
declare -ga cudaFixupHostPieces=() cudaFixupBuildPieces=() cudaFixupTargetPieces=() cudaFixupFarms=() cudaFixupFarmMap=()

# cudaFixupMarked ARRAY PACKAGE: takes a package that has either generation of nixpkgs' marker.
cudaFixupMarked() {
    local -n cudaFixupMarkedTo=$1
    if [[ ! -e $2/nix-support/include-in-cudatoolkit-root && ! -e $2/nix-support/cuda-component ]]; then return 0; fi
    # Lax builds name each input several times.
    if [[ " ${cudaFixupMarkedTo[*]} " != *" $2 "* ]]; then cudaFixupMarkedTo+=("$2"); fi
}

cudaFixupHostPiece() { cudaFixupMarked cudaFixupHostPieces "$1"; }
cudaFixupBuildPiece() { cudaFixupMarked cudaFixupBuildPieces "$1"; }
cudaFixupTargetPiece() { cudaFixupMarked cudaFixupTargetPieces "$1"; }

# cudaFixupFarmOptions ARRAY: what the package's attributes say of its toolkit, as options. What
# our nvcc adds by itself reaches those who call the real nvcc by its path, too.
cudaFixupFarmOptions() {
    local -n cudaFixupFarmOptionsTo=$1
    local -a capabilities=() flags=()
    cudaFixupList capabilities cudaCapabilities
    cudaFixupList flags NVCC_PREPEND_FLAGS
    if (( ${#capabilities[@]} )); then cudaFixupFarmOptionsTo+=("--capabilities=${capabilities[*]}"); fi
    if [[ -n ${cudaRuntimeLibrary-} ]]; then cudaFixupFarmOptionsTo+=("--cuda-runtime=$cudaRuntimeLibrary"); fi
    if [[ -n ${cudaFixupHostCompiler-} ]]; then
        cudaFixupFarmOptionsTo+=("--host-compiler=$cudaFixupHostCompiler")
        if [[ " ${flags[*]} " != *" -ccbin"* ]]; then flags+=(-ccbin "${NVCC_CCBIN:-$cudaFixupHostCompiler}"); fi
    fi
    if [[ -n ${dontCompressCudaFatbin-}${dontCompressCudaFatbins-}${dontCompressFatbin-} ]]; then
        cudaFixupFarmOptionsTo+=(--no-compress)
    else
        flags+=(-Xfatbin=-compress-all)
    fi
    # An array under structured attributes, and nvcc wants a string.
    unset -v NVCC_PREPEND_FLAGS
    if (( ${#flags[@]} )); then export NVCC_PREPEND_FLAGS="${flags[*]}"; fi
}

# cudaFixupExport OPTION…: makes the farms, and exports the variables that nobody has set.
cudaFixupExport() {
    local line name
    local -a lines=()
    mapfile -d '' -t lines < <("@cudaFixup@" toolkit for-build "$@")
    wait "$!" || return
    for line in "${lines[@]}"; do
        name=${line%%=*}
        case $name in
            farm) cudaFixupFarms+=("${line#*=}") ;;
            map) cudaFixupFarmMap+=("${line#*=}") ;;
            path) export PATH="${line#*=}:$PATH" ;;
            CMAKE_ARGS) export CMAKE_ARGS="${line#*=}${CMAKE_ARGS:+ $CMAKE_ARGS}" ;;
            *) if [[ -z ${!name-} ]]; then export "${line?}"; fi ;;
        esac
    done
}

# cudaFixupPropagate HOOK: cudaPropagateToOutput = "dev" gives the pieces to who depends on that
# output, and HOOK, which makes a toolkit of them. The newest hook's name for it is the longer one.
cudaFixupPropagate() {
    local variable name
    for variable in cudaPropagateToOutput cudaPropagateDependenciesToOutput; do
        name=${!variable-}
        if [[ -z $name ]]; then continue; fi
        if [[ -z ${!name-} ]]; then
            "${cudaFixupSay[error]}" "$variable: there is no output $name"
            return 1
        fi
        if (( ${#cudaFixupHostPieces[@]} == 0 )); then return 0; fi
        mkdir -p "${!name}/nix-support" || return
        printf ' %s' "${cudaFixupHostPieces[@]}" >>"${!name}/nix-support/propagated-build-inputs" || return
        printf ' %s' "$1" >>"${!name}/nix-support/propagated-native-build-inputs"
        return
    done
}

# cudaFixupLeaks VARIABLE OPTION…: searches the outputs for paths that must not be there. The
# package lets them pass by setting VARIABLE.
cudaFixupLeaks() {
    local -a paths=()
    if [[ -n ${!1-} ]]; then return 0; fi
    cudaFixupOutputs paths || return
    if (( ${#paths[@]} == 0 )); then return 0; fi
    if ! "@cudaFixup@" toolkit leaks "${@:2}" -- "${paths[@]}"; then
        "${cudaFixupSay[error]}" "the outputs name what they must not, as told above ($1 lets them)"
        return 1
    fi
}

# The farms are gone after the build.
cudaFixupFarmLeaks() {
    local farm
    for farm in "${cudaFixupFarms[@]}"; do
        cudaFixupLeaks dontCudaToolkitLeaksCheck --farm "$farm" || return
    done
}

# nixpkgs' names: library directories of inputs, and those that the package adds.
cudaFixupArray autoPatchelfLibs
cudaFixupArray extraAutoPatchelfLibs
