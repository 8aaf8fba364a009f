# The program `auto-patchelf`: a wrapper, since a link to the program would have to know the wrapped
# binutils whose interpreter it sets outside of a stdenv.
{
  lib,
  stdenv,
  bintools,
  runCommand,
  runtimeShell,
  cuda-fixup,
}:
let
  # The tests pass a script in place of the package.
  version = cuda-fixup.version or "0";
in
runCommand "auto-patchelf-${version}"
  {
    pname = "auto-patchelf";
    inherit version;
    strictDeps = true;
    meta = {
      description = "Sets interpreters and RUNPATHs of prebuilt programs, with nixpkgs' command line";
      license = [
        lib.licenses.mit
        lib.licenses.asl20
      ];
      platforms = lib.platforms.linux;
      mainProgram = "auto-patchelf";
    };
  }
  ''
    mkdir -p "$out/bin"
    cat >"$out/bin/auto-patchelf" <<'EOF'
    #!${runtimeShell}
    export DEFAULT_BINTOOLS=''${DEFAULT_BINTOOLS-${stdenv.cc.bintools or bintools}}
    exec ${cuda-fixup}/bin/cuda-fixup auto-patchelf "$@"
    EOF
    chmod +x "$out/bin/auto-patchelf"
  ''
