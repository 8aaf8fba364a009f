# Everything that tests/nix builds and evaluates. `binary` is the cuda-fixup under test, a file in
# the store.
{ binary }:
let
  builtBinary = builtins.storePath binary;
  nixpkgs =
    generation:
    import ./nixpkgs {
      inherit generation builtBinary;
      overlays = [ (import ../overlays.nix).replace ];
    };
  generations = [ "2024-06" "2024-10" "2026-08" ];
  pkgs = nixpkgs "2026-08";
  inherit (pkgs) lib;

  # All modes that a hook meets, by name, each handed to `f`.
  everyMode =
    f:
    let
      choose =
        name: values: modes:
        lib.concatMap (mode: map (value: mode // { ${name} = value; }) values) modes;
      word = yes: name: if yes then name else "no-${name}";
      nameOf =
        mode:
        lib.concatStringsSep "_" [
          (word mode.many "many")
          mode.placement
          (word mode.strictDeps "strict")
          (word mode.structured "structured")
        ];
      modes = choose "many" [ true false ] (
        choose "placement" [ "native" "build" "both" ] (
          choose "strictDeps" [ true false ] (choose "structured" [ true false ] [ { } ])
        )
      );
    in
    builtins.listToAttrs (map (mode: { name = nameOf mode; value = f mode; }) modes);

  inputs = pkgs.callPackage ./inputs.nix { };
  # A vendor's program, repackaged without a compiler.
  foreignWith =
    mode:
    import ./foreign.nix (
      {
        inherit (pkgs) stdenv stdenvNoCC;
        inherit inputs;
        hooks = [ pkgs.autoPatchelfHook ];
      }
      // mode
    );

  # The package of app.nix, with the hooks most packages use.
  appWith =
    pkgs: mode:
    import ./app.nix (
      {
        inherit (pkgs) lib stdenv;
        inputs = pkgs.callPackage ./inputs.nix { };
        hooks = [
          pkgs.autoPatchelfHook
          pkgs.autoAddDriverRunpath
        ];
      }
      // mode
    );

  # Where the outputs of each derivation are, for who compares them.
  outputsOf = drv: lib.genAttrs drv.outputs (output: "${drv.${output}}");
  everyDerivation =
    f: lib.mapAttrs (_: value: if lib.isDerivation value then f value else everyDerivation f value);
  groups = {

  apps = lib.genAttrs generations (generation: everyMode (appWith (nixpkgs generation)));
  # The same package on nixpkgs' own hooks, for a comparison of what they make of it.
  upstream = lib.genAttrs [ "ours" "theirs" ] (
    which:
    let
      own = if which == "ours" then pkgs else import ./nixpkgs { };
    in
    appWith own { many = true; }
  );

  foreign = {
    native = foreignWith { };
    build = foreignWith {
      placement = "build";
      structured = true;
    };
  };

  # All that the CUDA sets' hooks do, alone and together; the calls of the program are counted.
  toolkit =
    let
      userWith =
        more: cuda: hooks:
        import ./toolkit-user.nix {
          inherit (pkgs) stdenv;
          inherit hooks more;
          cudart = cuda.cuda_cudart;
        };
      user = userWith { };
      hooksWith =
        args: pkgs.callPackage ../hooks.nix ({ inherit (pkgs) cuda-fixup; } // args);
      jetson = pkgs.cudaPackages_11;
      # The program, writing down how it is called.
      counted = hooksWith {
        inherit (jetson) cuda_compat;
        cuda-fixup = pkgs.runCommand "counted" { } ''
          mkdir -p "$out/bin"
          printf '#!/bin/bash\necho "$@" >>"$NIX_BUILD_TOP/calls"\nexec %s "$@"\n' \
              ${pkgs.cuda-fixup}/bin/cuda-fixup >"$out/bin/cuda-fixup"
          chmod +x "$out/bin/cuda-fixup"
        '';
      };
    in
    {
      driver = user pkgs.cudaPackages [ pkgs.autoAddDriverRunpath ];
      stubs = user pkgs.cudaPackages [ pkgs.cudaPackages.removeStubsFromRunpathHook ];
      # Compat is registered first or last: the order of the hooks doesn't matter.
      jetson = user jetson [
        jetson.autoAddCudaCompatRunpath
        pkgs.autoAddDriverRunpath
        jetson.removeStubsFromRunpathHook
      ];
      jetsonBackwards = user jetson [
        jetson.removeStubsFromRunpathHook
        pkgs.autoAddDriverRunpath
        jetson.autoAddCudaCompatRunpath
      ];
      # Not a Jetson: the hook does nothing.
      noCompat = user pkgs.cudaPackages [ pkgs.cudaPackages.autoAddCudaCompatRunpath ];
      everything = user pkgs.cudaPackages [ pkgs.cudaFixup.cudaFixupHook ];
      link = user pkgs.cudaPackages [ (hooksWith { driverLink = "/run/other"; }).autoAddDriverRunpath ];
      counted =
        let
          hooks = [
            counted.autoPatchelfHook
            counted.autoAddDriverRunpath
            counted.autoAddCudaCompatRunpath
            counted.removeStubsFromRunpathHook
            counted.cudaFixupHook
          ];
        in
        userWith {
          # Sourced twice, too.
          buildInputs = [ jetson.cuda_cudart ] ++ hooks;
          distPhase = ''
            cp "$NIX_BUILD_TOP/calls" "$out/calls"
          '';
        } jetson hooks;
    };

  cudaModes = everyMode (
    mode:
    let
      jetson = pkgs.cudaPackages_11;
    in
    import ./cuda-modes.nix (
      {
        inherit (pkgs) stdenv oldGccLib;
        cudart = jetson.cuda_cudart;
        hooks = [
          jetson.removeStubsFromRunpathHook
          jetson.nvccHook
          jetson.autoAddCudaCompatRunpath
          pkgs.autoAddDriverRunpath
        ];
      }
      // mode
    )
  );

  variables =
    let
      withHooks =
        hooks: structured: variables:
        import ./variables.nix {
          inherit (pkgs) stdenv;
          inherit inputs hooks structured variables;
        };
      patchelf = withHooks [ pkgs.autoPatchelfHook ];
      # A list flag that is given again replaces the list.
      replaced = {
        appendRunpaths = [ "/lost" ];
        autoPatchelfFlags = [ "--append-rpaths" "/one" "/two" "--preserve-origin" ];
      };
      forced.patchelfFlags = [ "--force-rpath" "--page-size" "65536" ];
      needed.cudaFixupDriverRunpath = "needed";
    in
    {
      spaces = patchelf true { appendRunpaths = [ "/with space/lib" "/glob*/lib" "" ]; };
      string = patchelf true { appendRunpaths = "/one /glob*/lib"; };
      replaced = patchelf true replaced;
      replacedPlain = patchelf false replaced;
      forced = patchelf true forced;
      forcedPlain = patchelf false forced;
      relative = patchelf true { autoPatchelfRelativeRpaths = true; };
      needed = withHooks [ pkgs.cudaFixup.cudaFixupHook ] true needed;
      neededPlain = withHooks [ pkgs.cudaFixup.cudaFixupHook ] false needed;
      flags = patchelf false { cudaFixupFlags = [ "--add-driver-runpath=all" "--dry-run" ]; };
      note = patchelf true { cudaFixupResolution = "note"; };
      notePlain = patchelf false { cudaFixupResolution = "note"; };
      absolute = patchelf true { cudaFixupResolution = "absolute"; };
      absolutePlain = patchelf false { cudaFixupResolution = "absolute"; };
      off = withHooks [ pkgs.cudaFixup.cudaFixupHook ] true {
        dontAutoPatchelf = true;
        dontUseAutoAddOpenGLRunpath = true;
        dontRemoveStubsFromRunpath = true;
      };
      dontFixup = withHooks [ pkgs.cudaFixup.cudaFixupHook ] true { dontFixup = true; };
    };

  # A toolkit of several packages, laid out for the build of another one.
  cudaUser =
    let
      userWith =
        args:
        import ./cuda-user.nix (
          {
            inherit (pkgs) stdenv;
            cuda = pkgs.cudaPackages;
          }
          // args
        );
      failing = more: userWith { inherit more; };
      ownVariables = {
        CUDAARCHS = "75";
        CUDACXX = "/my/nvcc";
        CUDAHOSTCXX = "/my/c++";
        CUDAToolkit_INCLUDE_DIR = "/my/include";
        CUDA_BIN_PATH = "/my/bin";
        CUDA_PATH = "/my/toolkit";
        NVCC_CCBIN = "/my/ccbin";
      };
    in
    {
      generations = lib.genAttrs generations (
        generation:
        let
          pkgs = nixpkgs generation;
          user =
            structured: strictDeps:
            import ./cuda-user.nix {
              inherit (pkgs) stdenv;
              cuda = pkgs.cudaPackages;
              inherit structured strictDeps;
            };
        in
        {
          plain = user false true;
          structured = user true true;
          lax = user false false;
          laxStructured = user true false;
          misplaced = (user false true).overrideAttrs (old: {
            nativeBuildInputs = [ pkgs.cudaPackages.cuda_nvcc ];
            buildInputs = [ pkgs.cudaPackages.setupCudaHook ] ++ old.buildInputs;
          });
          twice = (user true true).overrideAttrs (old: {
            buildInputs = [ pkgs.cudaPackages.setupCudaHook ] ++ old.buildInputs;
          });
        }
      );
      # What the user has set stays.
      own = failing {
        env = ownVariables // { NVCC_PREPEND_FLAGS = "-lineinfo"; };
        dontCompressCudaFatbin = true;
      };
      ownStructured = userWith {
        structured = true;
        more = {
          env = ownVariables;
          NVCC_PREPEND_FLAGS = [ "-lineinfo" "-ccbin" "/my/g++" ];
          dontCompressCudaFatbins = true;
          cudaEnableCmakeFindCudaToolkitSupport = false;
          cudaEnableCmakeFindCudaSupport = true;
          cudaRuntimeLibrary = "static";
          postInstall = ''
            cp "$(sed -n 's/^CMAKE_ARGS=-C //p' environment)" "$out/initial-cache.cmake"
          '';
        };
      };
      thirdSpelling = failing {
        dontCompressFatbin = true;
        cudaEnableCmakeFindCudaToolkitSupport = false;
      };
      twoVersions = failing {
        buildInputs = [ pkgs.cudaPackages_13.cuda_cudart ];
      };
      leak = failing {
        postInstall = ''
          echo "#define TOOLKIT \"$CUDAToolkit_ROOT\"" >"$out/lib/x.h"
        '';
      };
      # A piece with nixpkgs' newest marker, of another version.
      components = failing {
        buildInputs = [
          pkgs.cudaPackages.cuda_cudart
          (pkgs.runCommand "component" { } ''
            mkdir -p "$out/include" "$out/nix-support"
            echo 'declare -A cudaComponentMetadata=([format]="3" [cudaMajorMinorVersion]="12.9")' \
                >"$out/nix-support/cuda-component"
          '')
        ];
      };
      # Nothing of nvcc's host compiler or flags: the package brings its own.
      noCompilers = failing { dontSetupCUDAToolkitCompilers = true; };
      # A piece that the package adds to nixpkgs' table before the configure phase.
      added = failing {
        preConfigure = ''
          cudaHostPathsSeen["${pkgs.runCommand "cuda-extra" { } ''
            mkdir -p "$out/include"
            echo '#define EXTRA' >"$out/include/extra.h"
          ''}"]=1
        '';
        preBuild = ''
          [[ -e $CUDAToolkit_ROOT/include/extra.h && -e $CUDAToolkit_ROOT/include/cuda.h ]]
        '';
      };
      # The hook is propagated by the libraries, and does nothing there; the same with no hook at all.
      libraries = lib.genAttrs [ "propagated" "lax" "none" ] (
        which:
        import ./cuda-libraries.nix {
          inherit (if which == "none" then import ./nixpkgs { } else pkgs) stdenv;
          cuda = (if which == "none" then import ./nixpkgs { } else pkgs).cudaPackages;
          more = if which == "lax" then { strictDeps = false; } else { };
        }
      );
      # One path that is a whole toolkit, made while the store has all of its pieces.
      farm = pkgs.runCommand "farm-user" { farm = pkgs.cudaFixup.toolkitFarmWith {
        hostCompiler = pkgs.cudaPackages.backendStdenv.cc;
        capabilities = [ "8.6" "9.0" ];
      } [ pkgs.cudaPackages.cuda_nvcc pkgs.cudaPackages.cuda_cudart pkgs.bintools ]; } ''
        mkdir "$out"
        "$farm/bin/nvcc" --version >"$out/version"
        (cd "$farm" && find . -mindepth 1 -not -type d | sort) >"$out/files"
        ln -s "$farm" "$out/farm"
      '';
      # The build's own tools have a toolkit of their own.
      roles = failing {
        nativeBuildInputs = [ pkgs.cudaPackages.setupCudaHook ];
        buildInputs = [
          pkgs.cudaPackages.cuda_nvcc
          pkgs.cudaPackages.cuda_cudart
          "${pkgs.cudaPackages.cuda_cudart.stubs}"
        ];
        depsBuildBuild = [ pkgs.cudaPackages_13.cuda_cudart ];
        postInstall = ''
          cp "$CUDAToolkit_ROOT_FOR_BUILD/version.json" "$out/build.json"
          cp "$CUDAToolkit_ROOT/version.json" "$out/host.json"
        '';
      };
    }
    // lib.mapAttrs (
      _: more:
      import ./host-compiler.nix {
        inherit (pkgs) stdenv oldGccLib;
        inherit (pkgs.cudaPackages) nvccHook;
        inherit more;
      }
    ) {
      hostCompiler = { };
      hostCompilerLeft = { dontNvccRunpathFixup = true; };
      hostCompilerAllowed = { dontNvccRunpathFixup = true; dontNvccRunpathCheck = true; };
    };

  byHand = lib.genAttrs [ "structured" "plain" ] (
    mode:
    import ./by-hand.nix {
      inherit (pkgs) stdenv;
      inherit inputs pkgs;
      structured = mode == "structured";
    }
  );

  failures = lib.genAttrs generations (
    generation:
    let
      pkgs = nixpkgs generation;
      fail =
        structured:
        import ./failures.nix {
          inherit (pkgs) stdenv;
          inputs = pkgs.callPackage ./inputs.nix { };
          hook = pkgs.autoPatchelfHook;
          inherit structured;
        };
    in
    {
      plain = fail false;
      structured = fail true;
    }
  );

  checks =
    let
      inherit (pkgs.cudaFixup)
        diff
        lintOutputs
        lintClosure
        report
        ;
      good = foreignWith { };
      # Stubs in a RUNPATH, and another that does not exist.
      bad = import ./toolkit-user.nix {
        inherit (pkgs) stdenv;
        cudart = pkgs.cudaPackages.cuda_cudart;
        hooks = [ pkgs.autoAddDriverRunpath ];
      };
    in
    {
      one = lintOutputs bad;
      page = report { drv = bad; };
      compared = report {
        drv = bad;
        before = good;
      };
      diff = diff {
        before = good;
        after = bad;
      };
      accepted = diff {
        before = bad;
        after = bad;
        accept = [ "code" ];
      };
      good = lintClosure {
        drvs = [ good ];
      };
      bad = lintClosure {
        drvs = [ good bad ];
      };
      kept = lintClosure {
        drvs = [ good bad ];
        keepGoing = true;
      };
    };

  # The names that packages of nixpkgs rely on, and what they do with them.
  contracts = import ./contracts.nix { inherit lib pkgs; };
  byNameCalls = import ./by-name-calls.nix { inherit pkgs inputs; };

  components = import ./components.nix { inherit lib nixpkgs generations; };

  # The lint hook: what it lets pass, and what it stops.
  linted = lib.genAttrs generations (
    generation:
    let
      pkgs = nixpkgs generation;
      lintedWith =
        hooks: args:
        import ./lint.nix (
          {
            inherit (pkgs) stdenv;
            inherit hooks;
            cudart = pkgs.cudaPackages.cuda_cudart;
          }
          // args
        );
      lint = pkgs.cudaFixup.cudaFixupLintHook;
      linted = lintedWith [ lint pkgs.autoAddDriverRunpath ];
      whole = more: lintedWith [ pkgs.cudaFixup.cudaFixupHook ] { inherit more; };
      allowed.cudaFixupLintAllow = [ "runpath-stubs" "runpath-unused" ];
    in
    {
      fails = linted { };
      failsPlain = linted { structured = false; };
      failsInBuildInputs = linted { placement = "build"; };
      allowed = linted { more = allowed; };
      allowedPlain = linted { more = allowed; structured = false; };
      off = linted { more.cudaFixupLint = false; };
      offPlain = linted { more.cudaFixupLint = false; structured = false; };
      # Named first, and sourced twice: it still comes after those that take the stubs out.
      fixed = lintedWith [
        lint
        pkgs.cudaPackages.removeStubsFromRunpathHook
        pkgs.autoAddDriverRunpath
      ] { placement = "both"; };
      # The hook that combines all others lints on request.
      silent = whole { dontRemoveStubsFromRunpath = true; dontAutoPatchelf = true; };
      asked = whole {
        dontRemoveStubsFromRunpath = true;
        dontAutoPatchelf = true;
        cudaFixupLint = true;
      };
      flags = linted {
        more = allowed // { cudaFixupLintFlags = [ "--deny" "runpath-duplicate" "--driver-link=/run/other" ]; };
      };
      code = linted { more.cudaFixupLintAllow = [ "no-such-code" ]; };
    }
  );

  # A program built with each hook, as `nix flake check` builds it.
  passthru = pkgs.cudaFixup.hookTests;
  program = pkgs.cuda-fixup;
  # The program by itself, as `nix run` starts it: nothing of a stdenv is set.
  autoPatchelfAlone = pkgs.runCommand "auto-patchelf-alone" { } ''
    mkdir -p "$out/bin"
    /usr/bin/gcc -o "$out/bin/program" -Wl,--no-as-needed ${./src/plain.c} -L${inputs.greet.lib}/lib -lgreet
    env -i ${lib.getExe pkgs.auto-patchelf} --paths "$out" --libs ${inputs.greet.lib}/lib
  '';

  # Fails where the machine's own files are seen: outside of a sandbox.
  sandboxed = pkgs.runCommand "sandboxed" { } ''
    if [[ -e /etc/debian_version || -e ${toString ../../Cargo.toml} ]]; then exit 1; fi
    mkdir "$out"
  '';

  # The same at each level of NIX_DEBUG.
  debug = builtins.listToAttrs (
    map (level: {
      name = "level${toString level}";
      value = appWith pkgs { debug = level; many = true; };
    }) [ 0 1 2 3 4 5 6 7 ]
  );

  markers = lib.genAttrs generations (
    generation:
    let
      pkgs = nixpkgs generation;
    in
    everyMode (
      mode:
      import ./marker.nix (
        {
          inherit (pkgs) lib stdenv;
          hook = pkgs.cudaPackages.markForCudatoolkitRootHook;
        }
        // mode
      )
    )
  );

  lists = lib.genAttrs generations (
    generation:
    let
      pkgs = nixpkgs generation;
      lists =
        structured: strictDeps:
        import ./lists.nix {
          inherit (pkgs) stdenv;
          hook = pkgs.autoPatchelfHook;
          inherit structured strictDeps;
        };
    in
    {
      plain = lists false true;
      structured = lists true true;
      lax = lists false false;
    }
  );
  };
in
groups
// {
  paths = everyDerivation outputsOf groups;
  derivations = everyDerivation (drv: drv.drvPath) groups;
}
