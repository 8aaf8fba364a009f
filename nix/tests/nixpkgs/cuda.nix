# CUDA package sets, one a version, as scopes of their own.
final:
let
  inherit (final) lib stdenv makeSetupHook;
  hook = name: makeSetupHook { name = "upstream-${name}"; } ./upstream-cuda-hook.sh;
  cudaPackagesOf =
    cudaVersion: compat:
    lib.makeScope final.newScope (self: {
      inherit cudaVersion;
      cudaMajorMinorVersion = cudaVersion;
      autoAddCudaCompatRunpath = hook "auto-add-cuda-compat-runpath-hook";
      markForCudatoolkitRootHook = hook "mark-for-cudatoolkit-root-hook";
      setupCudaHook = hook "setup-cuda-hook";
      autoAddDriverRunpath = final.autoAddDriverRunpath;
      cuda_compat = if compat then self.callPackage compatPackage { } else null;
      cuda_cudart = self.callPackage cudart { };
      cuda_nvcc = self.callPackage nvcc { };
      # nvcc's host compiler: as gcc, but with libraries of its own.
      backendStdenv = final.stdenv // {
        cc = final.gcc // {
          cc.lib = final.oldGccLib;
        };
      };
    });

  # Jetson has it: a driver newer than the system's, in a package.
  compatPackage =
    { stdenv, cudaVersion }:
    stdenv.mkDerivation {
      name = "cuda_compat-${cudaVersion}";
      dontFixup = true;
      installPhase = ''
        mkdir -p "$out/compat"
        cc -shared -Wl,-soname,libcuda.so.1 -o "$out/compat/libcuda.so.1" ${../src/driver.c}
      '';
    };

  # A runtime library, and a stub of the driver's to link with. It names itself to whoever builds
  # a toolkit root.
  cudart =
    { stdenv, cudaVersion, markForCudatoolkitRootHook }:
    stdenv.mkDerivation {
      pname = "cuda_cudart";
      version = cudaVersion;
      outputs = [ "out" "dev" "lib" "stubs" ];
      nativeBuildInputs = [ markForCudatoolkitRootHook ];
      installPhase = ''
        mkdir -p "$out" "$dev/include" "$lib/lib" "$stubs/lib/stubs"
        echo 'int cuInit(unsigned);' >"$dev/include/cuda.h"
        echo '#define CUDA_VERSION ${cudaNumber cudaVersion}' >>"$dev/include/cuda.h"
        cc -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$stubs/lib/stubs/libcuda.so" ${../src/driver.c}
        ln -s libcuda.so "$stubs/lib/stubs/libcuda.so.1"
        soname=libcudart.so.${lib.head (builtins.splitVersion cudaVersion)}
        cc -shared -fPIC -Wl,-soname,"$soname" -o "$lib/lib/$soname" ${../src/runtime.c}
        ln -s "$soname" "$lib/lib/libcudart.so"
      '';
    };
  # 12040 of 12.4
  cudaNumber =
    version:
    let
      parts = builtins.splitVersion version;
    in
    "${builtins.elemAt parts 0}0${builtins.elemAt parts 1}0";

  # A program that says which nvcc it is, and a piece of what it runs.
  nvcc =
    { stdenv, cudaVersion, markForCudatoolkitRootHook }:
    stdenv.mkDerivation {
      pname = "cuda_nvcc";
      version = cudaVersion;
      nativeBuildInputs = [ markForCudatoolkitRootHook ];
      installPhase = ''
        mkdir -p "$out/bin" "$out/nvvm/bin"
        cc -o "$out/bin/nvcc" -DRELEASE='"${cudaVersion}"' ${../src/nvcc.c}
        echo 'TOP = $(_HERE_)/..' >"$out/bin/nvcc.profile"
        cp "$out/bin/nvcc" "$out/nvvm/bin/cicc"
      '';
    };
in
{
  oldGccLib = stdenv.mkDerivation {
    name = "gcc-11-lib";
    installPhase = ''
      mkdir -p "$out/lib"
      cc -shared -fPIC -o "$out/lib/libold.so" ${../src/plugin.c}
    '';
  };
  cudaPackages_11 = cudaPackagesOf "11.8" true;
  cudaPackages_12 = cudaPackagesOf "12.4" false;
  cudaPackages_12_9 = cudaPackagesOf "12.9" false;
  cudaPackages_13 = cudaPackagesOf "13.5" false;
  cudaPackages = final.cudaPackages_12;
}
