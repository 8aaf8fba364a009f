//! What evaluation says of CUDA package sets (`nix/tests/cuda-packages.nix`).

use crate::store::{Nix, checked, project};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const FILE: &str = "nix/tests/cuda-packages.nix";

fn value(attribute: &str) -> Value {
    Nix::get().value(FILE, attribute)
}

/// The words of an attribute that can't be evaluated.
fn words(attribute: &str) -> String {
    let args = ["--eval", "--strict", FILE, "-A", attribute];
    let mut command = Nix::get().command("nix-instantiate", false);
    let output = command.args(args).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{attribute} evaluates");
    stderr
}

fn fails(attribute: &str, says: &str) {
    let words = words(attribute);
    assert!(words.contains(says), "{attribute}: no `{says}` in\n{words}");
}

#[test]
fn every_release_is_a_set_and_each_of_its_packages_evaluates() {
    let sets = value("sets");
    for (name, version) in [
        ("cudaPackages_11_8", "11.8.0"),
        ("cudaPackages_12", "12.9.1"),
        ("cudaPackages_12_9", "12.9.1"),
        ("cudaPackages_13", "13.0.2"),
        ("cudaPackages_13_0", "13.0.2"),
    ] {
        assert_eq!(sets[name], version, "{name}");
    }
    assert_eq!(value("newest"), "13.0.2");
    assert_eq!(value("exactCuda"), "12.4.0");
    let every = value("everyRelease");
    let every = every.as_object().unwrap();
    assert!(every.len() >= 37, "{}", every.len());
    for (release, packages) in every {
        let packages = packages.as_object().unwrap();
        assert!(packages.len() >= 40, "{release}: {}", packages.len());
        let majors: Vec<&str> = release.split('.').take(2).collect();
        for (name, package) in packages {
            let prefix = format!("cuda{}-{name}-", majors.join("."));
            let full = package["name"].as_str().unwrap();
            assert!(full.starts_with(&prefix), "{full}");
            assert_eq!(package["outputs"][0], "out", "{name}");
            assert_eq!(package["sha256"].as_str().unwrap().len(), 64, "{name}");
            let url = package["url"].as_str().unwrap();
            let server = "https://developer.download.nvidia.com/compute/";
            assert!(url.starts_with(server), "{url}");
            for other in ["sbsa", "aarch64", "ppc64le", "windows"] {
                assert!(!url.contains(&format!("linux-{other}")), "{url}");
            }
            // The archive for the set's own CUDA.
            if let Some((_, variant)) = url.rsplit_once("_cuda")
                && variant.starts_with(|c: char| c.is_ascii_digit())
            {
                assert!(variant.starts_with(majors[0]), "{release}: {url}");
            }
            let platforms = package["meta"]["platforms"].as_array().unwrap();
            assert!(platforms.contains(&json!("x86_64-linux")), "{name}");
            assert_eq!(package["meta"]["broken"], false, "{name}");
        }
    }
    fails(
        "noSuchCuda",
        "no manifest has CUDA 12.7: the nearest are 12.6.3 and 12.8.0",
    );
    fails("noSuchCuda", "cuda-fixup redist index redistrib_12.7.json");
}

