# One package as each kind of archive that manifests name, built by the real builder and fetched by
# the real fetcher, from files of this machine.
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
  tar = (import ./cuda-archives.nix { inherit pkgs wheels; }).cuda_cudart;
  unpacked = "tar -xf ${tar} && mv cuda_cudart-archive archive";
  packed = "tar --sort=name --owner=0 --group=0 --mtime=@1 -cf archive.tar archive";
  archives = {
    xz = runCommand "kind.tar.xz" { } ''
      ${unpacked} && ${packed}
      xz -1 -c archive.tar >"$out"
    '';
    gz = runCommand "kind.tar.gz" { } ''
      ${unpacked} && ${packed}
      gzip -1 -n -c archive.tar >"$out"
    '';
    zst = runCommand "kind.tar.zst" { } ''
      ${unpacked} && ${packed}
      zstd -q -1 -c archive.tar >"$out"
    '';
    # As NVIDIA's for Jetson: the installer's layout below /usr/local, and links into it.
    deb = runCommand "kind.deb" { } ''
      ${unpacked}
      cuda=package/usr/local/cuda-13.0
      target=$cuda/targets/x86_64-linux
      mkdir -p "$target" package/usr/share/doc/kind package/DEBIAN
      mv archive/include archive/lib "$target/"
      mv archive/pkg-config "$cuda/"
      ln -s targets/x86_64-linux/include "$cuda/include"
      ln -s targets/x86_64-linux/lib "$cuda/lib64"
      mv archive/LICENSE package/usr/share/doc/kind/copyright
      printf 'Package: kind\nVersion: 1\nArchitecture: amd64\nMaintainer: x <x@y>\nDescription: x\n' >package/DEBIAN/control
      dpkg-deb --root-owner-group -Zxz -z1 -b package "$out"
    '';
  };
  endings = {
    xz = "tar.xz";
    gz = "tar.gz";
    zst = "tar.zst";
    deb = "deb";
  };
  names = map (name: "kind_${name}") (builtins.attrNames archives);

  # Its sha256, which a manifest has; it is known when the archive is there.
  sumOf = archive: builtins.hashFile "sha256" archive;

  set = sum: setWith sum { };
  setWith =
    sum: overrides:
    pkgs.cudaFixup.mkCudaPackages {
      inherit overrides;
      cudaVersion = "13.0.2";
      manifests = [
        {
          layer = "acme";
          files = [
            {
              schema = "cuda-fixup.manifest/1";
              releases = [
                {
                  product = "kinds";
                  version = "1.0.0";
                  packages = lib.genAttrs names (
                    package:
                    let
                      name = lib.removePrefix "kind_" package;
                      archive = archives.${name};
                    in
                    {
                      version = "1.0.0.1";
                      name = "A package";
                      license = "CUDA Toolkit";
                      archives."linux-x86_64/cuda13" = {
                        sha256 = sum archive;
                        size = 1;
                        path = "kind/kind-${name}.${endings.${name}}";
                      };
                    }
                  );
                }
              ];
            }
          ];
        }
      ];
      fetch =
        args:
        import ../cuda-packages/fetch.nix {
          fetchurl = fetched: pkgs.fetchurl (fetched // { name = baseNameOf args.path; });
        } (args // { url = "file://${archives.${lib.removePrefix "kind_" args.package}}"; });
    };
  describedBy =
    file:
    (setWith sumOf {
      user = [
        {
          package = "kind_xz";
          attrs.redistFeatures = file;
        }
      ];
    }).kind_xz;
  packages = lib.genAttrs names (name: (set sumOf).${name});
in
{
  inherit packages;
  features = builtins.mapAttrs (_: package: package.features) packages;
  # With a file of what the archive holds, and with one of another archive.
  described = describedBy packages.kind_xz.features;
  describedOutputs = (describedBy packages.kind_xz.features).outputs;
  conditions =
    (describedBy (runCommand "newer" { } "sed 's/2\.17/99.1/' ${packages.kind_xz.features} >$out")).conditions;
  misdescribed = describedBy (
    runCommand "other" { } "sed 's/libcudart.so.13/libcudart.so.12/' ${packages.kind_xz.features} >$out"
  );
  featuresPaths = builtins.mapAttrs (_: package: "${package.features}") packages;
  # Of the archive's name, say: what NVIDIA republished has another hash than the manifest.
  lying = (set (archive: builtins.hashString "sha256" "${baseNameOf archive}")).kind_xz;
  paths = builtins.mapAttrs (
    _: package: lib.genAttrs package.outputs (output: "${package.${output}}")
  ) packages;
}
