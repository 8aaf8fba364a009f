{
  description = "CUDA package sets with manifests, overrides and packages of one's own";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # The repository that this template is from.
    cuda-fixup.url = "github:OWNER/cuda-fixup";
    cuda-fixup.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { nixpkgs, cuda-fixup, ... }:
    {
      overlays.default = import ./overlay.nix;

      # `nix build .#cudaPackages_13.my-cudart`
      legacyPackages.x86_64-linux =
        (import nixpkgs {
          system = "x86_64-linux";
          overlays = [
            cuda-fixup.overlays.default
            (import ./overlay.nix)
          ];
          # NVIDIA's packages are unfree.
          config.allowUnfree = true;
        }).cudaFixup;
    };
}