#[test]
fn versions_are_there_side_by_side_and_only_what_suits() {
    let all = value("versions.cudnn");
    let of = |set: &str, key: &str| all[set][key].clone();
    assert_eq!(of("cudaPackages_11_8", "plain"), "9.10.2.21");
    assert_eq!(of("cudaPackages_12_9", "plain"), "9.14.0.64");
    assert_eq!(
        of("cudaPackages_13_0", "minors"),
        json!(["cudnn_9_12", "cudnn_9_13", "cudnn_9_14"])
    );
    assert_eq!(of("cudaPackages_13_0", "cuquantum"), "25.09.1.12");
    assert_eq!(of("cudaPackages_11_8", "cutensor"), "2.2.0.0");
    assert_eq!(of("cudaPackages_13_0", "nvjpeg2k"), "0.9.0.43");
    assert_eq!(value("versions.exact"), "8.9.7.29");
    assert_eq!(value("versions.minor"), "8.9.7.29");
    assert!(
        value("versions.joined")
            .as_str()
            .unwrap()
            .contains("10.9.0.34.Linux.x86_64-gnu.cuda-11.8")
    );
    fails(
        "versions.unsuited",
        "cuquantum 23.03.0.20 is for CUDA 11, and this is CUDA 13.0.2",
    );
    assert_eq!(
        value("versions.absent"),
        json!({
            "has": false,
            "why": "libnpp_plus 0.10.0.0 has no archive for CUDA 13, only for CUDA 11, 12",
            "part": "cuda_crt has no archive of its own in CUDA 12.9.1: it is part of cuda_nvcc",
        })
    );
}

#[test]
fn a_pin_takes_its_release_along_and_kills_nothing_else() {
    assert_eq!(value("pins.cudnn"), "8.9.7.29");
    assert_eq!(value("pins.samples"), "8.9.7.29");
    assert_eq!(value("pins.jit"), false);
    assert_eq!(
        value("pins.jitWhy"),
        "cudnn is pinned to 8.9.7, which has no cudnn_jit for linux-x86_64 and CUDA 12"
    );
    assert!(value("pins.all").as_u64().unwrap() > 50);
    assert_eq!(value("pins.own"), "13.0.96");
    fails(
        "pins.lost",
        "the pin cudnn = \"7.0\" matches nothing: there is cudnn 8.5.0, 8.6.0",
    );
    fails(
        "pins.unknown",
        "the pin cudann = \"9\" matches nothing: no manifest has a package cudann",
    );
    fails(
        "pins.unsuited",
        "the pin cudnn = \"8.9.7\" does not suit: cudnn 8.9.7.29 has no archive for CUDA 13, only for CUDA 11, 12",
    );
}

#[test]
fn layers_add_up_and_change_only_what_they_touch() {
    // tensorrt loads cudnn.
    assert_eq!(value("layers.manifest"), json!(["cudnn", "tensorrt"]));
    assert_eq!(
        value("layers.acme"),
        json!(["cudnn", "libcufft", "tensorrt"])
    );
    assert_eq!(
        value("layers.both"),
        json!(["cudnn", "libcufft", "tensorrt"])
    );
    assert_eq!(value("layers.corpOnly"), json!(["cudnn", "tensorrt"]));
    assert_eq!(value("layers.order"), true);
    assert_eq!(
        value("layers.names"),
        json!(["9.20.0.7", "cuda13.0-cudnn-9.20.0.7", 1, ["acme", "corp"]])
    );
    assert_eq!(value("layers.again"), json!([]));
    fails(
        "layers.twoHashes",
        &format!(
            "cudnn 9.20.0: cudnn linux-x86_64/cuda13: two archives under one key: sha256 {} in the layer acme, {} in the layer corp",
            "1".repeat(64),
            "2".repeat(64)
        ),
    );
    assert_eq!(value("layers.twoHashesElsewhere"), true);
    fails(
        "layers.twoVersions",
        "cudnn 9.20.0: cudnn is version 9.20.0.7 in the layer acme and 9.20.0.8 in the layer corp",
    );
    fails(
        "layers.option",
        "the layer acme has no option `file`: there is layer, files, licenses and cuda",
    );
    let undivided = value("layers.undivided");
    let why = undivided["why"].as_str().unwrap();
    assert!(why.contains("does not say for which CUDA it is\nhelp: say so in the layer that brings it: cuda.libnew = [ \"13\" ];"), "{why}");
    assert_eq!(
        undivided["12"],
        "libnew 1.0.0.7 is for CUDA 12, and this is CUDA 13.0.2"
    );
    assert!(
        undivided["13"]
            .as_str()
            .unwrap()
            .ends_with("/compute/newlib/redist/libnew/a.tar.xz")
    );
}

