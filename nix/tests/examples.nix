# The examples of docs/hooks.md, as packages: adds a name and something to install, which the
# examples leave out.
{ binary, examples }:
let
  pkgs = import ./nixpkgs {
    builtBinary = builtins.storePath binary;
    overlays = [ (import ../overlays.nix).replace ];
  };
  inherit (pkgs) lib;
  # A package of nixpkgs that the mock doesn't have.
  other =
    name:
    pkgs.runCommand name { } ''
      mkdir -p "$out/lib" "$out/include"
    '';
  complete =
    stdenv:
    stdenv
    // {
      mkDerivation =
        attrs:
        stdenv.mkDerivation (
          {
            name = "example";
            installPhase = ''
              mkdir -p "$out/bin" "$out/lib" "$out/opt/vendor"
              ${pkgs.gcc}/bin/cc -o "$out/bin/nvcc" ${./src/plain.c}
              ${pkgs.gcc}/bin/cc -shared -fPIC -o "$out/lib/libonnxruntime_providers_cuda.so" ${./src/plugin.c}
            '';
          }
          // (if attrs ? pname then { name = "${attrs.pname}-1"; } else { })
          // attrs
        );
    };
  scope = pkgs // {
    stdenv = complete pkgs.stdenv // {
      cc = pkgs.gcc // {
        cc.lib = other "gcc-lib";
      };
    };
    stdenvNoCC = complete pkgs.stdenvNoCC;
    zlib = other "zlib";
    cmake = other "cmake";
    libpulseaudio = other "libpulseaudio";
    cudaPackages = pkgs.cudaPackages // {
      libcublas = other "libcublas";
    };
  };
  all = map (code: import (builtins.toFile "example.nix" "scope: with scope; ${code}") scope) (
    lib.importJSON examples
  );
in
{
  inherit all;
  outputs = map (example: "${example}") all;
}
