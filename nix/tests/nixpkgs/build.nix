# Builders of small things.
final:
let
  inherit (final) lib stdenvNoCC;
  # What a development shell names, and no test runs.
  tools = [
    "cargo"
    "cmake"
    "clippy"
    "git"
    "libcap"
    "nixfmt-tree"
    "rustfmt"
    "util-linux"
  ];
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = final.runCommand name { } ''mkdir "$out"'';
  }) tools
)
// {
  # The machine's own.
  python3 =
    let
      own = final.runCommand "python3" { } ''mkdir -p "$out/bin" && ln -s /usr/bin/python3 "$out/bin/python3"'';
    in
    own // { withPackages = _: own; };
  unzip = final.runCommand "unzip" { } ''mkdir -p "$out/bin" && ln -s /usr/bin/unzip "$out/bin/unzip"'';
  mkShell =
    { packages, shellHook }:
    final.stdenv.mkDerivation {
      name = "nix-shell";
      inherit shellHook;
      nativeBuildInputs = packages;
    };
  runCommand =
    name: attrs: script:
    stdenvNoCC.mkDerivation (
      attrs
      // {
        inherit name;
        dontFixup = true;
        buildPhase = script;
        installPhase = ":";
      }
    );
  writeText =
    name: text:
    derivation {
      inherit name text;
      inherit (final) system;
      passAsFile = [ "text" ];
      builder = "/bin/bash";
      args = [ "-ec" ''/bin/cp "$textPath" "$out"; exit 0'' ];
    };
  makeSetupHook =
    {
      name ? "hook",
      propagatedBuildInputs ? [ ],
      substitutions ? { },
      passthru ? { },
      meta ? { },
    }:
    script:
    stdenvNoCC.mkDerivation {
      inherit name propagatedBuildInputs passthru meta;
      strictDeps = true;
      buildPhase = ":";
      installPhase = ''
        mkdir -p "$out/nix-support"
        substitute ${script} "$out/nix-support/setup-hook" ${
          toString (
            map (n: "--subst-var-by ${n} ${lib.escapeShellArg substitutions.${n}}") (
              builtins.attrNames substitutions
            )
          )
        }
        if (( ''${#propagated} )); then echo "$propagated" >"$out/nix-support/propagated-build-inputs"; fi
      '';
      propagated = toString propagatedBuildInputs;
      dontFixup = true;
    };
}
