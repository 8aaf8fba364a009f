# shellcheck shell=bash
# A CUDA toolkit of several packages in a build, for cuda-setup.sh, cuda-component.sh and nvcc.sh: the
# components among the inputs, the farm (one directory of links to all of them), its variables for the
# build, and the search for references to it in the outputs.
# shellcheck source=lib.sh
source "@lib@"

if declare -F cudaFixupMakeToolkit >/dev/null; then return 0; fi

# Pieces by the pair of offsets of the list that they are in, "HOST,TARGET" -> paths; and nixpkgs'
# own tables of them, of which the first may be added to before the configure phase.
# shellcheck disable=SC2034 # cudaOutputToPath is read by packages
declare -gA cudaFixupPieces=() cudaHostPathsSeen=() cudaOutputToPath=()
# Packages that publish a compiler -> that.
declare -gA cudaFixupCompilers=()
declare -ga cudaFixupFarms=() cudaFixupFarmMap=() cudaFixupFarmLibs=()
cudaFixupPlace='' cudaFixupLaidOut=''
# What nvcc's host compiler is, where a CUDA set names one.
cudaFixupHostCompiler="@hostCompiler@"

# cudaFixupAddPiece PACKAGE: an env hook's package, in the role that it has there. Lax builds have no
# roles and name each package several times.
cudaFixupAddPiece() {
    local role=0,1 piece
    if [[ -n ${strictDeps-} ]]; then role=${depHostOffset:-0},${depTargetOffset:-1}; fi
    for piece in ${cudaFixupPieces[$role]-}; do
        if [[ $piece == "$1" ]]; then return 0; fi
    done
    cudaFixupPieces[$role]="${cudaFixupPieces[$role]-} $1"
    if [[ $role == 0,* ]]; then cudaHostPathsSeen[$1]=1; fi
}

# cudaFixupIsWanted: whether the hook was asked for, or a tool of the build is nvcc, published or not:
# a package that only links CUDA libraries needs no toolkit, and gets none.
cudaFixupIsWanted() {
    local role piece
    if [[ -n ${cudaFixupWanted-} ]]; then return 0; fi
    for role in "${!cudaFixupPieces[@]}"; do
        if [[ -n ${strictDeps-} && $role != -1,* ]]; then continue; fi
        for piece in ${cudaFixupPieces[$role]}; do
            if [[ -e $piece/bin/nvcc || -n ${cudaFixupCompilers[$piece]-} ]]; then return 0; fi
        done
    done
    return 1
}

