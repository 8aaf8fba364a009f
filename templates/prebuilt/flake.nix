{
  description = "A prebuilt CUDA program as a package";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # The repository that this template is from.
    cuda-fixup.url = "github:OWNER/cuda-fixup";
    cuda-fixup.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { nixpkgs, cuda-fixup, ... }:
    let
      pkgs = import nixpkgs {
        system = "x86_64-linux";
        overlays = [ cuda-fixup.overlays.default ];
        # NVIDIA's packages are unfree.
        config.allowUnfree = true;
      };
      set = pkgs.cudaFixup.cudaPackages_13;
    in
    {
      packages.x86_64-linux.default = pkgs.stdenv.mkDerivation {
        pname = "tool";
        version = "1.0";
        # The vendor's files: put them into this directory.
        src = ./vendor;
        nativeBuildInputs = [ pkgs.cudaFixup.cudaFixupHook ];
        # Libraries that the program loads: `cuda-fixup inspect vendor` names them.
        buildInputs = [ set.cuda_cudart ];
        installPhase = ''
          mkdir -p "$out"
          cp -r . "$out/"
        '';
        cudaFixupLint = true;
      };
    };
}
