# shellcheck shell=bash
# setupCudaHook: the marked dependencies, which hold a CUDA toolkit piece by piece, laid out as one
# toolkit for the build. docs/cmake.md has the reasons.
# shellcheck source=cuda-component.sh
source "@component@"

cudaFixupHostCompiler="@hostCompiler@"

# Runs when all dependencies are known.
cudaSetup() {
    local farm top=${NIX_BUILD_TOP-}
    local -a options=()
    if [[ -z $top ]]; then top=$(mktemp -d) || return; fi
    options+=("--top=$top" "${cudaFixupHostPieces[@]/#/--host=}" "${cudaFixupBuildPieces[@]/#/--build=}"
        "${cudaFixupTargetPieces[@]/#/--target=}")
    cudaFixupFarmOptions options || return
    cudaFixupExport "${options[@]}" || return
    if (( ${#cudaFixupFarms[@]} == 0 )); then return 0; fi
    farm=${cudaFixupFarms[-1]}
    if command -v cmake >/dev/null; then export PATH="$farm/libexec/cuda-fixup:$PATH"; fi
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
    postFixupHooks+=("cudaFixupPropagate @setupCudaHook@" cudaFixupFarmLeaks)
    # Misplaced among the buildInputs, it still sees the package's inputs.
    addEnvHooks "$(( ${hostOffset:--1} < 0 ? ${targetOffset:-0} : ${hostOffset:--1} ))" cudaFixupHostPiece
    addEnvHooks -1 cudaFixupBuildPiece
    addEnvHooks 1 cudaFixupTargetPiece
fi
