//! Archives of each kind, built by the real builder; and one that is not what its manifest says.

use crate::store::{Nix, checked};
use crate::support::wheels;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

const FILE: &str = "nix/tests/cuda-kinds.nix";

fn nix(program: &str, args: &[&str]) -> Output {
    let nix = Nix::get();
    let mut command = nix.command(program, false);
    command.args(["--argstr", "binary", nix.binary(), "--arg", "wheels"]);
    command.arg(wheels()).args(args).arg(FILE).output().unwrap()
}

/// What a package's output has: the text of each file, without its own paths, or where a link goes.
fn contents(dir: &Path, own: &[PathBuf]) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files
        .map(|entry| {
            let path = entry.path();
            let bytes = match entry.file_type().is_symlink() {
                true => fs::read_link(path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes(),
                false => fs::read(path).unwrap(),
            };
            let mut text = String::from_utf8_lossy(&bytes).into_owned();
            for path in own {
                text = text.replace(path.to_str().unwrap(), "/OWN");
            }
            (
                path.strip_prefix(dir).unwrap().to_owned(),
                text.into_bytes(),
            )
        })
        .collect()
}

#[test]
fn every_kind_of_archive_becomes_the_same_package() {
    checked(nix("nix-build", &["--no-out-link", "-A", "packages"]));
    let args = ["--eval", "--strict", "--json", "-A", "paths"];
    let paths = checked(nix("nix-instantiate", &args)).stdout;
    let paths: BTreeMap<String, BTreeMap<String, PathBuf>> =
        serde_json::from_slice(&paths).unwrap();
    assert_eq!(paths.len(), 4);
    let all: Vec<PathBuf> = paths.values().flat_map(|p| p.values().cloned()).collect();
    let xz = &paths["kind_xz"];
    for (output, file) in [
        ("lib", "lib/libcudart.so.13"),
        ("lib", "lib/libcudart.so"),
        ("static", "lib/libcudart_static.a"),
        ("stubs", "lib/stubs/libcuda.so.1"),
        ("include", "include/cuda_runtime.h"),
        ("dev", "share/pkgconfig/cudart-13.0.pc"),
    ] {
        let file = xz[output].join(file);
        assert!(file.exists(), "{}", file.display());
    }
    for (name, outputs) in &paths {
        for (output, dir) in outputs {
            // Links to all others, and the licence, which a Debian package has elsewhere.
            if output == "out" || output == "doc" {
                continue;
            }
            let mut found = contents(dir, &all);
            let mut expected = contents(&xz[output], &all);
            for files in [&mut found, &mut expected] {
                // It names the package.
                files.retain(|path, _| !path.starts_with("nix-support"));
            }
            let names: Vec<_> = found.keys().collect();
            assert_eq!(
                names,
                expected.keys().collect::<Vec<_>>(),
                "{name} {output}"
            );
            assert!(found == expected, "{name} {output}");
        }
    }
}

/// The same of each kind, but for where a Debian package has its files.
#[test]
fn what_an_archive_holds_is_an_attribute_of_its_package() {
    checked(nix("nix-build", &["--no-out-link", "-A", "features"]));
    let args = ["--eval", "--strict", "--json", "-A", "featuresPaths"];
    let paths = checked(nix("nix-instantiate", &args)).stdout;
    let paths: BTreeMap<String, PathBuf> = serde_json::from_slice(&paths).unwrap();
    let read =
        |name: &str| -> Value { serde_json::from_slice(&fs::read(&paths[name]).unwrap()).unwrap() };
    let xz = read("kind_xz");
    assert_eq!(xz["path"], ".");
    assert_eq!(
        xz["outputs"],
        json!(["out", "dev", "include", "lib", "static", "stubs"])
    );
    let library = &xz["libraries"][0];
    assert_eq!(library["soname"], "libcudart.so.13");
    assert_eq!(library["cudart"]["version"], "13.0");
    assert_eq!(xz["stubs"][0]["soname"], "libcuda.so.1");
    assert_eq!(read("kind_gz"), xz);
    assert_eq!(read("kind_zst"), xz);
    let deb = read("kind_deb");
    assert_eq!(deb["libraries"][0]["cudart"], library["cudart"]);
    assert_eq!(deb["stubs"][0]["soname"], "libcuda.so.1");
    assert_eq!(
        deb["outputs"],
        json!(["out", "dev", "include", "lib", "static", "stubs", "doc"])
    );
}

/// The file of features replaces the table of outputs, and the build compares.
#[test]
fn a_file_of_features_names_the_outputs_and_is_checked() {
    checked(nix("nix-build", &["--no-out-link", "-A", "described"]));
    let value = |attribute: &str| -> Value {
        // The file is built first.
        let args = [
            "--eval",
            "--read-write-mode",
            "--strict",
            "--json",
            "-A",
            attribute,
        ];
        serde_json::from_slice(&checked(nix("nix-instantiate", &args)).stdout).unwrap()
    };
    assert_eq!(
        value("describedOutputs"),
        json!(["out", "dev", "include", "lib", "static", "stubs"])
    );
    let conditions = value("conditions");
    let needs = conditions[0].as_str().unwrap_or_default();
    assert!(
        needs.starts_with("needs glibc 99.1, and this one is "),
        "{conditions}"
    );
    let output = nix("nix-build", &["--no-out-link", "-A", "misdescribed"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    let expected =
        "libraries[0].path: expected \"lib/libcudart.so.12\", found \"lib/libcudart.so.13\"";
    assert!(words.contains(expected), "{words}");
}

#[test]
fn a_hash_that_lies_is_named_with_file_and_layer() {
    let output = nix("nix-build", &["--no-out-link", "-A", "lying"]);
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    for expected in [
        "kind.tar.xz: expected sha256 ",
        ", which the layer acme has for kind_xz linux-x86_64/cuda13 of kinds 1.0.0, found ",
        "help: NVIDIA may have republished it: compare with its redistrib_1.0.0.json (cuda-fixup redist diff)",
    ] {
        assert!(words.contains(expected), "no `{expected}` in\n{words}");
    }
    // Two different sums.
    let sums = regex::Regex::new("expected sha256 ([0-9a-f]{64}).* found ([0-9a-f]{64})").unwrap();
    let sums = sums.captures(&words).unwrap();
    assert_ne!(sums[1], sums[2]);
}
