//! Evaluates the overlay, the flake and the package.

use crate::store::{Nix, checked, project};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const FILE: &str = "nix/tests/overlays.nix";

fn text(attribute: &str) -> String {
    Nix::get()
        .value(FILE, attribute)
        .as_str()
        .unwrap()
        .to_owned()
}

fn names(value: &Value) -> Vec<String> {
    let names = value.as_array().unwrap().iter();
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

/// The overlay keeps the binary cache: every other derivation is the same.
#[test]
fn the_default_overlay_changes_no_other_package() {
    let changes = Nix::get().value(FILE, "changes.default");
    assert!(changes["compared"].as_u64().unwrap() > 40, "{changes}");
    assert_eq!(changes["changed"], json!([]));
    assert_eq!(changes["added"], json!(["cuda-fixup"]));
    let side_by_side = names(&Nix::get().value(FILE, "sideBySide"));
    for name in [
        "cudaFixupHook",
        "autoPatchelfHook",
        "lintClosure",
        "static",
        "toolkitFarm",
        "withHooks",
    ] {
        assert!(side_by_side.iter().any(|known| known == name), "{name}");
    }
}

#[test]
fn the_cuda_overlay_changes_the_cuda_sets_only() {
    let changes = Nix::get().value(FILE, "changes.cuda");
    let changed = names(&changes["changed"]);
    let outside = |name: &&String| !name.starts_with("cudaPackages");
    assert_eq!(changed.iter().find(outside), None);
    for set in ["cudaPackages", "cudaPackages_11", "cudaPackages_12_9"] {
        for name in [
            "autoAddCudaCompatRunpath",
            "markForCudatoolkitRootHook",
            "removeStubsFromRunpathHook",
            "setupCudaHook",
            "cuda_cudart",
        ] {
            assert!(changed.contains(&format!("{set}.{name}")), "{set}.{name}");
        }
        let added = names(&changes["added"]);
        for name in ["cudaComponentHook", "nvccHook"] {
            assert!(added.contains(&format!("{set}.{name}")), "{set}.{name}");
        }
    }
}

#[test]
fn the_replacing_overlay_puts_ours_under_all_names_of_nixpkgs() {
    let changed = names(&Nix::get().value(FILE, "changes.replace.changed"));
    for name in [
        "addDriverRunpath",
        "addOpenGLRunpath",
        "autoAddDriverRunpath",
        "autoAddOpenGLRunpathHook",
        "autoFixElfFiles",
        "autoPatchelfHook",
        "cudaPackages_13.autoAddDriverRunpath",
        "cudaPackages_13.setupCudaHook",
        "rustc",
    ] {
        assert!(changed.iter().any(|known| known == name), "{name}");
    }
    assert_eq!(text("driverLink"), "/run/opengl-driver");
    assert_eq!(Nix::get().value(FILE, "stacked"), json!(true));
}

#[test]
fn one_package_is_built_with_our_hooks_and_the_rest_is_as_it_was() {
    let nix = Nix::get();
    let drv = |attribute: &str| nix.derivation(FILE, attribute);
    let (ours, upstream) = (drv("defaultHook"), drv("upstreamHook"));
    let with = nix.requisites(&drv("withHooks"));
    assert!(with.contains(&ours));
    // rustc, which builds the program, has nixpkgs' own hook; the package has none of them itself.
    let without = nix.requisites(&drv("withoutHooks"));
    assert!(without.contains(&upstream) && !without.contains(&ours));
    let by_name = nix.value(FILE, "byName");
    assert_ne!(by_name["rustc"], nix.value(FILE, "rustcDrv"));
    assert_eq!(by_name["bintools"], nix.value(FILE, "bintoolsDrv"));
}

/// gcc.arch, pkgsLLVM and their like: one triple, two platforms.
#[test]
fn a_cross_build_with_the_build_machines_triple_has_tools_that_run() {
    let cross = Nix::get().value(FILE, "cross");
    assert_eq!(
        cross,
        json!({ "toolIsNative": true, "hostIsForeign": "znver4", "hookCallsTheTool": true })
    );
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
    let dir = flake();
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
    let list = |attribute: &str, apply: &str| -> BTreeSet<String> {
        let output = nix
            .command("nix", false)
            .args(["eval", "--json", "--no-write-lock-file"])
            .args(["--override-input", "nixpkgs", &nixpkgs, "--apply", apply])
            .arg(format!("{flake}#{attribute}"))
            .output()
            .unwrap();
        serde_json::from_slice(&checked(output).stdout).unwrap()
    };
    // A check for each hook, in both modes: the sets say which hooks there are.
    let checks = list("checks.x86_64-linux", "builtins.attrNames");
    let hooks = list(
        "legacyPackages.x86_64-linux",
        "pkgs: builtins.filter (name: name != \"auto-patchelf\")
            (builtins.attrNames (pkgs.cudaFixup.hooksFor pkgs.cudaPackages))",
    );
    assert!(hooks.len() > 12, "{hooks:?}");
    for hook in &hooks {
        for mode in ["plain", "structured"] {
            assert!(
                checks.contains(&format!("{hook}-{mode}")),
                "{hook}: {checks:?}"
            );
        }
    }
    assert_eq!(checks.len(), 2 * hooks.len() + 1, "{checks:?}");
    assert!(eval("checks.x86_64-linux.autoPatchelfHook-plain.drvPath").contains("-hook-test"));
    let app: Value = serde_json::from_str(&eval("apps.x86_64-linux.default")).unwrap();
    assert_eq!(app["type"], "app");
    assert!(
        app["program"]
            .as_str()
            .unwrap()
            .ends_with("/bin/cuda-fixup"),
        "{app}"
    );
    assert!(eval("apps.aarch64-linux.auto-patchelf.program").contains("/bin/auto-patchelf"));
    assert!(eval("devShells.x86_64-linux.default.drvPath").contains("-nix-shell"));
    assert!(eval("formatter.x86_64-linux.drvPath").contains("-nixfmt-tree"));
    assert_eq!(
        eval("legacyPackages.i686-linux.cudaFixup.addDriverRunpath.driverLink").trim(),
        "\"/run/opengl-driver-32\""
    );
    assert!(eval("packages.x86_64-linux.auto-patchelf.drvPath").contains("-auto-patchelf-"));
    assert!(eval("nixosModules.default").contains("nixos-module.nix"));

    // The lock is whole and fits: nothing is fetched to find that out.
    let output = nix
        .command("nix", false)
        .args([
            "flake",
            "metadata",
            "--json",
            "--no-update-lock-file",
            &flake,
        ])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&checked(output).stdout).unwrap();
    let locked = &metadata["locks"]["nodes"]["nixpkgs"]["locked"];
    assert_eq!(locked["rev"].as_str().unwrap().len(), 40, "{locked}");

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
    // The store's time stamps are of 1970, and cargo compiles nothing anew that looks so old.
    let dir = tempfile::tempdir().unwrap();
    let copy = Command::new("cp")
        .args(["-r", "--no-preserve=all", &src])
        .arg(dir.path().join("src"))
        .status()
        .unwrap();
    assert!(copy.success());
    // The dependencies are in the usual target directory already, or stay there.
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    for what in [&["--lib", "--bins"][..], &["--lib", "--profile", "test"]] {
        let output = Command::new(env!("CARGO"))
            .args(["check", "--offline", "--locked", "--manifest-path"])
            .arg(dir.path().join("src/Cargo.toml"))
            .arg("--target-dir")
            .arg(target.unwrap())
            .args(what)
            .output()
            .unwrap();
        checked(output);
    }
}

