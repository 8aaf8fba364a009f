# A program as a vendor ships it: another system's interpreter, a RUNPATH of the vendor's machine,
# libraries beside it and elsewhere. After the hooks it runs on this store's loader.
{
  stdenv,
  stdenvNoCC,
  inputs,
  hooks,
  placement ? "native",
  structured ? false,
}:
let
  vendored = stdenv.mkDerivation {
    name = "vendored";
    dontFixup = true;
    installPhase = ''
      mkdir -p "$out/bin" "$out/lib"
      cc -shared -fPIC -Wl,-soname,libown.so.1 -o "$out/lib/libown.so.1" ${./src/own.c} \
          -Wl,-rpath,/home/vendor/lib -L${inputs.greet.lib}/lib -lgreet
      gcc -o "$out/bin/tool" ${./src/app.c} "$out/lib/libown.so.1" \
          -L${inputs.greet.lib}/lib -lgreet ${inputs.vendor}/opt/deep/libs/libvendor.so.1 \
          -Wl,-rpath,/home/vendor/lib -Wl,-dynamic-linker,/lib64/ld-vendor.so.7
    '';
  };
in
# No compiler is needed to repackage: who builds without one still has an interpreter.
stdenvNoCC.mkDerivation {
  name = "foreign-1.0";
  strictDeps = true;
  __structuredAttrs = structured;
  nativeBuildInputs = if placement == "native" then hooks else [ ];
  buildInputs = [ inputs.greet ] ++ (if placement == "build" then hooks else [ ]);
  extraAutoPatchelfLibs = [ "${inputs.vendor}/opt/deep/libs" ];
  installPhase = ''
    mkdir "$out"
    cp -r ${vendored}/. "$out/"
  '';
}
