# One package set: a scope of all packages that suit one CUDA release and one system.
{
  lib,
  # The package set below, a stage of a cross build among them.
  pkgs,
  # layers.nix over all manifests.
  index,
  # The whole version of the CUDA release.
  release,
  overrides,
  pins,
  extensions,
  sources,
  capabilities,
  forwardCompat,
  hostStdenv,
  fetch,
  cuda-fixup,
  # The same set over another stage of a cross build, or with more extensions.
  again,
}:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    mapAttrs
    replaceStrings
    ;

  capabilityLib = import ../lib;
  data = lib.importJSON ../data/redist.json;
  table = import ./packages.nix;

  nixSystem = pkgs.stdenv.hostPlatform.system;
  majorMinor = lib.versions.majorMinor release;
  major = lib.versions.major release;

  wanted =
    if capabilities == null then capabilityLib.defaults { cudaVersion = release; } else capabilities;
  selection = capabilityLib.selection {
    cudaVersion = release;
    cudaCapabilities = wanted;
    cudaForwardCompat = forwardCompat;
  };

  # Jetsons before Thor have archives of their own; from CUDA 13 on all of them take linux-sbsa's.
  jetson = lib.any (
    capability:
    capabilityLib.isJetson capability
    && builtins.compareVersions major "13" < 0
    && builtins.compareVersions capability "10.1" < 0
  ) wanted;
  system =
    {
      x86_64-linux = "linux-x86_64";
      aarch64-linux = if jetson then "linux-aarch64" else "linux-sbsa";
      powerpc64le-linux = "linux-ppc64le";
    }
    .${nixSystem} or "none for ${nixSystem}";

  selected = import ./select.nix {
    inherit
      lib
      index
      release
      system
      pins
      ;
  };
  overridden = import ./overrides.nix {
    inherit
      lib
      index
      release
      system
      nixSystem
      overrides
      ;
    inherit (selected) startsWith;
  };

  redist = {
    license = import ./licenses.nix {
      inherit lib;
      inherit (index) licenses;
    };
    url =
      product: path:
      let
        known = lib.findFirst (each: each.product == product) null data.products;
        directory = if known == null then "${product}/redist" else known.directory;
      in
      "${data.url}/${directory}/${path}";
    nixSystems =
      name: (lib.findFirst (each: each.system == name) { nix = [ ]; } data.systems).nix;
    fetch = if fetch == null then import ./fetch.nix { inherit (pkgs) fetchurl; } else fetch;
  };

  # Packages under one plain name each, all versions, and the newest patch of each minor version.
  names = filter (name: selected.chosen.${name} != null) (attrNames selected.chosen);
  minorName =
    name: version: "${name}_${replaceStrings [ "." ] [ "_" ] (lib.versions.majorMinor version)}";
  minors =
    self:
    lib.foldl' (
      all: name:
      let
        versions = selected.suiting.${name};
        oldestFirst = builtins.sort (a: b: builtins.compareVersions a b < 0) (attrNames versions);
      in
      if versions == { } || (builtins.head (builtins.attrValues versions)).product == "cuda" then
        all
      else
        all
        // builtins.listToAttrs (
          # The last of equal names stays: listToAttrs takes the first.
          lib.reverseList (
            map (version: {
              name = minorName name version;
              value = self.versions.${name}.${version};
            }) oldestFirst
          )
        )
    ) { } (attrNames selected.suiting);

  requested = import ./requested.nix {
    inherit lib sources;
    inherit (data) url products;
    known = attrNames selected.all;
  };

  present =
    self: names:
    map (name: self.${name}) (filter (name: self ? ${name} && !requested.missing ? ${name}) names);
  build =
    self: entry:
    let
      kind = table.packages.${entry.name} or table.default;
    in
    self.buildRedist {
      inherit entry;
      inherit (kind) outputs;
      inputs =
        present self (kind.inputs or [ ])
        ++ map (name: pkgs.${name}) (filter (name: pkgs ? ${name}) (kind.ofNixpkgs or [ ]));
      ignoreMissing = kind.ignoreMissing or [ ];
      propagated = present self (kind.propagated or [ ]);
      propagatedOutputs = kind.propagatedOutputs or [ ];
      overrides = overridden.for entry;
    };

  versions =
    self:
    mapAttrs (
      name: all:
      mapAttrs (
        version: entry:
        if selected.suiting.${name} ? ${version} then
          build self selected.suiting.${name}.${version}
        else
          throw (selected.reason name entry)
      ) all
    ) selected.all;

  # Either name of what NVIDIA renamed.
  renamed =
    self:
    lib.foldl' (
      all: pair:
      let
        present = filter (name: lib.elem name names) pair;
      in
      if present == [ ] then
        all
      else
        all
        // lib.genAttrs (filter (name: !lib.elem name names) pair) (_: self.${builtins.head present})
    ) { } table.renamed;

  absent =
    let
      lacking = filter (name: selected.chosen.${name} == null) (attrNames selected.chosen);
      inParts = filter (name: !selected.all ? ${name}) (attrNames table.partOf);
    in
    lib.genAttrs lacking selected.absence
    // requested.missing
    // lib.genAttrs inParts (
      name: "${name} has no archive of its own in CUDA ${release}: it is part of ${table.partOf.${name}}"
    );

  # The compiler for the host's part of CUDA code, as far as hooks need it.
  stdenvFor = import ./host-stdenv.nix {
    inherit lib pkgs hostStdenv;
    inherit (capabilityLib) hostCompilers;
    cudaVersion = release;
  };

  scope =
    self:
    let
      hooks = hooksWith (self.cuda_compat or null);
      hooksWith = cuda_compat: pkgs.callPackage ../hooks.nix {
        inherit cuda-fixup cuda_compat;
        cudaMajorMinorVersion = majorMinor;
        # Null where nixpkgs has none that is old enough: packages evaluate without it.
        hostCompiler = if stdenvFor.known then self.cudaStdenv.cc else null;
        compiler = pkgs.stdenv.cc or null;
      };
      farms = import ../toolkit-farm.nix {
        inherit lib;
        inherit (pkgs) runCommand;
        inherit (self) cuda-fixup;
      };
    in
    minors self
    // lib.genAttrs names (name: self.versions.${name}.${selected.chosen.${name}})
    // renamed self
    // mapAttrs (_: words: throw words) requested.missing
    // import ./from-source.nix {
      inherit lib pkgs self;
      inherit (requested) given;
    }
    // mapAttrs (_: name: self.${name} or (throw absent.${name})) requested.aliases
    // {
      inherit absent cuda-fixup redist;
      inherit (hooks)
        autoAddCudaCompatRunpath
        autoAddDriverRunpath
        autoPatchelfHook
        cudaComponentHook
        cudaFixupHook
        cudaFixupLintHook
        markForCudatoolkitRootHook
        removeStubsFromRunpathHook
        setupCudaHook
        ;
      versions = versions self;
      # What the plain names are, for who goes through all of them.
      packageNames = names;

      cudaVersion = release;
      cudaMajorMinorPatchVersion = release;
      cudaMajorMinorVersion = majorMinor;
      cudaMajorVersion = major;
      cudaNamePrefix = "cuda${majorMinor}";
      cudaOlder = version: builtins.compareVersions release version < 0;
      cudaAtLeast = version: builtins.compareVersions release version >= 0;
      redistSystem = system;

      # Evaluated where something is built for the capabilities, and not before.
      cudaCapabilities = selection.cudaCapabilities;
      cudaForwardCompat = selection.cudaForwardCompat;
      flags = selection // {
        gencodeString = concatStringsSep " " selection.gencode;
      };

      cudaStdenv = import ./cuda-stdenv.nix {
        inherit lib;
        inherit (stdenvFor) stdenv;
        libraries = lib.getLib (pkgs.stdenv.cc.cc or pkgs.stdenv.cc);
        inherit (self) cudaFixupHook cudaNamePrefix setupCudaHook;
        nvccHook = if stdenvFor.stdenv.cc != pkgs.stdenv.cc then hooks.nvccHook or null else null;
      };
      backendStdenv = self.cudaStdenv;

      # nixpkgs as it is with this set in place of its own.
      pkgs = pkgs.extend (
        _: _: {
          cudaPackages = self;
        }
      );
      cudaPackages = self;

      # One directory that looks like NVIDIA's installer's.
      cudatoolkit = self.toolkitFarmWith {
        name = "${self.cudaNamePrefix}-toolkit-${release}";
      } (present self table.toolkit);
      inherit (farms) toolkitFarm toolkitFarmWith;

      # Whether the set's libraries suit wheels.
      checkWheels =
        args:
        import ./check-wheels.nix {
          inherit lib;
          inherit (pkgs) runCommand;
          inherit (self) cuda-fixup;
          unzip = pkgs.unzip or null;
        } ({ packages = present self table.ofWheels; } // args);

      # All of NVPL in one directory.
      nvpl =
        if self ? nvpl_common then
          pkgs.runCommand "${self.cudaNamePrefix}-nvpl-${self.nvpl_common.release}"
            {
              pieces = lib.concatMap (package: map (output: "${package.${output}}") package.outputs) (
                map (name: self.${name}) (filter (lib.hasPrefix "nvpl_") names)
              );
            }
            ''
              mkdir "$out"
              for piece in $pieces; do
                  [[ ! -d $piece/include ]] || cp -rsn "$piece/include" "$out/"
                  [[ ! -d $piece/lib ]] || cp -rsn "$piece/lib" "$out/"
                  chmod -R u+w "$out"
              done
            ''
        else
          throw absent.nvpl_common;

      # A program that runs others with the libraries of a driver, and that for the set's driver.
      nvidiaDriverRun = import ./driver-run.nix {
        inherit lib;
        inherit (pkgs) runCommand runtimeShell;
        inherit (self) cuda-fixup;
      };
      nvidia-driver-run = self.nvidiaDriverRun (self.nvidia_driver or (throw absent.nvidia_driver));

      writeGpuTest = import ./gpu-test.nix {
        inherit lib;
        inherit (pkgs) runCommand writeText runtimeShell;
        python3 = pkgs.python3 or null;
      };

      buildRedist = pkgs.callPackage ./build-redist.nix {
        inherit (self)
          cuda-fixup
          cudaFixupHook
          markForCudatoolkitRootHook
          cudaMajorMinorVersion
          cudaMajorVersion
          cudaNamePrefix
          redist
          setupCudaHook
          ;
        # The other hook has the path of cuda_compat in it.
        hookOfCompat = (hooksWith null).cudaFixupHook;
      };
    };

  extended = lib.foldl' (below: extension: lib.extends extension below) scope extensions;

  # The last stage of a cross build has no target of its own.
  stage =
    name:
    if (pkgs.${name}.stdenv or null) ? hostPlatform then again { pkgs = pkgs.${name}; } else { };
  made =
    if pkgs ? makeScopeWithSplicing' then
      pkgs.makeScopeWithSplicing' {
        otherSplices = {
          selfBuildBuild = stage "pkgsBuildBuild";
          selfBuildHost = stage "pkgsBuildHost";
          selfBuildTarget = stage "pkgsBuildTarget";
          selfHostHost = stage "pkgsHostHost";
          selfTargetTarget = stage "pkgsTargetTarget";
        };
        # Not packages: nothing of them is spliced.
        keep = self: {
          inherit (self)
            absent
            pkgs
            redist
            versions
            ;
        };
        f = extended;
      }
    else
      lib.makeScope pkgs.newScope extended;
in
assert selected.pinsMatch;
assert overridden.allMatch;
assert requested.sourcesMatch;
made
// {
  # The stages of a cross build get the same extension.
  overrideScope = extension: again { extensions = extensions ++ [ extension ]; };
}
