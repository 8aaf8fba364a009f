{
  description = "A CUDA program, built with CMake and a set of cuda-fixup";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # The repository that this template is from.
    cuda-fixup.url = "github:OWNER/cuda-fixup";
    cuda-fixup.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      self,
      nixpkgs,
      cuda-fixup,
    }:
    let
      each =
        f:
        nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (
          system:
          f (
            import nixpkgs {
              inherit system;
              overlays = [ cuda-fixup.overlays.default ];
              # NVIDIA's packages are unfree.
              config.allowUnfreePredicate =
                package: builtins.elem (package.meta.license.shortName or "") [ "CUDA EULA" ];
            }
          )
        );
      # The release of CUDA, and the GPUs.
      setOf =
        pkgs:
        pkgs.cudaFixup.mkCudaPackages {
          cudaVersion = "13.0";
          capabilities = [
            "8.6"
            "9.0"
          ];
        };
    in
    {
      packages = each (
        pkgs:
        let
          set = setOf pkgs;
        in
        {
          default = set.cudaStdenv.mkDerivation {
            pname = "saxpy";
            version = "1.0";
            src = ./.;
            nativeBuildInputs = [
              pkgs.cmake
              set.cuda_nvcc
            ];
            buildInputs = [ set.cuda_cudart ];
            # Errors of lint stop the build.
            cudaFixupLint = true;
          };
        }
      );

      # `nix build .#checks.x86_64-linux.gpu` on a machine with a GPU: docs/package-set.md.
      checks = each (pkgs: {
        gpu =
          ((setOf pkgs).writeGpuTest {
            name = "saxpy-runs";
            packages = [ self.packages.${pkgs.stdenv.hostPlatform.system}.default ];
            shell = "saxpy";
          }).gpuCheck;
      });

      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.cmake
            (setOf pkgs).cudatoolkit
          ];
          shellHook = "export CUDA_PATH=${(setOf pkgs).cudatoolkit}";
        };
      });
    };
}
