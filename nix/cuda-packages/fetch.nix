# An archive from NVIDIA's server. Where its hash is not that of the manifest, the build names the
# archive and the layer, beside what Nix says.
{ fetchurl }:
{
  url,
  sha256,
  layer,
  product,
  release,
  package,
  key,
  ...
}:
fetchurl {
  inherit url sha256;
  postFetch = ''
    found=$(sha256sum "''${downloadedFile:-$out}")
    found=''${found%% *}
    if [ "$found" != ${sha256} ]; then
        echo "error: ${url}: expected sha256 ${sha256}, which the layer ${layer} has for ${package} ${key} of ${product} ${release}, found $found" >&2
        echo "help: NVIDIA may have republished it: compare with its redistrib_${release}.json (cuda-fixup redist diff)" >&2
        exit 1
    fi
  '';
}
