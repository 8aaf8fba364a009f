# Manifests of all layers, joined by product, release, package, system and CUDA. The layers'
# releases are values that nothing reads before a set asks for them.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elem
    filter
    fromJSON
    head
    isAttrs
    isPath
    isString
    length
    mapAttrs
    match
    readDir
    readFile
    stringLength
    substring
    tail
    ;

  schema = "cuda-fixup.manifest/1";

  # The document of a manifest, with its faults named by file and layer.
  read =
    layer: file:
    let
      text = readFile file;
      # A manifest that is cut short has no end: fromJSON's own message names no file.
      length = stringLength text;
      end = substring (if length < 4 then 0 else length - 4) 4 text;
      name = "${toString file} (layer ${layer})";
      document = fromJSON text;
    in
    if match ".*}[[:space:]]*" end == null then
      throw "${name}: expected a JSON object, found a text that does not end with `}`: the file is cut short\nhelp: make it anew: cuda-fixup redist index redistrib_VERSION.json"
    else if !isAttrs document then
      throw "${name}: expected a JSON object, found something else"
    else if document.schema or null == schema then
      document
    else if document ? schema then
      throw "${name}: expected the schema `${schema}`, found `${document.schema}`: another version of cuda-fixup wrote it"
    else
      throw "${name}: expected a manifest of cuda-fixup, found NVIDIA's own or another file\nhelp: cuda-fixup redist index ${baseNameOf (toString file)} >manifest.json";

  # [ { product, version, packages, layer, file } ] of one element of `manifests`: a file, a parsed
  # manifest, or { layer, files }.
  releasesOf =
    element:
    let
      of =
        layer: file:
        let
          isFile = isPath file || isString file;
          document = if isFile then read layer file else file;
        in
        map (release: release // { inherit layer; }) document.releases;
      isLayer = isAttrs element && element ? layer;
    in
    if isLayer then
      lib.concatMap (of element.layer) (element.files or [ ])
    else
      of (if isAttrs element then "manifests" else baseNameOf (toString element)) element;

  # The releases that come with this project, by product and version.
  committed =
    dir:
    mapAttrs (
      product: _:
      let
        files = filter (name: match ".*\\.json" name != null) (attrNames (readDir (dir + "/${product}")));
        version = file: head (match "(.*)\\.json" file);
      in
      builtins.listToAttrs (
        map (file: {
          name = version file;
          value = map (release: release // { layer = "cuda-fixup"; }) (
            (read "cuda-fixup" (dir + "/${product}/${file}")).releases
          );
        }) files
      )
    ) (lib.filterAttrs (_: type: type == "directory") (readDir dir));

  # One package of a release, out of all layers that have it.
  joinPackages =
    where: entries:
    let
      first = head entries;
      other = filter (entry: entry.version != first.version) entries;
      archives = lib.zipAttrsWith (key: joinArchives "${where} ${key}") (
        map (entry: mapAttrs (_: archive: archive // { inherit (entry) layer; }) entry.archives) entries
      );
    in
    if other != [ ] then
      throw "${where} is version ${first.version} in the layer ${first.layer} and ${(head other).version} in the layer ${(head other).layer}: one of the two manifests was changed"
    else
      first
      // {
        inherit archives;
        cuda = lib.unique (lib.concatMap (entry: entry.cuda or [ ]) entries);
        layers = lib.unique (map (entry: entry.layer) entries);
      };

  # The first layer's archive, so that a layer that repeats it changes nothing.
  joinArchives =
    where: archives:
    let
      first = head archives;
      other = filter (archive: archive.sha256 != first.sha256) (tail archives);
    in
    if other == [ ] then
      first
    else
      throw "${where}: two archives under one key: sha256 ${first.sha256} in the layer ${first.layer}, ${(head other).sha256} in the layer ${(head other).layer}: leave the wrong one out, or rename its release";

  joinReleases =
    product: version: releases:
    lib.zipAttrsWith (name: joinPackages "${product} ${version}: ${name}") (
      map (
        release: mapAttrs (_: package: package // { inherit (release) layer; }) release.packages
      ) releases
    );

  # Read once for all sets.
  base = committed ./manifests;
in
{ manifests }:
let
  # By name, so that the order in which overlays add layers makes no difference.
  theirs = builtins.sort (a: b: a.layer < b.layer) (lib.concatMap releasesOf manifests);
  byProduct = lib.groupBy (release: release.product) theirs;
  layers = [
    base
    (mapAttrs (_: lib.groupBy (release: release.version)) byProduct)
  ];
  options = filter (element: isAttrs element && element ? layer) manifests;
  unknown = lib.concatMap (
    element:
    map (name: "the layer ${element.layer} has no option `${name}`: there is layer, files, licenses and cuda") (
      filter (
        name:
        !elem name [
          "layer"
          "files"
          "licenses"
          "cuda"
        ]
      ) (attrNames element)
    )
  ) options;
in
if unknown != [ ] then
  throw (concatStringsSep "\n" unknown)
else
  {
    # releases.cudnn."9.14.0".cudnn = { version, archives, layers, … }
    releases = lib.zipAttrsWith (
      product: versions: lib.zipAttrsWith (version: lists: joinReleases product version (lib.concatLists lists)) versions
    ) layers;
    # NVIDIA's words for a licence -> a licence.
    licenses = lib.foldl' (all: element: all // element.licenses or { }) { } options;
    # For which CUDA the packages are whose manifests do not say so.
    cuda = lib.foldl' (all: element: all // element.cuda or { }) { } options;
    layerNames = lib.unique ([ "cuda-fixup" ] ++ map (release: release.layer) theirs);
  }
