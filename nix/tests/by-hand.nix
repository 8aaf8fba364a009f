# What packages do by hand, in their own phases, with the functions that the hooks define. It
# checks itself; what it leaves is looked at by the tests.
{
  stdenv,
  inputs,
  pkgs,
  structured ? true,
}:
stdenv.mkDerivation {
  name = "by-hand-1.0";
  strictDeps = true;
  __structuredAttrs = structured;
  outputs = [ "out" "debug" ];
  nativeBuildInputs = [
    pkgs.autoPatchelfHook
    pkgs.addDriverRunpath
    pkgs.autoFixElfFiles
    pkgs.autoAddDriverRunpath
  ];
  buildInputs = [ inputs.greet ];
  dontAutoPatchelf = true;
  # stdenv's own shrink would drop what says who came by here.
  dontPatchELF = true;
  dontUseAutoAddDriverRunpath = true;
  buildPhase = ''
    NIX_DONT_SET_RPATH=1 cc -shared -fPIC -o own.so ${./src/own.c} -Wl,-rpath,/old -L${inputs.greet.lib}/lib -lgreet
  '';
  installPhase = ''
    mkdir -p "$out/top/below" "$out/driver/directory" "$out/action" "$out/untouched"
    cp own.so "$out/top/"
    cp own.so "$out/top/below/"
    cp own.so "$out/untouched/"
    cp own.so "$out/driver/a b.so"
    cp own.so "$out/driver/rpath.so"
    cp own.so "$out/driver/linked.so"
    ln -s linked.so "$out/driver/link.so"
    cp own.so "$out/driver/older-name.so"
    cp own.so "$out/driver/directory/"
    mkdir "$debug"
    cp own.so "$debug/"
    objcopy --only-keep-debug own.so "$debug/own.so.debug"
    echo text >"$out/driver/text"
    cc -static -o "$out/driver/static" ${./src/plain.c}
  '';
  preFixup = ''
    autoPatchelf --no-recurse -- "$out/top"
    addDriverRunpath "$out"/driver/{"a b.so",text,static,directory,link.so}
    addDriverRunpath "$out/driver/a b.so"
    addDriverRunpath --force-rpath "$out/driver/rpath.so"
    addOpenGLRunpath "$out/driver/older-name.so"

    # In a nix-shell there is no `set -e`, and no descriptor for logs.
    cp own.so missing.so
    patchelf --add-needed libgone.so.1 missing.so
    (
        set +e
        unset NIX_LOG_FD
        autoPatchelf missing.so && exit 1
        # As in nixpkgs, which asks whether it is an ELF file.
        ln -s nowhere dangling
        addDriverRunpath not-there dangling || exit 1
        mkdir -p tree/below
        cp own.so tree/
        cp own.so tree/below/
        autoPatchelf tree || exit 1
        addAutoPatchelfSearchPath tree || exit 1
        [[ ''${extraAutoPatchelfLibs[*]} == "tree tree/below" ]] || exit 1
        cd tree/below
        addAutoPatchelfSearchPath || exit 1
        [[ ''${extraAutoPatchelfLibs[2]} == . ]] || exit 1
    )

    elfHasDynamicSection "$out/top/own.so"
    if elfHasDynamicSection "$out/driver/static"; then exit 1; fi
    if elfHasDynamicSection "$out/driver/text"; then exit 1; fi
  '';
  # A package's own, which comes before the hooks.
  postFixup = ''
    note() {
        local name=''${2#"$debug"/}
        echo "$1 ''${name#"$out"/}" >>"$out/action/files"
    }
    autoFixElfFiles "note it"
    # The first failure is the last call.
    refused=0
    refuse() {
        refused=$((refused + 1))
        return 3
    }
    if autoFixElfFiles refuse; then exit 1; fi
    (( refused == 1 ))
  '';
}