#[test]
fn a_new_release_of_cuda_is_one_file() {
    let new = value("newRelease");
    assert_eq!(new["version"], "13.4.0");
    assert_eq!((&new["cccl"], &new["old"]), (&json!(true), &json!(true)));
    assert_eq!(new["cudnn"], "9.14.0.64");
    assert_eq!(new["license"], "CUDA EULA");
    assert!(new["unheard"].as_array().unwrap().contains(&json!("lib")));
}

#[test]
fn overrides_are_joined_or_refused() {
    assert_eq!(
        value("overrides.attrs"),
        json!([["out"], true, "CUDA EULA"])
    );
    assert_eq!(value("overrides.function"), "mine");
    assert_eq!(
        value("overrides.conditions"),
        json!([true, ["x86_64-linux"], ["needs a newer glibc", "no Jetson"]])
    );
    assert_eq!(value("overrides.elsewhere"), true);
    assert_eq!(value("overrides.lists"), true);
    fails(
        "overrides.twoValues",
        "the layers acme and corp override `x` of libcufft with two values",
    );
    fails(
        "overrides.lost",
        "the override of libcuft in the layer acme matches nothing",
    );
    fails(
        "overrides.lostVersion",
        "the override of cudnn 99 in the layer acme matches nothing",
    );
    fails(
        "overrides.lostSystem",
        "the override of libcufft for riscv64-linux in the layer acme matches nothing",
    );
    fails(
        "overrides.unknownKey",
        "an override of the layer acme for libcufft has an unknown key `attr`: there is attrs, cuda, package, system, version",
    );
}

#[test]
fn licences_have_nixpkgs_names() {
    assert_eq!(
        value("licenses.shortNames"),
        json!({
            "cuda_cudart": "CUDA EULA", "cudnn": "cuDNN EULA", "tensorrt": "TensorRT EULA",
            "libcutensor": "cuTENSOR EULA", "libcusparse_lt": "cuSPARSELt EULA",
            "libcublasmp": "NVIDIA Math SDK SLA",
        })
    );
    let unknown = value("licenses.unknown");
    assert_eq!(
        (&unknown["shortName"], &unknown["free"]),
        (&json!("cuDNN 2030"), &json!(false))
    );
    assert_eq!(
        value("licenses.mapped"),
        json!({ "shortName": "mine", "free": true })
    );
}

#[test]
fn a_set_is_a_scope_of_its_own() {
    assert_eq!(value("scope.pkgs"), "13.0.2");
    assert_eq!(value("scope.outside"), "12.4");
    assert_eq!(value("scope.through"), "my-cudart");
    assert_eq!(value("scope.again"), "my-cudart");
    assert_eq!(
        value("scope.callPackage"),
        json!(["my-cudart", "my-cudart"])
    );
    assert_eq!(value("scope.everySet"), json!(["acme corp", "acme corp"]));
    assert_eq!(value("scope.everyPin"), json!(["9.12.0.46", "9.12.0.46"]));
}

#[test]
fn a_cross_build_has_a_native_nvcc_and_foreign_libraries() {
    let cross = value("cross");
    let url = |key: &Value| key.as_str().unwrap().to_owned();
    // With the extension, which the native stage has too.
    assert_eq!(cross["nvcc"][0], "my-nvcc");
    assert!(url(&cross["nvcc"][1]).contains("/cuda_nvcc/linux-x86_64/"));
    assert!(url(&cross["libcufft"]).contains("/libcufft/linux-sbsa/"));
    assert_eq!(cross["pkgs"], "aarch64-linux");
}

