//! nix/package.nix as its users build it: by cargo, in its own phases, and as a static binary.

use crate::store::{Nix, checked, project};
use std::path::PathBuf;
use std::process::Command;

const FILE: &str = "nix/tests/package.nix";

/// Arguments of `FILE`: the machine's toolchain, and crates in the store.
struct Arguments {
    toolchain: String,
    vendor: String,
    static_target: &'static str,
}

impl Arguments {
    fn with(vendor: String) -> Arguments {
        let toolchain = rustc(&["--print", "sysroot"]);
        // rustup's name for the target's standard library, which a machine may have or not.
        let musl = "x86_64-unknown-linux-musl";
        let library = PathBuf::from(rustc(&["--print", "target-libdir", "--target", musl]));
        Arguments {
            toolchain,
            vendor,
            static_target: if library.is_dir() {
                musl
            } else {
                "x86_64-unknown-linux-gnu"
            },
        }
    }

    fn add_to(&self, command: &mut Command) {
        for (name, value) in [
            ("toolchain", self.toolchain.as_str()),
            ("vendor", &self.vendor),
            ("staticTarget", self.static_target),
        ] {
            command.args(["--argstr", name, value]);
        }
    }
}

fn rustc(args: &[&str]) -> String {
    let output = checked(Command::new("rustc").args(args).output().unwrap());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A file in the store, by name: what there is.
fn added(path: &std::path::Path) -> String {
    let mut add = Nix::get().command("nix-store", false);
    let output = checked(add.arg("--add").arg(path).output().unwrap());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn both_variants_evaluate_and_only_one_is_static() {
    let nix = Nix::get();
    let arguments = Arguments::with(added(&project().join("Cargo.lock")));
    let show = |attribute: &str| {
        let mut instantiate = nix.command("nix-instantiate", false);
        arguments.add_to(&mut instantiate);
        let output = instantiate.args([FILE, "-A", attribute]).output().unwrap();
        let drv = String::from_utf8(checked(output).stdout).unwrap();
        let mut show = nix.command("nix", false);
        let output = show.args(["show-derivation", drv.trim()]).output().unwrap();
        let all: serde_json::Value = serde_json::from_slice(&checked(output).stdout).unwrap();
        all.as_object().unwrap().values().next().unwrap()["env"].clone()
    };
    let (program, fixed) = (show("program"), show("static"));
    assert_eq!(
        program["name"],
        concat!("cuda-fixup-", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(program["cargoTestFlags"], "--workspace --lib");
    assert_eq!(program["doCheck"], "1");
    assert_eq!(program["RUSTFLAGS"], serde_json::Value::Null);
    assert_eq!(
        fixed["RUSTFLAGS"],
        "-C target-feature=+crt-static -C relocation-model=static"
    );
    assert_eq!(fixed["postInstall"], program["postInstall"]);

    // `./test --long`: a release build with link-time optimization, and one without.
    if crate::support::long() {
        is_compiled(nix);
    }
}

/// In a sandbox, so with what the derivation names and nothing from the network.
fn is_compiled(nix: &Nix) {
    let dir = tempfile::tempdir().unwrap();
    let vendor = dir.path().join("vendor");
    let mut fetch = Command::new(env!("CARGO"));
    fetch
        .args(["vendor", "--locked", "--versioned-dirs"])
        .arg(&vendor);
    checked(fetch.current_dir(project()).output().unwrap());
    let arguments = Arguments::with(added(&vendor));
    let mut build = nix.command("nix-build", true);
    arguments.add_to(&mut build);
    let paths = format!("/usr /lib /lib64 /bin {}", arguments.toolchain);
    build
        .args(["--no-out-link", "--option", "sandbox-paths", &paths, FILE])
        .args(["-A", "program", "-A", "static", "-A", "hook"]);
    let output = checked(build.output().unwrap());
    let outs = String::from_utf8(output.stdout).unwrap();
    let outs: Vec<PathBuf> = outs.lines().map(PathBuf::from).collect();
    assert_eq!(outs.len(), 3);
    for out in &outs[..2] {
        let program = out.join("bin/cuda-fixup");
        let output = checked(Command::new(&program).arg("--version").output().unwrap());
        let version = concat!("cuda-fixup ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
        for name in ["bin/auto-patchelf", "libexec/cuda-fixup/nvcc"] {
            assert_eq!(out.join(name).canonicalize().unwrap(), program);
        }
        for file in [
            "share/man/man1/cuda-fixup.1",
            "share/bash-completion/completions/cuda-fixup.bash",
            "share/zsh/site-functions/_cuda-fixup",
            "share/fish/vendor_completions.d/cuda-fixup.fish",
        ] {
            assert!(out.join(file).is_file(), "{file}");
        }
        // checkPhase ran, and more than nothing in it.
        let mut log = nix.command("nix-store", false);
        let log = log.arg("--read-log").arg(out).output().unwrap();
        let log = String::from_utf8_lossy(&checked(log).stdout).into_owned();
        // The words between are coloured.
        assert!(log.contains(" passed; 0 failed; 0 ignored;"), "{log}");
        assert!(!log.contains(" 0 passed;"), "{log}");
    }
    let fixed = crate::tree::meaning(&outs[1].join("bin/cuda-fixup"));
    assert_eq!((fixed.interpreter.as_str(), fixed.needed.len()), ("", 0));
}
