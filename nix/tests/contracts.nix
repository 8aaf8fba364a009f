# What packages of nixpkgs rely on by name, read off the texts of nixpkgs' hooks: the name of each
# derivation, the functions and variables that its setup hook defines, and the elements that it adds to
# stdenv's arrays of hooks. Below pkgs/ in nixpkgs; names of one text that the next one dropped stay.
{ lib, pkgs }:
let
  cuda = pkgs.cudaPackages;
  table = {
    autoPatchelfHook = {
      text = "build-support/setup-hooks/auto-patchelf.sh";
      hook = pkgs.autoPatchelfHook;
      name = "auto-patchelf-hook";
      functions = [ "gatherLibraries" "addAutoPatchelfSearchPath" "autoPatchelf" "autoPatchelfPostFixup" ];
      variables = [ "autoPatchelfLibs" "extraAutoPatchelfLibs" ];
      postFixupHooks = [ "autoPatchelfPostFixup" ];
      # Propagated, since packages call it in their phases.
      programs = [ "auto-patchelf" ];
    };
    addDriverRunpath = {
      text = "by-name/ad/addDriverRunpath/setup-hook.sh";
      hook = pkgs.addDriverRunpath;
      name = "add-driver-runpath";
      functions = [ "addDriverRunpath" "addOpenGLRunpath" ];
    };
    autoAddDriverRunpath = {
      text = "by-name/au/autoAddDriverRunpath/auto-add-driver-runpath-hook.sh";
      hook = pkgs.autoAddDriverRunpath;
      name = "auto-add-driver-runpath-hook";
      functions = [ "addDriverRunpath" "autoFixElfFiles" "elfHasDynamicSection" ];
      postFixupHooks = [ "autoFixElfFiles addDriverRunpath" ];
    };
    autoFixElfFiles = {
      text = "build-support/setup-hooks/auto-fix-elf-files.sh";
      hook = pkgs.autoFixElfFiles;
      name = "auto-fix-elf-files";
      functions = [ "autoFixElfFiles" "elfHasDynamicSection" ];
    };
    autoAddCudaCompatRunpath = {
      text = "development/cuda-modules/packages/autoAddCudaCompatRunpath";
      hook = pkgs.cudaPackages_11.autoAddCudaCompatRunpath;
      name = "auto-add-cuda-compat-runpath-hook";
      functions = [ "addCudaCompatRunpath" "autoFixElfFiles" ];
      postFixupHooks = [ "autoFixElfFiles addCudaCompatRunpath" ];
    };
    removeStubsFromRunpathHook = {
      text = "development/cuda-modules/packages/removeStubsFromRunpathHook";
      hook = cuda.removeStubsFromRunpathHook;
      # buildRedistHook.bash looks for it in nix-support/propagated-*.
      name = "removeStubsFromRunpathHook";
      functions = [ "removeStubsFromRunpath" "autoFixElfFiles" ];
      variables = [ "removeStubsFromRunpathHookOnce" ];
      postFixupHooks = [ "autoFixElfFiles removeStubsFromRunpath" ];
    };
    markForCudatoolkitRootHook = {
      text = "development/cuda-modules/packages/markForCudatoolkitRootHook";
      hook = cuda.markForCudatoolkitRootHook;
      name = "mark-for-cudatoolkit-root-hook";
      functions = [ "markForCUDAToolkit_ROOT" ];
      fixupOutputHooks = [ "markForCUDAToolkit_ROOT" ];
    };
    setupCudaHook = {
      text = "development/cuda-modules/packages/setupCudaHook/setup-cuda-hook.sh";
      hook = cuda.setupCudaHook;
      name = "setup-cuda-hook";
      functions = [ "extendcudaHostPathsSeen" "setupCUDAToolkit_ROOT" "setupCUDAToolkitCompilers" "propagateCudaLibraries" ];
      variables = [ "cudaSetupHookOnce" "cudaHostPathsSeen" "cudaOutputToPath" ];
      preConfigureHooks = [ "setupCUDAToolkit_ROOT" "setupCUDAToolkitCompilers" ];
      postFixupHooks = [ "propagateCudaLibraries" ];
    };
    cudaComponentHook = {
      text = "development/cuda-modules/packages/cudaComponentHook/cuda-component-hook.sh";
      hook = cuda.cudaComponentHook;
      name = "cuda-component-hook";
      functions = [
        "_cudaCollectComponent"
        "_cudaError"
        "_cudaExportUnique"
        "_cudaMergePropagatedInputs"
        "_cudaPropagateComponentDependencies"
        "_cudaPublishComponents"
        "_cudaResolveCompiler"
        "_cudaValidateIdentifier"
      ];
      variables = [ "_cudaCollectedDependencies" "_cudaComponentHookPath" "_cudaComponentHookSourced" "_cudaComponentRegistry" ];
      postFixupHooks = [ "_cudaPublishComponents" "_cudaPropagateComponentDependencies" ];
    };
  };
  check =
    placement: name: row:
    pkgs.stdenv.mkDerivation {
      name = "contract-${name}";
      strictDeps = true;
      ${placement} = [ row.hook ];
      dontFixup = true;
      buildPhase = ''
        fail() { echo "${name} (nixpkgs: pkgs/${row.text}): $*" >&2; exit 1; }
        [[ ${row.hook.name} == ${row.name} ]] || fail "its name is ${row.hook.name}"
        for function in ${toString (row.functions or [ ])}; do
            declare -F "$function" >/dev/null || fail "no function $function"
        done
        for variable in ${toString (row.variables or [ ])}; do
            declare -p "$variable" >/dev/null || fail "no variable $variable"
        done
        has() { # ARRAY ELEMENT
            local -n elements=$1
            local element
            for element in "''${elements[@]}"; do
                if [[ $element == "$2" ]]; then return 0; fi
            done
            fail "no element $2 of $1"
        }
        ${lib.concatMapStringsSep "\n" (
          array: lib.concatMapStringsSep "\n" (element: "has ${array} ${lib.escapeShellArg element}") (row.${array} or [ ])
        ) [ "preConfigureHooks" "fixupOutputHooks" "postFixupHooks" ]}
        for program in ${toString (if placement == "nativeBuildInputs" then row.programs or [ ] else [ ])}; do
            command -v "$program" >/dev/null || fail "no program $program on PATH"
        done
      '';
      installPhase = ''mkdir "$out"'';
    };
in
{
  native = lib.mapAttrs (check "nativeBuildInputs") table;
  # In the wrong list the names are there as well.
  build = lib.mapAttrs (check "buildInputs") table;
}
