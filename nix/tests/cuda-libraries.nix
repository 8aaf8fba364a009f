# A package that links CUDA libraries and has no compiler for GPUs: whatever CUDA packages propagate,
# its build sees nothing of a toolkit. What it sees is written down.
{
  stdenv,
  cuda,
  more ? { },
}:
stdenv.mkDerivation (
  {
    name = "cuda-libraries-1.0";
    strictDeps = true;
    buildInputs = [ cuda.cuda_cudart ];
    buildPhase = ''
      compgen -e | grep -iE 'cuda|nvcc|cmake' >environment || true
      printf '%s\n' "''${cmakeFlags[*]-}" "$PATH" >>environment
      cc -o user -Wl,--no-as-needed ${./src/plain.c} -L${cuda.cuda_cudart.lib}/lib -lcudart
    '';
    installPhase = ''
      mkdir -p "$out/bin"
      cp user "$out/bin/"
      cp environment "$out/"
    '';
  }
  // more
)
