# shellcheck shell=bash
# nvccHook: nvcc's host compiler may be older than the build's, and its libraries must not be in one
# program with the build's. RUNPATH entries of it become the build's compiler's, and then the outputs
# are searched for the remaining ones.
# shellcheck source=toolkit.sh
source "@toolkit@"

if [[ " ${cudaFixupNvccLibs[*]-} " != *" @hostCompilerLib@ "* ]]; then
    cudaFixupNvccLibs+=("@hostCompilerLib@")
fi

nvccRunpathPart() {
    local dir
    for dir in "${cudaFixupNvccLibs[@]}"; do
        if [[ $dir != "@compilerLib@" ]]; then cudaFixupArgs+=("--replace-runpath=$dir=@compilerLib@"); fi
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
        if [[ $dir != "@compilerLib@" ]]; then
            cudaFixupLeaks dontNvccRunpathCheck --runpaths --forbid "$dir" || return
        fi
    done
}

cudaFixupRegister "autoFixElfFiles nvccRunpathFixup" nvccRunpathPart dontNvccRunpathFixup
if [[ " ${postFixupHooks[*]-} " != *" nvccRunpathCheck "* ]]; then postFixupHooks+=(nvccRunpathCheck); fi
