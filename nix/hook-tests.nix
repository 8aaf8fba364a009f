# passthru.tests of each hook: a small program, built with it by the stdenv at hand, with and
# without structured attributes. Its RUNPATH may only hold what a hook puts there.
{
  lib,
  stdenv,
  hook,
}:
let
  test =
    structured:
    stdenv.mkDerivation {
      name = "${hook.name}-test";
      __structuredAttrs = structured;
      strictDeps = true;
      dontUnpack = true;
      nativeBuildInputs = [ hook ];
      source = ''
        #include <stdio.h>
        int main(void) { puts("it runs"); return 0; }
      '';
      buildPhase = ''
        printf '%s' "$source" >program.c
        $CC -o program program.c
      '';
      installPhase = ''
        mkdir -p "$out/bin"
        cp program "$out/bin/"
      '';
      doInstallCheck = true;
      installCheckPhase = ''
        [[ $("$out/bin/program") == "it runs" ]]
      '';
      meta.platforms = lib.platforms.linux;
    };
in
{
  plain = test false;
  structured = test true;
}
