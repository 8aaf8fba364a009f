# The setup hooks: the scripts of ../hooks with the paths that they call put in.
{
  lib,
  stdenv,
  makeSetupHook,
  writeText,
  bintools,
  callPackage,
  cuda-fixup,
  # The driver's link, without its `/lib`. Null stands for what each file's machine has:
  # /run/opengl-driver, and for i686 /run/opengl-driver-32.
  driverLink ? null,
  # The package cuda_compat, which only Jetson has.
  cuda_compat ? null,
  # nvcc's host compiler and the build's own, wrapped compilers, where a CUDA set tells them.
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
  library = script ../hooks/lib.sh {
    cudaFixup = "${cuda-fixup}/bin/cuda-fixup";
    driverLink = if driverLink == null then "" else "${driverLink}/lib";
  };
  withLibrary = file: substitutions: script file ({ lib = "${library}"; } // substitutions);

  autoPatchelf = withLibrary ../hooks/auto-patchelf.sh { };
  driverRunpath = auto: withLibrary ../hooks/add-driver-runpath.sh { inherit auto; };
  compatRunpath = withLibrary ../hooks/add-cuda-compat-runpath.sh {
    # nixpkgs has the package in every set, but not for every platform.
    compat = lib.optionalString (
      cuda_compat != null && cuda_compat.meta.available or true
    ) "${cuda_compat}/compat";
  };
  cudaSetup = withLibrary ../hooks/cuda-setup.sh {
    hostCompiler = lib.optionalString (hostCompiler != null) "${hostCompiler}/bin/c++";
    component = "${withLibrary ../hooks/cuda-component.sh { inherit cudaMajorMinorVersion; }}";
  };
  # Where a wrapped compiler's own libraries are, libstdc++ among them.
  libOf = cc: "${cc.cc.lib or (cc.cc or cc)}/lib";
  nvcc = withLibrary ../hooks/nvcc.sh {
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

  # Where the interpreter and the libc are told, also for builds without a compiler.
  propagatedBuildInputs = [ bintools ];
  addDriverRunpath = hook "add-driver-runpath" (driverRunpath "") {
    passthru.driverLink =
      if driverLink != null then
        driverLink
      else
        "/run/opengl-driver" + lib.optionalString (stdenv.hostPlatform.isi686 or false) "-32";
  };
  autoAddDriverRunpath = hook "auto-add-driver-runpath-hook" (driverRunpath "1") { };
  setupCudaHook = hook "setup-cuda-hook" cudaSetup {
    # It names itself to those who get a toolkit passed on.
    substitutions.setupCudaHook = placeholder "out";
  };
in
{
  autoPatchelfHook = hook "auto-patchelf-hook" autoPatchelf { inherit propagatedBuildInputs; };
  autoFixElfFiles = hook "auto-fix-elf-files" library { };
  inherit addDriverRunpath autoAddDriverRunpath;
  addOpenGLRunpath = addDriverRunpath;
  autoAddOpenGLRunpathHook = autoAddDriverRunpath;
  autoAddCudaCompatRunpath = hook "auto-add-cuda-compat-runpath-hook" compatRunpath { };
  removeStubsFromRunpathHook = hook "remove-stubs-from-runpath-hook" removeStubs { };
  markForCudatoolkitRootHook = hook "mark-for-cudatoolkit-root-hook" ../hooks/mark-for-cuda-toolkit-root.sh { };
  # Both generations: either marker is collected, and cudaPublishComponent is honoured.
  inherit setupCudaHook;
  cudaComponentHook = setupCudaHook;
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
