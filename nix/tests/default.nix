# Everything that tests/nix builds and evaluates. `binary` is the cuda-fixup under test.
{ binary }:
let
  builtBinary = builtins.path {
    path = binary;
    name = "cuda-fixup";
  };
  nixpkgs =
    generation:
    import ./nixpkgs {
      inherit generation builtBinary;
      overlays = [ (import ../overlay.nix) ];
    };
  generations = [ "2024-06" "2024-10" "2026-08" ];
  pkgs = nixpkgs "2026-08";
  inherit (pkgs) lib;

  # All modes that a hook meets, by name, each handed to `f`.
  everyMode =
    f:
    let
      choose =
        name: values: modes:
        lib.concatMap (mode: map (value: mode // { ${name} = value; }) values) modes;
      word = yes: name: if yes then name else "no-${name}";
      nameOf =
        mode:
        lib.concatStringsSep "_" [
          (word mode.many "many")
          mode.placement
          (word mode.strictDeps "strict")
          (word mode.structured "structured")
        ];
      modes = choose "many" [ true false ] (
        choose "placement" [ "native" "build" "both" ] (
          choose "strictDeps" [ true false ] (choose "structured" [ true false ] [ { } ])
        )
      );
    in
    builtins.listToAttrs (map (mode: { name = nameOf mode; value = f mode; }) modes);

  # The package of app.nix, with the hooks most packages use.
  appWith =
    pkgs: mode:
    import ./app.nix (
      {
        inherit (pkgs) lib stdenv;
        inputs = pkgs.callPackage ./inputs.nix { };
        hooks = [
          pkgs.autoPatchelfHook
          pkgs.autoAddDriverRunpath
        ];
      }
      // mode
    );

  # Where the outputs of each derivation are, for who compares them.
  outputsOf = drv: lib.genAttrs drv.outputs (output: "${drv.${output}}");
  pathsOf = lib.mapAttrs (
    _: value: if lib.isDerivation value then outputsOf value else pathsOf value
  );
  groups = {

  apps = lib.genAttrs generations (generation: everyMode (appWith (nixpkgs generation)));
  debug = lib.genAttrs [ "0" "1" "7" ] (debug: appWith pkgs { inherit debug; many = true; });

  markers = lib.genAttrs generations (
    generation:
    let
      pkgs = nixpkgs generation;
    in
    everyMode (
      mode:
      import ./marker.nix (
        {
          inherit (pkgs) lib stdenv;
          hook = pkgs.cudaPackages.markForCudatoolkitRootHook;
        }
        // mode
      )
    )
  );

  lists = lib.genAttrs generations (
    generation:
    let
      pkgs = nixpkgs generation;
      lists =
        structured: strictDeps:
        import ./lists.nix {
          inherit (pkgs) stdenv;
          hook = pkgs.autoPatchelfHook;
          inherit structured strictDeps;
        };
    in
    {
      plain = lists false true;
      structured = lists true true;
      lax = lists false false;
    }
  );
  };
in
groups // { paths = pathsOf groups; }