#[test]
fn jetsons_before_cuda_13_have_archives_of_their_own() {
    let jetson = value("jetson");
    for (key, system) in [
        ("old", "linux-aarch64"),
        ("server", "linux-sbsa"),
        ("new", "linux-sbsa"),
    ] {
        let url = jetson[key].as_str().unwrap();
        assert!(url.contains(&format!("/{system}/")), "{key}: {url}");
    }
    for packages in value("everyArm").as_array().unwrap() {
        assert!(packages.as_u64().unwrap() >= 20, "{packages}");
    }
    fails(
        "jetsonDriver",
        "nvidia_driver 560.35.05 has no archive for linux-aarch64",
    );
    assert_eq!(jetson["drvs"].as_array().unwrap().len(), 2);
    assert_eq!(jetson["compat"], true);
    assert_eq!(jetson["nvpl"], "0.4.1.1");
    assert_eq!(jetson["nvplWhole"], "cuda13.0-nvpl-25.5");
}

#[test]
fn capabilities_are_the_sets_own() {
    assert_eq!(
        value("capabilities.own"),
        json!(["86;90a-real", "120-real"])
    );
    assert_eq!(value("capabilities.lazy"), true);
    fails(
        "capabilities.newer",
        "compute capability 11.0 is called 10.1 in CUDA 12.9: ask for 10.1, or take a newer CUDA",
    );
    fails(
        "capabilities.older",
        "compute capability 6.1 was last known to CUDA 12.9, and this is CUDA 13.0",
    );
}

#[test]
fn a_host_compiler_that_nixpkgs_dropped_fails_where_it_is_asked_for() {
    assert!(value("hostStdenv.set").as_u64().unwrap() > 40);
    assert_eq!(value("hostStdenv.given"), "mine");
    assert_eq!(value("hostStdenv.fallback"), "13.4.0");
    assert_eq!(value("hostStdenv.plain"), "15.2.0");
    fails(
        "hostStdenv.old",
        "CUDA 11.8 takes gcc up to 11 as the host compiler, and this nixpkgs has none so old",
    );
    fails(
        "hostStdenv.old",
        "mkCudaPackages { hostStdenv = olderPkgs.gcc11Stdenv; … }",
    );
}

/// `file` of the tests' Nix file, for a file with this text.
fn with_file(name: &str, text: &str) -> Result<Value, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(name);
    fs::write(&file, text).unwrap();
    let expression = format!(
        "(import {}/{FILE} {{ }}).file {}",
        project().display(),
        file.display()
    );
    let mut command = Nix::get().command("nix-instantiate", false);
    let output = command
        .args(["--eval", "--strict", "--json", "-E", &expression])
        .output()
        .unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn a_file_that_is_no_manifest_is_named_with_its_layer() {
    let manifests = project().join("nix/cuda-packages/manifests/cudnn");
    let good = fs::read_to_string(manifests.join("9.14.0.json")).unwrap();
    assert_eq!(with_file("cudnn.json", &good).unwrap(), "9.14.0.64");
    for (text, says) in [
        (&good[..good.len() - 100], "the file is cut short"),
        ("", "the file is cut short"),
        (
            "{\"release_label\":\"9.20.0\"}",
            "found NVIDIA's own or another file\n       help: cuda-fixup redist index redistrib_9.20.0.json >manifest.json",
        ),
        (
            "{\"schema\":\"cuda-fixup.manifest/9\"}",
            "expected the schema `cuda-fixup.manifest/1`, found `cuda-fixup.manifest/9`",
        ),
    ] {
        let words = with_file("redistrib_9.20.0.json", text).unwrap_err();
        assert!(
            words.contains("redistrib_9.20.0.json (layer acme)"),
            "{words}"
        );
        assert!(words.contains(says), "no `{says}` in\n{words}");
    }
}

/// Memory and calls are the same on any machine; the processor's time is only printed.
#[test]
fn evaluation_stays_within_its_budget() {
    let cost = |attribute: &str| {
        let mut command = Nix::get().command("nix-instantiate", false);
        command.env("NIX_SHOW_STATS", "1");
        command.args(["--eval", "--strict", FILE, "-A", attribute]);
        let output = checked(command.output().unwrap());
        let text = String::from_utf8(output.stderr).unwrap();
        let stats: Value = serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap();
        let bytes = stats["gc"]["totalBytes"].as_u64().unwrap();
        eprintln!("{attribute}: {bytes} bytes, {} s", stats["cpuTime"]);
        bytes
    };
    let (nothing, one, three) = (cost("nothing"), cost("one"), cost("three"));
    // docs/package-set.md has what it is over nixpkgs' own stdenv.
    assert!(one < 60_000_000, "{one} bytes for a set");
    assert!(
        three * 2 < one * 5,
        "{three} bytes for three sets, {one} for one"
    );
    assert!(nothing < one);
}

