# shellcheck shell=bash
# The marked inputs become lists in variables and in CMake's flags.
declare -gA cudaPieces=()
collectCudaPiece() {
    if [[ ! -f $1/nix-support/include-in-cudatoolkit-root || -v cudaPieces[$1] ]]; then return 0; fi
    cudaPieces[$1]=1
    read -r _ <"$1/nix-support/include-in-cudatoolkit-root" || true
}
addEnvHooks "${targetOffset:?}" collectCudaPiece

setupCudaPieces() {
    local piece roots='' includes=''
    for piece in "${!cudaPieces[@]}"; do
        roots=$roots${roots:+;}$piece
        if [[ -d $piece/include ]]; then includes=$includes${includes:+;}$piece/include; fi
    done
    if piece=$(type -P nvcc); then roots=$roots${roots:+;}${piece%/bin/nvcc}; fi
    export CUDAToolkit_ROOT=$roots CUDAToolkit_INCLUDE_DIR=$includes
    # shellcheck disable=SC2034 # the configure phase would read it
    cmakeFlagsArray+=("-DCUDAToolkit_INCLUDE_DIR=$includes" "-DCUDAToolkit_ROOT=$roots")
}
setupCudaCompilers() {
    appendToVar cmakeFlags -DCMAKE_CUDA_HOST_COMPILER=/usr/bin/c++
    export CUDAHOSTCXX=/usr/bin/c++
    appendToVar NVCC_PREPEND_FLAGS -Xfatbin=-compress-all
}
preConfigureHooks+=(setupCudaPieces setupCudaCompilers)
