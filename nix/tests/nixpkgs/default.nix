# A mock of nixpkgs: the names, the functions and the fixed point that the project's Nix files use,
# on top of the machine's own compiler. It is for tests, and it is small.
{
  system ? builtins.currentSystem,
  overlays ? [ ],
  # The year of stdenv: 2024-06, 2024-10 or 2026-08.
  generation ? "2026-08",
  # What the mock of Rust's package builder installs in place of what it would have compiled.
  builtBinary ? "/no-binary-was-given",
  # What the host of a cross build has besides what the build's machine has, say { gcc.arch = "x"; }.
  cross ? null,
}@args:
let
  lib = import ./lib.nix // import ./lib-sets.nix;

  local = {
    inherit system;
    config = builtins.replaceStrings [ "-linux" ] [ "-unknown-linux-gnu" ] system;
    isStatic = false;
    isi686 = system == "i686-linux";
    isLinux = true;
    canExecute = other: other.system == system;
    emulator = _: "";
  };
  foreign = local // cross;

  # A stage: a fixed point for one host and one target, whose tools come from `below`.
  packages =
    { host, target, below }:
    final:
    let
      # As in nixpkgs, callPackage takes from the fixed point, overlays and all.
      callPackage = lib.callPackageWith final;
      stdenvWith =
        defaultInputs:
        import ../stdenv {
          inherit
            lib
            system
            generation
            defaultInputs
            ;
        }
        // {
          hostPlatform = host;
          buildPlatform = local;
          targetPlatform = target;
          cc = final.gcc;
        };
    in
    {
      inherit lib system callPackage;
      path = ./.;
      runtimeShell = "/bin/bash";
      pkgsCross.aarch64-multiplatform = import ./cross.nix { inherit overlays; };
      newScope = scope: lib.callPackageWith (final // scope);
      # A whole new fixed point with one overlay more; its last stage, whichever this one is.
      extend = overlay: import ./. (args // { overlays = overlays ++ [ overlay ]; });

      stdenv = stdenvWith [ final.gcc final.bintools ];
      stdenvNoCC = stdenvWith [ ];
      buildPackages = if below == null then final else below;
      pkgsBuildHost = final.buildPackages;
      pkgsBuildBuild = final.buildPackages.buildPackages;
      pkgsHostTarget = final;
      pkgsStatic = final // {
        rustPlatform = final.rustPlatform;
        stdenv = final.stdenv // {
          hostPlatform = host // { isStatic = true; };
        };
        callPackage = lib.callPackageWith final.pkgsStatic;
      };
    }
    // import ./build.nix final
    // import ./fetch.nix final
    // import ./splice.nix final
    // import ./toolchain.nix { inherit final builtBinary; }
    // import ./upstream.nix final
    // import ./cuda.nix final;
  stage =
    platforms:
    lib.fix (
      builtins.foldl' (below: overlay: lib.extends overlay below) (packages platforms) overlays
    );
  native = stage {
    host = local;
    target = local;
    below = null;
  };
in
if cross == null then
  native
else
  stage {
    host = foreign;
    target = foreign;
    below = stage {
      host = local;
      target = foreign;
      below = native;
    };
  }
