//! What evaluation tells of the overlay, the flake and the package.

use crate::store::{Nix, checked, project};
use serde_json::json;
use std::fs;
use std::process::Command;

const FILE: &str = "nix/tests/overlays.nix";

fn text(attribute: &str) -> String {
    Nix::get()
        .value(FILE, attribute)
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn the_names_of_nixpkgs_are_ours_in_every_cuda_set_too() {
    let nix = Nix::get();
    assert_eq!(
        nix.value(FILE, "replaced"),
        json!([
            "addDriverRunpath",
            "addOpenGLRunpath",
            "auto-patchelf",
            "autoAddDriverRunpath",
            "autoAddOpenGLRunpathHook",
            "autoFixElfFiles",
            "autoPatchelfHook",
        ])
    );
    let hooks = json!([
        "autoAddCudaCompatRunpath",
        "autoAddDriverRunpath",
        "cudaComponentHook",
        "markForCudatoolkitRootHook",
        "nvccHook",
        "removeStubsFromRunpathHook",
        "setupCudaHook",
    ]);
    assert_eq!(
        nix.value(FILE, "cuda"),
        json!({
            "cudaPackages": hooks, "cudaPackages_11": hooks, "cudaPackages_12": hooks,
            "cudaPackages_12_9": hooks, "cudaPackages_13": hooks,
        })
    );
    assert_eq!(text("driverLink"), "/run/opengl-driver");
    let side_by_side = nix.value(FILE, "sideBySide");
    for name in ["cudaFixupHook", "autoPatchelfHook", "lintClosure", "static"] {
        assert!(side_by_side.as_array().unwrap().contains(&json!(name)));
    }
}

#[test]
fn rustc_depends_on_our_hook_and_our_hook_on_no_hook_of_ours() {
    let nix = Nix::get();
    let drv = |attribute: &str| nix.derivation(FILE, attribute);
    let (ours, upstream, rustc) = (drv("hook"), drv("upstreamHook"), drv("rustc"));
    let program = nix.requisites(&drv("program"));
    // The mock is worth something only when it is in the way: a compiler is part of the program.
    assert!(program.iter().any(|drv| drv.contains("-rustc-")));
    assert!(program.contains(&upstream));
    assert!(!program.contains(&ours));
    // What users build is on our hook, the compiler too.
    assert!(nix.requisites(&rustc).contains(&ours));
    assert!(!nix.requisites(&ours).contains(&rustc));
    assert_eq!(nix.value(FILE, "twice"), json!(true));
}

#[test]
fn the_program_out_of_prev_recurses_so_the_mock_is_like_nixpkgs() {
    let output = Nix::get()
        .command("nix-instantiate", false)
        .args(["--eval", FILE, "-A", "naive"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(says.contains("infinite recursion"), "{says}");
}

#[test]
fn the_flake_and_default_nix_evaluate_on_any_nixpkgs() {
    let nix = Nix::get();
    // What git has, without build directories.
    let dir = tempfile::tempdir().unwrap();
    let copy = Command::new("cp")
        .args([
            "-r",
            "nix",
            "hooks",
            "src",
            "crates",
            "Cargo.toml",
            "Cargo.lock",
        ])
        .args(["LICENSE-MIT", "LICENSE-APACHE", "README.md", "flake.nix"])
        .arg(dir.path())
        .current_dir(project())
        .status()
        .unwrap();
    assert!(copy.success());
    let flake = format!("path:{}", dir.path().display());
    let nixpkgs = format!("{flake}/nix/tests");
    let eval = |attribute: &str| {
        let output = nix
            .command("nix", false)
            .args(["eval", "--json", "--no-write-lock-file"])
            .args(["--override-input", "nixpkgs", &nixpkgs])
            .arg(format!("{flake}#{attribute}"))
            .output()
            .unwrap();
        String::from_utf8(checked(output).stdout).unwrap()
    };
    assert!(eval("packages.x86_64-linux.default.drvPath").contains("-cuda-fixup-"));
    assert!(eval("packages.aarch64-linux.static.drvPath").contains("-cuda-fixup-"));
    assert!(eval("checks.x86_64-linux.auto-patchelf.drvPath").contains("-hook-test"));
    assert_eq!(
        eval("legacyPackages.i686-linux.cudaFixup.addDriverRunpath.driverLink").trim(),
        "\"/run/opengl-driver-32\""
    );
    let set = "legacyPackages.i686-linux";
    let hooks = eval(&format!(
        "{set}.cudaFixup.hooksFor {set}.cudaPackages_12"
    ));
    assert!(hooks.contains("-hook"), "{hooks}");

    let output = nix
        .command("nix-instantiate", false)
        .args(["default.nix", "-A", "cudaFixup.cudaFixupHook"])
        .args(["--arg", "pkgs", "import ./nix/tests/nixpkgs { }"])
        .output()
        .unwrap();
    checked(output);
}

/// The source of the package has all that cargo reads, and nothing whose change would build it
/// anew for no reason.
#[test]
fn the_source_of_the_package_compiles() {
    // Evaluation alone copies nothing into the store.
    Nix::get().derivation(FILE, "program");
    let src = text("src");
    let names: Vec<_> = fs::read_dir(&src)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for unwanted in ["tests", "docs", "hooks", "target", "testdata", "flake.nix"] {
        assert!(!names.iter().any(|name| name == unwanted), "{names:?}");
    }
    // The dependencies are in the usual target directory already, or stay there.
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    for what in [&["--lib", "--bins"][..], &["--lib", "--profile", "test"]] {
        let output = Command::new(env!("CARGO"))
            .args(["check", "--offline", "--locked", "--manifest-path"])
            .arg(format!("{src}/Cargo.toml"))
            .arg("--target-dir")
            .arg(target.unwrap())
            .args(what)
            .output()
            .unwrap();
        checked(output);
    }
}

/// Each example of the documentation is built as it stands there.
#[test]
fn the_examples_of_the_documentation_build() {
    let nix = Nix::get();
    let text = fs::read_to_string(project().join("docs/hooks.md")).unwrap();
    let blocks = text.split("```nix\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let (packages, whole): (Vec<_>, Vec<_>) = blocks.partition(|b| b.starts_with("stdenv"));
    assert!(packages.len() >= 10 && whole.len() == 1, "{whole:?}");

    let dir = tempfile::tempdir().unwrap();
    let examples = dir.path().join("examples.json");
    fs::write(&examples, serde_json::to_vec(&packages).unwrap()).unwrap();
    let mut build = nix.command("nix-build", false);
    build.args(["nix/tests/examples.nix", "--no-out-link", "-A", "all"]);
    build.args(["--argstr", "binary", nix.binary(), "--arg", "examples"]);
    checked(build.arg(&examples).output().unwrap());

    let mut instantiate = nix.command("nix-instantiate", false);
    instantiate.args(["-I", "nixpkgs=nix/tests/nixpkgs", "-A", "autoPatchelfHook"]);
    let output = checked(instantiate.args(["-E", whole[0]]).output().unwrap());
    let drv = String::from_utf8(output.stdout).unwrap();
    assert_eq!(drv.trim(), nix.derivation(FILE, "hook"));
}