# cudaFixupPieceOptions ARRAY: the pieces as options of `toolkit for-build`, by role. A package may
# have added to cudaHostPathsSeen; its additions are sorted, since bash's order of keys is arbitrary.
cudaFixupPieceOptions() {
    local -n cudaFixupPieceOptionsTo=$1
    local pair role option piece LC_ALL=C
    local -a added=()
    local -A known=()
    for pair in 0,0:host 0,1:host -1,0:build -1,-1:build-only -1,1:build-for-target 1,1:target; do
        role=${pair%:*} option=${pair#*:}
        for piece in ${cudaFixupPieces[$role]-}; do
            cudaFixupPieceOptionsTo+=("--$option=$piece")
            if [[ $option == host ]]; then known[$piece]=1; fi
        done
    done
    for piece in "${!cudaHostPathsSeen[@]}"; do
        if [[ -z ${known[$piece]-} ]]; then added+=("$piece"); fi
    done
    if (( ${#added[@]} )); then
        mapfile -d '' -t added < <(printf '%s\0' "${added[@]}" | sort -z)
        cudaFixupPieceOptionsTo+=("${added[@]/#/--host=}")
    fi
}

# cudaFixupSettings ARRAY: what the package's attributes say of its toolkit, as options.
cudaFixupSettings() {
    local -n cudaFixupSettingsTo=$1
    local -a capabilities=()
    cudaFixupList capabilities cudaCapabilities
    if (( ${#capabilities[@]} )); then cudaFixupSettingsTo+=("--capabilities=${capabilities[*]}"); fi
    if [[ -n ${cudaRuntimeLibrary-} ]]; then cudaFixupSettingsTo+=("--cuda-runtime=$cudaRuntimeLibrary"); fi
    if [[ -n $cudaFixupHostCompiler && -z ${dontSetupCUDAToolkitCompilers-} ]]; then
        cudaFixupSettingsTo+=("--host-compiler=$cudaFixupHostCompiler")
    fi
    if ! cudaFixupCompresses; then cudaFixupSettingsTo+=(--no-compress); fi
}

cudaFixupCompresses() {
    [[ -z ${dontCompressCudaFatbin-}${dontCompressCudaFatbins-}${dontCompressFatbin-}${dontSetupCUDAToolkitCompilers-} ]]
}

# cudaFixupNvccFlags: what our nvcc adds by itself reaches those who call the real nvcc by its path,
# too. Does nothing the second time.
cudaFixupNvccFlags() {
    local IFS=$' \t\n'
    local -a flags=()
    if [[ -n ${dontSetupCUDAToolkitCompilers-} ]]; then return 0; fi
    cudaFixupList flags NVCC_PREPEND_FLAGS
    if [[ -n $cudaFixupHostCompiler && " ${flags[*]} " != *" -ccbin"* ]]; then
        flags+=(-ccbin "${NVCC_CCBIN:-$cudaFixupHostCompiler}")
    fi
    if cudaFixupCompresses && [[ " ${flags[*]} " != *" -Xfatbin=-compress-all "* ]]; then
        flags+=(-Xfatbin=-compress-all)
    fi
    # An array under structured attributes, and nvcc wants a string.
    unset -v NVCC_PREPEND_FLAGS
    if (( ${#flags[@]} )); then export NVCC_PREPEND_FLAGS="${flags[*]}"; fi
}

# cudaFixupFirstOnPath DIR
cudaFixupFirstOnPath() {
    local path=:$PATH:
    path=${path//":$1:"/:}
    path=${path#:}
    export PATH="$1:${path%:}"
}

# cudaFixupIsSet VARIABLE: whether the package or the user has set it. A value that is a farm of an
# outer shell is ours; and what `nix develop` brings from outside is not the package's.
cudaFixupIsSet() {
    [[ -n ${!1-} && ${!1} != */cuda-fixup/toolkits/* ]] &&
        [[ -z ${cudaFixupOwn-} || $cudaFixupOwn == *" $1 "* ]]
}

# cudaFixupExport OPTION…: makes the farms, and exports the variables that are not set.
cudaFixupExport() {
    local line name words
    local -a lines=()
    words=$("@cudaFixup@" toolkit for-build "$@") || return
    eval "lines=($words)"
    cudaFixupFarms=() cudaFixupFarmMap=() cudaFixupFarmLibs=()
    for line in "${lines[@]}"; do
        name=${line%%=*}
        case $name in
            farm) cudaFixupFarms+=("${line#*=}") ;;
            map) cudaFixupFarmMap+=("${line#*=}") ;;
            lib) cudaFixupFarmLibs+=("${line#*=}") ;;
            path) cudaFixupFirstOnPath "${line#*=}" ;;
            CMAKE_ARGS)
                if [[ " ${CMAKE_ARGS-} " != *" ${line#*=} "* ]]; then
                    export CMAKE_ARGS="${line#*=}${CMAKE_ARGS:+ $CMAKE_ARGS}"
                fi
                ;;
            *) if ! cudaFixupIsSet "$name"; then export "${line?}"; fi ;;
        esac
    done
}

# cudaFixupMakeToolkit: the farms of the pieces, in the place that the option cudaFixupPlace names.
# Nothing is made again while the pieces are the same.
cudaFixupMakeToolkit() {
    local farm
    local -a options=()
    cudaFixupPieceOptions options || return
    if (( ${#options[@]} == 0 )) || [[ ${options[*]} == "$cudaFixupLaidOut" ]]; then return 0; fi
    cudaFixupLaidOut=${options[*]}
    cudaFixupSettings options || return
    cudaFixupExport "$cudaFixupPlace" "${options[@]}" || return
    if (( ${#cudaFixupFarms[@]} == 0 )); then return 0; fi
    cudaFixupNvccFlags || return
    farm=${cudaFixupFarms[-1]}
    if command -v cmake >/dev/null; then cudaFixupFirstOnPath "$farm/libexec/cuda-fixup"; fi
    if [[ -n ${cudaEnableCmakeFindCudaToolkitSupport-}${cudaEnableCmakeFindCudaSupport-} ]]; then
        appendToVar cmakeFlags "-DCUDA_TOOLKIT_ROOT_DIR=$farm"
    fi
    if [[ " ${preFixupHooks[*]-} " != *" cudaFixupFarmRunpaths "* ]]; then
        preFixupHooks+=(cudaFixupFarmRunpaths)
    fi
}

# cudaFixupToolkit: runs when all inputs are known. A shell has no build directory: `nix develop`
# runs this in a build whose directory is gone when the shell starts. So the farm of a shell is made
# when it is entered, in a place that stays the same for the same pieces.
cudaFixupToolkit() {
    if ! cudaFixupIsWanted; then return 0; fi
    if [[ -z ${IN_NIX_SHELL-} ]]; then
        cudaFixupPlace=--top=${NIX_BUILD_TOP:?}
        cudaFixupMakeToolkit
        return
    fi
    cudaFixupOwn=" ${!CUDA*} ${!NVCC*} ${!CMAKE*} "
    shellHook="cudaFixupShell"$'\n'"${shellHook-}"
}

cudaFixupShell() {
    cudaFixupLaidOut=
    cudaFixupPlace=--cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/cuda-fixup/toolkits
    cudaFixupMakeToolkit
}

# RUNPATHs that name a farm name the packages instead, and what a file needs of a farm gets the
# directory of the piece that has it: stdenv's linker adds directories of the store only. Before the
# outputs are fixed up, since stdenv refuses RUNPATHs that name the build directory there.
cudaFixupFarmRunpaths() {
    local -a paths=()
    if [[ -n ${dontCudaToolkitRunpathFixup-} ]]; then return 0; fi
    cudaFixupOutputs paths || return
    if (( ${#paths[@]} )); then cudaFixupCall cudaFixupFarmPart -- "${paths[@]}"; fi
}

cudaFixupFarmPart() {
    cudaFixupModes+=([stubs]=replace [dependencies]=provided)
    cudaFixupArgs+=("${cudaFixupFarmMap[@]/#/--replace-runpath=}" "${cudaFixupFarmLibs[@]/#/--lib=}")
}

# cudaFixupHasNone TEXT DIRECTORY…: whether no file has the text, as far as that is seen quickly: small
# files without NUL bytes, and no link, whose target only a process can read.
cudaFixupHasNone() {
    local file text LC_ALL=C
    local -i links=0 budget=16384
    local -a files=()
    if ! cudaFixupFiles "${@:2}" || (( links )); then return 1; fi
    for file in "${files[@]}"; do
        # Succeeds where something follows, a NUL byte or more than is asked for.
        if IFS= read -r -d '' -n "$budget" text <"$file" || [[ $text == *"$1"* ]]; then return 1; fi
        budget=$((budget - ${#text}))
        if (( budget <= 0 )); then return 1; fi
    done
}

# cudaFixupLeaks VARIABLE OPTION…: searches the outputs for paths that must not be there. The
# package lets them pass by setting VARIABLE.
cudaFixupLeaks() {
    local others
    local -a paths=()
    if [[ -n ${!1-} ]]; then return 0; fi
    cudaFixupOutputs paths || return
    if (( ${#paths[@]} == 0 )); then return 0; fi
    # shellcheck source=small.sh
    source "@small@"
    case $2 in
        # A path in the farm has the name of its directory, however the way there is written.
        --farm) if [[ -f $3/share/cuda-fixup/farm.json ]] && cudaFixupHasNone "/${3##*/}" "${paths[@]}"; then return 0; fi ;;
        --runpaths) if cudaFixupHasNoElf "${paths[@]}"; then return 0; fi ;;
    esac
    if ! "@cudaFixup@" toolkit leaks "${@:2}" -- "${paths[@]}"; then
        "${cudaFixupSay[error]}" "the outputs name paths that they must not, as listed above ($1 lets them)"
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

if [[ " ${postHooks[*]-} " != *" cudaFixupToolkit "* ]]; then
    postHooks+=(cudaFixupToolkit)
    postFixupHooks+=(cudaFixupFarmLeaks)
fi
