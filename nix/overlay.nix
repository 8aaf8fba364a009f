# nixpkgs with this project's engine below its hooks: the names stay, and mean the same. The set
# `cudaFixup` has all of it, for those who want both side by side.
final: prev:
let
  inherit (prev) lib;

  # nixpkgs' prebuilt rustc is patched by autoPatchelfHook. The compiler that builds our program
  # must have nixpkgs' own one, or the hook would need itself. It isn't enough to take rustPlatform
  # from `prev`: what a package there depends on still comes from the fixed point. So the program
  # comes out of a package set in which nixpkgs' own hooks are back on top.
  names = lib.filter (name: prev ? ${name}) [
    "addDriverRunpath"
    "addOpenGLRunpath"
    "auto-patchelf"
    "autoAddDriverRunpath"
    "autoAddOpenGLRunpathHook"
    "autoFixElfFiles"
    "autoPatchelfHook"
  ];
  restored = final.extend (_: ours: lib.genAttrs names (name: ours.cudaFixup.upstream.${name}));
  # `extend` starts from the platforms of the whole; a cross build's compilers are a stage below.
  toolchain =
    if restored.stdenv.hostPlatform.config == final.stdenv.hostPlatform.config then
      restored
    else
      restored.buildPackages;
  cuda-fixup = toolchain.callPackage ./package.nix { };

  hooksWith = args: final.callPackage ./hooks.nix ({ inherit cuda-fixup; } // args);
  hooks = hooksWith { };

  # mkCudaPackages, and a set by name for each CUDA release.
  sets = import ./cuda-packages {
    pkgs = final;
    inherit cuda-fixup;
  };

  # The hooks that stand in CUDA package sets.
  cudaNames = [
    "autoAddCudaCompatRunpath"
    "cudaComponentHook"
    "markForCudatoolkitRootHook"
    "removeStubsFromRunpathHook"
    "setupCudaHook"
  ];
  # Names that nixpkgs' sets have had for hooks that are now outside of them.
  cudaAliases = [
    "autoAddDriverRunpath"
    "autoAddOpenGLRunpathHook"
    "autoFixElfFiles"
  ];
  inCudaSet =
    cudaFinal: cudaPrev:
    let
      own = hooksWith {
        cuda_compat = cudaFinal.cuda_compat or null;
        # nixpkgs' sets have the standard environment of nvcc's host compiler.
        hostCompiler = cudaFinal.backendStdenv.cc or null;
        compiler = final.stdenv.cc or null;
        cudaMajorMinorVersion =
          cudaFinal.cudaMajorMinorVersion or (lib.versions.majorMinor cudaFinal.cudaVersion);
      };
    in
    lib.genAttrs (cudaNames ++ lib.filter (name: cudaPrev ? ${name}) cudaAliases) (name: own.${name})
    // lib.optionalAttrs (cudaPrev ? backendStdenv) { inherit (own) nvccHook; };
  cudaSets = lib.filter (name: builtins.match "cudaPackages(_[0-9_]+)?" name != null) (
    lib.attrNames prev
  );
  withHooks =
    set: set.overrideScope inCudaSet // builtins.intersectAttrs { recurseForDerivations = true; } set;
in
{
  inherit (hooks)
    addDriverRunpath
    addOpenGLRunpath
    autoAddDriverRunpath
    autoAddOpenGLRunpathHook
    autoFixElfFiles
    autoPatchelfHook
    ;
  inherit cuda-fixup;
  auto-patchelf = cuda-fixup;

  # Arguments of mkCudaPackages that every set gets: a downstream's overlay adds its own with
  # `cudaFixupSets = prev.cudaFixupSets ++ [ { … } ]`.
  cudaFixupSets = prev.cudaFixupSets or [ ];

  cudaFixup = lib.recurseIntoAttrs (
    sets
    // removeAttrs (hooks // final.callPackage ./checks.nix { inherit cuda-fixup; }) [
      "override"
      "overrideDerivation"
    ]
    // {
      inherit cuda-fixup;
      static = toolchain.pkgsStatic.callPackage ./package.nix { };
      # nixpkgs' own, as they were, also where this overlay is applied twice.
      upstream = lib.genAttrs names (name: prev.cudaFixup.upstream.${name} or prev.${name});
    }
  );
}
// lib.genAttrs cudaSets (name: withHooks prev.${name})