/// A copy of what the flake reads, without build directories.
fn flake() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let copy = Command::new("cp")
        .args(["-r", "nix", "hooks", "src", "crates", "Cargo.toml"])
        .args(["Cargo.lock", "LICENSE-MIT", "LICENSE-APACHE", "README.md"])
        .args(["flake.nix", "flake.lock", "templates"])
        .arg(dir.path())
        .current_dir(project())
        .status()
        .unwrap();
    assert!(copy.success());
    dir
}

/// The blocks of Nix in docs/hooks.md.
fn examples() -> Vec<String> {
    let text = fs::read_to_string(project().join("docs/hooks.md")).unwrap();
    let blocks = text.split("```nix\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// The flake at the beginning of docs/hooks.md, word for word: a vendor's program becomes a package.
#[test]
fn the_flake_of_the_documentation_packages_a_prebuilt_program() {
    let nix = Nix::get();
    let ours = flake();
    let dir = tempfile::tempdir().unwrap();
    let flakes: Vec<_> = examples()
        .into_iter()
        .filter(|e| e.starts_with('{'))
        .collect();
    assert_eq!(flakes.len(), 1);
    assert!(flakes[0].lines().count() <= 12, "{}", flakes[0]);
    fs::write(dir.path().join("flake.nix"), &flakes[0]).unwrap();
    let bin = dir.path().join("tool/bin");
    fs::create_dir_all(&bin).unwrap();
    let mut library = Command::new("gcc");
    library.args(["-shared", "-fPIC", "-Wl,-soname,libz.so.1", "-o"]);
    library.arg(dir.path().join("libz.so.1"));
    checked(library.arg("nix/tests/src/plugin.c").output().unwrap());
    let mut program = Command::new("gcc");
    program
        .args(["-Wl,--no-as-needed", "-o"])
        .arg(bin.join("tool"));
    program.arg("nix/tests/src/plain.c");
    checked(program.arg(dir.path().join("libz.so.1")).output().unwrap());
    fs::remove_file(dir.path().join("libz.so.1")).unwrap();

    // The mock of Rust's builder installs a binary that is in the store already.
    let stand_in = tempfile::tempdir().unwrap();
    let copy = Command::new("cp")
        .args(["-r", "nix/tests/."])
        .arg(stand_in.path())
        .current_dir(project())
        .status()
        .unwrap();
    assert!(copy.success());
    let file = stand_in.path().join("flake.nix");
    let given = format!("builtBinary = builtins.storePath \"{}\"; }}", nix.binary());
    let text = fs::read_to_string(&file)
        .unwrap()
        .replace("\"; }", &format!("\"; {given}"));
    fs::write(&file, text).unwrap();

    let path = |dir: &tempfile::TempDir| format!("path:{}", dir.path().display());
    let output = nix
        .command("nix", false)
        .args([
            "build",
            "--no-link",
            "--no-write-lock-file",
            "--json",
            "--impure",
        ])
        .args(["--override-input", "cuda-fixup", &path(&ours)])
        .args(["--override-input", "cuda-fixup/nixpkgs", &path(&stand_in)])
        .arg(path(&dir))
        .output()
        .unwrap();
    let built: Value = serde_json::from_slice(&checked(output).stdout).unwrap();
    let out = built[0]["outputs"]["out"].as_str().unwrap();
    let tool = crate::tree::meaning(&std::path::Path::new(out).join("bin/tool"));
    assert!(
        tool.interpreter.starts_with("/store/glibc-2.0/lib/"),
        "{tool:?}"
    );
    assert_eq!(tool.runpath.as_deref(), Some("/store/zlib-1.0/lib"));
}

/// A flake of the mock of nixpkgs that is imported with arguments, as nixpkgs is.
fn nixpkgs_flake() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let copy = Command::new("cp")
        .args(["-r", "nix/tests/.", "--target-directory"])
        .arg(dir.path())
        .current_dir(project())
        .status()
        .unwrap();
    assert!(copy.success());
    let import = "args: import ./nixpkgs (removeAttrs args [ \"config\" ])\n";
    fs::write(dir.path().join("default.nix"), import).unwrap();
    dir
}

/// `nix flake init` with each template, and what its flake evaluates to.
#[test]
fn templates_are_flakes_that_evaluate() {
    let nix = Nix::get();
    let (ours, nixpkgs) = (flake(), nixpkgs_flake());
    let path = |dir: &Path| format!("path:{}", dir.display());
    for (template, attributes) in [
        (
            "cuda",
            &[
                "packages.x86_64-linux.default.name",
                "packages.aarch64-linux.default.drvPath",
                "checks.x86_64-linux.gpu.drvPath",
                "devShells.x86_64-linux.default.drvPath",
            ][..],
        ),
        ("prebuilt", &["packages.x86_64-linux.default.drvPath"]),
        (
            "sets",
            &[
                "legacyPackages.x86_64-linux.cudaPackages_13.my-cudart.drvPath",
                "legacyPackages.x86_64-linux.cudaPackages_12.libcufft.drvPath",
            ],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let template = format!("{}#{template}", path(ours.path()));
        let mut init = nix.command("nix", false);
        init.args(["flake", "init", "-t", &template])
            .current_dir(dir.path());
        checked(init.output().unwrap());
        for attribute in attributes {
            let output = nix
                .command("nix", false)
                .args(["eval", "--json", "--no-write-lock-file", "--impure"])
                .args(["--override-input", "cuda-fixup", &path(ours.path())])
                .args(["--override-input", "nixpkgs", &path(nixpkgs.path())])
                .arg(format!("{}#{attribute}", path(dir.path())))
                .output()
                .unwrap();
            let value = String::from_utf8(checked(output).stdout).unwrap();
            assert!(value.len() > 4, "{template} {attribute}: {value}");
            if attribute.ends_with("name") {
                assert_eq!(value.trim(), "\"cuda13.0-saxpy-1.0\"");
            }
        }
    }
}

/// Builds each example of the documentation unchanged.
#[test]
fn the_examples_of_the_documentation_build() {
    let nix = Nix::get();
    let blocks = examples().into_iter().filter(|e| !e.starts_with('{'));
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
    instantiate.args([
        "-I",
        "nixpkgs=nix/tests/nixpkgs",
        "-A",
        "cudaFixup.autoPatchelfHook",
    ]);
    let output = checked(instantiate.args(["-E", &whole[0]]).output().unwrap());
    let drv = String::from_utf8(output.stdout).unwrap();
    assert_eq!(drv.trim(), nix.derivation(FILE, "defaultHook"));
}

/// What docs/upstreaming.md proposes: by-name directories that evaluate by themselves.
#[test]
fn the_tree_for_nixpkgs_evaluates_by_itself() {
    let nix = Nix::get();
    let release = r#"{ owner = "o"; repo = "r"; rev = "v1"; hash = "sha256-x"; }"#;
    let output = nix
        .command("nix-build", false)
        .args(["nix/nixpkgs-tree.nix", "--no-out-link"])
        .args(["--arg", "pkgs", "import ./nix/tests/nixpkgs { }"])
        .args(["--arg", "release", release])
        .output()
        .unwrap();
    let tree = String::from_utf8(checked(output).stdout).unwrap();
    let tree = tree.trim();
    let output = nix
        .command("nix-instantiate", false)
        .args(["--eval", "--strict", "--json", "nix/tests/nixpkgs-tree.nix"])
        .args(["--arg", "tree", tree])
        .output()
        .unwrap();
    let value: Value = serde_json::from_slice(&checked(output).stdout).unwrap();
    assert_eq!(
        value["hooks"],
        json!({
            "cudaFixupAutoPatchelfHook": "auto-patchelf-hook",
            "cudaFixupDriverRunpathHook": "auto-add-driver-runpath-hook",
            "cudaFixupHook": "cuda-fixup-hook",
            "cudaFixupLintHook": "cuda-fixup-lint-hook",
        })
    );
    let tests = ["autoAddDriverRunpath", "autoPatchelfHook", "cudaFixupHook"];
    assert_eq!(value["tests"], json!(tests));
    assert_eq!(value["script"], json!(["nix-update"]));
    assert!(value["src"].as_str().unwrap().ends_with("-o-r-v1"));
    // The files are this repository's own.
    let package = std::path::Path::new(tree).join("pkgs/by-name/cu/cuda-fixup");
    for file in ["nix/hooks.nix", "nix/package.nix", "hooks/lib.sh"] {
        let copy = fs::read(package.join(file)).unwrap();
        assert_eq!(copy, fs::read(project().join(file)).unwrap(), "{file}");
    }
}
