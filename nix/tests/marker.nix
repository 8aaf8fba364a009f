# A piece of a toolkit, marked: several outputs, one of which is not there while fixup runs.
{
  lib,
  stdenv,
  hook,
  structured,
  strictDeps,
  many,
  placement,
}:
stdenv.mkDerivation {
  pname = "piece";
  version = "1.0";
  inherit strictDeps;
  __structuredAttrs = structured;
  outputs = [ "out" ] ++ lib.optionals many [ "lib" "debug" "late" ];
  nativeBuildInputs = lib.optional (placement != "build") hook;
  buildInputs = lib.optional (placement != "native") hook;
  installPhase = ''
    mkdir "$out"
    if [[ -n ''${late-} ]]; then mkdir "$lib" "$debug"; fi
  '';
  distPhase = ''
    if [[ -n ''${late-} ]]; then mkdir "$late"; fi
  '';
}
