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
        cc -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$stubs/lib/stubs/libcuda.so" ${../src/driver.c}
        ln -s libcuda.so "$stubs/lib/stubs/libcuda.so.1"
        soname=libcudart.so.${lib.head (builtins.splitVersion cudaVersion)}
        cc -shared -fPIC -Wl,-soname,"$soname" -o "$lib/lib/$soname" ${../src/runtime.c}
        ln -s "$soname" "$lib/lib/libcudart.so"
      '';
    };
in
{
  cudaPackages_11 = cudaPackagesOf "11.8" true;
  cudaPackages_12 = cudaPackagesOf "12.4" false;
  cudaPackages_12_9 = cudaPackagesOf "12.9" false;
  cudaPackages_13 = cudaPackagesOf "13.5" false;
  cudaPackages = final.cudaPackages_12;
}
