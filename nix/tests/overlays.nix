# Questions about the overlay that evaluation answers.
{
  overlay ? import ../overlay.nix,
}:
let
  pkgs = import ./nixpkgs { overlays = [ overlay ]; };
  plain = import ./nixpkgs { };
  inherit (pkgs) lib;
  # An overlay as one would first write it: the program out of `prev`.
  naive = final: prev: {
    autoPatchelfHook =
      (final.callPackage ../hooks.nix { cuda-fixup = prev.callPackage ../package.nix { }; })
      .autoPatchelfHook;
  };
  cudaSets = lib.filter (lib.hasPrefix "cudaPackages") (lib.attrNames plain);
in
{
  program = pkgs.cuda-fixup;
  hook = pkgs.autoPatchelfHook;
  upstreamHook = plain.autoPatchelfHook;
  inherit (pkgs) rustc;
  src = "${pkgs.cuda-fixup.src}";
  driverLink = pkgs.addDriverRunpath.driverLink;
  naive = (import ./nixpkgs { overlays = [ naive ]; }).autoPatchelfHook.drvPath;

  # Names that mean something else than in nixpkgs, at the top and in each CUDA set.
  replaced = lib.filter (
    name:
    let
      before = builtins.tryEval plain.${name}.drvPath;
    in
    lib.isDerivation pkgs.${name} && pkgs.${name}.drvPath != before.value
  ) [
    "addDriverRunpath"
    "addOpenGLRunpath"
    "auto-patchelf"
    "autoAddDriverRunpath"
    "autoAddOpenGLRunpathHook"
    "autoFixElfFiles"
    "autoPatchelfHook"
  ];
  cuda = lib.genAttrs cudaSets (
    set:
    lib.filter (
      name: pkgs.${set} ? ${name} && pkgs.${set}.${name}.drvPath != plain.${set}.${name}.drvPath or ""
    ) [ "autoAddCudaCompatRunpath" "autoAddDriverRunpath" "cudaComponentHook" "markForCudatoolkitRootHook" "nvccHook" "removeStubsFromRunpathHook" "setupCudaHook" ]
  );
  sideBySide = lib.attrNames pkgs.cudaFixup;
  static = pkgs.cudaFixup.static.drvPath;
  # Applied twice, the overlay still finds nixpkgs' own hooks below.
  twice = (pkgs.extend overlay).autoPatchelfHook.drvPath == pkgs.autoPatchelfHook.drvPath;
}
