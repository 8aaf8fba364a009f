# Archives in the shape of NVIDIA's redistributables, made of PyPI's wheels: what wheels lack
# (links for the linker, the driver's stub, pkg-config files) is added as NVIDIA's archives have it.
{
  pkgs,
  # The cache's directory of wheels.
  wheels,
}:
let
  inherit (pkgs) lib runCommand;
  wheel =
    name:
    builtins.path {
      path = wheels + "/${name}/nvidia/cu13";
      # NVRTC is there twice: the other one allocates its memory differently, and has 110 MB.
      filter = path: _: builtins.match ".*\\.alt\\.so.*" path == null;
      name = builtins.replaceStrings [ "nvidia-" ] [ "" ] name;
    };
  archive =
    name: wheelName: script:
    runCommand "${name}-archive.tar" { } ''
      cp -r ${wheel wheelName} "${name}-archive"
      chmod -R u+w .
      cd "${name}-archive"
      rm -rf .metadata
      echo "see /usr/share" >LICENSE
      ${script}
      cd ..
      tar --sort=name --mtime=@1 -cf "$out" "${name}-archive"
    '';
in
{
  cuda_nvcc = archive "cuda_nvcc" "nvidia-cuda-nvcc-13.0.88" "";
  libnvvm = archive "libnvvm" "nvidia-nvvm-13.0.88" ''
    mkdir nvvm/lib64
    mv lib/* nvvm/lib64/
    rmdir lib
    mv include nvvm/include
  '';
  cuda_crt = archive "cuda_crt" "nvidia-cuda-crt-13.0.88" "";
  cuda_cccl = archive "cuda_cccl" "nvidia-cuda-cccl-13.0.85" "";
  cuda_nvrtc = archive "cuda_nvrtc" "nvidia-cuda-nvrtc-13.0.88" ''
    ln -s libnvrtc.so.13 lib/libnvrtc.so
    ln -s libnvrtc-builtins.so.13.0 lib/libnvrtc-builtins.so
  '';
  libcufft = archive "libcufft" "nvidia-cufft-12.0.0.61" ''
    ln -s libcufft.so.12 lib/libcufft.so
    ln -s libcufftw.so.12 lib/libcufftw.so
  '';
  libcublas = archive "libcublas" "nvidia-cublas-13.1.0.3" ''
    for name in cublas cublasLt nvblas; do
        ln -s "lib$name.so.13" "lib/lib$name.so"
    done
  '';
  cuda_cudart = archive "cuda_cudart" "nvidia-cuda-runtime-13.0.96" ''
    ln -s libcudart.so.13 lib/libcudart.so
    mkdir -p lib/stubs pkg-config
    gcc -shared -fPIC -Wl,-soname,libcuda.so.1 -o lib/stubs/libcuda.so ${./src/driver.c}
    printf 'cudaroot=/usr/local/cuda-13.0\nlibdir=''${cudaroot}/targets/x86_64-linux/lib\n' >pkg-config/cudart-13.0.pc
    printf 'includedir=''${cudaroot}/targets/x86_64-linux/include\n\nName: cudart\n' >>pkg-config/cudart-13.0.pc
    printf 'Description: CUDA Runtime\nVersion: 13.0\nLibs: -L''${libdir} -lcudart\n' >>pkg-config/cudart-13.0.pc
  '';
}
