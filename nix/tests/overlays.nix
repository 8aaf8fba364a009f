# Questions about the overlays that evaluation answers.
let
  overlays = import ../overlays.nix;
  with' = overlay: import ./nixpkgs { overlays = [ overlay ]; };
  pkgs = with' overlays.replace;
  default = with' overlays.default;
  plain = import ./nixpkgs { };
  inherit (pkgs) lib;
  # An overlay as one would first write it: the program out of `prev`.
  naive = final: prev: {
    autoPatchelfHook =
      (final.callPackage ../hooks.nix { cuda-fixup = prev.callPackage ../package.nix { }; })
      .autoPatchelfHook;
  };
  cudaSets = lib.filter (lib.hasPrefix "cudaPackages") (lib.attrNames plain);

  # The derivation of each package, by name; `set.name` for those of a CUDA set. Packages that throw
  # in the mock throw with any overlay.
  derivations =
    pkgs:
    let
      path = value: (builtins.tryEval (if lib.isDerivation value then value.drvPath else null)).value;
      of =
        prefix: set:
        map (name: {
          name = prefix + name;
          value = path set.${name};
        }) (lib.attrNames set);
      sets = lib.filter (name: pkgs ? ${name}) cudaSets;
    in
    lib.filterAttrs (_: value: value != null && value != false) (
      builtins.listToAttrs (of "" pkgs ++ lib.concatMap (set: of "${set}." pkgs.${set}) sets)
    );
  changes =
    overlay:
    let
      before = derivations plain;
      after = derivations (with' overlay);
    in
    {
      compared = lib.length (lib.attrNames before);
      changed = lib.filter (name: after.${name} or null != before.${name}) (lib.attrNames before);
      added = lib.filter (name: !(before ? ${name})) (lib.attrNames after);
    };

  # A package of nixpkgs that uses the hooks of both kinds.
  user =
    pkgs:
    pkgs.stdenv.mkDerivation {
      name = "user-1.0";
      nativeBuildInputs = [
        pkgs.autoPatchelfHook
        pkgs.autoAddDriverRunpath
        pkgs.cudaPackages.markForCudatoolkitRootHook
      ];
      buildInputs = [ pkgs.glibc ];
      installPhase = ''mkdir -p "$out/bin"; cc -o "$out/bin/user" ${./src/plain.c}'';
    };
in
{
  program = pkgs.cuda-fixup;
  hook = pkgs.autoPatchelfHook;
  upstreamHook = plain.autoPatchelfHook;
  inherit (pkgs) rustc;
  src = "${pkgs.cuda-fixup.src}";
  driverLink = pkgs.addDriverRunpath.driverLink;
  naive = (import ./nixpkgs { overlays = [ naive ]; }).autoPatchelfHook.drvPath;

  changes = lib.mapAttrs (_: changes) overlays;
  sideBySide = lib.attrNames pkgs.cudaFixup;
  static = pkgs.cudaFixup.static.drvPath;
  # Applied twice, the overlay still finds nixpkgs' own hooks below.
  twice = (pkgs.extend overlays.replace).autoPatchelfHook.drvPath == pkgs.autoPatchelfHook.drvPath;
  # On top of another one, in either order, the last one says whose hooks are used.
  stacked = (default.extend overlays.replace).autoPatchelfHook.drvPath == pkgs.autoPatchelfHook.drvPath;

  # One package with our hooks, all else as it was.
  withHooks = default.cudaFixup.withHooks (user default);
  withoutHooks = user default;
  byName = lib.mapAttrs (_: drv: drv.drvPath) (default.cudaFixup.withHooks [ "rustc" "bintools" ]);
  rustcDrv = default.rustc.drvPath;
  bintoolsDrv = default.bintools.drvPath;
  defaultHook = default.cudaFixup.autoPatchelfHook;
  defaultProgram = default.cuda-fixup;

  # A build for another CPU of the same kind, as gcc.arch or pkgsLLVM make it: the host's triple is the
  # build machine's own. The hooks' program runs while packages are built, so it is the native one.
  cross =
    let
      tuned = import ./nixpkgs {
        overlays = [ overlays.replace ];
        cross.gcc.arch = "znver4";
      };
    in
    {
      toolIsNative = tuned.buildPackages.cuda-fixup.drvPath == pkgs.cuda-fixup.drvPath;
      hostIsForeign = tuned.cuda-fixup.hostArch;
      hookCallsTheTool =
        tuned.buildPackages.autoPatchelfHook.drvPath == pkgs.autoPatchelfHook.drvPath;
    };
}
