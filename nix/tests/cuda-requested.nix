# Packages that users asked for, out of made-up archives and sources of the right shape: the manifests
# of some come with the project, the others' are the user's.
{
  binary,
  wheels,
}:
let
  pkgs = import ./nixpkgs {
    builtBinary = builtins.storePath binary;
    overlays = [ (import ../overlay.nix) ];
  };
  inherit (pkgs) lib runCommand;

  # A directory of the archive, packed.
  packed =
    name: script:
    runCommand "${name}-archive.tar" { } ''
      mkdir archive
      cd archive
      library() {
          mkdir -p "''${1%/*}"
          echo "int ''${2//[-.]/_}(void) { return 1; }" >"$TMPDIR/code.c"
          gcc -shared -fPIC "-Wl,-soname,$2" -o "$1" "$TMPDIR/code.c" "''${@:3}"
      }
      ${script}
      echo licence >LICENSE
      cd ..
      tar --sort=name --mtime=@1 -cf "$out" archive
    '';

  # As most of NVIDIA's math libraries: one library, its headers and a static copy.
  plain =
    package: soname:
    let
      stem = builtins.head (builtins.match "(.*)\\.so.*" soname);
    in
    packed package ''
      library lib/${soname}.1.2 ${soname}
      ln -s ${soname}.1.2 lib/${soname}
      ln -s ${soname} lib/${stem}.so
      mkdir include
      echo >include/${package}.h
      echo '!<arch>' >lib/${stem}_static.a
    '';
  plains = {
    cudnn = "libcudnn.so.9";
    libcal = "libcal.so.0";
    libcublasmp = "libcublasmp.so.0";
    libcudss = "libcudss.so.0";
    libcusolvermp = "libcusolverMp.so.0";
    libcusparse_lt = "libcusparseLt.so.0";
    libnpp_plus = "libnpp_plus.so.0";
    libnvjpeg_2k = "libnvjpeg2k.so.0";
    libnvtiff = "libnvtiff.so.0";
    nvcomp = "libnvcomp.so.5";
  };

  archives = builtins.mapAttrs plain plains // {
    # For several CUDAs in folders.
    libcutensor = packed "libcutensor" ''
      library lib/11/libcutensor.so.2 libcutensor.so.2
      library lib/12/libcutensor.so.2 libcutensor.so.2
      mkdir include
      echo >include/cutensor.h
    '';
    cuquantum = packed "cuquantum" ''
      library lib/libcustatevec.so.1 libcustatevec.so.1
      library lib/libcutensornet.so.2 libcutensornet.so.2
      mkdir include
      echo >include/custatevec.h
    '';
    # TensorRT has its files below targets, and links to them.
    tensorrt = packed "tensorrt" ''
      library targets/x86_64-linux-gnu/lib/libnvinfer.so.10 libnvinfer.so.10
      mkdir -p targets/x86_64-linux-gnu/bin include python samples
      echo 'int main(void) { return 0; }' >"$TMPDIR/main.c"
      gcc -o targets/x86_64-linux-gnu/bin/trtexec "$TMPDIR/main.c"
      ln -s targets/x86_64-linux-gnu/lib lib
      ln -s targets/x86_64-linux-gnu/bin bin
      echo >include/NvInfer.h
      echo >samples/README.md
    '';
    libnvshmem = packed "libnvshmem" ''
      library lib/libnvshmem_host.so.3 libnvshmem_host.so.3
      mkdir -p lib/cmake/nvshmem bin include
      gcc -shared -fPIC -Wl,-soname,libmpi.so.40 -o "$TMPDIR/libmpi.so.40" "$TMPDIR/code.c"
      library lib/nvshmem_bootstrap_mpi.so.3 nvshmem_bootstrap_mpi.so.3 -Wl,--no-as-needed "$TMPDIR/libmpi.so.40"
      echo 'set(NVSHMEM 1)' >lib/cmake/nvshmem/NVSHMEMConfig.cmake
      echo >include/nvshmem.h
      echo 'int main(void) { return 0; }' >"$TMPDIR/main.c"
      gcc -o bin/nvshmem-info "$TMPDIR/main.c"
      echo '!<arch>' >lib/libnvshmem_device.a
    '';
    nvidia_hpc_benchmarks_openmpi = packed "benchmarks" ''
      mkdir hpl-linux-x86_64
      echo 'int main(void) { return 0; }' >"$TMPDIR/main.c"
      gcc -o hpl-linux-x86_64/xhpl "$TMPDIR/main.c"
      printf '#!/bin/bash\nexec "''${0%%/*}/hpl-linux-x86_64/xhpl"\n' >hpl.sh
      chmod 744 hpl.sh
      library lib/nvshmem/libnvshmem_host.so.3 libnvshmem_host.so.3
    '';
    nvimgcodec = packed "nvimgcodec" ''
      library lib64/libnvimgcodec.so.0 libnvimgcodec.so.0
      library extensions/libnvjpeg_ext.so.0 libnvjpeg_ext.so.0
      mkdir include
      echo >include/nvimgcodec.h
    '';
    # Whole names only, as the installer has them.
    nvidia_driver = packed "nvidia_driver" ''
      mkdir -p lib lib32 bin etc
      gcc -shared -fPIC -Wl,-soname,libcuda.so.1 -o lib/libcuda.so.999.12.01 ${./src/driver.c}
      i686-linux-gnu-gcc -nostdlib -shared -fPIC -Wl,-soname,libcuda.so.1 -o lib32/libcuda.so.999.12.01 ${./src/driver.c}
      library lib/libGLX_nvidia.so.999.12.01 libGLX_nvidia.so.0
      echo '{}' >etc/nvidia_icd.json
      echo '{}' >etc/10_nvidia.json
      echo libnvidia-opencl.so.1 >etc/nvidia.icd
    '';
  };

  hash = builtins.concatStringsSep "" (builtins.genList (_: "1") 64);
  manifest = product: version: packages: {
    schema = "cuda-fixup.manifest/1";
    releases = [
      {
        inherit product version;
        packages = lib.genAttrs packages (package: {
          version = "${version}.7";
          name = package;
          license = "NVIDIA Proprietary";
          archives."linux-x86_64${if product == "nvidia-driver" then "" else "/cuda12"}" = {
            sha256 = hash;
            size = 12;
            path = "${package}/linux-x86_64/${package}-linux-x86_64-${version}-archive.tar.xz";
          };
        });
      }
    ];
  };
  manifests = [
    {
      layer = "user";
      files = [
        (manifest "nvshmem" "3.5.19" [ "libnvshmem" ])
        (manifest "nvidia-hpc-benchmarks" "25.09" [ "nvidia_hpc_benchmarks_openmpi" ])
        (manifest "nvimgcodec" "0.6.0" [ "nvimgcodec" ])
        (manifest "nvidia-driver" "999.12.01" [ "nvidia_driver" ])
      ];
    }
  ];
  args = {
    inherit manifests;
    cudaVersion = "12.9";
    pins.nvidia_driver = "999.12";
    capabilities = [ "8.6" ];
    # What those load.
    fetch = { package, ... }: archives.${package} or (plain package "lib${package}.so.1");
  };
  set = pkgs.cudaFixup.mkCudaPackages args;

  # The sources' Makefiles, as far as the packages use them.
  sources = {
    nccl = {
      version = "2.29.7-1";
      src = packed "nccl" ''
        mkdir -p makefiles src
        printf 'NCCL_MAJOR   := 2\nNCCL_MINOR   := 29\nNCCL_PATCH   := 7\nPKG_REVISION := 1\n' >makefiles/version.mk
        cp ${./src/nccl.mk} Makefile
        echo 'int ncclGetVersion(int *version) { *version = 22907; return 0; }' >src/nccl.c
      '';
    };
    gdrcopy = {
      version = "2.5.1";
      src = packed "gdrcopy" ''
        mkdir -p include
        cp ${./src/gdrcopy.mk} Makefile
        echo 'int gdr_open(void);' >include/gdrapi.h
      '';
    };
    nvhpc = {
      version = "25.9";
      src = packed "nvhpc" ''
        bin=install_components/Linux_x86_64/25.9/compilers/bin
        mkdir -p "$bin"
        printf '#!/bin/bash\necho "$@" >"$2/localrc"\n' >"$bin/makelocalrc"
        echo 'int main(void) { return 0; }' >"$TMPDIR/main.c"
        gcc -o "$bin/nvc" "$TMPDIR/main.c"
        chmod +x "$bin/makelocalrc"
      '';
    };
  };
  nvcc = (import ./cuda-archives.nix { inherit pkgs wheels; });
  built =
    sources:
    pkgs.cudaFixup.mkCudaPackages {
      inherit sources;
      cudaVersion = "13.0.2";
      capabilities = [ "8.6" ];
      fetch = { package, ... }: nvcc.${package} or (throw "no archive of ${package}");
    };
  fromSource = built sources;

  bare = pkgs.cudaFixup.cudaPackages_13_0;
  outputsOf = drv: lib.genAttrs drv.outputs (output: "${drv.${output}}");
  names = builtins.attrNames archives;
