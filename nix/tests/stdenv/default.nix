# The test standard environment: a derivation with setup.sh, and mkDerivation, which turns
# attributes into what a build sees in plain and in structured mode.
{
  lib,
  system,
  generation,
  defaultInputs,
}:
let
  shell = "/bin/bash";
  setup = derivation {
    name = "stdenv";
    inherit system;
    builder = shell;
    args = [
      "-ec"
      ''
        export PATH=/usr/bin:/bin
        mkdir "$out"
        cp ${./setup.sh} "$out/setup"
        cp ${./. + "/generation-${generation}.sh"} "$out/generation.sh"
        exit 0
      ''
    ];
  };
  inputs = [
    "depsBuildBuild"
    "nativeBuildInputs"
    "depsBuildTarget"
    "depsHostHost"
    "buildInputs"
    "depsTargetTarget"
    "propagatedNativeBuildInputs"
    "propagatedBuildInputs"
  ];

  make =
    attrs:
    let
      structured = attrs.__structuredAttrs or false;
      env = attrs.env or { };
      drv = derivation (
        removeAttrs attrs [ "meta" "passthru" "env" "pos" ]
        // lib.genAttrs (builtins.filter (name: attrs ? ${name}) inputs) (
          name:
          let
            # As in nixpkgs: of a spliced package, what runs here.
            forBuild = input: if name == "nativeBuildInputs" then input.__spliced.buildHost or input else input;
          in
          map (input: lib.getDev (forBuild input)) (builtins.filter (input: input != null) attrs.${name})
        )
        // {
          name = attrs.name or "${attrs.pname}-${attrs.version}";
          inherit system;
          builder = shell;
          args = [ "-e" ./builder.sh ];
          stdenv = setup;
          outputs = attrs.outputs or [ "out" ];
          strictDeps = attrs.strictDeps or false;
          defaultNativeBuildInputs = defaultInputs;
        }
        // (if structured then { inherit env; } else env)
      );
    in
    drv
    // attrs.passthru or { }
    // {
      # nixpkgs' check-meta adds it to every derivation.
      meta = {
        available = true;
      }
      // attrs.meta or { };
      passthru = attrs.passthru or { };
      overrideAttrs = change: make (attrs // change attrs);
    };
in
{
  mkDerivation = attrs: if lib.isFunction attrs then lib.fix (final: make (attrs final)) else make attrs;
}
