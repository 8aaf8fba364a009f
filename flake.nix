{
  description = "Sets interpreters and RUNPATHs of prebuilt and CUDA software in one pass";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "i686-linux"
      ];
      overlays = import ./nix/overlays.nix;
      each =
        f:
        nixpkgs.lib.genAttrs systems (
          system: f (nixpkgs.legacyPackages.${system}.extend overlays.default)
        );
    in
    {
      inherit overlays;
      nixosModules.default = ./nix/nixos-module.nix;
      # nixpkgs, and in it `cuda-fixup` and `cudaFixup`.
      legacyPackages = each (pkgs: pkgs);
      packages = each (pkgs: {
        default = pkgs.cuda-fixup;
        inherit (pkgs) cuda-fixup;
        inherit (pkgs.cudaFixup) auto-patchelf static;
      });
      checks = each (pkgs: {
        inherit (pkgs) cuda-fixup;
        auto-patchelf = pkgs.cudaFixup.autoPatchelfHook.tests.structured;
        driver-runpath = pkgs.cudaFixup.autoAddDriverRunpath.tests.plain;
      });
    };
}
