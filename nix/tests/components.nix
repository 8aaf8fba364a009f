# Pieces of toolkits that publish themselves, and packages that are built with them.
{ lib, nixpkgs, generations }:
let
  pkgs = nixpkgs "2026-08";
  cuda = pkgs.cudaPackages;
  piece = args: import ./component.nix ({ inherit (pkgs) stdenv; hook = cuda.cudaComponentHook; } // args);
  # A program that says it is NVIDIA's compiler, of 12.4, published from the place that is given.
  compilerWith =
    more:
    piece {
      more = {
        pname = "cuda_compiler";
        outputs = [ "out" "debug" ];
        cudaCompilerExecutable = "libexec/compiler";
        installPhase = ''
          mkdir -p "$out/libexec" "$debug"
          cc -o "$out/libexec/compiler" -DRELEASE='"12.4"' ${./src/nvcc.c}
          runHook postInstall
        '';
      } // more;
    };
  user =
    more:
    pkgs.stdenv.mkDerivation (
      {
        name = "component-user-1.0";
        strictDeps = true;
        nativeBuildInputs = [ cuda.cudaComponentHook ];
        installPhase = ''
          mkdir "$out"
          for role in _FOR_BUILD "" _FOR_TARGET; do
              for variable in CUDAToolkit_ROOT CUDACXX CUDA_BIN_PATH CUDA_PATH CUDAToolkit_INCLUDE_DIR; do
                  printf '%s=%s\n' "$variable$role" "$(printenv "$variable$role" || true)"
              done
              root=CUDAToolkit_ROOT$role
              if [[ -n ''${!root-} ]]; then
                  echo "pieces$role=$(cd "''${!root}" && find include lib/ -name '*piece*' | sort | tr '\n' ' ')"
                  echo "version$role=$(tr -d ' \n' <"''${!root}/version.json")"
              fi
          done >environment
          sed "s,$NIX_BUILD_TOP,TOP,g" environment >"$out/environment"
        '';
      }
      // more
    );
  published = piece { };
  ofCuda13 = piece { hook = pkgs.cudaPackages_13.cudaComponentHook; };
  compiler = compilerWith { };
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
      cudaComponentName = "a \"name\" $HOME";
      cudaComponentVersion = "99.1";
      cudaMajorMinorVersion = "11.8";
    };
  };
  # The older hook under the newer name's variables, and the other way round.
  notAsked = piece { more.cudaPublishComponent = false; };
  inherit compiler;
  compilerByPath = compilerWith { cudaCompilerExecutable = "${placeholder "out"}/libexec/compiler"; };

  collected = user { buildInputs = [ "${published.lib}" published old ]; };
  collectedByTheOldHook = user {
    nativeBuildInputs = [ cuda.setupCudaHook ];
    buildInputs = [ "${published.lib}" published ];
  };
  compiled = user {
    nativeBuildInputs = [ cuda.cudaComponentHook compiler ];
    buildInputs = [ published ];
  };
  # A compiler in the usual place is the toolkit's nvcc, published or not.
  compiledByNvcc = user {
    nativeBuildInputs = [
      cuda.cudaComponentHook
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
    nativeBuildInputs = [ cuda.cudaComponentHook compiler ];
    buildInputs = [ published ];
    env.CUDACXX = "/my/compiler";
  };
  roles = user {
    buildInputs = [ published ];
    depsBuildBuild = [ pkgs.cudaPackages_13.cuda_cudart ];
    depsTargetTarget = [ ofCuda13 ];
  };
  # Passed on by a library, with the hook: who needs the library names neither.
  passedOn = lib.genAttrs [ "cudaPropagateToOutput" "cudaPropagateDependenciesToOutput" ] (
    variable:
    user {
      nativeBuildInputs = [ ];
      buildInputs = [
        (pkgs.stdenv.mkDerivation {
          name = "between-1.0";
          outputs = [ "out" "dev" ];
          nativeBuildInputs = [ cuda.cudaComponentHook ];
          buildInputs = [ published ];
          installPhase = ''mkdir -p "$out" "$dev"'';
          ${variable} = "dev";
        })
      ];
    }
  );

  fails = {
    twoReleases = user { buildInputs = [ published ofCuda13 ]; };
    twoCompilers = user {
      nativeBuildInputs = [ cuda.cudaComponentHook compiler (compilerWith { pname = "another"; }) ];
      buildInputs = [ published ];
    };
    besideNvcc = user {
      nativeBuildInputs = [ cuda.cudaComponentHook compiler cuda.cuda_nvcc ];
      buildInputs = [ published ];
    };
    noCompiler = compilerWith { cudaCompilerExecutable = "bin/gone"; };
    noRelease = piece { hook = pkgs.cudaFixup.cudaComponentHook; };
    noOutput = user {
      buildInputs = [ published ];
      cudaPropagateDependenciesToOutput = "dev";
    };
  };
}
