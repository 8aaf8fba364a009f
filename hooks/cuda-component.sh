# shellcheck shell=bash
# The publishing half of nixpkgs' component hook, beside cuda-setup.sh, which collects. With
# cudaPublishComponent each output tells, in nix-support/cuda-component, which piece of which CUDA
# release it is: bash's own declaration of an array.
# shellcheck source=lib.sh
source "@lib@"

cudaFixupRelease="@cudaMajorMinorVersion@"

cudaFixupPublish() {
    local output path version=${cudaMajorMinorVersion:-$cudaFixupRelease} compiler=${cudaCompilerExecutable-} found=
    local -A cudaComponentMetadata
    local -a outputs=()
    if [[ -z ${cudaPublishComponent-} ]]; then return 0; fi
    if [[ ! $version =~ ^[0-9]+\.[0-9]+$ ]]; then
        "${cudaFixupSay[error]}" "cudaPublishComponent: which CUDA release is it of? Take the hook of a" \
            "cudaPackages set, or set cudaMajorMinorVersion to something like 12.4 (it is '$version')"
        return 1
    fi
    cudaFixupOutputNames outputs || return
    for output in "${outputs[@]}"; do
        path=${!output}
        cudaComponentMetadata=([format]=3 [component]="${cudaComponentName:-${pname:-${name:?}}}" [output]="$output"
            [cudaComponentVersion]="${cudaComponentVersion:-${version_-}}" [cudaMajorMinorVersion]="$version" [compiler]=)
        mkdir -p "$path/nix-support" || return
        declare -p cudaComponentMetadata >"$path/nix-support/cuda-component" || return
    done
}