in
{
  packages = lib.genAttrs names (name: set.${name});
  sources = {
    inherit (fromSource) gdrcopy nccl nvhpc;
  };
  paths = {
    packages = lib.genAttrs names (name: outputsOf set.${name});
    sources = builtins.mapAttrs (_: outputsOf) {
      inherit (fromSource) gdrcopy nccl;
      nvhpc = fromSource.nvhpc // { outputs = [ "out" ]; };
    };
  };
  driver = set.nvidia-driver-run;
  user = pkgs.stdenv.mkDerivation {
    name = "driver-user";
    buildPhase = ''
      echo 'int cuInit(unsigned); int main(void) { return cuInit(0) == 0 ? 0 : 5; }' >main.c
      gcc -shared -fPIC -Wl,-soname,libcuda.so.1 -o libcuda.so ${./src/driver.c}
      gcc -o user main.c -L. -lcuda
    '';
    installPhase = ''mkdir -p "$out/bin" && cp user "$out/bin/"'';
  };
  wheels =
    let
      wheel =
        functions:
        runCommand "wheel" { } ''
          mkdir -p "$out/x"
          {
              for function in ${functions}; do echo "int $function(void);"; done
              echo 'int use(void) { return 0'
              for function in ${functions}; do echo "+ $function()"; done
              echo ';}'
          } >code.c
          echo 'int cudnnCreate(void) { return 1; } int cudnnNew(void) { return 1; }' >library.c
          gcc -shared -fPIC -Wl,-soname,libcudnn.so.9 -o libcudnn.so.9 library.c
          gcc -shared -fPIC -o "$out/x/x.so" code.c libcudnn.so.9
        '';
      zipped =
        functions:
        runCommand "x-1.0-py3-none-any.whl" { } ''
          cp -r --no-preserve=all ${wheel functions}/x .
          python3 -m zipfile -c "$out" x
        '';
      ofSet =
        (pkgs.cudaFixup.mkCudaPackages (args // {
          fetch = { package, ... }: if package != "cudnn" then args.fetch { inherit package; } else packed "cudnn" ''
            mkdir lib
            echo 'int cudnnCreate(void) { return 1; }' >"$TMPDIR/library.c"
            gcc -shared -fPIC -Wl,-soname,libcudnn.so.9 -o lib/libcudnn.so.9.14.0 "$TMPDIR/library.c"
          '';
        }));
      check = wheels: ofSet.checkWheels { inherit wheels; packages = [ ofSet.cudnn ]; };
    in
    {
      suit = check [ (wheel "cudnnCreate") (zipped "cudnnCreate") ];
      lack = check [ (zipped "cudnnCreate cudnnNew") ];
      all = (ofSet.checkWheels { wheels = [ ]; }).drvPath;
    };
  # A page of a server in place of the archive, and an archive with nothing in it.
  page =
    (pkgs.cudaFixup.mkCudaPackages (args // {
      fetch = _: pkgs.writeText "libnpp_plus-linux-x86_64-0.10.0-archive.tar.xz" "<!DOCTYPE html><title>Sign in</title>";
    })).libnpp_plus;
  nothing =
    (pkgs.cudaFixup.mkCudaPackages (args // {
      fetch = _: runCommand "empty.tar" { } ''mkdir archive && tar -cf "$out" archive'';
    })).libnpp_plus;
  noDriver = set.nvidiaDriverRun set.nvimgcodec;

  # Why a package isn't there, where it is asked for.
  words = builtins.mapAttrs (name: _: bare.absent.${name}) {
    gdrcopy = 1;
    libnvshmem = 1;
    nccl = 1;
    nvhpc = 1;
    nvidia_hpc_benchmarks_mpich = 1;
    nvidia_hpc_benchmarks_openmpi = 1;
    nvimgcodec = 1;
  };
  asked = lib.genAttrs [ "nccl" "nvshmem" "nvImageCodec" "hpc_sdk" "nppplus" ] (name: bare.${name}.drvPath);
  # Every name that was asked for is an attribute of every set.
  names = lib.genAttrs [
    "cublasmp"
    "cudnn"
    "cudss"
    "cuquantum"
    "cusolvermp"
    "cusparselt"
    "cutensor"
    "gdrcopy"
    "hpc_sdk"
    "nccl"
    "nppplus"
    "nvImageCodec"
    "nvcomp"
    "nvidia-driver-run"
    "nvidia_driver"
    "nvidia_hpc_benchmarks"
    "nvjpeg2000"
    "nvshmem"
    "nvtiff"
    "tensorrt"
  ] (name: lib.all (set: set ? ${name}) [ bare pkgs.cudaFixup.cudaPackages_12_9 ]);
  aliases = builtins.mapAttrs (name: target: set.${name}.drvPath == set.${target}.drvPath) {
    cublasmp = "libcublasmp";
    cutensor = "libcutensor";
    nvidia_hpc_benchmarks = "nvidia_hpc_benchmarks_openmpi";
    nvImageCodec = "nvimgcodec";
    nvshmem = "libnvshmem";
  };
  unknownSource = (built { nvccl = sources.nccl; }).cuda_cudart.drvPath;
  bareSource = (built { nccl = ./src; }).nccl.drvPath;
  otherVersion = (built { nccl = sources.nccl // { version = "2.30.0"; }; }).nccl;
  otherSource = (built { nccl = sources.gdrcopy; }).nccl;
  otherSources.gdrcopy = (built { gdrcopy = sources.nccl; }).gdrcopy;
  otherSources.nvhpc = (built { nvhpc = sources.nccl; }).nvhpc;

  gpu =
    let
      test = set.writeGpuTest;
    in
    {
      shell = test {
        name = "gpu-shell";
        shell = ''
          tool | tee
        '';
        packages = [ (runCommand "tool" { } ''mkdir -p "$out/bin"; printf '#!/bin/bash\necho a GPU' >"$out/bin/tool"; chmod +x "$out/bin/tool"'') ];
      };
      python = test {
        name = "gpu-python";
        python = ''
          import sys
          print("a GPU, says", sys.version_info.major)
        '';
      };
      features = (test { name = "x"; shell = "true"; }).gpuCheck.drvAttrs.requiredSystemFeatures;
      both = (test { name = "x"; shell = "true"; python = ""; }).drvPath;
      neither = (test { name = "x"; }).drvPath;
    };
}
