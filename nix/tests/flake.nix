{
  description = "The stand-in for nixpkgs as a flake, for the tests of ../../flake.nix";
  outputs = _: {
    lib = import ./nixpkgs/lib.nix;
    legacyPackages = {
      x86_64-linux = import ./nixpkgs { system = "x86_64-linux"; };
      aarch64-linux = import ./nixpkgs { system = "aarch64-linux"; };
      i686-linux = import ./nixpkgs { system = "i686-linux"; };
    };
  };
}
