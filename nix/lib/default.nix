# The GPU architectures that a CUDA version supports, and the flags to build for them: the same as
# `cuda-fixup capabilities`, derived in Nix from the same table. Needs nothing of nixpkgs.
#
#   (import ./nix/lib).selection { cudaVersion = "12.8"; cudaCapabilities = [ "8.6" "9.0a" ]; }
let
  inherit (builtins)
    all
    compareVersions
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    fromJSON
    head
    length
    map
    match
    readFile
    sort
    ;

  table = (fromJSON (readFile ../data/gpus.json)).capabilities;
  compilers = (fromJSON (readFile ../data/nvcc-host-compilers.json)).toolkits;

  last = list: elemAt list (length list - 1);

  # 12.4 of 12.4.1
  majorMinor =
    version:
    let
      parts = match "([0-9]+)\\.([0-9]+).*" version;
    in
    if parts == null then
      throw "`${version}` is no CUDA version: write it like 12.4"
    else
      concatStringsSep "." parts;
  atMost = a: b: compareVersions a b <= 0;

  row =
    capability:
    let
      found = filter (each: each.capability == capability) table;
    in
    if found == [ ] then null else head found;

  inCuda = cuda: each: atMost each.min cuda && (each.max == null || atMost cuda each.max);
  # 9.0 of 9.0, and nothing of 9.0a.
  isBase = capability: match "[0-9]+\\.[0-9]" capability != null;
  names = map (each: each.capability);

  # In the table's order, each once.
  ordered = list: filter (capability: elem capability list) (names table);

  digits = builtins.replaceStrings [ "." ] [ "" ];

  # Whether a CUDA version has a toolkit of its own for this Jetson.
  needsJetsonToolkit = cuda: each: each.jetson && !isSbsa cuda each;
  isSbsa = cuda: each: each ? sbsaSince && atMost each.sbsaSince cuda;

  # The fault of one capability, or null.
  refusal =
    cuda: capability:
    let
      this = row capability;
      earlier = filter (each: inCuda cuda each && each.successor == capability) table;
      takes = " (CUDA ${cuda} takes ${concatStringsSep " " (supported cuda)})";
      start = "compute capability ${capability} ";
    in
    if this == null then
      if match "[0-9]+\\.[0-9][af]?" capability == null then
        "`${capability}` is no compute capability: write it like 8.6, 9.0a or 10.0f"
      else
        start + "is known to no CUDA version: leave ${capability} out" + takes
    else if inCuda cuda this then
      null
    else if !atMost this.min cuda then
      if earlier != [ ] then
        start
        + "is called ${(head earlier).capability} in CUDA ${cuda}: "
        + "ask for ${(head earlier).capability}, or take a newer CUDA"
      else
        start
        + "exists from CUDA ${this.min} on, and this is CUDA ${cuda}: "
        + "take a newer CUDA, or leave ${capability} out"
        + takes
    else if this.successor != null then
      start + "is called ${this.successor} after CUDA ${this.max}, and this is CUDA ${cuda}: ask for ${this.successor}"
    else
      start
      + "was last known to CUDA ${this.max}, and this is CUDA ${cuda}: "
      + "take an older CUDA, or leave ${capability} out"
      + takes;

  # Capabilities that a CUDA version supports, and the defaults.
  supported = cuda: names (filter (inCuda (majorMinor cuda)) table);
  defaults =
    {
      cudaVersion,
      jetson ? false,
    }:
    let
      cuda = majorMinor cudaVersion;
      rows = filter (
        each:
        inCuda cuda each
        && isBase each.capability
        && each.jetson == jetson
        && (each.defaultUntil == null || atMost cuda each.defaultUntil)
      ) table;
      unified = filter (isSbsa cuda) rows;
    in
    names (if unified != [ ] then unified else rows);

  # The faults of a list: messages, none if it can be built for.
  wrong =
    {
      cudaVersion,
      cudaCapabilities,
    }:
    let
      cuda = majorMinor cudaVersion;
      # In the order of the program's messages; unknown ones come last.
      list = ordered cudaCapabilities ++ filter (each: row each == null) cudaCapabilities;
      refusals = filter (message: message != null) (map (refusal cuda) list);
      jetson = filter (each: needsJetsonToolkit cuda (row each)) list;
      others = filter (each: !needsJetsonToolkit cuda (row each)) list;
      since = map (each: (row each).sbsaSince or null) jetson;
      newest = last (sort (a: b: compareVersions a b < 0) since);
    in
    if refusals != [ ] then
      refusals
    else if jetson != [ ] && others != [ ] then
      [
        "Jetson's compute capabilities (${concatStringsSep " " jetson}) and others (${concatStringsSep " " others}) don't go into one build: build twice${
          if elem null since then "" else ", or take CUDA ${newest} or newer"
        }"
      ]
    else if list == [ ] then
      [ "the list of compute capabilities is empty: name at least one" ]
    else
      [ ];

  # The lists for a build. Throws where the list cannot be built for.
  selection =
    {
      cudaVersion,
      cudaCapabilities ? defaults { inherit cudaVersion; },
      cudaForwardCompat ? true,
    }:
    let
      complaints = wrong { inherit cudaVersion cudaCapabilities; };
      list = ordered cudaCapabilities;
      bases = filter isBase list;
      # PTX of a capability with a letter runs on nothing newer.
      ptx = if cudaForwardCompat && bases != [ ] then last bases else null;
      arch = map digits list;
    in
    if complaints != [ ] then
      throw (concatStringsSep "\n" complaints)
    else
      {
        cudaVersion = majorMinor cudaVersion;
        cudaCapabilities = list;
        cudaForwardCompat = ptx != null;
        isJetsonBuild = all (each: (row each).jetson) list;
        realArches = map (each: "sm_${each}") arch;
        virtualArches = map (each: "compute_${each}") arch;
        gencode =
          map (each: "-gencode=arch=compute_${each},code=sm_${each}") arch
          ++ concatMap (each: [ "-gencode=arch=compute_${each},code=compute_${each}" ]) (
            if ptx == null then [ ] else [ (digits ptx) ]
          );
        cmakeCudaArchitectures = concatStringsSep ";" (
          map (each: digits each + (if each == ptx then "" else "-real")) list
        );
      };

  # The newest host compilers of a CUDA version: { gccMax, clangMax }, or null.
  hostCompilers =
    cudaVersion:
    let
      found = filter (each: each.cuda == majorMinor cudaVersion) compilers;
    in
    if found == [ ] then
      null
    else
      {
        inherit (head found) gccMax clangMax;
      };
in
{
  inherit
    supported
    defaults
    wrong
    selection
    hostCompilers
    ;
  # Whether a capability is that of a Jetson; of one that no table has: no.
  isJetson = capability: row capability != null && (row capability).jetson;
  # All CUDA versions that the tables know.
  cudaVersions = sort (a: b: compareVersions a b < 0) (map (each: each.cuda) compilers);
}
