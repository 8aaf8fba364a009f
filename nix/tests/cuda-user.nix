# A package that is built with a whole toolkit, and names it in all it installs.
{
  stdenv,
  cuda,
  structured ? false,
  strictDeps ? true,
  more ? { },
}:
stdenv.mkDerivation (
  {
    name = "cuda-user-1.0";
    inherit strictDeps;
    __structuredAttrs = structured;
    outputs = [ "out" "dev" ];
    nativeBuildInputs = [ cuda.setupCudaHook cuda.cuda_nvcc ];
    # As text, for mkDerivation takes the headers' output of a package.
    buildInputs = [ cuda.cuda_cudart "${cuda.cuda_cudart.stubs}" ];
    cudaCapabilities = [ "8.6" "9.0" ];
    cudaPropagateToOutput = "dev";
    cudaEnableCmakeFindCudaToolkitSupport = true;
    dontPatchELF = true;
    installPhase = ''
      mkdir -p "$out/bin" "$out/lib/cmake" "$out/lib/pkgconfig" "$dev"
      for variable in CUDAToolkit_ROOT CUDAToolkit_INCLUDE_DIR CUDA_PATH CUDA_BIN_PATH CUDACXX CUDAHOSTCXX \
          CUDAARCHS NVCC_CCBIN NVCC_PREPEND_FLAGS CMAKE_TOOLCHAIN_FILE CMAKE_ARGS CUDAToolkit_ROOT_FOR_BUILD; do
          # As a child process sees it.
          printf '%s=%s\n' "$variable" "$(printenv "$variable" || true)"
      done >environment
      echo "cmakeFlags=''${cmakeFlags[*]}" >>environment
      echo "nvcc=$(command -v nvcc)" >>environment
      sed "s,$NIX_BUILD_TOP,TOP,g" environment >"$out/environment"
      nvcc --version >"$out/version"
      cc -o "$out/bin/user" -Wl,--no-as-needed ${./src/plain.c} -L"$CUDAToolkit_ROOT/lib/stubs" -lcuda \
          -L"$CUDAToolkit_ROOT/lib" -lcudart \
          -Wl,-rpath,"$CUDAToolkit_ROOT/lib:$CUDAToolkit_ROOT/bin/../lib/stubs"
      # As FindCUDAToolkit's targets are linked, by paths outside of the store, and as a Makefile does.
      cc -o "$out/bin/by-path" -Wl,--no-as-needed ${./src/plain.c} "$CUDAToolkit_ROOT/lib/libcudart.so" \
          "$CUDAToolkit_ROOT/lib64/stubs/libcuda.so"
      cc -o "$out/bin/by-name" -Wl,--no-as-needed ${./src/plain.c} -L"$CUDAToolkit_ROOT/lib64" -lcudart
      cc -shared -fPIC -o "$out/lib/none.so" ${./src/plugin.c}
      echo "set(X $CUDAToolkit_ROOT/lib/libcudart.so $CUDACXX)" >"$out/lib/cmake/x.cmake"
      echo "Libs: -L$CUDAToolkit_ROOT/lib -lcudart" >"$out/lib/pkgconfig/x.pc"
      runHook postInstall
    '';
  }
  // more
)
