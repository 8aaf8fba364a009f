# What packages do with the names of contracts.nix: call an element of postFixupHooks in another
# phase, take one out, call one of theirs in between. Each checks itself.
{ pkgs, inputs }:
let
  make =
    name: attrs:
    pkgs.stdenv.mkDerivation (
      {
        inherit name;
        strictDeps = true;
        nativeBuildInputs = [ pkgs.autoPatchelfHook ];
        buildInputs = [ inputs.greet ];
        dontPatchELF = true;
        installPhase = ''
          mkdir -p "$out/lib"
          NIX_DONT_SET_RPATH=1 cc -shared -fPIC -o "$out/lib/own.so" ${./src/own.c} -Wl,-rpath,/old \
              -L${inputs.greet.lib}/lib -lgreet
          runHook postInstall
        '';
        runpath = "expect() { [[ $(patchelf --print-rpath \"$out/lib/own.so\") == \"$1\" ]] || { patchelf --print-rpath \"$out/lib/own.so\"; exit 1; }; }";
        doInstallCheck = attrs ? installCheckPhase;
      }
      // attrs
    );
  greet = "${inputs.greet.lib}/lib";
  driver = "/run/opengl-driver/lib";
in
{
  # As builders of packages of packages do, in a phase of their own.
  otherPhase = make "other-phase" {
    dontFixup = true;
    postInstall = ''
      eval "$runpath"
      runHook autoPatchelfPostFixup
      expect ${greet}
    '';
  };
  takenOut = make "taken-out" {
    nativeBuildInputs = [ pkgs.autoPatchelfHook pkgs.autoAddDriverRunpath ];
    preFixup = ''
      postFixupHooks=("''${postFixupHooks[@]/autoPatchelfPostFixup}")
    '';
    installCheckPhase = ''
      eval "$runpath"
      expect ${driver}:/old
    '';
  };
  switchedOff = make "switched-off" {
    dontAutoPatchelf = true;
    postInstall = ''
      eval "$runpath"
      runHook autoPatchelfPostFixup
      expect /old
    '';
  };
  # The package's postFixup comes first and finds nothing done; then the hooks run, files that it made
  # included.
  inPostFixup = make "in-post-fixup" {
    nativeBuildInputs = [ pkgs.autoAddDriverRunpath pkgs.autoPatchelfHook ];
    postFixup = ''
      eval "$runpath"
      expect /old
      autoPatchelfPostFixup
      expect ${greet}
      cp ${./src/own.c} own.c
      NIX_DONT_SET_RPATH=1 cc -shared -fPIC -o "$out/lib/late.so" own.c -L${greet} -lgreet
    '';
    installCheckPhase = ''
      eval "$runpath"
      expect ${driver}:${greet}
      [[ $(patchelf --print-rpath "$out/lib/late.so") == ${driver}:${greet} ]]
    '';
  };
  # The driver link that a package adds by hand survives what comes after.
  linkByHand = make "link-by-hand" {
    nativeBuildInputs = [ pkgs.autoPatchelfHook pkgs.addDriverRunpath ];
    postFixup = ''
      addDriverRunpath "$out"/lib/*.so
    '';
    installCheckPhase = ''
      eval "$runpath"
      expect ${driver}:${greet}
    '';
  };
  # Hooks of others between ours see what nixpkgs' order of one pass leaves.
  between = make "between" {
    nativeBuildInputs = [ pkgs.autoPatchelfHook pkgs.autoAddDriverRunpath ];
    preFixup = ''
      eval "$runpath"
      other() { expect ${driver}:${greet}; echo ran >>other; }
      postFixupHooks+=(other)
    '';
    installCheckPhase = ''
      [[ $(<other) == ran ]]
      # Once more, for a phase that is run by hand.
      cp ${./src/own.c} own.c
      NIX_DONT_SET_RPATH=1 cc -shared -fPIC -o "$out/lib/own.so" own.c -L${greet} -lgreet
      runHook postFixup
      eval "$runpath"
      expect ${driver}:${greet}
    '';
  };
  # The program on PATH is the hook's own.
  program = make "program" {
    dontAutoPatchelf = true;
    postInstall = ''
      auto-patchelf --paths "$out" --libs ${greet}
      eval "$runpath"
      expect ${greet}
    '';
  };
  # Errors that nixpkgs' functions have.
  refusals = make "refusals" {
    nativeBuildInputs = [ pkgs.autoPatchelfHook pkgs.autoAddDriverRunpath ];
    dontFixup = true;
    postInstall = ''
      refuses() { # WORDS COMMAND...
          local words=$1 said
          shift
          if said=$("$@" 2>&1); then echo "$* went well" >&2; exit 1; fi
          [[ $said == *"$words"* ]] || { echo "$*: $said" >&2; exit 1; }
      }
      refuses "autoFixElfFiles: no fix action provided" autoFixElfFiles
      refuses "autoFixElfFiles: too many arguments" autoFixElfFiles one two
      refuses "autoFixElfFiles: empty fix action" autoFixElfFiles ""
      refuses "elfHasDynamicSection: no library path provided" elfHasDynamicSection
      refuses "Invalid command line argument: --nope" addAutoPatchelfSearchPath --nope
      refuses "Invalid command line argument: --nope" autoPatchelf --nope
      refuses "Invalid command line argument: --nope" addDriverRunpath --nope file
      refuses "no paths to patch" autoPatchelf
    '';
  };
}
