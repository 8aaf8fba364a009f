# The program, for callPackage: for the build platform of packages with the hooks, and for a user's
# profile. `pkgsStatic.callPackage ./nix/package.nix { }` is the static one.
{
  lib,
  stdenv,
  buildPackages,
  rustPlatform,
  installShellFiles,
  # The source of a release, where it isn't this directory: nixpkgs fetches it.
  releaseSource ? null,
}:
let
  workspace = lib.importTOML ../Cargo.toml;
  manifest = workspace.package;
  inherit (lib) fileset;
in
rustPlatform.buildRustPackage {
  pname = manifest.name;
  inherit (workspace.workspace.package) version;

  # What the build reads, so that a change of documentation or tests compiles nothing anew.
  src =
    if releaseSource != null then
      releaseSource
    else
      fileset.toSource {
        root = ../.;
        fileset = fileset.unions [
          ../Cargo.lock
          ../Cargo.toml
          ../LICENSE-APACHE
          ../LICENSE-MIT
          ../README.md
          ../crates
          ../src
          (fileset.maybeMissing ../nix/data)
          (fileset.maybeMissing ../benches)
        ];
      };
  cargoLock.lockFile = ../Cargo.lock;

  # A static binary runs in any stdenv; Rust's musl targets are static by default. At a fixed address
  # it starts as fast as patchelf, docs/performance.md says what that costs.
  env = lib.optionalAttrs stdenv.hostPlatform.isStatic {
    RUSTFLAGS = "-C target-feature=+crt-static -C relocation-model=static";
  };

  # Unit tests. The tests in tests/ want compilers, wheels and a Nix of their own: ./test has them.
  doCheck = true;
  cargoTestFlags = [ "--workspace" "--lib" ];

  strictDeps = true;
  nativeBuildInputs = [ installShellFiles ];
  postInstall =
    let
      # Runs the program where it was made, also when that is another kind of machine.
      run =
        if stdenv.buildPlatform.canExecute stdenv.hostPlatform then
          ''"$out/bin/cuda-fixup"''
        else
          "${stdenv.hostPlatform.emulator buildPackages} $out/bin/cuda-fixup";
    in
    ''
      ${run} install-links "$out" --target "$out/bin/cuda-fixup"
      ${run} man --out pages
      installManPage pages/*.1
      for shell in bash zsh fish; do
          ${run} completions "$shell" >"cuda-fixup.$shell"
      done
      installShellCompletion --cmd cuda-fixup \
          --bash cuda-fixup.bash --zsh cuda-fixup.zsh --fish cuda-fixup.fish
    '';

  meta = {
    inherit (manifest) description;
    license = [
      lib.licenses.mit
      lib.licenses.asl20
    ];
    mainProgram = manifest.name;
    platforms = lib.platforms.linux;
  };
}
