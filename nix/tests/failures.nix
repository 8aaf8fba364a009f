# Builds that must stop, and say why; and one that must not.
{
  stdenv,
  inputs,
  hook,
  structured ? true,
}:
let
  make =
    attrs:
    stdenv.mkDerivation (
      {
        name = "fails";
        strictDeps = true;
        __structuredAttrs = structured;
        nativeBuildInputs = [ hook ];
        installPhase = ''
          mkdir -p "$out/lib"
          # As a vendor links it: auto-patchelf would find the libraries by the file's own RUNPATH.
          NIX_DONT_SET_RPATH=1 cc -shared -fPIC -Wl,--no-as-needed -o "$out/lib/own.so" ${./src/own.c} \
              -L${inputs.greet.lib}/lib -lgreet ${inputs.vendor}/opt/deep/libs/libvendor.so.1
        '';
      }
      // attrs
    );
in
{
  missing = make { };
  # A pattern that matches other names, or the file that lies in the build directory.
  otherPattern = make {
    autoPatchelfIgnoreMissingDeps = [ "libvendor.so.?" "libg*.so" ];
    preFixup = "touch libgreet.so";
  };
  # Where bash forgets failures by itself.
  byHand = make {
    dontAutoPatchelf = true;
    postInstall = ":";
    preFixup = ''
      byHand() { autoPatchelf "$out"; echo "went on"; }
      byHand
    '';
  };
  badFlag = make { autoPatchelfFlags = [ "--no-such-flag" ]; };
  badPath = make { preFixup = ''autoPatchelf -- "$out/not-there"''; };
  # The only one that is built.
  all = make { autoPatchelfIgnoreMissingDeps = if structured then [ "1" ] else true; };
}
