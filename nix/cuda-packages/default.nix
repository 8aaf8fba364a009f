# CUDA package sets out of NVIDIA's redistributables, for any nixpkgs: docs/package-set.md.
#
#   import ./nix/cuda-packages { inherit pkgs; }
#
# has mkCudaPackages, a set by name for each CUDA release (cudaPackages_12_9, and cudaPackages_12 for
# the newest 12.x), and cudaPackages, the newest.
{
  pkgs,
  lib ? pkgs.lib,
  # Arguments of mkCudaPackages that every set gets: what overlays add to (`cudaFixupSets`).
  common ? pkgs.cudaFixupSets or [ ],
  # The program, for the build platform.
  cuda-fixup ? pkgs.cuda-fixup or (pkgs.extend (import ../overlay.nix)).cuda-fixup,
}:
let
  inherit (builtins)
    attrNames
    compareVersions
    concatStringsSep
    filter
    functionArgs
    head
    removeAttrs
    sort
    ;

  newestFirst = sort (a: b: compareVersions a b > 0);
  startsWith = wanted: version: version == wanted || lib.hasPrefix "${wanted}." version;

  joinLayers = import ./layers.nix { inherit lib; };
  commonIndex = joinLayers { inherit (joined { }) manifests; };

  # One set's arguments after those that all sets get.
  joined =
    args:
    let
      lists = name: lib.concatMap (each: each.${name} or [ ]) (common ++ [ args ]);
      sets = name: map (each: each.${name} or { }) (common ++ [ args ]);
    in
    lib.foldl' (done: each: done // each) { } (common ++ [ args ])
    // {
      manifests = lists "manifests";
      extensions = lists "extensions";
      # A later one replaces an earlier one.
      sources = lib.foldl' (all: each: all // each) { } (sets "sources");
      # Lists of one layer add up.
      overrides = lib.zipAttrsWith (_: lib.concatLists) (sets "overrides");
      pins = lib.zipAttrsWith (
        name: values:
        if lib.length (lib.unique values) == 1 then
          head values
        else
          throw "${name} is pinned to ${concatStringsSep " and to " (lib.unique values)}"
      ) (sets "pins");
    };

  # The whole version of the release that is asked for.
  releaseOf =
    index: wanted:
    let
      all = newestFirst (attrNames index.releases.cuda);
      found = filter (startsWith wanted) all;
      older = filter (version: compareVersions version wanted < 0) all;
      newer = filter (version: compareVersions version wanted > 0) all;
      near = lib.optional (older != [ ]) (head older) ++ lib.optional (newer != [ ]) (lib.last newer);
    in
    if found != [ ] then
      head found
    else
      throw "no manifest has CUDA ${wanted}: the nearest are ${concatStringsSep " and " near}\nhelp: add its manifest: cuda-fixup redist index redistrib_${wanted}.json >cuda.json, and manifests = [ ./cuda.json ];";

  make =
    index: args:
    {
      pkgs,
      cudaVersion,
      # Joined by now: `index`.
      manifests ? [ ],
      overrides ? { },
      pins ? { },
      extensions ? [ ],
      sources ? { },
      capabilities ? null,
      forwardCompat ? true,
      hostStdenv ? null,
      fetch ? null,
    }:
    import ./set.nix {
      inherit
        lib
        pkgs
        index
        overrides
        pins
        extensions
        sources
        capabilities
        forwardCompat
        hostStdenv
        fetch
        cuda-fixup
        ;
      release = releaseOf index cudaVersion;
      again = changes: make index (args // changes) (args // changes);
    };

  mkCudaPackages =
    args:
    let
      all = { inherit pkgs; } // joined args;
    in
    make (if args.manifests or [ ] == [ ] then commonIndex else joinLayers { inherit (all) manifests; }) all all;

  releases = attrNames commonIndex.releases.cuda;
  byName =
    part:
    builtins.listToAttrs (
      map (version: {
        name = "cudaPackages_${builtins.replaceStrings [ "." ] [ "_" ] (part version)}";
        value = mkCudaPackages { cudaVersion = part version; };
      }) releases
    );
in
{
  inherit mkCudaPackages;
  # All releases that a set can be made of, oldest first.
  cudaReleases = lib.reverseList (newestFirst releases);
  cudaPackages = mkCudaPackages { cudaVersion = head (newestFirst releases); };
}
// byName lib.versions.major
// byName lib.versions.majorMinor
