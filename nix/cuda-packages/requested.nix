# Packages of which no manifest comes with this project, or that NVIDIA publishes as sources only:
# they take the user's file, and say which one until they have it.
{
  lib,
  # NVIDIA's server.
  url,
  # Products by name, with their directories (nix/data/redist.json).
  products,
  # Packages that a manifest has.
  known,
  # Package -> { src, version }: the user's.
  sources,
}:
let
  inherit (builtins) attrNames concatStringsSep filter;

  # Packages of products without a manifest here.
  ofManifests = lib.concatMap (
    each: map (name: { inherit name; inherit (each) product directory; }) each.packages
  ) products;
  needsManifest =
    { name, product, directory }:
    "${name} has no manifest here\nhelp: download redistrib_VERSION.json from ${url}/${directory}/, make `cuda-fixup redist index redistrib_VERSION.json >${product}.json` of it, and set manifests = [ ./${product}.json ];";

  # Where sources come from.
  places = {
    gdrcopy = "a release of https://github.com/NVIDIA/gdrcopy";
    nccl = "a release of https://github.com/NVIDIA/nccl, or the source of Debian's nvidia-nccl";
    nvhpc = "nvhpc_YEAR_VERSION_Linux_x86_64_cuda_CUDA.tar.gz of https://developer.nvidia.com/hpc-sdk-downloads";
  };
  needsSource =
    name:
    "${name} is built from a file that is not here\nhelp: it takes ${places.${name}}: mkCudaPackages { sources.${name} = { src = ./FILE; version = \"VERSION\"; }; … }";
  check =
    name:
    let
      source = sources.${name};
    in
    if !builtins.isAttrs source || !source ? src || !source ? version then
      throw "sources.${name}: expected { src, version }, found something else\nhelp: sources.${name} = { src = ./FILE; version = \"VERSION\"; };"
    else
      source;

  unknown = filter (name: !places ? ${name}) (attrNames sources);
in
{
  # Name -> words, of all packages that need a file.
  missing =
    builtins.listToAttrs (
      map (each: {
        inherit (each) name;
        value = needsManifest each;
      }) (filter (each: !builtins.elem each.name known) ofManifests)
    )
    // lib.genAttrs (filter (name: !sources ? ${name}) (attrNames places)) needsSource;

  # Name -> { src, version }.
  given = lib.genAttrs (filter (name: sources ? ${name}) (attrNames places)) check;

  # Evaluates to true, or throws.
  sourcesMatch =
    if unknown == [ ] then
      true
    else
      throw "sources.${builtins.head unknown} matches no package: there is ${concatStringsSep ", " (attrNames places)}";

  # What users, and NVIDIA's own pages, call packages.
  aliases = {
    cublasmp = "libcublasmp";
    cudss = "libcudss";
    cusolvermp = "libcusolvermp";
    cusparselt = "libcusparse_lt";
    cutensor = "libcutensor";
    hpc_sdk = "nvhpc";
    nppplus = "libnpp_plus";
    nvidia_hpc_benchmarks = "nvidia_hpc_benchmarks_openmpi";
    nvImageCodec = "nvimgcodec";
    nvjpeg2000 = "libnvjpeg_2k";
    nvshmem = "libnvshmem";
    nvtiff = "libnvtiff";
  };
}
