# The package as users of nixpkgs get it, compiled for once: its own phases, flags and tests. What
# tests/nix builds otherwise has a binary put in its place.
{
  toolchain,
  vendor,
  # Where the toolchain has no standard library for musl, the static variant is one of glibc.
  staticTarget ? "x86_64-unknown-linux-musl",
}:
let
  cargo = import ./nixpkgs/cargo.nix;
  vendored = builtins.storePath vendor;
  rust = _: prev: {
    rustPlatform = cargo {
      inherit toolchain;
      vendor = vendored;
      target = "x86_64-unknown-linux-gnu";
    } prev.stdenv;
    pkgsStatic = prev.pkgsStatic // {
      callPackage = prev.lib.callPackageWith (
        prev.pkgsStatic
        // {
          rustPlatform = cargo {
            inherit toolchain;
            vendor = vendored;
            target = staticTarget;
            # One build with everything that takes time is enough.
            more = {
              CARGO_PROFILE_RELEASE_LTO = "off";
              CARGO_PROFILE_RELEASE_OPT_LEVEL = "0";
              # The mock's compiler writes its own loader into all programs.
              CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER = "/usr/bin/gcc";
              CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER = "/usr/bin/gcc";
            };
          } prev.stdenv;
        }
      );
    };
  };
  pkgs = import ./nixpkgs {
    overlays = [ rust (import ../overlays.nix).replace ];
  };
in
{
  program = pkgs.cuda-fixup;
  inherit (pkgs.cudaFixup) static;
  # A hook that calls the compiled program.
  hook = pkgs.cudaFixup.cudaFixupHook.tests.structured;
}
