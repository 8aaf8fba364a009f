# What `pkgs.cudaFixup` has: the hooks, the checks, and functions that make packages with them.
{
  final,
  lib,
  upstream,
  hookNames,
  cudaHookNames,
  cudaSets,
  hooksOfSet,
}:
let
  inherit (final) cuda-fixup;
  auto-patchelf = final.callPackage ./auto-patchelf.nix { inherit cuda-fixup; };
  hooks = final.callPackage ./hooks.nix { inherit cuda-fixup; };
  checks = final.callPackage ./checks.nix { inherit cuda-fixup; };
  farms = final.callPackage ./toolkit-farm.nix { inherit cuda-fixup; };
  # mkCudaPackages, and a set by name for each CUDA release.
  sets = import ./cuda-packages {
    pkgs = final;
    inherit cuda-fixup;
  };
  # Also those that only a CUDA set has.
  everyHook = hooks // lib.optionalAttrs (final ? cudaPackages) (hooksOfSet final final.cudaPackages);
in
sets
// removeAttrs (hooks // checks // farms) [
  "override"
  "overrideDerivation"
]
// {
  inherit cuda-fixup auto-patchelf upstream;
  static = final.pkgsStatic.callPackage ./package.nix { };
  # The tests of every hook, as HOOK-MODE: the checks of flake.nix.
  hookTests = lib.concatMapAttrs (name: hook: {
    "${name}-plain" = hook.tests.plain;
    "${name}-structured" = hook.tests.structured;
  }) (lib.filterAttrs (_: value: value ? tests.structured) everyHook);
  # The hooks for the packages of one CUDA set, such as cudaPackages_12.
  hooksFor = set: removeAttrs (hooksOfSet final set) [ "override" "overrideDerivation" ];
  withHooks = import ./with-hooks.nix {
    inherit
      final
      lib
      hookNames
      cudaHookNames
      cudaSets
      hooksOfSet
      upstream
      ;
  };
}
