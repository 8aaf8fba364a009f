# shellcheck shell=bash
# nvccHook: nvcc's host compiler may be older than the build's, and its libraries must not be in one
# program with the build's. RUNPATH entries of it become the build's compiler's, and then the outputs
# are searched for the remaining ones.
# shellcheck source=toolkit.sh
source "@toolkit@"

# Not where both compilers have the same libraries: then they are no leak.
# shellcheck disable=SC2050 # replaced when the hook is built
if [[ "@hostCompilerLib@" != "@compilerLib@" && " ${cudaFixupNvccLibs[*]-} " != *" @hostCompilerLib@ "* ]]; then
    cudaFixupNvccLibs+=("@hostCompilerLib@")
fi

nvccRunpathPart() {
    local dir
    for dir in "${cudaFixupNvccLibs[@]}"; do
        cudaFixupArgs+=("--replace-runpath=$dir=@compilerLib@")
    done
}

# nvccRunpathFixup FILE: by hand, at once.
nvccRunpathFixup() {
    cudaFixupOneArgument "library path" "$@" || return
    cudaFixupCall nvccRunpathPart -- "$1"
}

nvccRunpathCheck() {
    local dir
    for dir in "${cudaFixupNvccLibs[@]}"; do
        cudaFixupLeaks dontNvccRunpathCheck --runpaths --forbid "$dir" || return
    done
}

cudaFixupRegister "autoFixElfFiles nvccRunpathFixup" nvccRunpathPart dontNvccRunpathFixup
if [[ " ${postFixupHooks[*]-} " != *" nvccRunpathCheck "* ]]; then postFixupHooks+=(nvccRunpathCheck); fi
