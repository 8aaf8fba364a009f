# shellcheck shell=bash
# What the hooks share: lists, logging, guards, and one call of the binary for all of them.
#
# Each hook registers an entry of postFixupHooks under the name that nixpkgs' hook of the same
# purpose has there. The first entry that runHook reaches hands the options of all of them to one
# process, which writes each file at most once; the others then have nothing left to do. Nothing
# here relies on PATH (strict builds leave a misplaced hook's programs off it), on exported
# variables (lists of structured attributes are not) or on the order of outputs.

# Each hook sources this file, and a hook that is in two input lists is sourced twice.
if declare -F cudaFixupPass >/dev/null; then return 0; fi

cudaFixupDriverLink="@driverLink@"
# Entry of postFixupHooks -> "FUNCTION SWITCH…": the function that adds its options, and the
# variables that switch it off; and the entries that a pass has taken along.
declare -gA cudaFixupParts=() cudaFixupTaken=()

# stdenv's log functions where it has them: older generations lack some or all. They print the
# name of their caller, so they are called in place: "${cudaFixupSay[log]}" TEXT.
declare -gA cudaFixupSay=([error]=nixErrorLog [log]=nixLog)
cudaFixupPrint() { echo "${FUNCNAME[1]}: $*" >&"${NIX_LOG_FD:-2}"; }
if ! declare -F nixErrorLog >/dev/null; then cudaFixupSay[error]=cudaFixupPrint; fi
if ! declare -F nixLog >/dev/null; then cudaFixupSay[log]=cudaFixupPrint; fi

# --- lists ----------------------------------------------------------------------------------------

