# A program that nvcc's host compiler has linked, with its libraries in the RUNPATH.
{
  stdenv,
  oldGccLib,
  nvccHook,
  more,
}:
stdenv.mkDerivation ({
  name = "host-compiler-1.0";
  nativeBuildInputs = [ nvccHook ];
  dontPatchELF = true;
  installPhase = ''
    mkdir -p "$out/bin"
    cc -o "$out/bin/user" ${./src/plain.c} -Wl,-rpath,/before:${oldGccLib}/lib
  '';
} // more)
