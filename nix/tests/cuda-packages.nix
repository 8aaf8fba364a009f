# What evaluation says of package sets. Every attribute is a value, or an error with the words that
# tests/nix/cuda_packages.rs expects.
{
  pkgs ? import ./nixpkgs { overlays = [ (import ../overlay.nix) ]; },
}:
let
  inherit (pkgs) lib;
  inherit (pkgs.cudaFixup) mkCudaPackages;
  names = lib.filter (name: lib.match "cudaPackages_.*" name != null) (lib.attrNames pkgs.cudaFixup);

  # All of a package that a user sees before it is built.
  deepOf =
    package:
    {
      inherit (package)
        name
        outputs
        url
        sha256
        meta
        drvPath
        ;
    };
  deep = set: lib.genAttrs set.packageNames (name: deepOf set.${name});
  drvs = set: lib.mapAttrs (_: package: package.drvPath) (deep set);

  set12 = args: mkCudaPackages ({ cudaVersion = "12.9"; } // args);
  set13 = args: mkCudaPackages ({ cudaVersion = "13.0"; } // args);

  hash = digit: builtins.concatStringsSep "" (builtins.genList (_: digit) 64);
  # A manifest as a value: one package of one release.
  manifest = product: version: package: attrs: {
    schema = "cuda-fixup.manifest/1";
    releases = [
      {
        inherit product version;
        packages.${package} = {
          version = "${version}.7";
          name = "A new ${package}";
          license = product;
          archives."linux-x86_64/cuda13" = {
            sha256 = hash "1";
            size = 12;
            path = "${package}/${package}-${version}.tar.xz";
          };
        }
        // attrs;
      }
    ];
  };
  newCudnn = manifest "cudnn" "9.20.0" "cudnn" { };
  otherCudnn = manifest "cudnn" "9.20.0" "cudnn" {
    archives."linux-x86_64/cuda13" = {
      sha256 = hash "2";
      size = 12;
      path = "cudnn/other.tar.xz";
    };
  };
  # CUDA 13.4 with a package that has a new name.
  newCuda = {
    schema = "cuda-fixup.manifest/1";
    releases = [
      {
        product = "cuda";
        version = "13.4.0";
        packages = lib.genAttrs [ "cccl" "cuda_cudart" "cuda_unheard_of" ] (name: {
          version = "13.4.1";
          name = "New";
          license = "CCCL EULA";
          archives."linux-x86_64" = {
            sha256 = hash "3";
            size = 12;
            path = "${name}/linux-x86_64/${name}-linux-x86_64-13.4.1-archive.tar.zst";
          };
        });
      }
    ];
  };

  layer = name: files: {
    layer = name;
    inherit files;
  };
  oneOverride = attrs: [
    {
      package = "libcufft";
      inherit attrs;
    }
  ];

  aarch64 =
    args:
    mkCudaPackages (
      {
        pkgs = import ./nixpkgs { system = "aarch64-linux"; };
      }
      // args
    );
in
{
  inherit deep;
  sets = lib.genAttrs names (name: pkgs.cudaFixup.${name}.cudaVersion);
  newest = pkgs.cudaFixup.cudaPackages.cudaVersion;
  releases = pkgs.cudaFixup.cudaReleases;
  # Each release, with all of its packages.
  everyRelease = lib.genAttrs pkgs.cudaFixup.cudaReleases (
    cudaVersion: deep (mkCudaPackages { inherit cudaVersion; })
  );
  one = deep pkgs.cudaFixup.cudaPackages_12_9;
  three = map deep [
    pkgs.cudaFixup.cudaPackages_11_8
    pkgs.cudaFixup.cudaPackages_12_9
    pkgs.cudaFixup.cudaPackages_13_0
  ];
  nothing = deepOf pkgs.cudaFixup.cudaPackages_12_9.cuda_cccl;

  versions = {
    cudnn = lib.genAttrs [ "cudaPackages_11_8" "cudaPackages_12_9" "cudaPackages_13_0" ] (
      name:
      let
        set = pkgs.cudaFixup.${name};
      in
      {
        plain = set.cudnn.version;
        minors = lib.filter (name: lib.match "cudnn_[0-9].*" name != null) (lib.attrNames set);
        cuquantum = set.cuquantum.version;
        cutensor = set.libcutensor.version;
        tensorrt = set.tensorrt.version;
        nvjpeg2k = set.libnvjpeg_2k.version;
      }
    );
    exact = (set12 { }).versions.cudnn."8.9.7".version;
    minor = (set12 { }).cudnn_8_9.version;
    unsuited = (set13 { }).versions.cuquantum."23.03.0";
    # The other source's archives are there, too.
    joined = (mkCudaPackages { cudaVersion = "11.8"; }).versions.tensorrt."10.9.0".url;
    absent = {
      has = (set13 { }) ? libnpp_plus;
      why = (set13 { }).absent.libnpp_plus;
      part = (set12 { }).absent.cuda_crt;
    };
  };
  noSuchCuda = (mkCudaPackages { cudaVersion = "12.7"; }).cudnn.drvPath;
  exactCuda = (mkCudaPackages { cudaVersion = "12.4.0"; }).cudaVersion;

  pins =
    let
      pinned = set12 { pins.cudnn = "8.9"; };
    in
    {
      cudnn = pinned.cudnn.version;
      samples = pinned.cudnn_samples.version;
      # That release has none: the rest of the set is there.
      jit = pinned ? cudnn_jit;
      jitWhy = pinned.absent.cudnn_jit;
      all = lib.length (lib.attrNames (deep pinned));
      own = (set13 { pins.cuda_cudart = "13.0.96"; }).cuda_cudart.version;
      lost = (set12 { pins.cudnn = "7.0"; }).cuda_cudart.drvPath;
      unknown = (set12 { pins.cudann = "9"; }).cuda_cudart.drvPath;
      unsuited = (set13 { pins.cudnn = "8.9.7"; }).cuda_cudart.drvPath;
    };

  layers =
    let
      plain = drvs (set13 { });
      changed =
        args:
        let
          now = drvs (set13 args);
        in
        lib.filter (name: plain.${name} or null != now.${name}) (lib.attrNames now);
      acme = {
        manifests = [ (layer "acme" [ newCudnn ]) ];
        overrides.acme = oneOverride { acme = "1"; };
        extensions = [ (final: _: { acmeTool = final.cudnn.name; }) ];
      };
      corp = {
        manifests = [ (layer "corp" [ newCudnn ]) ];
        overrides.corp = [
          {
            package = "cudnn";
            version = "9.20";
            attrs.buildInputs = [ "corp" ];
          }
        ];
        extensions = [ (_: _: { corpTool = 1; }) ];
      };
      both = {
        manifests = acme.manifests ++ corp.manifests;
        overrides = acme.overrides // corp.overrides;
        extensions = acme.extensions ++ corp.extensions;
      };
    in
    {
      # A manifest alone changes the new package and what loads it.
      manifest = changed { inherit (acme) manifests; };
      acme = changed acme;
      both = changed both;
      # Only the other's package differs from acme's own set.
      corpOnly = lib.filter (name: (drvs (set13 both)).${name} != (drvs (set13 acme)).${name}) (
        lib.attrNames (drvs (set13 both))
      );
      # In which order the layers come makes no difference.
      order =
        drvs (set13 both)
        == drvs (
          set13 {
            manifests = corp.manifests ++ acme.manifests;
            overrides = corp.overrides // acme.overrides;
            extensions = corp.extensions ++ acme.extensions;
          }
        );
      names = [
        (set13 both).cudnn.version
        (set13 both).acmeTool
        (set13 both).corpTool
        (set13 both).cudnn.layers
      ];
      # The same archive again changes nothing.
      again = changed {
        manifests = [
          (layer "mirror" [
            {
              schema = "cuda-fixup.manifest/1";
              releases = (lib.importJSON ../cuda-packages/manifests/cudnn/9.14.0.json).releases;
            }
          ])
        ];
      };
      twoHashes =
        (set13 { manifests = [ (layer "acme" [ newCudnn ]) (layer "corp" [ otherCudnn ]) ]; }).cudnn.drvPath;
      # Nothing else of that set is lost.
      twoHashesElsewhere =
        (set13 { manifests = [ (layer "acme" [ newCudnn ]) (layer "corp" [ otherCudnn ]) ]; }).libcufft.drvPath
        == plain.libcufft;
      twoVersions =
        (set13 {
          manifests = [
            (layer "acme" [ newCudnn ])
            (layer "corp" [ (manifest "cudnn" "9.20.0" "cudnn" { version = "9.20.0.8"; }) ])
          ];
        }).cudnn.drvPath;
      option =
        (set13 { manifests = [ { layer = "acme"; file = newCudnn; } ]; }).cudnn.drvPath;
      # No word of CUDA in the manifest: the layer says it.
      undivided =
        let
          undivided = manifest "newlib" "1.0.0" "libnew" {
            archives.linux-x86_64 = {
              sha256 = hash "4";
              size = 1;
              path = "libnew/a.tar.xz";
            };
          };
          with' = cuda: set13 { manifests = [ (layer "acme" [ undivided ] // { inherit cuda; }) ]; };
        in
        {
          why = (with' { }).absent.libnew;
          "12" = (with' { libnew = [ "12" ]; }).absent.libnew;
          "13" = (with' { libnew = [ "13" ]; }).libnew.url;
        };
    };

  newRelease =
    let
      set = mkCudaPackages {
        cudaVersion = "13.4";
        manifests = [ newCuda ];
      };
    in
    {
      version = set.cudaVersion;
      cccl = set.cuda_cccl.drvPath == set.cccl.drvPath;
      old = (set13 { }).cccl.drvPath == (set13 { }).cuda_cccl.drvPath;
      cudnn = set.cudnn.version;
      unheard = set.cuda_unheard_of.outputs;
      license = set.cccl.meta.license.shortName;
      drv = set.cuda_cudart.drvPath;
    };

  overrides = {
    attrs =
      let
        cufft = (set13 { overrides.acme = oneOverride { postInstall = "x"; outputs = [ "out" ]; meta.broken = true; }; }).libcufft;
      in
      [
        cufft.outputs
        cufft.meta.broken
        cufft.meta.license.shortName
      ];
    function =
      (set13 { overrides.acme = oneOverride (old: { pname = "my-${old.pname}"; name = "mine"; }); }).libcufft.name;
    conditions =
      let
        cufft =
          (set13 {
            overrides.acme = oneOverride {
              passthru.brokenConditions."needs a newer glibc" = true;
              passthru.badPlatformsConditions."no Jetson" = true;
            };
          }).libcufft;
      in
      [
        cufft.meta.broken
        cufft.meta.badPlatforms
        cufft.conditions
      ];
    # For another system or CUDA: no error, and no effect.
    elsewhere =
      (set13 {
        overrides.acme = [
          {
            package = "libcufft";
            system = "aarch64-linux";
            attrs.x = 1;
          }
          {
            package = "libcufft";
            cuda = "12.9";
            attrs.x = 1;
          }
        ];
      }).libcufft.drvPath == (set13 { }).libcufft.drvPath;
    lists =
      (set13 {
        overrides.acme = oneOverride { buildInputs = [ "a" ]; postInstall = "one"; };
        overrides.corp = oneOverride { buildInputs = [ "b" ]; postInstall = "two"; };
      }).libcufft.drvPath != "";
    twoValues =
      (set13 {
        overrides.acme = oneOverride { x = 1; };
        overrides.corp = oneOverride { x = 2; };
      }).libcufft.drvPath;
    lost = (set13 { overrides.acme = [ { package = "libcuft"; attrs = { }; } ]; }).cudnn.drvPath;
    lostVersion =
      (set13 { overrides.acme = [ { package = "cudnn"; version = "99"; attrs = { }; } ]; }).libcufft.drvPath;
    lostSystem =
      (set13 { overrides.acme = [ { package = "libcufft"; system = "riscv64-linux"; attrs = { }; } ]; }).cudnn.drvPath;
    unknownKey =
      (set13 { overrides.acme = [ { package = "libcufft"; attr = { }; attrs = { }; } ]; }).cudnn.drvPath;
  };

  licenses =
    let
      with' = licenses: (set13 {
        manifests = [
          (layer "acme" [ (manifest "cudnn" "9.21.0" "cudnn" { license = "cuDNN 2030"; }) ] // { inherit licenses; })
        ];
      }).cudnn.meta.license;
    in
    {
      unknown = with' { };
      mapped = with' { "cuDNN 2030" = { shortName = "mine"; free = true; }; };
      shortNames = lib.genAttrs [ "cuda_cudart" "cudnn" "tensorrt" "libcutensor" "libcusparse_lt" "libcublasmp" ] (
        name: (set12 { }).${name}.meta.license.shortName
      );
    };

  scope =
    let
      set = set13 { };
      extended = set.overrideScope (final: prev: {
        cuda_cudart = prev.cuda_cudart.overrideAttrs (_: { name = "my-cudart"; });
        through = final.pkgs.cudaPackages.cuda_cudart.name;
      });
      everywhere = import ./nixpkgs {
        overlays = [
          (import ../overlay.nix)
          (_: prev: {
            cudaFixupSets = prev.cudaFixupSets ++ [
              {
                extensions = [ (_: _: { mark = "acme"; }) ];
                pins.cudnn = "9.12";
              }
            ];
          })
          (_: prev: { cudaFixupSets = prev.cudaFixupSets ++ [ { extensions = [ (_: prev: { mark = prev.mark + " corp"; }) ]; } ]; })
        ];
      };
    in
    {
      pkgs = set.pkgs.cudaPackages.cudaVersion;
      outside = pkgs.cudaPackages.cudaVersion;
      through = extended.through;
      again = (extended.overrideScope (_: prev: { twice = prev.through; })).twice;
      callPackage = extended.callPackage ({ cuda_cudart, pkgs }: [ cuda_cudart.name pkgs.cudaPackages.cuda_cudart.name ]) { };
      everySet = map (name: everywhere.cudaFixup.${name}.mark) [ "cudaPackages_12" "cudaPackages_13" ];
      everyPin = map (name: everywhere.cudaFixup.${name}.cudnn.version) [ "cudaPackages_12" "cudaPackages_13" ];
    };

  cross =
    let
      crossed = import ./nixpkgs/cross.nix { overlays = [ (import ../overlay.nix) ]; };
      set = crossed.cudaFixup.mkCudaPackages {
        cudaVersion = "13.0";
        extensions = [ (_: prev: { cuda_nvcc = prev.cuda_nvcc.overrideAttrs (_: { name = "my-nvcc"; }); }) ];
      };
      use = set.callPackage ({ cuda_nvcc, libcufft }: {
        nvcc = cuda_nvcc.__spliced.buildHost;
        inherit libcufft;
      }) { };
    in
    {
      nvcc = [ use.nvcc.name use.nvcc.url ];
      libcufft = use.libcufft.url;
      pkgs = set.pkgs.stdenv.hostPlatform.system;
    };

  # Every name that any set has, or explains.
  attributes =
    let
      sets = map (name: pkgs.cudaFixup.${name}) names ++ [
        (aarch64 { cudaVersion = "12.6"; capabilities = [ "8.7" ]; })
        (aarch64 { cudaVersion = "13.0"; })
      ];
    in
    lib.unique (lib.concatMap (set: lib.attrNames set ++ lib.attrNames set.absent) sets);

  # Every package of an ARM server's and of a Jetson's sets.
  everyArm = map (args: lib.length (lib.attrNames (drvs (aarch64 args)))) [
    { cudaVersion = "11.8"; capabilities = [ "7.2" ]; }
    { cudaVersion = "12.6"; capabilities = [ "8.7" ]; }
    { cudaVersion = "12.9"; capabilities = [ "9.0" ]; }
    { cudaVersion = "13.0"; capabilities = [ "11.0" ]; }
  ];
  # Jetsons have their driver with the system.
  jetsonDriver =
    (aarch64 { cudaVersion = "12.6"; capabilities = [ "8.7" ]; }).nvidia-driver-run.drvPath;
  jetson = {
    old = (aarch64 { cudaVersion = "12.6"; capabilities = [ "8.7" ]; }).cuda_cudart.url;
    # A library, and what its hook names.
    drvs =
      let
        set = aarch64 { cudaVersion = "12.6"; capabilities = [ "8.7" ]; };
      in
      map (package: package.drvPath) [ set.libcufft set.cuda_compat ];
    compat = (aarch64 { cudaVersion = "12.6"; capabilities = [ "8.7" ]; }) ? cuda_compat;
    server = (aarch64 { cudaVersion = "12.6"; capabilities = [ "9.0" ]; }).cuda_cudart.url;
    new = (aarch64 { cudaVersion = "13.0"; capabilities = [ "11.0" ]; }).cuda_cudart.url;
    nvplWhole = (aarch64 { cudaVersion = "13.0"; }).nvpl.name;
    nvpl = (aarch64 { cudaVersion = "13.0"; }).nvpl_blas.version;
  };

  capabilities = {
    own = map (set: set.flags.cmakeCudaArchitectures) [
      (set12 { capabilities = [ "8.6" "9.0a" ]; })
      (set13 { capabilities = [ "12.0" ]; forwardCompat = false; })
    ];
    newer = (set12 { capabilities = [ "11.0" ]; }).flags.gencode;
    older = (set13 { capabilities = [ "6.1" ]; }).cudaCapabilities;
    # Nothing is asked of them before flags are.
    lazy = (set12 { capabilities = [ "11.0" ]; }).cudnn.drvPath == (set12 { }).cudnn.drvPath;
  };

  hostStdenv =
    let
      # As nixpkgs of today: gcc 11 is gone, and says so.
      modern = pkgs.extend (
        final: prev: {
          stdenv = prev.stdenv // {
            cc = prev.stdenv.cc // {
              version = "15.2.0";
              isGNU = true;
            };
          };
          gcc11Stdenv = throw "gcc11 has been removed";
          gcc13Stdenv = prev.stdenv // {
            cc = prev.stdenv.cc // {
              version = "13.4.0";
              isGNU = true;
            };
          };
        }
      );
      of = cudaVersion: more: mkCudaPackages ({ pkgs = modern; inherit cudaVersion; } // more);
    in
    {
      old = (of "11.8" { }).cudaStdenv.cc.version;
      set = lib.length (lib.attrNames (deep (of "11.8" { })));
      given = (of "11.8" { hostStdenv = { cc.version = "mine"; }; }).cudaStdenv.cc.version;
      fallback = (of "12.4" { }).cudaStdenv.cc.version;
      plain = (of "13.0" { }).cudaStdenv.cc.version;
    };

  # Files that a user hands in.
  file = file: (set13 { manifests = [ (layer "acme" [ file ]) ]; }).cudnn.version;
}
