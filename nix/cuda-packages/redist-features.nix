# What a package's archive holds, as `cuda-fixup redist features --json` describes it: a derivation,
# since the archive has to be unpacked.
{ stdenvNoCC, cuda-fixup }:
# The package's attributes, and the programs that unpack its archive.
attrs: unpackers:
stdenvNoCC.mkDerivation (
  {
    name = "${attrs.name}-features.json";
    inherit (attrs) src;
    nativeBuildInputs = unpackers;
    inherit (attrs) preUnpack;
    dontConfigure = true;
    dontBuild = true;
    dontFixup = true;
    installPhase = ''
      ${cuda-fixup}/bin/cuda-fixup redist features --json . >"$out"
    '';
  }
  // (if attrs ? unpackPhase then { inherit (attrs) unpackPhase; } else { })
)