# cudaFixupList ARRAY VARIABLE: appends the elements of VARIABLE to ARRAY. VARIABLE is an array
# under structured attributes and a string of words otherwise. Globs stay as they are, although
# nullglob is on. Empty elements are dropped: an empty RUNPATH entry means the current directory.
cudaFixupList() {
    local -n cudaFixupListTo=$1 cudaFixupListFrom=$2
    local cudaFixupListItem IFS=$' \t\n'
    local -
    set -f
    # The attributes of its elements; declare -p would cost a process for each list.
    if [[ ${cudaFixupListFrom[*]@a} == *[aA]* ]]; then
        for cudaFixupListItem in "${cudaFixupListFrom[@]}"; do
            if [[ -n $cudaFixupListItem ]]; then cudaFixupListTo+=("$cudaFixupListItem"); fi
        done
    else
        # shellcheck disable=SC2206 # splitting is the point, and globbing is off
        cudaFixupListTo+=(${!2-})
    fi
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
    local cudaFixupOutput cudaFixupOutputNames LC_ALL=C IFS=$' \t\n'
    local -i cudaFixupOutputAt
    local -a cudaFixupOutputsSorted=()
    # As getAllOutputNames has them, without the process that reading its output takes.
    # shellcheck disable=SC2154 # stdenv's
    if [[ ${outputs[*]@a} == *A* ]]; then
        cudaFixupOutputNames=${!outputs[*]}
    else
        cudaFixupOutputNames=${outputs[*]}
    fi
    for cudaFixupOutput in $cudaFixupOutputNames; do
        if [[ $cudaFixupOutput == "${2-debug}" || ! -e ${!cudaFixupOutput-} ]]; then continue; fi
        cudaFixupOutputAt=${#cudaFixupOutputsSorted[@]}
        while (( cudaFixupOutputAt > 0 )) &&
            [[ ${cudaFixupOutputsSorted[cudaFixupOutputAt - 1]} > $cudaFixupOutput ]]; do
            cudaFixupOutputsSorted[cudaFixupOutputAt]=${cudaFixupOutputsSorted[cudaFixupOutputAt - 1]}
            cudaFixupOutputAt=$((cudaFixupOutputAt - 1))
        done
        cudaFixupOutputsSorted[cudaFixupOutputAt]=$cudaFixupOutput
    done
    for cudaFixupOutput in "${cudaFixupOutputsSorted[@]}"; do
        cudaFixupOutputsTo+=("${!cudaFixupOutput}")
    done
}

# --- the pass over the outputs --------------------------------------------------------------------

# cudaFixupRegister ENTRY FUNCTION [VARIABLE…]: an element ENTRY of postFixupHooks, for which
# FUNCTION adds options to the pass unless one of the variables is set to something by then.
cudaFixupRegister() {
    if [[ -n ${cudaFixupParts[$1]-} ]]; then return 0; fi
    cudaFixupParts[$1]=${*:2}
    postFixupHooks+=("$1")
}

# cudaFixupInLoop: whether runHook has reached the caller as an element of postFixupHooks, and not a
# package that calls it in its own postFixup or in another phase. `hookName` is runHook's.
cudaFixupInLoop() { [[ ${hookName-} == postFixup && " ${FUNCNAME[*]} " != *" _callImplicitHook "* ]]; }

# cudaFixupActive ARRAY: appends the functions of the entries that are in postFixupHooks, where a
# package may have removed one, and that no variable switches off.
cudaFixupActive() {
    local -n cudaFixupActiveTo=$1
    local entry variable IFS=$' \t\n'
    local -a words
    for entry in "${postFixupHooks[@]}"; do
        if [[ -z $entry || -z ${cudaFixupParts[$entry]-} ]]; then continue; fi
        # shellcheck disable=SC2206 # names; a here-string would be a file
        words=(${cudaFixupParts[$entry]})
        for variable in "${words[@]:1}"; do
            if [[ -n ${!variable-} ]]; then continue 2; fi
        done
        if [[ " ${cudaFixupActiveTo[*]} " != *" ${words[0]} "* ]]; then cudaFixupActiveTo+=("${words[0]}"); fi
    done
}

# cudaFixupPass ENTRY: one call for all entries, by the first that is reached.
cudaFixupPass() {
    local entry IFS=$' \t\n'
    local -a parts=() paths=()
    if [[ -n ${cudaFixupTaken[$1]-} ]]; then
        cudaFixupTaken[$1]=
        return 0
    fi
    for entry in "${postFixupHooks[@]}"; do
        if [[ -n $entry && -n ${cudaFixupParts[$entry]-} ]]; then cudaFixupTaken[$entry]=1; fi
    done
    cudaFixupTaken[$1]=
    cudaFixupActive parts
    if (( ${#parts[@]} == 0 )); then return 0; fi
    cudaFixupOutputs paths || return
    if (( ${#paths[@]} == 0 )); then return 0; fi
    "${cudaFixupSay[log]}" "${parts[*]%Part} for ${paths[*]}"
    # Last, and for all files: an earlier edit of one would be in vain.
    cudaFixupCall ${cudaFixupResolution:+"--resolution=$cudaFixupResolution"} "${parts[@]}" -- "${paths[@]}"
}

# cudaFixupCall [OPTION…] PART… -- PATH…: one process that does these parts to these paths.
cudaFixupCall() {
    local cudaFixupStatus=0 cudaFixupMode others=''
    # As nixpkgs' hooks do it.
    local -a cudaFixupArgs=(--inherited-rpath=convert) cudaFixupOptional=()
    local -A cudaFixupModes=([add-driver-runpath]=off [dependencies]=off [existing]=keep [stubs]=keep)
    if [[ -n $cudaFixupDriverLink ]]; then cudaFixupArgs+=("--driver-link=$cudaFixupDriverLink"); fi
    while [[ $1 != -- ]]; do
        case $1 in
            --*) cudaFixupOptional+=("$1") ;;
            *) "$1" || return ;;
        esac
        shift
    done
    cudaFixupList cudaFixupOptional cudaFixupFlags
    # Where the package has no option for the program to check, there may be nothing to do.
    if (( ${#cudaFixupOptional[@]} == 0 )) && [[ ${cudaFixupModes[dependencies]} != find &&
        ${cudaFixupModes[add-driver-runpath]} == @(all|needed|off) ]]; then
        # shellcheck source=small.sh
        source "@small@"
        if cudaFixupHasNoElf "${@:2}"; then
            echo "0 ELF files: 0 changed, 0 failed, 0 dependencies missing; $others passed over"
            return 0
        fi
    fi
    for cudaFixupMode in add-driver-runpath dependencies existing stubs; do
        cudaFixupArgs+=("--$cudaFixupMode=${cudaFixupModes[$cudaFixupMode]}")
    done
    "@cudaFixup@" fixup "${cudaFixupArgs[@]}" "${cudaFixupOptional[@]}" "$@" || cudaFixupStatus=$?
    if (( cudaFixupStatus )); then
        "${cudaFixupSay[error]}" "cuda-fixup ended with status $cudaFixupStatus: add what is missing to" \
            "buildInputs or autoPatchelfIgnoreMissingDeps; the messages above name everything else"
    fi
    return "$cudaFixupStatus"
}

# --- functions that packages call -----------------------------------------------------------------

# cudaFixupElfFiles ARRAY PATH…: appends the dynamic ELF files among and under the paths.
cudaFixupElfFiles() {
    local -n cudaFixupElfFilesTo=$1
    local -a cudaFixupElfFilesFound=()
    # The status of a process substitution is lost unless it is waited for.
    mapfile -d '' -t cudaFixupElfFilesFound < <("@cudaFixup@" elf-files --null -- "${@:2}")
    wait "$!" || return
    cudaFixupElfFilesTo+=("${cudaFixupElfFilesFound[@]}")
}

# cudaFixupOneArgument WHAT ARGUMENT…: refuses anything but one argument, as nixpkgs' functions do.
cudaFixupOneArgument() {
    local problem=''
    if (( $# == 1 )); then problem="no $1 provided"
    elif (( $# > 2 )); then problem='too many arguments'
    elif [[ -z $2 ]]; then problem="empty $1"
    else return 0
    fi
    echo "${FUNCNAME[1]}: $problem" >&2
    return 1
}

# autoFixElfFiles ACTION: calls ACTION, which may be several words, with each dynamic ELF file of
# all outputs, `debug` too.
autoFixElfFiles() {
    local file IFS=$' \t\n'
    local -a action paths=() files=()
    cudaFixupOneArgument "fix action" "$@" || return
    if [[ -n ${cudaFixupParts["autoFixElfFiles $1"]-} ]] && cudaFixupInLoop; then
        cudaFixupPass "autoFixElfFiles $1"
        return
    fi
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
    cudaFixupOneArgument "library path" "$@" || return
    cudaFixupElfFiles files "$1" || return
    (( ${#files[@]} ))
}
