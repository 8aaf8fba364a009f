# shellcheck shell=bash
# The publishing half of nixpkgs' component hook, beside cuda-setup.sh, which collects. With
# cudaPublishComponent each output tells, in nix-support/cuda-component, which piece of which CUDA
# release it is: bash's own declaration of an array.
# shellcheck source=lib.sh
source "@lib@"

cudaFixupRelease="@cudaMajorMinorVersion@"

cudaFixupPublish() {
    local output names path compiler found='' wanted=${cudaCompilerExecutable-} IFS=$' \t\n'
    local release=${cudaMajorMinorVersion:-$cudaFixupRelease}
    local -A cudaComponentMetadata
    if [[ -z ${cudaPublishComponent-} ]]; then return 0; fi
    if [[ ! $release =~ ^[0-9]+\.[0-9]+$ ]]; then
        "${cudaFixupSay[error]}" "cudaPublishComponent: of which CUDA release? Take the hook of a cudaPackages set, or" \
            "set cudaMajorMinorVersion to something like 12.4 (it is '$release')"
        return 1
    fi
    names=$(getAllOutputNames) || return
    for output in $names; do
        path=${!output}
        if [[ $output == debug || ! -d $path ]]; then continue; fi
        # Named below the output, or by its whole path. Others' outputs are not this one's to name.
        compiler=${wanted:+$path/${wanted#"$path/"}}
        if [[ -f $compiler && -x $compiler ]]; then found=1; else compiler=; fi
        cudaComponentMetadata=([format]=3 [component]="${cudaComponentName:-${pname:-${name:?}}}" [output]="$output"
            [cudaComponentVersion]="${cudaComponentVersion:-${version-}}"
            [cudaMajorMinorVersion]="$release" [compiler]="$compiler")
        mkdir -p "$path/nix-support" || return
        declare -p cudaComponentMetadata >"$path/nix-support/cuda-component" || return
    done
    if [[ -z $wanted || -n $found ]]; then return 0; fi
    "${cudaFixupSay[error]}" "cudaCompilerExecutable: no output has a program $wanted"
    return 1
}
if [[ " ${postFixupHooks[*]-} " != *" cudaFixupPublish "* ]]; then postFixupHooks+=(cudaFixupPublish); fi
