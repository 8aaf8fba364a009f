# What the test packages depend on.
{ stdenv, runCommand }:
{
  # Several outputs: who depends on `dev` gets `lib` through what `dev` propagates.
  greet = stdenv.mkDerivation {
    name = "greet-1.0";
    outputs = [ "out" "dev" "lib" ];
    installPhase = ''
      mkdir -p "$out" "$lib/lib" "$dev/include"
      cc -shared -fPIC -Wl,-soname,libgreet.so.1 -o "$lib/lib/libgreet.so.1" ${./src/greet.c}
      ln -s libgreet.so.1 "$lib/lib/libgreet.so"
    '';
  };
  # Its libraries are in no `lib`.
  vendor = stdenv.mkDerivation {
    name = "vendor-1.0";
    installPhase = ''
      mkdir -p "$out/opt/deep/libs"
      cc -shared -fPIC -Wl,-soname,libvendor.so.1 -o "$out/opt/deep/libs/libvendor.so.1" ${./src/vendor.c}
    '';
  };
  runtime = runCommand "runtime-1.0" { } ''
    mkdir -p "$out/lib"
  '';
}
