# nixpkgs' rustPlatform with the machine's own cargo in place of a packaged one: the same commands
# in the same phases, as its hooks for cargo run them, on crates that `cargo vendor` has fetched.
{
  # Where the toolchain's `bin` is, outside of the store.
  toolchain,
  # What `cargo vendor` has made.
  vendor,
  # The Rust target to compile for, such as x86_64-unknown-linux-gnu.
  target,
  # Attributes of every package.
  more ? { },
}:
stdenv: {
  buildRustPackage =
    attrs:
    stdenv.mkDerivation (
      removeAttrs attrs [ "cargoLock" ]
      // {
        name = "${attrs.pname}-${attrs.version}";
        lockFile = attrs.cargoLock.lockFile;
        cargoTestFlags = toString (attrs.cargoTestFlags or [ ]);
        inherit toolchain vendor target;
        buildPhase = ''
          export HOME=$NIX_BUILD_TOP/home CARGO_HOME=$NIX_BUILD_TOP/cargo PATH="$toolchain/bin:$PATH"
          cp -r "$src" source
          chmod -R u+w source
          cd source
          # The lock file that Nix fetched the crates by is the one of the source.
          cmp "$lockFile" Cargo.lock
          mkdir .cargo
          printf '[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "%s"\n' \
              "$vendor" >.cargo/config.toml
          # stdenv strips, not cargo.
          export CARGO_PROFILE_RELEASE_STRIP=false
          cargo build -j "$NIX_BUILD_CORES" --target "$target" --offline --profile release
        '';
        checkPhase = ''
          cargo test -j "$NIX_BUILD_CORES" --profile release --target "$target" --offline $cargoTestFlags -- \
              --test-threads="$NIX_BUILD_CORES"
        '';
        installPhase = ''
          mkdir -p "$out/bin"
          find "target/$target/release" -maxdepth 1 -type f -executable ! -name '*.so*' -exec cp -t "$out/bin" {} +
          runHook postInstall
        '';
      }
      // more
    );
}
