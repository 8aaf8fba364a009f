# A standard environment whose compiler this CUDA's nvcc takes.
{
  lib,
  pkgs,
  # The user's own, or null.
  hostStdenv,
  hostCompilers,
  cudaVersion,
}:
let
  inherit (builtins)
    compareVersions
    filter
    head
    tryEval
    ;
  most = hostCompilers cudaVersion;
  # A CUDA that is newer than the table takes what the default compiler is, or nvcc says so.
  max = if most == null then null else most.gccMax;
  majorOf = cc: lib.versions.major (cc.version or "0");

  takes =
    stdenv:
    max == null
    || !(stdenv.cc.isGNU or true)
    || compareVersions (majorOf stdenv.cc) (toString max) <= 0;

  # gcc14Stdenv, gcc13Stdenv, … that nixpkgs still has: those that it dropped throw.
  candidates = filter (stdenv: stdenv != null) (
    map (
      version:
      let
        name = "gcc${toString version}Stdenv";
        found = tryEval (
          let
            stdenv = pkgs.${name} or null;
          in
          if stdenv == null then null else builtins.seq stdenv.cc.outPath stdenv
        );
      in
      if found.success then found.value else null
    ) (lib.reverseList (lib.range 9 (if max == null then 9 else lib.toInt (toString max))))
  );

  none = throw "CUDA ${lib.versions.majorMinor cudaVersion} takes gcc up to ${toString max} as the host compiler, and this nixpkgs has none so old (its stdenv has gcc ${majorOf pkgs.stdenv.cc})\nhelp: name one of an older nixpkgs: mkCudaPackages { hostStdenv = olderPkgs.gcc${toString max}Stdenv; … }";

  # An older compiler, and the libraries that everything else is linked with.
  withLibraries =
    stdenv:
    if (pkgs.stdenvAdapters or { }) ? useLibsFrom && (stdenv.cc.isGNU or false) then
      pkgs.stdenvAdapters.useLibsFrom pkgs.stdenv stdenv
    else
      stdenv;
in
{
  # Whether there is one.
  known = hostStdenv != null || takes pkgs.stdenv || candidates != [ ];
  stdenv =
    if hostStdenv != null then
      hostStdenv
    else if takes pkgs.stdenv then
      pkgs.stdenv
    else if candidates != [ ] then
      withLibraries (head candidates)
    else
      none;
}
