# CUDA package sets, one a version, as scopes of their own. Their packages come from buildRedist, which
# reads of the hooks what nixpkgs' one (pkgs/development/cuda-modules/buildRedist) reads.
final:
let
  inherit (final) lib stdenv makeSetupHook;
  hook = name: makeSetupHook { name = "upstream-${name}"; } ./upstream-cuda-hook.sh;
  cudaPackagesOf =
    cudaVersion: compat:
    lib.makeScope final.newScope (self: {
      inherit cudaVersion;
      cudaMajorMinorVersion = cudaVersion;
      buildRedist = self.callPackage buildRedist { };
      autoAddCudaCompatRunpath = hook "auto-add-cuda-compat-runpath-hook" // {
        enableHook = compat;
      };
      markForCudatoolkitRootHook = hook "mark-for-cudatoolkit-root-hook";
      removeStubsFromRunpathHook = makeSetupHook {
        name = "removeStubsFromRunpathHook";
      } ./upstream-cuda-hook.sh;
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

  # A redistributable: patched, with the driver's link, marked as a piece of a toolkit; those with
  # stubs pass the hook on that removes them, and it is looked for by its name.
  buildRedist =
    {
      lib,
      stdenv,
      autoPatchelfHook,
      autoAddDriverRunpath,
      autoAddCudaCompatRunpath,
      markForCudatoolkitRootHook,
      removeStubsFromRunpathHook,
      setupCudaHook,
    }:
    attrs:
    stdenv.mkDerivation (
      {
        __structuredAttrs = true;
        strictDeps = true;
        nativeBuildInputs = [
          autoPatchelfHook
          autoAddDriverRunpath
          markForCudatoolkitRootHook
        ]
        ++ lib.optionals (attrs.pname != "cuda_compat" && autoAddCudaCompatRunpath.enableHook) [
          autoAddCudaCompatRunpath
        ];
        propagatedBuildInputs = [ setupCudaHook ];
        autoPatchelfIgnoreMissingDeps = [ "*" ];
        preFixup = ''
          if [[ -n ''${stubs-} ]]; then
              mkdir -p "$stubs/nix-support"
              echo ${removeStubsFromRunpathHook} >"$stubs/nix-support/propagated-native-build-inputs"
          fi
        '';
        postFixup = ''
          for output in $(getAllOutputNames); do
              if [[ $output != stubs && -z $(find "''${!output}" -type d -name stubs) ]]; then continue; fi
              if ! grep -qs removeStubsFromRunpathHook "''${!output}"/nix-support/propagated-*; then
                  echo "$output has stubs and no removeStubsFromRunpathHook" >&2
                  exit 1
              fi
          done
        '';
      }
      // attrs
    );

  # Jetson has it: a driver newer than the system's, in a package.
  compatPackage =
    { buildRedist, cudaVersion }:
    buildRedist {
      pname = "cuda_compat";
      version = cudaVersion;
      dontFixup = true;
      installPhase = ''
        mkdir -p "$out/compat"
        cc -shared -Wl,-soname,libcuda.so.1 -o "$out/compat/libcuda.so.1" ${../src/driver.c}
      '';
    };

  # A runtime library, and a stub of the driver's to link with.
  cudart =
    { buildRedist, cudaVersion }:
    buildRedist {
      pname = "cuda_cudart";
      version = cudaVersion;
      outputs = [ "out" "dev" "lib" "stubs" ];
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
    { buildRedist, cudaVersion }:
    buildRedist {
      pname = "cuda_nvcc";
      version = cudaVersion;
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
