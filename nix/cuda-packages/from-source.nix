# Packages that are built from the user's sources: requested.nix.
{
  lib,
  pkgs,
  # The set.
  self,
  # Name -> { src, version }
  given,
}:
let
  asRedist = import ./as-redist.nix {
    inherit lib;
    inherit (self) cuda-fixup setupCudaHook;
  };
  # Programs that nixpkgs has; the test package set has few.
  programs = names: map (name: pkgs.${name}) (builtins.filter (name: pkgs ? ${name}) names);

  outputs = [
    "out"
    "dev"
    "include"
    "lib"
    "static"
  ];
  # A library that its Makefile builds, and installs into ./prefix.
  fromMakefile =
    {
      pname,
      install,
      buildPhase,
      meta,
      buildInputs ? [ ],
      nativeBuildInputs ? [ ],
      moreOutputs ? [ ],
    }:
    source:
    let
      all = outputs ++ moreOutputs;
    in
    self.cudaStdenv.mkDerivation (
      asRedist {
        outputs = all;
        source = "prefix";
        before = install;
      }
      // {
        inherit pname buildPhase;
        inherit (source) src version;
        outputs = all;
        nativeBuildInputs = [
          self.cuda_nvcc
          self.markForCudatoolkitRootHook
        ]
        ++ nativeBuildInputs;
        buildInputs = [ self.cuda_cudart ] ++ buildInputs;
        enableParallelBuilding = true;
        inherit (self) cudaMajorVersion cudaMajorMinorVersion;
        redistPackage = pname;
        gencode = self.flags.gencodeString;
        meta = meta // {
          platforms = [
            "x86_64-linux"
            "aarch64-linux"
          ];
        };
      }
    );

  nccl = fromMakefile {
    pname = "nccl";
    nativeBuildInputs = programs [
      "python3"
      "which"
    ];
    buildInputs = [ self.cuda_cccl ];
    # The file that names the version is the one that the library is compiled with.
    buildPhase = ''
      runHook preBuild
      if [[ ! -e makefiles/version.mk ]]; then
          echo "error: $src: expected NCCL's sources with makefiles/version.mk, found other files" >&2
          echo "help: sources.nccl.src is a release of NVIDIA/nccl, unpacked or as an archive" >&2
          exit 1
      fi
      ncclVersion=$(sed -n 's/^NCCL_\(MAJOR\|MINOR\|PATCH\) *:= *//p' makefiles/version.mk | paste -sd.)
      case $version in
          "$ncclVersion" | "$ncclVersion"-*) ;;
          *)
              echo "error: sources.nccl: expected version $version, found $ncclVersion in makefiles/version.mk" >&2
              echo "help: sources.nccl.version = \"$ncclVersion\";" >&2
              exit 1
              ;;
      esac
      if declare -F patchShebangs >/dev/null; then patchShebangs src; fi
      ncclMake=("-j''${NIX_BUILD_CORES:-1}" "SHELL=''${SHELL:-bash}" "CUDA_HOME=$CUDA_PATH"
          "NVCC_GENCODE=$gencode" "CXX=''${CXX:-c++}" "BUILDDIR=$PWD/build")
      make "''${ncclMake[@]}" src.build
      runHook postBuild
    '';
    install = ''
      make "''${ncclMake[@]}" src.install "PREFIX=$PWD/prefix"
      # nvlink writes its own path into device code, where nothing reads it: another of its length.
      ncclFiller=$(printf %s "$CUDA_PATH" | tr -c / x)
      LC_ALL=C find prefix/lib -maxdepth 1 -type f -exec sed -i "s,$CUDA_PATH,$ncclFiller,g" {} +
    '';
    meta = {
      description = "Collective communication primitives for several GPUs and machines";
      homepage = "https://developer.nvidia.com/nccl";
      license = lib.licenses.bsd3 or { shortName = "bsd3"; free = true; };
    };
  };

  gdrcopy = fromMakefile {
    pname = "gdrcopy";
    moreOutputs = [ "bin" ];
    # Not `all`: that is the kernel's module, too.
    buildPhase = ''
      runHook preBuild
      if [[ ! -e Makefile || ! -e include/gdrapi.h ]]; then
          echo "error: $src: expected GDRCopy's sources with Makefile and include/gdrapi.h, found other files" >&2
          echo "help: sources.gdrcopy.src is a release of NVIDIA/gdrcopy, unpacked or as an archive" >&2
          exit 1
      fi
      if declare -F patchShebangs >/dev/null; then patchShebangs .; fi
      gdrcopyMake=("CUDA=$CUDA_PATH" "NVCC=$CUDA_PATH/bin/nvcc" "NVCCFLAGS=$gencode"
          "DESTDIR=$PWD/prefix" "prefix=/")
      make "-j''${NIX_BUILD_CORES:-1}" "''${gdrcopyMake[@]}" lib exes
      runHook postBuild
    '';
    install = ''
      # lib64 in releases up to 2.5.
      make "''${gdrcopyMake[@]}" lib_install exes_install
    '';
    meta = {
      description = "Copies memory of a GPU by mapping it, with GPUDirect RDMA";
      homepage = "https://github.com/NVIDIA/gdrcopy";
      license = lib.licenses.mit or { shortName = "mit"; free = true; };
    };
  };

  # Compilers, libraries and MPI in NVIDIA's own layout, which their drivers find by themselves.
  nvhpc =
    source:
    pkgs.stdenv.mkDerivation {
      pname = "nvhpc";
      inherit (source) src version;
      name = "${self.cudaNamePrefix}-nvhpc-${source.version}";
      __structuredAttrs = true;
      strictDeps = true;
      nativeBuildInputs = [ self.cudaFixupHook ];
      buildInputs = [ (lib.getLib (pkgs.stdenv.cc.cc or pkgs.stdenv.cc)) ];
      # Of MPI, Python and others that only some of its parts use.
      autoPatchelfIgnoreMissingDeps = [ "*" ];
      dontConfigure = true;
      dontBuild = true;
      dontStrip = true;
      hostCompiler = "${pkgs.stdenv.cc}";
      installPhase = ''
        runHook preInstall
        if [[ ! -d install_components ]]; then
            echo "error: $src: expected the HPC SDK's archive with install_components, found other files" >&2
            echo "help: sources.nvhpc.src is nvhpc_YEAR_VERSION_Linux_x86_64_cuda_CUDA.tar.gz, not a package of a distribution" >&2
            exit 1
        fi
        mkdir -p "$out"
        cp -r install_components/. "$out/"
        chmod -R u+w "$out"
        compilers=("$out"/Linux_*/[0-9]*/compilers)
        if [[ ! -d ''${compilers[0]} ]]; then
            echo "error: $src: expected install_components/Linux_x86_64/VERSION/compilers, found none" >&2
            exit 1
        fi
        if declare -F patchShebangs >/dev/null; then patchShebangs "''${compilers[0]}/bin"; fi
        # Which gcc the compilers use for headers, libraries and linking.
        if [[ -x ''${compilers[0]}/bin/makelocalrc ]]; then
            "''${compilers[0]}/bin/makelocalrc" -x "''${compilers[0]}/bin" \
                -gcc "$hostCompiler/bin/cc" -gpp "$hostCompiler/bin/c++"
        fi
        ln -s "''${compilers[0]}/bin" "$out/bin"
        runHook postInstall
      '';
      meta = {
        description = "NVIDIA HPC SDK: nvc, nvc++, nvfortran and their libraries";
        homepage = "https://developer.nvidia.com/hpc-sdk";
        license = self.redist.license "NVIDIA HPC SDK";
        sourceProvenance = [ (lib.sourceTypes.binaryNativeCode or "binaryNativeCode") ];
        platforms = [
          "x86_64-linux"
          "aarch64-linux"
        ];
      };
    };

  all = { inherit gdrcopy nccl nvhpc; };
in
builtins.mapAttrs (name: source: all.${name} source) given
