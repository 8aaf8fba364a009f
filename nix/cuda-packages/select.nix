# Selects the version of each package for a CUDA release and a system, with reasons against others.
{
  lib,
  # Of layers.nix.
  index,
  # The set's release of the product cuda, such as 13.0.2.
  release,
  # NVIDIA's name of the system, such as linux-sbsa.
  system,
  # Package -> version, or the start of one.
  pins,
}:
let
  inherit (builtins)
    attrNames
    compareVersions
    concatStringsSep
    elem
    filter
    head
    isList
    length
    mapAttrs
    sort
    ;

  major = lib.versions.major release;
  undivided = (lib.importJSON ../data/redist-cuda.json).undivided;

  newest = list: head (sort (a: b: compareVersions a b > 0) list);
  # Whether a version is `wanted`, or starts with its parts.
  startsWith = wanted: version: version == wanted || lib.hasPrefix "${wanted}." version;

  # For which CUDA an archive is that is not in a folder of its CUDA: a list, "any" or null.
  undividedCuda =
    name: entry:
    let
      inRow =
        row:
        row.package == name
        && compareVersions entry.version row.from >= 0
        && (row.until == null || compareVersions entry.version row.until <= 0 || startsWith row.until entry.version);
      rows = filter inRow undivided;
    in
    if entry.product == "cuda" then
      "any"
    else if entry.cuda != [ ] then
      entry.cuda
    else if index.cuda ? ${name} then
      index.cuda.${name}
    else if rows != [ ] then
      (head rows).cuda
    else
      null;

  # Sources and archives for all systems come first: they are the same everywhere.
  systems = [
    "source"
    "linux-all"
    system
  ];

  # The key of the archive that suits, or null.
  archiveKey =
    name: entry:
    let
      cuda = undividedCuda name entry;
      candidates = lib.concatMap (each: [ "${each}/cuda${major}" ] ++ lib.optional (suits cuda) each) systems;
      found = filter (key: entry.archives ? ${key}) candidates;
    in
    if found == [ ] then null else head found;
  suits = cuda: cuda == "any" || (isList cuda && elem major cuda);

  # Why none does.
  reason =
    name: entry:
    let
      keys = attrNames entry.archives;
      here = filter (key: elem (head (lib.splitString "/" key)) systems) keys;
      undividedHere = filter (key: elem key systems) here;
      majors = map (key: lib.removePrefix "cuda" (lib.last (lib.splitString "/" key))) here;
      cuda = undividedCuda name entry;
      what = "${name} ${entry.version}";
    in
    if here == [ ] then
      "${what} has no archive for ${system}: it has ${concatStringsSep ", " keys}"
    else if undividedHere == [ ] then
      "${what} has no archive for CUDA ${major}, only for CUDA ${concatStringsSep ", " majors}"
    else if cuda == null then
      "${what}: its manifest does not say for which CUDA it is\nhelp: say so in the layer that brings it: cuda.${name} = [ \"${major}\" ];"
    else
      "${what} is for CUDA ${if isList cuda then concatStringsSep ", " cuda else cuda}, and this is CUDA ${release}";

  # Every release of every package, by the name of its version: that of the release where the
  # package's own starts with it (cuDNN 9.14.0.64 is 9.14.0), else its own (libcal 0.4.4.50 is in
  # cuBLASMp 0.3.0).
  versionName =
    entry: if startsWith entry.release entry.version then entry.release else entry.version;
  entries = lib.concatMap (
    product:
    lib.concatMap (
      productRelease:
      lib.mapAttrsToList (
        name: entry:
        entry
        // {
          inherit name product;
          description = entry.name;
          release = productRelease;
        }
      ) index.releases.${product}.${productRelease}
    ) (if product == "cuda" then [ release ] else attrNames index.releases.${product})
  ) (attrNames index.releases);

  # all.cudnn."9.14.0" = entry
  all = mapAttrs (
    _: list:
    mapAttrs (
      _: same: if length same == 1 then head same else head (sort (a: b: compareVersions a.release b.release > 0) same)
    ) (lib.groupBy versionName list)
  ) (lib.groupBy (entry: entry.name) entries);

  # suiting.cudnn."9.14.0" = entry with its archive
  suiting = mapAttrs (
    name: versions:
    mapAttrs (
      _: entry:
      let
        key = archiveKey name entry;
      in
      entry
      // {
        inherit key;
        archive = entry.archives.${key};
      }
    ) (lib.filterAttrs (_: entry: archiveKey name entry != null) versions)
  ) all;

  versionsOf = name: attrNames all.${name};
  oldestFirst = sort (a: b: compareVersions a b < 0);

  # A pin holds for all packages of its product's release: cudnn 8.9.7 takes cudnn_samples along.
  pinned = mapAttrs (
    name: wanted:
    let
      known = filter (version: matches wanted all.${name}.${version}) (versionsOf name);
      good = filter (version: suiting.${name} ? ${version}) known;
    in
    if !all ? ${name} then
      throw "the pin ${name} = \"${wanted}\" matches nothing: no manifest has a package ${name}"
    else if known == [ ] then
      throw "the pin ${name} = \"${wanted}\" matches nothing: there is ${name} ${concatStringsSep ", " (oldestFirst (versionsOf name))}"
    else if good == [ ] then
      throw "the pin ${name} = \"${wanted}\" does not suit: ${reason name all.${name}.${newest known}}"
    else
      newest good
  ) pins;
  matches = wanted: entry: startsWith wanted (versionName entry) || startsWith wanted entry.version;
  pinnedReleases = builtins.listToAttrs (
    lib.mapAttrsToList (name: version: {
      name = all.${name}.${version}.product;
      value = all.${name}.${version}.release;
    }) (lib.filterAttrs (name: _: all.${name}.${pinned.${name}}.product != "cuda") pinned)
  );

  # The version of each package that the set has under its plain name; null: none.
  chosen = mapAttrs (
    name: versions:
    let
      product = (head (builtins.attrValues all.${name})).product;
      ofRelease = filter (version: versions.${version}.release == pinnedReleases.${product}) (attrNames versions);
    in
    if pins ? ${name} then
      pinned.${name}
    else if pinnedReleases ? ${product} then
      if ofRelease == [ ] then null else head ofRelease
    else if versions == { } then
      null
    else
      newest (attrNames versions)
  ) suiting;

  # Why a package is not there under its plain name.
  absence =
    name:
    let
      product = (head (builtins.attrValues all.${name})).product;
      pin = pinnedReleases.${product};
    in
    if pinnedReleases ? ${product} && suiting.${name} != { } then
      "${product} is pinned to ${pin}, which has no ${name} for ${system} and CUDA ${major}"
    else
      reason name all.${name}.${newest (versionsOf name)};
in
{
  inherit
    all
    suiting
    chosen
    reason
    absence
    startsWith
    matches
    ;
  # Evaluates to true, or throws the fault of a pin.
  pinsMatch = lib.all (name: pinned.${name} != null) (attrNames pins);
}
