# withHooks PACKAGE: the package, built with this project's hooks where it names nixpkgs' own.
# withHooks [ "name" … ]: a set of the packages of these names, each built so. Everything else, what
# the package depends on too, stays as it is.
{
  final,
  lib,
  upstream,
  hookNames,
  cudaHookNames,
  cudaSets,
  hooksOfSet,
}:
let
  # Stages whose hooks a package may name, and the set of ours for each. Spliced, as callPackage's
  # arguments are, so that an input of a cross build becomes that of the right stage.
  spliced = final.__splicedPackages or final;
  stages = [
    {
      theirs = upstream;
      ours = spliced.cudaFixup;
    }
  ]
  ++ lib.optional (final.buildPackages ? cudaFixup) {
    theirs = final.buildPackages.cudaFixup.upstream;
    ours = final.buildPackages.cudaFixup;
  };
  pairs =
    names: theirs: ours:
    lib.concatMap (
      name:
      let
        hook = builtins.tryEval (theirs.${name}.drvPath or null);
      in
      lib.optional (hook.success && hook.value != null && ours ? ${name}) {
        name = builtins.unsafeDiscardStringContext hook.value;
        value = ours.${name};
      }
    ) names;
  ofSets = lib.concatMap (
    name:
    let
      set = builtins.tryEval final.${name};
    in
    lib.optionals set.success (pairs cudaHookNames set.value (hooksOfSet final set.value))
  ) cudaSets;
  # nixpkgs' hook, by its derivation -> ours.
  table = builtins.listToAttrs (
    ofSets ++ lib.concatMap (stage: pairs hookNames stage.theirs stage.ours) stages
  );

  replaced =
    input:
    if lib.isDerivation input then
      table.${builtins.unsafeDiscardStringContext input.drvPath} or input
    else if lib.isList input then
      map replaced input
    else
      input;
  lists = [
    "depsBuildBuild"
    "nativeBuildInputs"
    "depsBuildTarget"
    "depsHostHost"
    "buildInputs"
    "depsTargetTarget"
    "propagatedNativeBuildInputs"
    "propagatedBuildInputs"
    "nativeCheckInputs"
    "nativeInstallCheckInputs"
  ];
  package =
    drv:
    drv.overrideAttrs (
      old: lib.genAttrs (lib.filter (name: old ? ${name}) lists) (name: map replaced old.${name})
    );
in
packages:
if lib.isList packages then
  lib.genAttrs packages (name: package final.${name})
else
  package packages
