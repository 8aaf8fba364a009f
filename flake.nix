{
  description = "Sets interpreters and RUNPATHs of prebuilt and CUDA software in one pass";

  # flake.lock pins it for the checks and the development shell; users make it follow their own.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "i686-linux"
      ];
      overlays = import ./nix/overlays.nix;
      each =
        f: lib.genAttrs systems (system: f (nixpkgs.legacyPackages.${system}.extend overlays.default));
    in
    {
      inherit overlays;
      nixosModules.default = ./nix/nixos-module.nix;
      # `nix flake init -t github:OWNER/cuda-fixup#prebuilt`
      templates = rec {
        default = cuda;
        cuda = {
          path = ./templates/cuda;
          description = "A CUDA program, built with CMake";
        };
        prebuilt = {
          path = ./templates/prebuilt;
          description = "A prebuilt CUDA program as a package";
        };
        sets = {
          path = ./templates/sets;
          description = "CUDA package sets with manifests, overrides and packages of one's own";
        };
      };
      # nixpkgs, and in it `cuda-fixup` and `cudaFixup`.
      legacyPackages = each (pkgs: pkgs);
      packages = each (pkgs: {
        default = pkgs.cuda-fixup;
        inherit (pkgs) cuda-fixup;
        inherit (pkgs.cudaFixup) auto-patchelf static;
      });

      # `nix run github:OWNER/cuda-fixup -- inspect PROGRAM`, `nix run ….#auto-patchelf -- …`.
      apps = each (
        pkgs:
        let
          app = package: {
            type = "app";
            program = lib.getExe package;
            meta.description = package.meta.description or "";
          };
        in
        {
          default = app pkgs.cuda-fixup;
          auto-patchelf = app pkgs.cudaFixup.auto-patchelf;
        }
      );

      # The program with its unit tests, and a small program built with each hook, with structured
      # attributes and without them.
      checks = each (pkgs: { inherit (pkgs) cuda-fixup; } // pkgs.cudaFixup.hookTests);

      # What `./test --quick` needs.
      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.cargo
            pkgs.clippy
            pkgs.git
            pkgs.libcap
            pkgs.rustc
            pkgs.rustfmt
            pkgs.util-linux
          ];
          # Tests look at programs that they build, and expect in them what Debian's gcc writes:
          # the system's loader, and no RUNPATH. Not on NixOS, which has no such loader.
          shellHook = ''
            if [[ -e /lib64/ld-linux-x86-64.so.2 && ! -e /etc/NIXOS ]]; then
                export NIX_DONT_SET_RPATH=1
                export NIX_LDFLAGS="''${NIX_LDFLAGS-} -dynamic-linker /lib64/ld-linux-x86-64.so.2"
            fi
          '';
        };
      });

      # `nix fmt`
      formatter = each (pkgs: pkgs.nixfmt-tree);
    };
}
