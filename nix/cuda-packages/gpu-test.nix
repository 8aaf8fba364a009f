# writeGpuTest { name = "…"; shell = "…"; } or { name = "…"; python = "…"; }: a program that tests
# something on a GPU, to be run by hand, and `gpuCheck`, a derivation that runs it where Nix's builder
# has the feature `cuda`.
{
  lib,
  runCommand,
  writeText,
  runtimeShell,
  python3 ? null,
}:
{
  name,
  # The script, in one of both.
  shell ? null,
  python ? null,
  # Programs on PATH.
  packages ? [ ],
  # Python's packages: a function of them.
  libraries ? (_: [ ]),
  # What `system-features` of nix.conf has on machines with a GPU.
  feature ? "cuda",
}:
let
  both = shell != null && python != null;
  none = shell == null && python == null;
  interpreter =
    if shell != null then
      runtimeShell
    else if python3 == null then
      throw "writeGpuTest ${name}: this nixpkgs has no python3"
    else
      "${python3.withPackages libraries}/bin/python3";
  path = lib.concatMapStringsSep ":" (package: "${lib.getOutput "bin" package}/bin") packages;
  # Behind the first line of a script.
  start =
    if shell != null then
      "set -euo pipefail\n" + lib.optionalString (packages != [ ]) "export PATH=${path}\${PATH:+:$PATH}\n"
    else
      lib.optionalString (packages != [ ]) ''
        import os
        os.environ["PATH"] = "${path}" + os.pathsep + os.environ.get("PATH", "")
      '';
  script = writeText "${name}-script" "#!${interpreter}\n${start}${if shell != null then shell else python}\n";
  program =
    runCommand name
      {
        passthru = {
          gpuCheck = runCommand "${name}-gpu-check" { requiredSystemFeatures = [ feature ]; } ''
            ${program}/bin/${name}
            touch "$out"
          '';
        };
        meta.mainProgram = name;
      }
      ''
        mkdir -p "$out/bin"
        cp ${script} "$out/bin/${name}"
        chmod +x "$out/bin/${name}"
      '';
in
if both || none then
  throw "writeGpuTest ${name}: expected a script in `shell` or in `python`, found ${if both then "both" else "neither"}"
else
  program
