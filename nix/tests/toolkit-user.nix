# A program that was linked against the stubs of the CUDA toolkit, and a library without RUNPATH.
{
  stdenv,
  cudart,
  hooks,
  more ? { },
}:
stdenv.mkDerivation (
  {
    name = "toolkit-user-1.0";
    strictDeps = true;
    __structuredAttrs = true;
    nativeBuildInputs = hooks;
    buildInputs = [ cudart ];
    dontPatchELF = true;
    installPhase = ''
      mkdir -p "$out/bin" "$out/lib"
      stubs=${cudart.stubs}/lib/stubs
      cc -o "$out/bin/user" -Wl,--no-as-needed ${./src/plain.c} -L"$stubs" -lcuda -L${cudart.lib}/lib -lcudart \
          -Wl,-rpath,/before -Wl,-rpath,"$stubs" -Wl,-rpath,${cudart.lib}/lib -Wl,-rpath,"$stubs/"
      cc -shared -fPIC -o "$out/lib/plugin.so" ${./src/plugin.c}
    '';
  }
  // more
)
