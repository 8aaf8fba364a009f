# What a cross build has of nixpkgs' splicing: a scope whose packages know what they are in the
# stage of the build platform.
final:
let
  inherit (final) lib;
  cross = final.stdenv.hostPlatform.system != final.stdenv.buildPlatform.system;
in
{
  makeScopeWithSplicing' =
    {
      otherSplices,
      keep ? _: { },
      f,
    }:
    let
      splice =
        name: value:
        if lib.isDerivation value && otherSplices.selfBuildHost ? ${name} then
          value // { __spliced.buildHost = otherSplices.selfBuildHost.${name}; }
        else
          value;
      spliced = (if cross then lib.mapAttrs splice self else self) // keep self;
      self = f self // {
        newScope = scope: final.newScope (spliced // scope);
        callPackage = self.newScope { };
      };
    in
    self;
}
