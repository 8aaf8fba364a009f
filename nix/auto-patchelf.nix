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
runCommand "auto-patchelf-${cuda-fixup.version}"
  {
    pname = "auto-patchelf";
    inherit (cuda-fixup) version;
    strictDeps = true;
    meta = {
      description = "Sets interpreters and RUNPATHs of prebuilt programs, with nixpkgs' command line";
      inherit (cuda-fixup.meta) license platforms;
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
