# The compilers: the machine's own gcc, with a libc in the store to be the interpreter's home,
# and a mock of Rust.
{ final, builtBinary }:
let
  inherit (final) lib stdenvNoCC;
in
{
  # The machine's loader and libc, so that an interpreter in the store really runs programs. It
  # is the same for every generation of stdenv, so that their programs can be compared.
  glibc = derivation {
    name = "glibc-2.0";
    inherit (final) system;
    builder = "/bin/bash";
    PATH = "/usr/bin:/bin";
    args = [ "-ec" ''
      mkdir -p "$out/lib"
      for file in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1; do
          cp "$(gcc -print-file-name="$file")" "$out/lib/"
      done
      loader=$(LC_ALL=C readelf -lW /bin/bash)
      loader=''${loader#*program interpreter: }
      loader=''${loader%%]*}
      cp "$loader" "$out/lib/"
      echo "$out/lib/''${loader##*/}" >"$out/dynamic-linker"
      exit 0
    '' ];
  };

  bintools = stdenvNoCC.mkDerivation {
    name = "bintools-wrapper-2.0";
    dontFixup = true;
    installPhase = ''
      mkdir -p "$out/nix-support"
      cp ${final.glibc}/dynamic-linker "$out/nix-support/dynamic-linker"
      echo ${final.glibc} >"$out/nix-support/orig-libc"
      substitute ${./bintools-setup-hook.sh} "$out/nix-support/setup-hook" --subst-var-by out "$out"
    '';
  };

  gcc = stdenvNoCC.mkDerivation {
    name = "gcc-wrapper-12";
    dontFixup = true;
    passthru = {
      inherit (final) bintools;
      version = "12.2.0";
      isGNU = true;
      # Debian's, which the machine has.
      libc = final.glibc // { version = "2.36"; };
      cc.lib = final.gccLib;
    };
    installPhase = ''
      mkdir -p "$out/bin"
      substitute ${./cc-wrapper.sh} "$out/bin/cc" --subst-var-by loader "$(<${final.glibc}/dynamic-linker)"
      sed 's,/usr/bin/gcc,/usr/bin/g++,' "$out/bin/cc" >"$out/bin/c++"
      ln -s cc "$out/bin/gcc"
      ln -s c++ "$out/bin/g++"
      chmod +x "$out/bin/cc" "$out/bin/c++"
      mkdir "$out/nix-support"
      substitute ${./gcc-setup-hook.sh} "$out/nix-support/setup-hook" --subst-var-by out "$out"
    '';
  };

  # An older compiler of the machine's (11 by name, 12 where Debian has no other) with libraries of
  # its own, and nixpkgs' way to give it those of another.
  gcc11 = final.gcc.overrideAttrs (old: {
    name = "gcc-wrapper-11";
    passthru = old.passthru // {
      version = "11.3.0";
      cc.lib = final.oldGccLib;
    };
    installPhase = old.installPhase + ''
      for older in 11 12; do
          if [[ -x /usr/bin/g++-$older ]]; then break; fi
      done
      sed -i "s,/usr/bin/gcc,/usr/bin/gcc-$older," "$out/bin/cc"
      sed -i "s,/usr/bin/g++,/usr/bin/g++-$older," "$out/bin/c++"
    '';
  });
  stdenvWithCompiler =
    cc:
    final.stdenv
    // {
      inherit cc;
      mkDerivation =
        attrs:
        final.stdenv.mkDerivation (
          attrs // { nativeBuildInputs = [ cc ] ++ attrs.nativeBuildInputs or [ ]; }
        );
    };
  gcc11Stdenv = final.stdenvWithCompiler final.gcc11;
  # The compiler stays what it is, and links with the libraries of another.
  stdenvAdapters.useLibsFrom =
    model: target:
    final.stdenvWithCompiler (
      target.cc.overrideAttrs (old: {
        name = "gcc-wrapper-for-libraries";
        passthru = old.passthru // {
          inherit (target.cc) version;
        };
        installPhase = old.installPhase + ''
          sed -i 's,"$@","$@" -L${model.cc.cc.lib}/lib,' "$out/bin/cc" "$out/bin/c++"
        '';
      })
    );

  # A library for the examples of the documentation.
  zlib = final.stdenv.mkDerivation {
    name = "zlib-1.0";
    installPhase = ''
      mkdir -p "$out/lib"
      cc -shared -fPIC -Wl,-soname,libz.so.1 -o "$out/lib/libz.so.1" ${../src/plugin.c}
    '';
  };

  gccLib = derivation {
    name = "gcc-12-lib";
    inherit (final) system;
    builder = "/bin/bash";
    PATH = "/usr/bin:/bin";
    args = [ "-ec" ''
      mkdir -p "$out/lib"
      for file in libstdc++.so.6 libgcc_s.so.1; do
          cp "$(gcc -print-file-name="$file")" "$out/lib/"
      done
      exit 0
    '' ];
  };

  # As in nixpkgs: the compiler's own binaries are prebuilt, and patched by autoPatchelfHook.
  rustc = stdenvNoCC.mkDerivation {
    pname = "rustc";
    version = "1.99.0";
    nativeBuildInputs = [ final.autoPatchelfHook ];
    installPhase = ''
      mkdir -p "$out/bin"
      gcc -o "$out/bin/rustc" ${../src/plain.c}
    '';
  };

  rustPlatform = {
    buildRustPackage =
      attrs:
      final.stdenv.mkDerivation (
        removeAttrs attrs [ "cargoLock" "cargoTestFlags" ]
        // {
          name = "${attrs.pname}-${attrs.version}";
          strictDeps = true;
          nativeBuildInputs = attrs.nativeBuildInputs or [ ] ++ [ final.rustc ];
          lockFile = attrs.cargoLock.lockFile;
          cargoTestFlags = toString (attrs.cargoTestFlags or [ ]);
          # So that programs for another CPU are other derivations.
          hostArch = final.stdenv.hostPlatform.gcc.arch or "";
          doCheck = false;
          dontStrip = true;
          installPhase = ''
            mkdir -p "$out/bin"
            cp ${builtBinary} "$out/bin/${attrs.pname}"
            runHook postInstall
          '';
        }
      );
  };

  installShellFiles = final.makeSetupHook { name = "install-shell-files"; } ./install-shell-files.sh;
}
