# The functions of nixpkgs' library that the project's Nix files use, under the same names and
# with the same meaning.
rec {
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatMap
    concatStringsSep
    elem
    filter
    head
    isFunction
    isList
    length
    map
    mapAttrs
    match
    readFile
    removeAttrs
    replaceStrings
    substring
    tail
    toFile
    toJSON
    ;

  # Fixed points and overlays.
  fix = f: let x = f x; in x;
  extends = overlay: f: final: let prev = f final; in prev // overlay final prev;

  # Attribute sets.
  optionalAttrs = condition: set: if condition then set else { };
  genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
  filterAttrs = keep: set: genAttrs (filter (n: keep n set.${n}) (attrNames set)) (n: set.${n});
  concatMapAttrs =
    f: set: builtins.foldl' (all: name: all // f name set.${name}) { } (attrNames set);
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  isDerivation = value: builtins.isAttrs value && value.type or "" == "derivation";

  # Platforms: equal in all that they say, functions left out.
  systems.equals =
    a: b:
    let
      data = filterAttrs (_: value: !isFunction value);
    in
    data a == data b;

  # Lists and strings.
  findFirst =
    wanted: default: list:
    let
      found = filter wanted list;
    in
    if found == [ ] then default else head found;
  optional = condition: element: if condition then [ element ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalString = condition: string: if condition then string else "";
  escapeShellArg = arg: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString arg)}'";
  escapeShellArgs = args: concatStringsSep " " (map escapeShellArg args);
  concatMapStringsSep = separator: f: list: concatStringsSep separator (map f list);
  getName = drv: drv.pname or (builtins.parseDrvName drv.name).name;
  getDev = drv: drv.dev or drv;
  getExe = drv: "${drv}/bin/${drv.meta.mainProgram or (getName drv)}";
  getOutput = name: drv: drv.${name} or drv.out or drv;

  # Files.
  importTOML = file: builtins.fromTOML (readFile file);
  importJSON = file: builtins.fromJSON (readFile file);
  fileset = {
    unions = concatMap (element: if isList element then element else [ element ]);
    maybeMissing = path: optional (builtins.pathExists path) path;
    # The real one takes paths as they are, too; here a set of files is a list of paths.
    toSource =
      { root, fileset }:
      let
        wanted = map toString fileset;
        inside = path: any (w: path == w || hasPrefix "${w}/" path) wanted;
        above = path: any (w: hasPrefix "${path}/" w) wanted;
      in
      {
        outPath = builtins.path {
          path = root;
          name = "source";
          filter = path: _: inside path || above path;
        };
      };
  };
  hasPrefix = prefix: string: substring 0 (builtins.stringLength prefix) string == prefix;

  # Calls with arguments out of a scope.
  callPackageWith =
    scope: f: args:
    let
      function = if isFunction f then f else import f;
      override = more: callPackageWith scope function (args // more);
      result = function (builtins.intersectAttrs (builtins.functionArgs function) scope // args);
    in
    if builtins.isAttrs result then result // { inherit override; } else result;
  makeScope =
    newScope: f:
    let
      self = f self // {
        newScope = scope: newScope (self // scope);
        callPackage = self.newScope { };
        overrideScope = overlay: makeScope newScope (extends overlay f);
      };
    in
    self;

  versions.majorMinor =
    version: concatStringsSep "." (map (builtins.elemAt (builtins.splitVersion version)) [ 0 1 ]);

  licenses = {
    mit = "MIT";
    asl20 = "Apache-2.0";
  };
  platforms.linux = [ "x86_64-linux" "i686-linux" "aarch64-linux" ];
}
