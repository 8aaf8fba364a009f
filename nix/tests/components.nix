# nixpkgs' newest generation of CUDA packages: components that publish themselves (component.nix), and
# packages that name only components.
{ lib, nixpkgs, generations }:
let
  pkgs = nixpkgs "2026-08";
  cuda = pkgs.cudaPackages;
  piece = args: import ./component.nix ({ inherit (pkgs) stdenv; hook = cuda.cudaComponentHook; } // args);
  # A compiler of a CUDA release, which is published from the place that is given.
  compilerOf =
    release: hook: more:
    piece {
      inherit hook;
      more = {
        pname = "cuda_compiler";
        outputs = [ "out" "debug" ];
        cudaCompilerExecutable = "libexec/compiler";
        installPhase = ''
          mkdir -p "$out/libexec" "$debug"
          cc -o "$out/libexec/compiler" -DRELEASE='"${release}"' ${./src/nvcc.c}
          runHook postInstall
        '';
      } // more;
    };
  compilerWith = compilerOf "12.4" cuda.cudaComponentHook;
  user =
    more:
    pkgs.stdenv.mkDerivation (
      {
        name = "component-user-1.0";
        strictDeps = true;
        installPhase = ''
          mkdir "$out"
          for role in _FOR_BUILD "" _FOR_TARGET; do
              for variable in CUDAToolkit_ROOT CUDACXX CUDA_BIN_PATH CUDA_PATH CUDAToolkit_INCLUDE_DIR \
                  NIX_CUDA_COMPILER NIX_CUDA_COMPILER_ROOT NIX_CUDA_MAJOR_MINOR_VERSION; do
                  printf '%s=%s\n' "$variable$role" "$(printenv "$variable$role" || true)"
              done
              root=CUDAToolkit_ROOT$role
              if [[ -n ''${!root-} ]]; then
                  echo "pieces$role=$(cd "''${!root}" && find include lib/ -name '*piece*' | sort | tr '\n' ' ')"
                  echo "version$role=$(tr -d ' \n' <"''${!root}/version.json")"
              fi
          done >environment
          for variable in NVCC_PREPEND_FLAGS CUDAHOSTCXX NVCC_CCBIN CMAKE_TOOLCHAIN_FILE CUDA_OWN_HOOK; do
              printf '%s=%s\n' "$variable" "''${!variable-}" >>environment
          done
          echo "registry=$(printf '%s ' "''${!_cudaComponentRegistry[@]}" | tr ' ' '\n' | sort | tr '\n' ' ')" >>environment
          sed "s,$NIX_BUILD_TOP,TOP,g" environment >"$out/environment"
        '';
      }
      // more
    );
  published = piece { };
  ofCuda13 = piece { hook = pkgs.cudaPackages_13.cudaComponentHook; };
  compiler = compilerWith { };
  compilerOfCuda13 = compilerOf "13.5" pkgs.cudaPackages_13.cudaComponentHook { };
  # What the old marker's packages are: they know nothing of the new one.
  old = cuda.cuda_cudart;
in
{
  # Every generation and mode publishes the same bytes.
  published = lib.genAttrs generations (
    generation:
    let
      pkgs = nixpkgs generation;
      pieceOf =
        args: import ./component.nix ({ inherit (pkgs) stdenv; hook = pkgs.cudaPackages.cudaComponentHook; } // args);
    in
    {
      structured = pieceOf { };
      plain = pieceOf { structured = false; };
      lax = pieceOf { strictDeps = false; structured = false; };
      laxStructured = pieceOf { strictDeps = false; };
      misplaced = pieceOf { placement = "build"; };
      twice = pieceOf { placement = "both"; };
    }
  );
  named = piece {
    more = {
      cudaComponentName = "a.name+1";
      cudaComponentVersion = "99.1";
      cudaMajorMinorVersion = "11.8";
    };
  };
  notAsked = piece { more.cudaPublishComponent = false; };
  # A hook of no CUDA set knows no release, and a package of none needs none.
  noRelease = piece { hook = pkgs.cudaFixup.cudaComponentHook; };
  # The package's own setup hook stays, behind the line that makes its users collect it.
  ownSetupHook = piece {
    more.setupHook = builtins.toFile "own-hook.sh" ''
      export CUDA_OWN_HOOK=kept
      return 0
    '';
  };
  hook = cuda.cudaComponentHook;
  inherit compiler;

  # Libraries alone configure nothing.
  onlyLibraries = user {
    buildInputs = [ "${published.lib}" published ];
    NVCC_PREPEND_FLAGS = "--untouched";
  };
  compiled = user {
    nativeBuildInputs = [ compiler ];
    buildInputs = [ "${published.lib}" published ];
  };
  lax = user {
    strictDeps = false;
    buildInputs = [ compiler published ];
  };
  # A compiler that can't run in the build is a library to it.
  inactive = user { buildInputs = [ compiler published ]; };
  # A compiler in the usual place is the toolkit's nvcc, published or not.
  compiledByNvcc = user {
    nativeBuildInputs = [
      (compilerWith {
        cudaCompilerExecutable = "bin/nvcc";
        postInstall = ''
          mkdir "$out/bin"
          mv "$out/libexec/compiler" "$out/bin/nvcc"
          echo 'TOP = $(_HERE_)/..' >"$out/bin/nvcc.profile"
        '';
      })
    ];
    buildInputs = [ published ];
  };
  own = user {
    nativeBuildInputs = [ compiler ];
    buildInputs = [ published ];
    env.CUDACXX = "/my/compiler";
  };
  # Both generations in one build.
  besideTheOldHook = user {
    nativeBuildInputs = [ cuda.setupCudaHook ];
    buildInputs = [ "${published.lib}" published old ];
  };
  roles = user {
    nativeBuildInputs = [ compiler ];
    buildInputs = [ published ];
    depsBuildBuild = [ compilerOfCuda13 ];
    depsBuildTarget = [ compilerOfCuda13 ];
    depsTargetTarget = [ ofCuda13 ];
  };
  setupHookOfItsOwn = user {
    nativeBuildInputs = [ compiler ];
    buildInputs = [
      (piece {
        more = {
          pname = "own_hook";
          setupHook = builtins.toFile "own-hook.sh" ''
            export CUDA_OWN_HOOK=kept
            return 0
          '';
        };
      })
    ];
  };
  # Passed on by a library, each generation in its own way: who needs the library names neither.
  passedOn =
    let
      between =
        more:
        pkgs.stdenv.mkDerivation (
          {
            name = "between-1.0";
            outputs = [ "out" "dev" "cxxdev" ];
            strictDeps = true;
            buildInputs = [ published ];
            installPhase = ''mkdir -p "$out" "$dev" "$cxxdev"'';
          }
          // more
        );
    in
    lib.mapAttrs
      (_: package: {
        inherit package;
        user = user { buildInputs = [ "${package.cxxdev}" ]; };
      })
      {
        old = between {
          nativeBuildInputs = [ cuda.setupCudaHook ];
          cudaPropagateToOutput = "cxxdev";
        };
        # Without a piece of a toolkit the hook and the first output are passed on all the same.
        oldWithoutPieces = between {
          nativeBuildInputs = [ cuda.setupCudaHook ];
          buildInputs = [ ];
          cudaPropagateToOutput = "cxxdev";
        };
        newest = between {
          nativeBuildInputs = [ compiler ];
          cudaPropagateDependenciesToOutput = "cxxdev";
        };
      };

  fails = {
    twoReleases = user { buildInputs = [ published ofCuda13 ]; };
    twoCompilers = user {
      nativeBuildInputs = [ compiler (compilerWith { pname = "another"; }) ];
      buildInputs = [ published ];
    };
    besideNvcc = user {
      nativeBuildInputs = [ cuda.setupCudaHook compiler cuda.cuda_nvcc ];
      buildInputs = [ published ];
    };
    noCompiler = compilerWith { cudaCompilerExecutable = "bin/gone"; };
    byPath = compilerWith { cudaCompilerExecutable = "${placeholder "out"}/libexec/compiler"; };
    upwards = compilerWith { cudaCompilerExecutable = "libexec/../libexec/compiler"; };
    badName = piece { more.cudaComponentName = "a \"name\" $HOME"; };
    badRelease = piece { more.cudaMajorMinorVersion = "new"; };
    noVersion = piece { more.version = ""; more.name = "no-version"; };
    noOutput = user {
      nativeBuildInputs = [ compiler ];
      cudaPropagateDependenciesToOutput = "dev";
    };
    noOutputOfTheOldHook = user {
      nativeBuildInputs = [ cuda.setupCudaHook ];
      cudaPropagateToOutput = "dev";
    };
    unknownField = user {
      nativeBuildInputs = [ cuda.cudaComponentHook ];
      buildInputs = [
        (pkgs.runCommand "strange" { } ''
          mkdir -p "$out/nix-support"
          echo 'declare -A cudaComponentMetadata=([format]="3" [colour]="red")' >"$out/nix-support/cuda-component"
        '')
      ];
    };
  };
}
