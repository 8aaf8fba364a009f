# A stand-in for nixpkgs: the names, the calls and the fixed point that the project's Nix files
# meet there, with the machine's own compiler below. It is for tests, and it is small.
{
  system ? builtins.currentSystem,
  overlays ? [ ],
  # The year of stdenv: 2024-06, 2024-10 or 2026-08.
  generation ? "2026-08",
  # What the mock of Rust's package builder installs in place of what it would have compiled.
  builtBinary ? "/no-binary-was-given",
}@args:
let
  lib = import ./lib.nix // import ./lib-sets.nix;

  packages =
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
          hostPlatform = platform;
          buildPlatform = platform;
          targetPlatform = platform;
          cc = final.gcc;
        };
      platform = {
        inherit system;
        config = builtins.replaceStrings [ "-linux" ] [ "-unknown-linux-gnu" ] system;
        isStatic = false;
        isi686 = system == "i686-linux";
        isLinux = true;
        canExecute = other: other.system == system;
        emulator = _: "";
      };
    in
    {
      inherit lib system callPackage;
      path = ./.;
      newScope = scope: lib.callPackageWith (final // scope);
      # A whole new fixed point with one overlay more.
      extend = overlay: import ./. (args // { overlays = overlays ++ [ overlay ]; });

      stdenv = stdenvWith [ final.gcc final.bintools ];
      stdenvNoCC = stdenvWith [ ];
      buildPackages = final;
      pkgsStatic = final // {
        rustPlatform = final.rustPlatform;
        stdenv = final.stdenv // {
          hostPlatform = platform // { isStatic = true; };
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
in
lib.fix (builtins.foldl' (below: overlay: lib.extends overlay below) packages overlays)
