# shellcheck shell=bash
# setupCudaHook: the marked dependencies, which hold a CUDA toolkit piece by piece, laid out as one
# toolkit for the build, which is told about it. docs/cmake.md has the reasons.
# shellcheck source=lib.sh
source "@lib@"

cudaFixupHostCompiler="@hostCompiler@"
cudaFixupHostPiece() { cudaFixupMarked cudaFixupHostPieces "$1"; }
cudaFixupBuildPiece() { cudaFixupMarked cudaFixupBuildPieces "$1"; }

# Runs when all dependencies are known.
cudaSetup() {
    local farm
    local -a options=("--top=${NIX_BUILD_TOP:-$(mktemp -d)}")
    options+=("${cudaFixupHostPieces[@]/#/--host=}" "${cudaFixupBuildPieces[@]/#/--build=}")
    cudaFixupFarmOptions options || return
    cudaFixupExport "${options[@]}" || return
    if (( ${#cudaFixupFarms[@]} == 0 )); then return 0; fi
    farm=${cudaFixupFarms[-1]}
    if command -v cmake >/dev/null; then export PATH="$farm/libexec/cuda-fixup:$PATH"; fi
    # Names of old, for FindCUDA.
    if [[ -n ${cudaEnableCmakeFindCudaToolkitSupport-}${cudaEnableCmakeFindCudaSupport-} ]]; then
        appendToVar cmakeFlags "-DCUDA_TOOLKIT_ROOT_DIR=$farm"
    fi
}

# RUNPATHs that name a farm name the packages instead, in the pass over the outputs.
cudaSetupPart() {
    cudaFixupArgs+=("${cudaFixupFarmMap[@]/#/--replace-runpath=}")
    if (( ${#cudaFixupFarmMap[@]} )); then cudaFixupModes[stubs]=replace; fi
}

cudaFixupRegister cudaSetupPart dontCudaToolkitRunpathFixup
if [[ " ${postHooks[*]-} " != *" cudaSetup "* ]]; then
    postHooks+=(cudaSetup)
    postFixupHooks+=(cudaFixupPropagate cudaFixupFarmLeaks)
    # As for the other hooks: misplaced among the buildInputs, it still sees the package's inputs.
    addEnvHooks "$(( ${hostOffset:--1} < 0 ? ${targetOffset:-0} : ${hostOffset:--1} ))" cudaFixupHostPiece
    addEnvHooks -1 cudaFixupBuildPiece
fi
