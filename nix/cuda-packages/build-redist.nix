# One package out of one archive.
{
  lib,
  stdenvNoCC,
  stdenv,
  zstd ? null,
  dpkg ? null,
  # Of the set.
  cuda-fixup,
  cudaFixupHook,
  hookOfCompat,
  markForCudatoolkitRootHook,
  cudaMajorVersion,
  cudaMajorMinorVersion,
  cudaNamePrefix,
  setupCudaHook,
  redist,
}:
# `entry` is a package of select.nix, `inputs` the libraries of the set that it loads.
{
  entry,
  inputs ? [ ],
  # What a user of the package needs beside it, in the same role.
  propagated ? [ ],
  # Outputs that users get beside programs, headers and libraries.
  propagatedOutputs ? [ ],
  # By kind of package.
  outputs,
  # Names of libraries that parts of the package need and users may not have.
  ignoreMissing ? [ ],
  overrides ? { attrs = { }; functions = [ ]; },
}:
let
  inherit (entry) name version archive;
  kind = ending: lib.hasSuffix ending archive.path;
  # Jetson's, where a manifest has such.
  isDeb = kind ".deb";

  unpackers =
    lib.optional (kind ".tar.zst" && zstd != null) zstd
    ++ lib.optional (isDeb && dpkg != null) dpkg;

  # Added to the existing value; all other attributes replace it.
  adds = attribute: lib.hasSuffix "Inputs" attribute || builtins.elem attribute added;
  added = [
    "appendRunpaths"
    "autoPatchelfIgnoreMissingDeps"
    "cudaFixupFlags"
    "patches"
    "runtimeDependencies"
  ];
  override =
    base: attrs:
    base
    // builtins.mapAttrs (
      attribute: value:
      if adds attribute && builtins.isList value then
        base.${attribute} or [ ] ++ value
      else if builtins.match "(pre|post)[A-Z].*" attribute != null && base ? ${attribute} then
        "${base.${attribute}}\n${value}"
      else if attribute == "meta" || attribute == "passthru" then
        base.${attribute} // value
      else
        value
    ) attrs;

  systems = lib.unique (
    map (key: builtins.head (lib.splitString "/" key)) (builtins.attrNames entry.archives)
  );
  url = redist.url entry.product archive.path;

  # What the archive holds, of the user's file (`redist features --json`), in place of the table.
  described = overrides.attrs.redistFeatures or null;
  features = lib.importJSON described;
  outputNames = if described == null then outputs else features.outputs;
  libc = stdenv.cc.libc.version or null;

  asRedist = import ./as-redist.nix { inherit lib cuda-fixup setupCudaHook; };

  base = {
    pname = name;
    inherit version;
    outputs = outputNames;
    name = "${cudaNamePrefix}-${name}-${version}";

    __structuredAttrs = true;
    strictDeps = true;

    src = redist.fetch {
      inherit url;
      inherit (archive)
        sha256
        size
        path
        layer
        ;
      inherit (entry) product release key;
      package = name;
    };

    nativeBuildInputs = [
      (if lib.hasPrefix "cuda_compat" name then hookOfCompat else cudaFixupHook)
      markForCudatoolkitRootHook
    ]
    ++ unpackers;
    # libstdc++, and what else a compiler's own libraries are.
    buildInputs = [ (lib.getLib (stdenv.cc.cc or stdenv.cc)) ] ++ map lib.getLib inputs;
    # NVIDIA's libraries dlopen each other: NVRTC its built-in functions, cuDNN its parts and NVRTC.
    # Without an entry for them in RUNPATH they fail when they are used.
    cudaFixupFlags = [ "--dlopen=auto" ];

    autoPatchelfIgnoreMissingDeps = ignoreMissing;

    # A page of a server in place of the archive is named as such.
    preUnpack = ''
      if [[ -f $src ]]; then ${cuda-fixup}/bin/cuda-fixup redist features --archive "$src"; fi
    '';

    dontConfigure = true;
    dontBuild = true;
    dontStrip = true;

    inherit cudaMajorVersion cudaMajorMinorVersion;
    redistPackage = name;
    passthru = {
      inherit (entry)
        product
        release
        layers
        key
        ;
      inherit url;
      inherit (archive) sha256 size;
      redistSystems = systems;
      brokenConditions = lib.optionalAttrs (described != null && features.glibc != null && libc != null) {
        "needs glibc ${features.glibc}, and this one is ${libc}" =
          builtins.compareVersions libc features.glibc < 0;
      };
      badPlatformsConditions = { };
    };

    meta = {
      description = entry.description;
      homepage = "https://developer.nvidia.com/";
      downloadPage = url;
      license = redist.license entry.license;
      sourceProvenance = [ (lib.sourceTypes.binaryNativeCode or "binaryNativeCode") ];
      platforms = lib.unique (lib.concatMap redist.nixSystems systems);
    };
  }
  // asRedist {
    outputs = outputNames;
    inherit propagated propagatedOutputs;
    before = lib.optionalString (described != null) ''
      ${cuda-fixup}/bin/cuda-fixup redist features --expect ${described} .
    '';
    flags = lib.optionalString isDeb "--deb ";
  }
  // lib.optionalAttrs isDeb {
    # stdenv takes one directory of an archive for the source, and a package may have several.
    unpackPhase = ''
      runHook preUnpack
      dpkg-deb -x "$src" unpacked
      cd unpacked
      chmod -R u+w .
      runHook postUnpack
    '';
  };

  # What conditions name is true of the package as overrides left it.
  withConditions =
    attrs:
    let
      named = conditions: builtins.attrNames (lib.filterAttrs (_: holds: holds) conditions);
      broken = named (attrs.passthru.brokenConditions or { });
      bad = named (attrs.passthru.badPlatformsConditions or { });
    in
    attrs
    // {
      meta =
        attrs.meta
        // {
          broken = attrs.meta.broken or false || broken != [ ];
          badPlatforms =
            attrs.meta.badPlatforms or [ ] ++ lib.optional (bad != [ ]) stdenvNoCC.hostPlatform.system;
        };
      passthru = attrs.passthru // {
        # The names of those that are true.
        conditions = broken ++ bad;
        # What the archive holds; built where it is asked for.
        features = import ./redist-features.nix { inherit stdenvNoCC cuda-fixup; } attrs unpackers;
      };
    };
in
lib.foldl' (drv: function: drv.overrideAttrs function) (stdenvNoCC.mkDerivation (
  withConditions (override base overrides.attrs)
)) overrides.functions
