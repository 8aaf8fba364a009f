# shellcheck shell=bash
# nvccHook: nvcc's host compiler may be an older one than the build's, and its libraries must not
# stand beside the build's in one program. RUNPATH entries of it become the build's compiler's, and
# then the outputs are searched for what is left of it.
# shellcheck source=lib.sh
source "@lib@"

if [[ " ${cudaFixupNvccLibs[*]-} " != *" @hostCompilerLib@ "* ]]; then
    cudaFixupNvccLibs+=("@hostCompilerLib@")
fi

nvccRunpathPart() {
    local dir
    for dir in "${cudaFixupNvccLibs[@]}"; do
        if [[ $dir != "@compilerLib@" ]]; then cudaFixupArgs+=("--replace-runpath=$dir=@compilerLib@"); fi
    done
}

nvccRunpathCheck() {
    local dir
    for dir in "${cudaFixupNvccLibs[@]}"; do
        if [[ $dir != "@compilerLib@" ]]; then
            cudaFixupLeaks dontNvccRunpathCheck --runpaths --forbid "$dir" || return
        fi
    done
}

cudaFixupRegister nvccRunpathPart dontNvccRunpathFixup
if [[ " ${postFixupHooks[*]-} " != *" nvccRunpathCheck "* ]]; then postFixupHooks+=(nvccRunpathCheck); fi
