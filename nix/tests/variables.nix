# One small package, built with one or the other variable of the hooks.
{
  stdenv,
  inputs,
  hooks,
  structured ? true,
  variables,
}:
stdenv.mkDerivation (
  {
    name = "variables-1.0";
    strictDeps = true;
    __structuredAttrs = structured;
    nativeBuildInputs = hooks;
    buildInputs = [ inputs.greet ];
    installPhase = ''
      mkdir -p "$out/bin" "$out/lib"
      NIX_DONT_SET_RPATH=1 cc -shared -fPIC -o "$out/lib/libown.so" ${./src/own.c} -L${inputs.greet.lib}/lib -lgreet \
          -Wl,-rpath,'$ORIGIN/.:$ORIGIN/../gone'
      cc -o "$out/bin/user" ${./src/plain.c}
      cc -shared -fPIC -Wl,-soname,libcuda.so.1 -o libcuda.so.1 ${./src/driver.c}
      cc -o "$out/bin/driver-user" -Wl,--no-as-needed ${./src/plain.c} ./libcuda.so.1
    '';
    dontPatchELF = true;
  }
  // variables
)
