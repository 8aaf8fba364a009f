# The overlays. `default` adds this project's packages and changes no other one; `cuda` and `replace`
# put its hooks under nixpkgs' names, in the CUDA sets or everywhere, on top of it.
let
  # nixpkgs' hooks outside of the CUDA sets.
  names = [
    "addDriverRunpath"
    "addOpenGLRunpath"
    "autoAddDriverRunpath"
    "autoAddOpenGLRunpathHook"
    "autoFixElfFiles"
    "autoPatchelfHook"
  ];
  # Those that a CUDA set has of its own, and those that older sets have had as well.
  cudaNames = [
    "autoAddCudaCompatRunpath"
    "cudaComponentHook"
    "markForCudatoolkitRootHook"
    "removeStubsFromRunpathHook"
    "setupCudaHook"
  ];
  cudaAliases = [
    "autoAddDriverRunpath"
    "autoAddOpenGLRunpathHook"
    "autoFixElfFiles"
  ];
  programs = [ "auto-patchelf" ];

  compose =
    first: second: final: prev:
    let
      below = first final prev;
    in
    below // second final (prev // below);

  cudaSets =
    lib: set:
    lib.filter (name: builtins.match "cudaPackages(_[0-9_]+)?" name != null) (lib.attrNames set);

  # The hooks of one CUDA set, with its cuda_compat, its host compiler and its release.
  hooksOfSet =
    final: set:
    final.callPackage ./hooks.nix {
      inherit (final) cuda-fixup;
      cuda_compat = set.cuda_compat or null;
      # nixpkgs' sets have the standard environment of nvcc's host compiler.
      hostCompiler = set.backendStdenv.cc or null;
      compiler = final.stdenv.cc or null;
      cudaMajorMinorVersion =
        set.cudaMajorMinorVersion or (final.lib.versions.majorMinor set.cudaVersion);
    };
  inCudaSet =
    final: cudaFinal: cudaPrev:
    let
      inherit (final) lib;
      own = hooksOfSet final cudaFinal;
      present = lib.filter (name: cudaPrev ? ${name}) cudaAliases;
    in
    lib.genAttrs (cudaNames ++ present) (name: own.${name})
    // lib.optionalAttrs (cudaPrev ? backendStdenv) { inherit (own) nvccHook; };

  default =
    final: prev:
    let
      inherit (prev) lib;
      known = lib.filter (name: prev ? ${name}) (names ++ programs);
    in
    {
      cuda-fixup = final.callPackage ./package.nix { };
      # Arguments of mkCudaPackages that every set gets: a downstream's overlay adds its own with
      # `cudaFixupSets = prev.cudaFixupSets ++ [ { … } ]`.
      cudaFixupSets = prev.cudaFixupSets or [ ];
      cudaFixup = lib.recurseIntoAttrs (
        import ./cuda-fixup-set.nix {
          inherit final lib hooksOfSet;
          cudaSets = cudaSets lib prev;
          hookNames = names;
          cudaHookNames = cudaNames ++ cudaAliases;
          # nixpkgs' own, as they were, also where an overlay is applied twice.
          upstream = lib.genAttrs known (name: prev.cudaFixup.upstream.${name} or prev.${name});
        }
      );
    };

  inCudaSets =
    final: prev:
    let
      inherit (prev) lib;
    in
    lib.genAttrs (cudaSets lib prev) (
      name:
      let
        set = prev.${name};
      in
      set.overrideScope (inCudaSet final)
      // builtins.intersectAttrs { recurseForDerivations = true; } set
    );

  everywhere =
    final: prev:
    let
      inherit (prev) lib;
      # nixpkgs' prebuilt rustc is patched by autoPatchelfHook. The compiler that builds our program
      # must have nixpkgs' own hook, or ours would need itself. It isn't enough to take rustPlatform
      # from `prev`: what a package there depends on still comes from the fixed point. So the program
      # comes out of a package set in which nixpkgs' own hooks are back on top.
      known = lib.filter (name: prev ? ${name}) (names ++ programs);
      restored = final.extend (_: ours: lib.genAttrs known (name: ours.cudaFixup.upstream.${name}));
      toolchain = stageOf lib final restored;
    in
    lib.genAttrs names (name: final.cudaFixup.${name})
    // {
      inherit (final.cudaFixup) auto-patchelf;
      cuda-fixup = toolchain.callPackage ./package.nix { };
      cudaFixup = prev.cudaFixup // {
        static = toolchain.pkgsStatic.callPackage ./package.nix { };
      };
    };

  # `extend` starts from the last stage of a cross build, whichever stage it is called in. The stage
  # that is meant is the one for the same three platforms, whatever their names: a build for another
  # CPU of the same kind has the same triple.
  stageOf =
    lib: wanted: last:
    let
      same =
        stage:
        lib.all (platform: lib.systems.equals stage.stdenv.${platform} wanted.stdenv.${platform}) [
          "buildPlatform"
          "hostPlatform"
          "targetPlatform"
        ];
      stages = map (name: last.${name} or last) [
        "pkgsHostTarget"
        "pkgsBuildHost"
        "pkgsBuildBuild"
        "pkgsBuildTarget"
        "pkgsHostHost"
        "pkgsTargetTarget"
      ];
    in
    lib.findFirst same last stages;
in
{
  inherit default;
  cuda = compose default inCudaSets;
  replace = compose (compose default everywhere) inCudaSets;
}
