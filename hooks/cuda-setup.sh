# shellcheck shell=bash
# setupCudaHook: nixpkgs' older generation. The marked dependencies, which hold a CUDA toolkit piece by
# piece, are laid out as one toolkit for the build. docs/cmake.md has the reasons.
# shellcheck source=toolkit.sh
source "@toolkit@"

# Redistributables propagate the hook to every package that uses their libraries. It is asked for
# where it is among the build's tools; elsewhere a toolkit is made only where there is a compiler.
if (( ${hostOffset:--1} < 0 )); then cudaFixupWanted=1; fi
if [[ -n ${cudaSetupHookOnce-} ]]; then return 0; fi
declare -g cudaSetupHookOnce=1

# The env hook: takes a package that has either generation's marker.
extendcudaHostPathsSeen() {
    local marker=$1/nix-support/include-in-cudatoolkit-root name=''
    if [[ -f $marker ]]; then
        # Lax builds of a piece write its name, strict ones nothing.
        read -r name <"$marker" || true
        # shellcheck disable=SC2034 # for packages
        if [[ -n $name ]]; then cudaOutputToPath[$name]=$1; fi
    elif [[ -n ${_cudaComponentHookSourced-} || ! -f $1/nix-support/cuda-component ]]; then
        return 0
    fi
    cudaFixupAddPiece "$1"
}
addEnvHooks -1 extendcudaHostPathsSeen
addEnvHooks 0 extendcudaHostPathsSeen
addEnvHooks 1 extendcudaHostPathsSeen

# nixpkgs does these before the configure phase; here both have been done when the inputs were known,
# and are done again for pieces that the package has added since.
setupCUDAToolkit_ROOT() {
    if [[ -n $cudaFixupPlace ]]; then cudaFixupMakeToolkit; fi
}
setupCUDAToolkitCompilers() {
    if (( ${#cudaFixupFarms[@]} )); then cudaFixupNvccFlags; fi
}
preConfigureHooks+=(setupCUDAToolkit_ROOT setupCUDAToolkitCompilers)

# cudaPropagateToOutput = "cxxdev": who depends on that output gets the pieces, this hook, which makes
# a toolkit of them, and the package's first output.
propagateCudaLibraries() {
    local name=${cudaPropagateToOutput-} output outputNames piece IFS=$' \t\n'
    local -a pieces=() options=()
    if [[ -z $name ]]; then return 0; fi
    if [[ -z ${!name-} ]]; then
        "${cudaFixupSay[error]}" "cudaPropagateToOutput: there is no output $name"
        return 1
    fi
    cudaFixupPieceOptions options || return
    for piece in "${options[@]}"; do
        if [[ $piece == --host=* ]]; then pieces+=("${piece#--host=}"); fi
    done
    # Structured attributes keep no order of outputs, but nearly all packages begin with `out`.
    outputNames=$(getAllOutputNames) || return
    output=${outputNames%% *}
    if [[ " $outputNames " == *" out "* ]]; then output=out; fi
    if [[ $output != "$name" ]]; then pieces+=("${!output}"); fi
    mkdir -p "${!name}/nix-support" || return
    echo "@setupCudaHook@" >>"${!name}/nix-support/propagated-native-build-inputs" || return
    echo "${pieces[*]}" >>"${!name}/nix-support/propagated-build-inputs"
}
postFixupHooks+=(propagateCudaLibraries)
