# The mock nixpkgs in a cross build to aarch64-linux: one stage for either platform.
{
  overlays ? [ ],
}:
let
  native = import ./. {
    system = "x86_64-linux";
    inherit overlays;
  };
  host = {
    system = "aarch64-linux";
    config = "aarch64-unknown-linux-gnu";
    isStatic = false;
    isi686 = false;
    isLinux = true;
    canExecute = _: false;
    emulator = _: "qemu-aarch64";
  };
in
import ./. {
  system = "x86_64-linux";
  overlays = [
    (final: prev: {
      stdenv = prev.stdenv // {
        hostPlatform = host;
      };
      stdenvNoCC = prev.stdenvNoCC // {
        hostPlatform = host;
      };
      buildPackages = native;
      pkgsBuildBuild = native;
      pkgsBuildHost = native;
      pkgsBuildTarget = native;
      pkgsHostHost = final;
      pkgsTargetTarget = { };
    })
  ]
  ++ overlays;
}
