# nixpkgs with the overlay: `nix-build -A cuda-fixup`, `-A cudaFixup.static`, or any package that
# uses the hooks.
{
  pkgs ? import <nixpkgs> { },
}:
pkgs.extend (import ./nix/overlay.nix)
