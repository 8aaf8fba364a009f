# The package of the matrix: a program, libraries and things that no hook may touch, in one output
# or in several, built by the hooks in the mode and the place that are asked for.
{
  lib,
  stdenv,
  inputs,
  hooks,
  # The list with the hooks: nativeBuildInputs, buildInputs (a mistake), or both.
  placement ? "native",
  strictDeps ? true,
  structured ? true,
  many ? false,
  debug ? 0,
  # More attributes.
  more ? { },
}:
stdenv.mkDerivation (
  {
    name = "app-1.0";
    inherit strictDeps;
    __structuredAttrs = structured;
    env.NIX_DEBUG = toString debug;
    outputs = [ "out" ] ++ lib.optionals many [ "lib" "dev" "debug" "late" ];
    nativeBuildInputs = lib.optionals (placement != "build") hooks;
    buildInputs = [ inputs.greet ] ++ lib.optionals (placement != "native") hooks;

    runtimeDependencies = [ inputs.runtime ];
    appendRunpaths = [ "/opt/plugins/lib" ];
    autoPatchelfIgnoreMissingDeps = [ "libmiss*.so*" "libcuda.so.1" ];
    preFixup = ''
      addAutoPatchelfSearchPath ${inputs.vendor}/opt
    '';

    buildPhase = ''
      greet=${inputs.greet.lib}/lib
      vendor=${inputs.vendor}/opt/deep/libs
      cc -shared -fPIC -Wl,-soname,libown.so.1 -o libown.so.1 ${./src/own.c} -L"$greet" -lgreet
      # To link with, and then gone.
      for gone in libcuda.so.1 libmissing.so.7; do
          cc -shared -fPIC -Wl,-soname,"$gone" -o "$gone" ${./src/plugin.c}
      done
      cc -o app -Wl,--no-as-needed -Wl,-rpath,/build/leftover ${./src/app.c} ./libown.so.1 \
          -L"$greet" -lgreet "$vendor/libvendor.so.1" ./libcuda.so.1 ./libmissing.so.7 \
          -Wl,--allow-shlib-undefined
      cc -shared -fPIC -o plugin.so ${./src/plugin.c}
      cc -static -o static ${./src/plain.c}
      cc -c -o plain.o ${./src/plain.c}
    '';
    installPhase = ''
      lib=''${lib:-$out}
      mkdir -p "$out/bin" "$out/share" "$lib/lib/plugins with spaces"
      cp app "$out/bin/"
      ln "$out/bin/app" "$out/bin/app-by-another-name"
      ln -s app "$out/bin/app-link"
      cp static plain.o "$out/bin/"
      echo '#!/bin/sh' >"$out/bin/script"
      ln -s /nowhere "$out/share/dangling"
      cp libown.so.1 "$lib/lib/"
      ln -s libown.so.1 "$lib/lib/libown.so"
      cp plugin.so "$lib/lib/plugins with spaces/a*b.so"
      if [[ -n ''${debug-} ]]; then
          mkdir -p "$dev/include" "$debug/lib/debug"
          cp plugin.so "$debug/lib/debug/"
      fi
    '';
    # An output that is not there while fixup runs.
    distPhase = ''
      if [[ -n ''${late-} ]]; then mkdir "$late"; fi
    '';
  }
  // more
)
