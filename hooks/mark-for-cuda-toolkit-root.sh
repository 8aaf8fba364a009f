# shellcheck shell=bash
# markForCudatoolkitRootHook: marks each output as a piece of the CUDA toolkit, for the setup hook
# of the packages that depend on it.

# fixupOutput also runs for outputs that the build did not make: leave those to Nix, which reports
# them. A debug output has no component of a toolkit.
markForCUDAToolkit_ROOT() {
    local marker=${prefix:?}/nix-support/include-in-cudatoolkit-root
    if [[ ! -d $prefix || ${output:?} == debug || -e $marker ]]; then return 0; fi
    mkdir -p "$prefix/nix-support" || return
    # Without strictDeps the setup hook meets a package more than once, and knows it by this name.
    if [[ -n ${strictDeps-} ]]; then
        : >"$marker"
    else
        echo "${pname:-${name:?}}-$output" >"$marker"
    fi
}

if [[ " ${fixupOutputHooks[*]-} " != *" markForCUDAToolkit_ROOT "* ]]; then
    fixupOutputHooks+=(markForCUDAToolkit_ROOT)
fi
