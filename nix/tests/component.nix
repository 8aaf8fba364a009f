# A piece of a toolkit that publishes itself as nixpkgs' newest hook does.
{
  stdenv,
  hook,
  structured ? true,
  strictDeps ? true,
  placement ? "native",
  more ? { },
}:
stdenv.mkDerivation (
  {
    pname = "cuda_piece";
    version = "12.4.99";
    inherit strictDeps;
    __structuredAttrs = structured;
    outputs = [ "out" "lib" "debug" "late" ];
    nativeBuildInputs = if placement == "build" then [ ] else [ hook ];
    buildInputs = if placement == "native" then [ ] else [ hook ];
    cudaPublishComponent = true;
    installPhase = ''
      mkdir -p "$out/include" "$lib/lib" "$debug"
      echo 'int piece(void);' >"$out/include/piece.h"
      cc -shared -fPIC -o "$lib/lib/libpiece.so" ${./src/plugin.c}
      runHook postInstall
    '';
    # An output that is not there while fixup runs.
    distPhase = ''
      if [[ -n ''${late-} ]]; then mkdir "$late"; fi
    '';
  }
  // more
)