#[test]
fn each_package_of_the_table_is_one_that_manifests_have() {
    let manifests = Path::new("nix/cuda-packages/manifests");
    let mut text = String::new();
    for entry in walkdir::WalkDir::new(project().join(manifests)) {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|e| e == "json") {
            text += &fs::read_to_string(entry.path()).unwrap();
        }
    }
    let table = Nix::get().value("nix/cuda-packages/packages.nix", "packages");
    for name in table.as_object().unwrap().keys() {
        // Their manifests are newer than those that are here, or the user's.
        let expected = name != "cccl" && !user_gives(name);
        assert_eq!(
            text.contains(&format!("\n\"{name}\":{{")),
            expected,
            "{name}"
        );
    }
}

/// Whether a package is of a product of which no manifest is here.
fn user_gives(package: &str) -> bool {
    let table = fs::read_to_string(project().join("nix/data/redist.json")).unwrap();
    let table: Value = serde_json::from_str(&table).unwrap();
    table["products"].as_array().unwrap().iter().any(|product| {
        let directory = project()
            .join("nix/cuda-packages/manifests")
            .join(product["product"].as_str().unwrap());
        let has = product["packages"].as_array().unwrap();
        !directory.exists() && has.contains(&json!(package)) && package != "nvidia_driver"
    })
}

/// The table of docs/package-set.md: a name that is the same here is in a set, and each of nixpkgs'
/// names is in the table.
#[test]
fn every_name_of_nixpkgs_is_here_or_explained() {
    let text = fs::read_to_string(project().join("docs/package-set.md")).unwrap();
    let (_, table) = text.split_once("| nixpkgs | here |\n|---|---|\n").unwrap();
    let attributes = value("attributes");
    let attributes = attributes.as_array().unwrap();
    let mut explained = BTreeSet::new();
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let mut columns = row.trim_matches('|').splitn(2, " | ");
        let (names, here) = (columns.next().unwrap(), columns.next().unwrap());
        for name in names.split(',').map(|name| name.trim().trim_matches('`')) {
            assert!(explained.insert(name), "{name} is there twice");
            if here.trim() == "the same" {
                assert!(attributes.contains(&json!(name)), "no set has {name}");
            }
        }
    }
    let all = fs::read_to_string(project().join("nix/tests/nixpkgs/cuda-names.txt")).unwrap();
    let all = all.lines().filter(|line| !line.starts_with('#'));
    for name in all.flat_map(str::split_whitespace) {
        assert!(explained.contains(name), "{name} is not in the table");
    }
}

/// Each example of the documentation evaluates as it is there.
#[test]
fn the_examples_of_the_documentation_evaluate() {
    let text = fs::read_to_string(project().join("docs/package-set.md")).unwrap();
    let blocks = text.split("```nix\n").skip(1);
    let blocks: Vec<_> = blocks.map(|b| b.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 5, "{blocks:?}");
    for block in blocks {
        let expression = format!(
            "let pkgs = import ./nix/tests/nixpkgs {{ overlays = [ (import ./nix/overlay.nix) ]; }};
                 cuda = import ./nix/cuda-packages {{ inherit pkgs; }};
                 value = {block};
             in if builtins.isString value then value
                else value.drvPath or (value.libcufft or value.cudaFixup.cudaPackages_13_0.mine).drvPath"
        );
        let mut command = Nix::get().command("nix-instantiate", false);
        let args = ["--eval", "--strict", "-E", &expression];
        let output = command.args(args).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{block}\n{error}");
    }
}
