# A library with everything in its RUNPATH that the hooks of a CUDA set do something about.
{
  stdenv,
  cudart,
  hooks,
  oldGccLib,
  placement ? "native",
  strictDeps ? true,
  structured ? true,
  many ? false,
}:
stdenv.mkDerivation {
  name = "cuda-modes-1.0";
  inherit strictDeps;
  __structuredAttrs = structured;
  outputs = [ "out" ] ++ (if many then [ "lib" "dev" "debug" "late" ] else [ ]);
  nativeBuildInputs = if placement == "build" then [ ] else hooks;
  buildInputs = if placement == "native" then [ ] else hooks;
  dontPatchELF = true;
  installPhase = ''
    lib=''${lib:-$out}
    mkdir -p "$out" "$lib/lib"
    stubs=${cudart.stubs}/lib/stubs
    cc -shared -fPIC -o "$lib/lib/user.so" ${./src/plugin.c} \
        -Wl,-rpath,/before:"$stubs":${oldGccLib}/lib:${cudart.lib}/lib:"$stubs/"
    if [[ -n ''${debug-} ]]; then
        mkdir -p "$dev" "$debug"
        cp "$lib/lib/user.so" "$debug/"
    fi
  '';
  # An output that is not there while fixup runs.
  distPhase = ''
    if [[ -n ''${late-} ]]; then mkdir "$late"; fi
  '';
}
