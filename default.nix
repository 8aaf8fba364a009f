# nixpkgs with this project's packages in it: `nix-build -A cuda-fixup`, `-A cudaFixup.static`,
# or `(import ./. { }).cudaFixup.withHooks PACKAGE`.
{
  pkgs ? import <nixpkgs> { },
}:
pkgs.extend (import ./nix/overlay.nix)
