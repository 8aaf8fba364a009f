# The tree for nixpkgs on the mock, as a package set that reads pkgs/by-name. `tree` is the result
# of nix/nixpkgs-tree.nix.
{ tree }:
let
  plain = import ./nixpkgs { };
  pkgs = plain.extend (
    final: _: {
      fetchFromGitHub = { owner, repo, rev, hash }: builtins.toFile "${owner}-${repo}-${rev}" hash;
      nix-update-script = _: [ "nix-update" ];
      cuda-fixup = final.callPackage (tree + "/pkgs/by-name/cu/cuda-fixup/package.nix") { };
    }
  );
  inherit (plain) lib;
  directories = builtins.attrNames (builtins.readDir (tree + "/pkgs/by-name/cu"));
in
{
  hooks = lib.genAttrs (lib.filter (name: name != "cuda-fixup") directories) (
    name: (pkgs.callPackage (tree + "/pkgs/by-name/cu/${name}/package.nix") { }).name
  );
  tests = builtins.attrNames pkgs.cuda-fixup.passthru.tests;
  script = pkgs.cuda-fixup.passthru.updateScript;
  maintainers = pkgs.cuda-fixup.meta.maintainers;
  src = pkgs.cuda-fixup.src;
}
