# shellcheck shell=bash
markForCUDAToolkit_ROOT() {
    mkdir -p "${prefix:?}/nix-support"
    if [[ -f $prefix/nix-support/include-in-cudatoolkit-root ]]; then return 0; fi
    touch "$prefix/nix-support/include-in-cudatoolkit-root"
}
fixupOutputHooks+=(markForCUDAToolkit_ROOT)
