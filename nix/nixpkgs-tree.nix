# The files that docs/upstreaming.md proposes to nixpkgs, in its layout: $out/pkgs/by-name/…. They are
# this repository's own, but for the source, which nixpkgs fetches by the release.
{
  pkgs ? import <nixpkgs> { },
  # Arguments of fetchFromGitHub: owner, repo, rev, hash.
  release,
}:
let
  inherit (pkgs) lib;
  quoted = value: ''"${value}"'';
  # A hook by a name that nixpkgs doesn't have -> its attribute in hooks.nix.
  hooks = {
    cudaFixupHook = "cudaFixupHook";
    cudaFixupLintHook = "cudaFixupLintHook";
    cudaFixupAutoPatchelfHook = "autoPatchelfHook";
    cudaFixupDriverRunpathHook = "autoAddDriverRunpath";
  };
  package = builtins.toFile "package.nix" ''
    {
      lib,
      callPackage,
      fetchFromGitHub,
      nix-update-script,
    }:
    let
      src = fetchFromGitHub {
        owner = ${quoted release.owner};
        repo = ${quoted release.repo};
        rev = ${quoted release.rev};
        hash = ${quoted release.hash};
      };
      build = callPackage ./nix/package.nix { releaseSource = src; };
      program = build.overrideAttrs (old: {
        passthru = old.passthru or { } // {
          hooks = callPackage ./nix/hooks.nix { cuda-fixup = program; };
          tests = lib.mapAttrs (_: hook: hook.tests.structured) {
            inherit (program.hooks) autoPatchelfHook autoAddDriverRunpath cudaFixupHook;
          };
          updateScript = nix-update-script { };
        };
        meta = old.meta // {
          maintainers = [ ];
        };
      });
    in
    program
  '';
  hook = attribute: builtins.toFile "package.nix" "{ cuda-fixup }: cuda-fixup.hooks.${attribute}\n";
in
pkgs.runCommand "nixpkgs-tree" { } (
  ''
    package="$out/pkgs/by-name/cu/cuda-fixup"
    mkdir -p "$package/nix" "$package/hooks"
    cp ${package} "$package/package.nix"
    cp ${../Cargo.toml} "$package/Cargo.toml"
    cp ${../Cargo.lock} "$package/Cargo.lock"
    cp ${./package.nix} "$package/nix/package.nix"
    cp ${./hooks.nix} "$package/nix/hooks.nix"
    cp ${./hook-tests.nix} "$package/nix/hook-tests.nix"
    cp ${./auto-patchelf.nix} "$package/nix/auto-patchelf.nix"
    cp ${../hooks}/*.sh "$package/hooks/"
  ''
  + lib.concatMapStringsSep "" (name: ''
    mkdir -p "$out/pkgs/by-name/cu/${name}"
    cp ${hook hooks.${name}} "$out/pkgs/by-name/cu/${name}/package.nix"
  '') (lib.attrNames hooks)
)
