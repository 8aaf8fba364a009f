# nixpkgs with this project's packages beside its own: `cuda-fixup` and `cudaFixup`. No other package
# changes. The overlays that replace nixpkgs' hooks are in overlays.nix.
(import ./overlays.nix).default
