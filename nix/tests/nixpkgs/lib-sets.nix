# More functions of nixpkgs' library, as lib.nix has them: those that package sets are made with.
rec {
  inherit (builtins)
    concatLists
    foldl'
    groupBy
    zipAttrsWith
    ;

  last = list: builtins.elemAt list (builtins.length list - 1);
  reverseList = list: builtins.genList (at: builtins.elemAt list (builtins.length list - at - 1)) (builtins.length list);
  unique = foldl' (done: each: if builtins.elem each done then done else done ++ [ each ]) [ ];
  findFirst =
    wanted: default: list:
    let
      found = builtins.filter wanted list;
    in
    if found == [ ] then default else builtins.head found;
  range = first: end: if first > end then [ ] else builtins.genList (at: first + at) (end - first + 1);

  mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);

  hasSuffix =
    suffix: string:
    let
      at = builtins.stringLength string - builtins.stringLength suffix;
    in
    at >= 0 && builtins.substring at (-1) string == suffix;
  removePrefix =
    prefix: string:
    let
      length = builtins.stringLength prefix;
    in
    if builtins.substring 0 length string == prefix then
      builtins.substring length (-1) string
    else
      string;
  escapeRegex = builtins.replaceStrings [ "." "+" "*" "(" ")" "[" "]" "|" "\\" "^" "$" "?" "{" "}" ] (
    map (c: "\\${c}") [ "." "+" "*" "(" ")" "[" "]" "|" "\\" "^" "$" "?" "{" "}" ]
  );
  splitString =
    separator: string: builtins.filter builtins.isString (builtins.split (escapeRegex separator) string);
  toInt = string: builtins.fromJSON string;

  versions = {
    major = version: builtins.head (builtins.splitVersion version);
    majorMinor =
      version:
      let
        parts = builtins.splitVersion version;
      in
      builtins.concatStringsSep "." (
        map (builtins.elemAt parts) (if builtins.length parts > 1 then [ 0 1 ] else [ 0 ])
      );
  };

  sourceTypes.binaryNativeCode = {
    shortName = "binaryNativeCode";
    isSource = false;
  };

  getLib = drv: drv.lib or drv.out or drv;
}
