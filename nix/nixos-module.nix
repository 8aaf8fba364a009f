# A NixOS system whose packages have this project's: `cudaFixup.scope` says whose hooks are replaced.
{ config, lib, ... }:
let
  overlays = import ./overlays.nix;
  scopes = {
    none = overlays.default;
    inherit (overlays) cuda;
    all = overlays.replace;
  };
in
{
  options.cudaFixup = {
    enable = lib.mkEnableOption "cuda-fixup and its hooks in nixpkgs";
    scope = lib.mkOption {
      type = lib.types.enum (lib.attrNames scopes);
      default = "cuda";
      description = ''
        Which packages are built with the hooks of cuda-fixup: those of the CUDA package sets
        (`cuda`), none (`none`: only `cuda-fixup` and `cudaFixup` are added), or every package that
        uses one (`all`, which builds a fifth of nixpkgs).
      '';
    };
  };
  config.nixpkgs.overlays = lib.mkIf config.cudaFixup.enable [ scopes.${config.cudaFixup.scope} ];
}
