# What `cargo bench --bench compare -- --part evaluate` evaluates: all that a user sees of packages
# before they are built, over any nixpkgs.
{
  nixpkgs ? ./nixpkgs,
}:
let
  # The caller's NIXPKGS_ALLOW_UNFREE lets nixpkgs evaluate CUDA.
  pkgs = import nixpkgs { overlays = [ ]; };
  sets = import ../cuda-packages { inherit pkgs; };
  seen = package: {
    inherit (package)
      name
      outputs
      meta
      drvPath
      ;
  };
  deep = set: map (name: seen set.${name}) set.packageNames;

  # Of nixpkgs' own set, what is a package and evaluates.
  own =
    set:
    let
      package =
        name:
        let
          found = builtins.tryEval (
            let
              value = set.${name};
            in
            if value ? drvPath && value ? meta then builtins.deepSeq (seen value) [ (seen value) ] else [ ]
          );
        in
        if found.success then found.value else [ ];
    in
    builtins.concatMap package (builtins.attrNames set);
  # The values themselves are of no interest, and Nix would take time to print them.
  evaluated = value: builtins.deepSeq value "${toString (builtins.length value)} packages";
in
{
  stdenv = evaluated [ pkgs.stdenv.drvPath or pkgs.stdenv.cc.drvPath ];
  one = evaluated (deep sets.cudaPackages_12_9);
  three = evaluated (
    builtins.concatMap deep [
      sets.cudaPackages_11_8
      sets.cudaPackages_12_9
      sets.cudaPackages_13_0
    ]
  );
  own = evaluated (own pkgs.cudaPackages);
}
