# Overrides of all layers: which apply to a package, joined attribute by attribute.
#
#   overrides.acme = [ { package = "cudnn"; version = "9.20"; cuda = "13"; attrs.buildInputs = [ … ]; } ];
#
# `version` and `cuda` are whole or the start of one; `system` is Nix's name or NVIDIA's. `attrs` may
# be a function of the old attributes.
{
  lib,
  index,
  # The set's CUDA release and NVIDIA's name of its system.
  release,
  system,
  # Nix's name of the same.
  nixSystem,
  startsWith,
  overrides,
}:
let
  inherit (builtins)
    attrNames
    attrValues
    elem
    filter
    foldl'
    isAttrs
    isFunction
    isList
    isString
    head
    length
    mapAttrs
    match
    ;

  rows = lib.concatMap (layer: map (row: check layer row // { inherit layer; }) overrides.${layer}) (
    attrNames overrides
  );

  known = [
    "attrs"
    "cuda"
    "package"
    "system"
    "version"
  ];
  check =
    layer: row:
    let
      unknown = filter (name: !elem name known) (attrNames row);
    in
    if !row ? package || !row ? attrs then
      throw "an override of the layer ${layer} names no `${if row ? package then "attrs" else "package"}`"
    else if unknown != [ ] then
      throw "an override of the layer ${layer} for ${row.package} has an unknown key `${head unknown}`: there is ${lib.concatStringsSep ", " known}"
    else
      row;

  matchesEntry =
    row: entry:
    !row ? version || startsWith row.version entry.version || startsWith row.version entry.release;

  # Nix's names of NVIDIA's systems.
  nixSystems = builtins.listToAttrs (
    map (each: {
      name = each.system;
      value = each.nix;
    }) (lib.importJSON ../data/redist.json).systems
  );
  isFor = wanted: name: name == wanted || elem wanted (nixSystems.${name} or [ ]);

  # Whether an override fits anything in any layer, for any set.
  fitsSomething =
    row:
    let
      fits =
        product: productRelease:
        let
          entry = index.releases.${product}.${productRelease}.${row.package} or null;
          systems = map (key: head (lib.splitString "/" key)) (attrNames entry.archives);
        in
        entry != null
        && matchesEntry row (entry // { release = productRelease; })
        && (!row ? system || lib.any (isFor row.system) systems)
        && (!row ? cuda || product != "cuda" || startsWith row.cuda productRelease);
      cudas = attrNames index.releases.cuda;
    in
    (!row ? cuda || lib.any (startsWith row.cuda) cudas)
    && lib.any (
      product:
      # The set's own release first: the others need not be read then.
      (product == "cuda" && fits "cuda" release)
      || lib.any (fits product) (attrNames index.releases.${product})
    ) (attrNames index.releases);

  describe =
    row:
    lib.concatStringsSep " " (
      [ row.package ]
      ++ lib.optional (row ? version) row.version
      ++ lib.optional (row ? system) "for ${row.system}"
      ++ lib.optional (row ? cuda) "for CUDA ${row.cuda}"
    );
  lost = filter (row: !fitsSomething row) rows;

  byPackage = lib.groupBy (row: row.package) rows;

  # How two values of one attribute become one: the second layer's is added, or is the same.
  join =
    package: layers: name: a: b:
    if isList a && isList b then
      a ++ b
    else if isHook name && isString a && isString b then
      "${a}\n${b}"
    else if isAttrs a && isAttrs b && !lib.isDerivation a then
      joinAttrs package layers a b
    else if a == b then
      a
    else
      throw "the layers ${lib.concatStringsSep " and " layers} override `${name}` of ${package} with two values: one of them has to give way";
  joinAttrs =
    package: layers: a: b:
    a // mapAttrs (name: value: if a ? ${name} then join package layers name a.${name} value else value) b;
  isHook = name: match "(pre|post)[A-Z].*" name != null;
in
{
  # Evaluates to true, or throws which overrides match nothing.
  allMatch =
    if lost == [ ] then
      true
    else
      throw (
        lib.concatMapStringsSep "\n" (
          row: "the override of ${describe row} in the layer ${row.layer} matches nothing: no manifest has it"
        ) lost
      );

  # { attrs, functions } for one package.
  for =
    entry:
    let
      applies =
        row:
        matchesEntry row entry
        && (!row ? system || row.system == nixSystem || row.system == system)
        && (!row ? cuda || startsWith row.cuda release);
      here = filter applies (byPackage.${entry.name} or [ ]);
      data = filter (row: !isFunction row.attrs) here;
      layered = foldl' (done: row: {
        layers = lib.unique (done.layers ++ [ row.layer ]);
        attrs = joinAttrs entry.name (done.layers ++ [ row.layer ]) done.attrs row.attrs;
      }) { layers = [ ]; attrs = { }; } data;
    in
    {
      inherit (layered) attrs;
      functions = map (row: row.attrs) (filter (row: isFunction row.attrs) here);
    };
}
