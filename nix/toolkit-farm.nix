# toolkitFarm [ PACKAGE … ]: one store path that looks like a whole CUDA toolkit, made of links to the
# packages' outputs: for an IDE, CUDA_HOME, a container. toolkitFarmWith takes settings first.
{
  lib,
  runCommand,
  cuda-fixup,
}:
let
  # Everything that a toolkit is made of; the farm passes over outputs that have none of it.
  outputsOf =
    package:
    if lib.isDerivation package then
      map (output: "${package.${output}}") (
        lib.filter (output: output != "debug") (package.outputs or [ "out" ])
      )
    else
      [ "${package}" ];
in
rec {
  toolkitFarmWith =
    {
      name ? "cuda-toolkit",
      # nvcc's host compiler, a wrapped compiler such as cudaPackages.backendStdenv.cc.
      hostCompiler ? null,
      # What CMake builds for by default, such as [ "8.6" "9.0" ].
      capabilities ? [ ],
    }:
    pieces:
    runCommand name
      {
        pieces = lib.concatMap outputsOf pieces;
        passthru = { inherit pieces; };
        meta.description = "CUDA toolkit made of links to split packages";
      }
      ''
        ${cuda-fixup}/bin/cuda-fixup toolkit farm --skip-others --out "$out" ${
          lib.escapeShellArgs (
            lib.optional (
              hostCompiler != null
            ) "--host-compiler=${hostCompiler}/bin/${hostCompiler.targetPrefix or ""}c++"
            ++ lib.optional (capabilities != [ ]) "--capabilities=${toString capabilities}"
          )
        } -- $pieces >map
      '';
  toolkitFarm = toolkitFarmWith { };
}
