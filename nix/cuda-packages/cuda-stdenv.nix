# The standard environment for packages that use a set: nvcc's host compiler, strict dependencies
# and structured attributes, the hooks that find libraries and set RUNPATHs, and the set's name as a
# prefix of the package's.
{
  lib,
  stdenv,
  cudaFixupHook,
  setupCudaHook,
  # Only where the host compiler is not the one that everything else is built with.
  nvccHook,
  # libstdc++ and its like, of the default compiler.
  libraries,
  cudaNamePrefix,
}:
let
  strict = [
    "strictDeps"
    "__structuredAttrs"
  ];

  complete =
    attrs:
    let
      relaxed = attrs.cudaRelaxed or { };
      lax = builtins.filter (name: !(attrs.${name} or true)) strict;
      unexplained = builtins.filter (name: !relaxed ? ${name}) lax;
      name = attrs.pname or attrs.name or "package";
    in
    if unexplained != [ ] then
      throw "${name} sets ${builtins.head unexplained} = false in cudaStdenv\nhelp: say why: cudaRelaxed.${builtins.head unexplained} = \"…\";"
    else
      removeAttrs attrs [ "cudaRelaxed" ]
      // {
        strictDeps = attrs.strictDeps or true;
        __structuredAttrs = attrs.__structuredAttrs or true;
        nativeBuildInputs =
          attrs.nativeBuildInputs or [ ]
          ++ [
            cudaFixupHook
            setupCudaHook
          ]
          ++ lib.optional (nvccHook != null) nvccHook;
        # What the hook that finds libraries would lose otherwise: compilers find it by themselves.
        buildInputs = attrs.buildInputs or [ ] ++ [ libraries ];
      }
      // (
        if attrs ? name then
          { inherit (attrs) name; }
        else
          { name = "${cudaNamePrefix}-${attrs.pname}-${attrs.version}"; }
      );
in
stdenv
// {
  mkDerivation =
    attrs:
    stdenv.mkDerivation (
      if builtins.isFunction attrs then (final: complete (attrs final)) else complete attrs
    );
}
