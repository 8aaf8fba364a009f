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
      each = f: nixpkgs.lib.genAttrs systems (system: f (nixpkgs.legacyPackages.${system}.extend overlay));
      overlay = import ./nix/overlay.nix;
    in
    {
      overlays.default = overlay;
      # nixpkgs with the overlay, and in it `cudaFixup`.
      legacyPackages = each (pkgs: pkgs);
      packages = each (pkgs: {
        default = pkgs.cuda-fixup;
        inherit (pkgs) cuda-fixup;
        static = pkgs.cudaFixup.static;
      });
      checks = each (pkgs: {
        inherit (pkgs) cuda-fixup;
        auto-patchelf = pkgs.autoPatchelfHook.tests.structured;
        driver-runpath = pkgs.autoAddDriverRunpath.tests.plain;
      });
    };
}
