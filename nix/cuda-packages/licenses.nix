# nixpkgs' licence for NVIDIA's words, so that a user's allowUnfreePredicate goes on to work.
{
  lib,
  # Words -> licence, of the layers.
  licenses,
}:
let
  table = (lib.importJSON ../data/redist.json).licenses;
  known = builtins.listToAttrs (
    lib.concatMap (
      license:
      map (words: {
        name = words;
        value = {
          inherit (license)
            shortName
            fullName
            url
            free
            redistributable
            ;
        };
      }) license.words
    ) table
  );
in
words:
licenses.${words} or known.${words} or {
  # In NVIDIA's own words.
  shortName = words;
  fullName = words;
  free = false;
  redistributable = false;
}
