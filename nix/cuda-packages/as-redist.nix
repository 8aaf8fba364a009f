# Attributes of a derivation that puts a tree with bin, include and lib into the outputs of a package,
# the same for NVIDIA's archives and for packages that are built from source.
{
  lib,
  cuda-fixup,
  setupCudaHook,
}:
{
  outputs,
  # The tree, a word of the shell.
  source ? ".",
  # What a user of the package needs beside it, in the same role.
  propagated ? [ ],
  # Outputs that users get beside programs, headers and libraries.
  propagatedOutputs ? [ ],
  flags ? "",
  # Lines of the shell before the files are placed.
  before ? "",
}:
{
  # Written by hand: as propagatedBuildInputs they would set up a toolkit for this build, too.
  redistPropagated = map lib.getDev ([ setupCudaHook ] ++ propagated);
  # Who takes the headers gets programs and libraries, too; static libraries are large.
  propagatedBuildOutputs = builtins.filter (output: builtins.elem output outputs) (
    [
      "bin"
      "include"
      "lib"
    ]
    ++ propagatedOutputs
  );
  # nixpkgs' hook for several outputs would move the headers on to dev.
  moveToDev = false;
  installPhase = ''
    runHook preInstall
    ${before}redistOutputs=()
    for redistOutput in $(getAllOutputNames); do
        redistOutputs+=("--output=$redistOutput=''${!redistOutput}")
    done
    ${cuda-fixup}/bin/cuda-fixup redist install ${source} "''${redistOutputs[@]}" \
        "--cuda=$cudaMajorVersion" ${flags}''${allowFHSReferences:+--allow-fhs-references}
    runHook postInstall
  '';
  # Last: hooks that move files between outputs would take the links for files.
  postFixup = ''
    redistDev=''${dev:-$out}
    mkdir -p "$redistDev/nix-support"
    echo "''${redistPropagated[*]}" >>"$redistDev/nix-support/propagated-build-inputs"
    ${cuda-fixup}/bin/cuda-fixup redist join "''${redistOutputs[@]}"
  '';
}
