# Real packages of CUDA 13.0.2 out of PyPI's wheels, and packages built with them.
{
  binary,
  wheels,
}:
let
  pkgs = import ./nixpkgs {
    builtBinary = builtins.storePath binary;
    overlays = [ (import ../overlay.nix) ];
  };
  archives = import ./cuda-archives.nix { inherit pkgs wheels; };
  setOf =
    more:
    pkgs.cudaFixup.mkCudaPackages (
      {
        cudaVersion = "13.0.2";
        capabilities = [ "7.5" "8.6" ];
        fetch = { package, ... }: archives.${package} or (throw "no wheel for ${package}");
      }
      // more
    );
  set = setOf { };
  inherit (pkgs) lib;

  program =
    name: more: script:
    set.cudaStdenv.mkDerivation (
      {
        pname = name;
        version = "1.0";
        nativeBuildInputs = [ set.cuda_nvcc ];
        buildInputs = [
          set.cuda_cudart
          set.cuda_cccl
        ];
        installPhase = ''
          mkdir -p "$out/bin"
          ${script}
        '';
        cudaFixupLint = true;
      }
      // more
    );

  # The hooks set nvcc's host compiler; the set's flags the GPUs.
  nvcc = "nvcc ${lib.concatStringsSep " " set.flags.gencode}";
  users = {
    saxpyShared = program "saxpy-shared" { } ''
      ${nvcc} -cudart shared -o "$out/bin/saxpy" ${./src/saxpy.cu}
    '';
    saxpyStatic =
      program "saxpy-static"
        {
          buildInputs = [ set.cuda_cudart ];
          # It is intended here.
          cudaFixupLintAllow = [ "cudart-static" ];
        }
        ''
      ${nvcc} -cudart static -o "$out/bin/saxpy" ${./src/saxpy.cu}
    '';
    dynamic = program "dynamic" { buildInputs = [ set.cuda_cudart ]; } ''
      ${nvcc} -rdc=true -cudart shared -o "$out/bin/dynamic" ${./src/dynamic-parent.cu} ${./src/dynamic-child.cu} -lcudadevrt
    '';
  };

  # Users of libraries beside the runtime, as a Makefile compiles them.
  cxx = ''c++ -I"$CUDA_PATH/include" -L"$CUDA_PATH/lib64"'';
  nvrtc = program "nvrtc-user" { buildInputs = [ set.cuda_nvrtc ]; } ''
    ${cxx} -o "$out/bin/nvrtc" ${./src/nvrtc.cpp} -lnvrtc
  '';
  cufft =
    program "cufft-user"
      {
        buildInputs = [
          set.cuda_cudart
          set.libcufft
        ];
      }
      ''
        ${cxx} -o "$out/bin/cufft" ${./src/cufft.cpp} -lcufft -lcudart
      '';
  cublas =
    program "cublas-user"
      {
        # cuda_fp16.h, which cuBLAS' headers name, needs <nv/target>.
        buildInputs = [
          set.cuda_cccl
          set.cuda_cudart
          set.libcublas
        ];
      }
      ''
        ${cxx} -o "$out/bin/cublas" ${./src/cublas.cpp} -lcublas -lcudart
      '';

  # Where the default compiler is too new for this nvcc: an older one, with the default's libraries.
  newer = setOf {
    pkgs = pkgs.extend (
      final: prev: {
        stdenv = prev.stdenv // {
          cc = prev.stdenv.cc // {
            version = "99.1.0";
          };
        };
      }
    );
  };
  # The user's own, which has the same libraries as the default.
  given = setOf { hostStdenv = pkgs.stdenvWithCompiler (pkgs.gcc11 // { inherit (pkgs.gcc) cc; }); };
  compiledBy = set: set.cudaStdenv.mkDerivation {
    pname = "older-compiler";
    version = "1.0";
    nativeBuildInputs = [ set.cuda_nvcc ];
    buildInputs = [ set.cuda_cudart ];
    installPhase = ''
      mkdir -p "$out/bin"
      ${nvcc} -cudart shared -o "$out/bin/older" ${./src/older.cu}
      ln -s older "$out/bin/given"
    '';
    cudaFixupLint = true;
  };

  # CMake's projects of tests/cuda, in both generations: its CUDA language with FindCUDAToolkit, and
  # FindCUDA.
  cmake =
    name: project: more:
    program name
      (
        {
          buildInputs = [
            set.cuda_cudart
            set.cuda_cccl
          ];
          cudaFixupLintAllow = [ "cudart-static" ];
        }
        // more
      )
      ''
        export CXX=c++ CC=cc
        cmake -S ${../../testdata/cmake}/${project} -B build -DCMAKE_INSTALL_PREFIX="$out" \
            -DCMAKE_BUILD_TYPE=Release "''${cmakeFlags[@]}"
        cmake --build build -j 2
        cmake --install build
      '';
  projects = {
    language = cmake "cmake-language" "toolkit" { };
    findCuda = cmake "cmake-find-cuda" "find-cuda" { cudaEnableCmakeFindCudaSupport = true; };
    python =
      program "python-extension"
        {
          buildInputs = [ set.cuda_cudart ];
          # scikit-build-core reads its settings from the environment.
          __structuredAttrs = false;
          cudaRelaxed.__structuredAttrs = "scikit-build-core reads its settings from the environment";
        }
        ''
          export CXX=c++ CC=cc PYTHONPATH=${skbuild}
          cp -r ${../../testdata/cmake} sources
          chmod -R u+w sources
          cd sources/python-package
          python3 -c 'import scikit_build_core.build as b; print(b.build_wheel("dist"))'
          mkdir -p "$out/lib/python"
          unzip -q dist/*.whl -d "$out/lib/python"
        '';
  };
  skbuild = builtins.path {
    path = wheels + "/scikit-build-core-1.1.2";
    name = "scikit-build-core";
  };

  names = [
    "cuda_nvcc"
    "libnvvm"
    "cuda_crt"
    "cuda_cccl"
    "cuda_cudart"
  ];
  outputsOf = drv: lib.genAttrs drv.outputs (output: "${drv.${output}}");
in
{
  packages = lib.genAttrs names (name: set.${name});
  inherit
    users
    projects
    nvrtc
    cufft
    cublas
    ;
  older = compiledBy newer;
  given = compiledBy given;
  paths = {
    packages = lib.genAttrs names (name: outputsOf set.${name});
    users = lib.mapAttrs (_: outputsOf) users;
    projects = lib.mapAttrs (_: outputsOf) projects;
    older.user = outputsOf (compiledBy newer);
    given.user = outputsOf (compiledBy given);
    given.library = outputsOf given.cuda_cudart;
    older.library = outputsOf newer.cuda_cudart;
    nvrtc.user = outputsOf nvrtc;
    nvrtc.library = outputsOf set.cuda_nvrtc;
    cufft.user = outputsOf cufft;
    cufft.library = outputsOf set.libcufft;
    cublas.user = outputsOf cublas;
    cublas.library = outputsOf set.libcublas;
  };
  unexplained =
    (set.cudaStdenv.mkDerivation {
      pname = "lax";
      version = "1";
      strictDeps = false;
    }).drvPath;
  explained =
    (set.cudaStdenv.mkDerivation {
      pname = "lax";
      version = "1";
      strictDeps = false;
      cudaRelaxed.strictDeps = "its build runs what it finds in buildInputs";
    }).name;
}
