# The setup hooks: the scripts of ../hooks with the paths that they call filled in. The names of the
# derivations are nixpkgs' own, which its buildRedist and others look for.
{
  lib,
  stdenv,
  makeSetupHook,
  writeText,
  bintools,
  callPackage,
  cuda-fixup,
  # The driver's link, without its `/lib`. Null: that of each file's machine, /run/opengl-driver, or
  # for i686 /run/opengl-driver-32.
  driverLink ? null,
  # The package cuda_compat, which only Jetson has.
  cuda_compat ? null,
  # nvcc's host compiler and the build's own, wrapped compilers, where a CUDA set has them.
  hostCompiler ? null,
  compiler ? null,
  # The CUDA release of the set, such as 12.4, for packages that publish themselves as pieces of it.
  cudaMajorMinorVersion ? "",
}:
let
  # A script with each @name@ replaced.
  script =
    file: substitutions:
    writeText "cuda-fixup-${baseNameOf file}" (
      builtins.replaceStrings (map (name: "@${name}@") (lib.attrNames substitutions))
        (lib.attrValues substitutions)
        (builtins.readFile file)
    );
  small = script ../hooks/small.sh { };
  library = script ../hooks/lib.sh {
    small = "${small}";
    cudaFixup = "${cuda-fixup}/bin/cuda-fixup";
    driverLink = if driverLink == null then "" else "${driverLink}/lib";
  };
  withLibrary = file: substitutions: script file ({ lib = "${library}"; } // substitutions);
  # With the part of the library that is about toolkits.
  withToolkit = file: substitutions: script file ({ toolkit = "${toolkit}"; } // substitutions);
  toolkit = withLibrary ../hooks/toolkit.sh {
    small = "${small}";
    cudaFixup = "${cuda-fixup}/bin/cuda-fixup";
    hostCompiler = lib.optionalString (
      hostCompiler != null
    ) "${hostCompiler}/bin/${hostCompiler.targetPrefix or ""}c++";
  };

  autoPatchelf = withLibrary ../hooks/auto-patchelf.sh { bintools = "${bintools}"; };
  driverRunpath = auto: withLibrary ../hooks/add-driver-runpath.sh { inherit auto; };
  compatRunpath = withLibrary ../hooks/add-cuda-compat-runpath.sh {
    compat = lib.optionalString hasCompat "${cuda_compat}/compat";
  };
  # As in nixpkgs, whose sets have the package for every platform, but not available on every one.
  hasCompat = cuda_compat.meta.available or false;
  # Where a wrapped compiler's own libraries are, libstdc++ among them.
  libOf = cc: "${cc.cc.lib or (cc.cc or cc)}/lib";
  nvcc = withToolkit ../hooks/nvcc.sh {
    hostCompilerLib = libOf hostCompiler;
    compilerLib = libOf compiler;
  };
  removeStubs = withLibrary ../hooks/remove-stubs-from-runpath.sh { };
  # Whether it works without having been asked.
  lint =
    default:
    withLibrary ../hooks/lint.sh {
      cudaFixup = "${cuda-fixup}/bin/cuda-fixup";
      inherit default;
    };

  hook =
    name: file: attrs:
    let
      self = makeSetupHook (
        {
          inherit name;
          passthru = attrs.passthru or { } // {
            tests = callPackage ./hook-tests.nix { hook = self; };
          };
        }
        // removeAttrs attrs [ "passthru" ]
      ) file;
    in
    self;

  # The program that packages call in their phases. No argument: callPackage would fill in nixpkgs' own.
  auto-patchelf = callPackage ./auto-patchelf.nix { inherit cuda-fixup; };
  # The program on PATH, and what names the interpreter and the libc in builds without a compiler.
  propagatedBuildInputs = [
    auto-patchelf
    bintools
  ];
  addDriverRunpath = hook "add-driver-runpath" (driverRunpath "") {
    passthru.driverLink =
      if driverLink != null then
        driverLink
      else
        "/run/opengl-driver" + lib.optionalString (stdenv.hostPlatform.isi686 or false) "-32";
  };
  autoAddDriverRunpath = hook "auto-add-driver-runpath-hook" (driverRunpath "1") { };
in
{
  autoPatchelfHook = hook "auto-patchelf-hook" autoPatchelf { inherit propagatedBuildInputs; };
  autoFixElfFiles = hook "auto-fix-elf-files" library { };
  inherit addDriverRunpath autoAddDriverRunpath;
  addOpenGLRunpath = addDriverRunpath;
  autoAddOpenGLRunpathHook = autoAddDriverRunpath;
  autoAddCudaCompatRunpath = hook "auto-add-cuda-compat-runpath-hook" compatRunpath {
    # nixpkgs' buildRedist leaves the hook out where this is false.
    passthru.enableHook = hasCompat;
  };
  removeStubsFromRunpathHook = hook "removeStubsFromRunpathHook" removeStubs { };
  markForCudatoolkitRootHook = hook "mark-for-cudatoolkit-root-hook" ../hooks/mark-for-cuda-toolkit-root.sh { };
  # nixpkgs' two generations of CUDA packages. Each names itself to those it is passed on to.
  setupCudaHook = hook "setup-cuda-hook" (withToolkit ../hooks/cuda-setup.sh { }) {
    substitutions.setupCudaHook = placeholder "out";
  };
  cudaComponentHook = hook "cuda-component-hook" (withToolkit ../hooks/cuda-component.sh {
    inherit cudaMajorMinorVersion;
  }) { substitutions.cudaComponentHook = placeholder "out"; };
  cudaFixupHook = hook "cuda-fixup-hook" (script ../hooks/cuda-fixup.sh {
    autoPatchelf = "${autoPatchelf}";
    autoAddDriverRunpath = "${driverRunpath "1"}";
    autoAddCudaCompatRunpath = "${compatRunpath}";
    removeStubsFromRunpath = "${removeStubs}";
    lint = "${lint ""}";
  }) { inherit propagatedBuildInputs; };
  cudaFixupLintHook = hook "cuda-fixup-lint-hook" (lint "1") { };
}
// lib.optionalAttrs (hostCompiler != null && compiler != null) {
  nvccHook = hook "nvcc-hook" nvcc { };
}
