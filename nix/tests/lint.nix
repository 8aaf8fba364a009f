# A program that loads the driver and was linked against the stubs, linted when all hooks are
# through with it.
{
  stdenv,
  cudart,
  hooks,
  placement ? "native",
  structured ? true,
  more ? { },
}:
stdenv.mkDerivation (
  {
    name = "linted-1.0";
    strictDeps = true;
    __structuredAttrs = structured;
    nativeBuildInputs = if placement == "build" then [ ] else hooks;
    buildInputs = if placement == "native" then [ ] else hooks;
    dontPatchELF = true;
    installPhase = ''
      mkdir -p "$out/bin"
      stubs=${cudart.stubs}/lib/stubs
      cc -o "$out/bin/user" -Wl,--no-as-needed ${./src/plain.c} -L"$stubs" -lcuda -Wl,-rpath,"$stubs"
    '';
  }
  // more
)
