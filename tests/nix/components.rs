//! nixpkgs' newest generation of CUDA packages: published by one package, collected by another.

use crate::store::{Nix, checked};
use crate::tree::snapshot;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn outputs(attribute: &str) -> BTreeMap<String, PathBuf> {
    let nix = Nix::get();
    nix.build(&[attribute], &[]);
    let paths = nix.value("nix/tests", &format!("paths.{attribute}"));
    let path = |(name, path): (&String, &Value)| (name.clone(), path.as_str().unwrap().into());
    paths.as_object().unwrap().iter().map(path).collect()
}

fn marker(output: &Path) -> PathBuf {
    output.join("nix-support/cuda-component")
}

/// What bash, which nixpkgs' own hooks are written in, reads in a marker.
fn metadata(output: &Path) -> BTreeMap<String, String> {
    let script = r#"source "$1"; for key in "${!cudaComponentMetadata[@]}"; do
        printf '%s=%s\n' "$key" "${cudaComponentMetadata[$key]}"; done"#;
    let mut bash = Command::new("bash");
    bash.args(["-euc", script, "-"]).arg(marker(output));
    let printed = String::from_utf8(checked(bash.output().unwrap()).stdout).unwrap();
    let pairs = printed.lines().map(|line| line.split_once('=').unwrap());
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
    owned.collect()
}

#[test]
fn every_mode_publishes_the_same_of_the_outputs_that_are_made() {
    let nix = Nix::get();
    let attributes =
        ["2024-06", "2024-10", "2026-08"].map(|each| format!("components.published.{each}"));
    nix.build(&attributes.each_ref().map(String::as_str), &[]);
    let paths = nix.value("nix/tests", "paths.components.published");
    let mut first = None;
    let mut compared = 0;
    for (generation, modes) in paths.as_object().unwrap() {
        for (mode, outputs) in modes.as_object().unwrap() {
            let of = |name: &str| Path::new(outputs[name].as_str().unwrap());
            for name in ["out", "lib"] {
                let expected = expected(&[
                    ("format", "3"),
                    ("component", "cuda_piece"),
                    ("output", name),
                    ("cudaComponentVersion", "12.4.99"),
                    ("cudaMajorMinorVersion", "12.4"),
                    ("compiler", ""),
                ]);
                assert_eq!(metadata(of(name)), expected, "{generation} {mode}");
            }
            // One holds no piece of a toolkit, the other was made after fixup.
            assert!(of("late").is_dir() && !marker(of("late")).exists());
            assert!(of("debug").is_dir() && !marker(of("debug")).exists());
            let bytes = ["out", "lib"].map(|name| snapshot(of(name)));
            let first = first.get_or_insert_with(|| bytes.clone());
            assert!(*first == bytes, "{generation} {mode}");
            compared += 1;
        }
    }
    assert_eq!(compared, 3 * 6);
}

#[test]
fn a_package_says_what_it_is_in_its_own_words() {
    let named = metadata(&outputs("components.named")["lib"]);
    let expected = expected(&[
        ("format", "3"),
        ("component", "a \"name\" $HOME"),
        ("output", "lib"),
        ("cudaComponentVersion", "99.1"),
        ("cudaMajorMinorVersion", "11.8"),
        ("compiler", ""),
    ]);
    assert_eq!(named, expected);
    assert!(!marker(&outputs("components.notAsked")["out"]).exists());
    for attribute in ["components.compiler", "components.compilerByPath"] {
        let out = &outputs(attribute)["out"];
        let compiler = out.join("libexec/compiler");
        assert_eq!(metadata(out)["compiler"], compiler.to_str().unwrap());
    }
}

/// The variables that a package sees, by name.
fn environment(attribute: &str) -> BTreeMap<String, String> {
    let out = &outputs(&format!("components.{attribute}"))["out"];
    let text = fs::read_to_string(out.join("environment")).unwrap();
    let pairs = text.lines().map(|line| line.split_once('=').unwrap());
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[test]
fn what_is_published_is_collected_with_the_older_marker_beside_it() {
    for case in ["collected", "collectedByTheOldHook"] {
        let seen = environment(case);
        assert_eq!(seen["CUDAToolkit_ROOT"], "TOP/cuda-toolkit", "{case}");
        assert_eq!(seen["pieces"], "include/piece.h lib/libpiece.so ", "{case}");
        assert!(seen["version"].contains("12.4.0"), "{case}: {seen:?}");
        assert_eq!(seen["CUDACXX"], "", "{case}: there is no compiler");
    }
    let compiler = outputs("components.compiler")["out"].join("libexec/compiler");
    let compiled = environment("compiled");
    assert_eq!(compiled["CUDACXX"], compiler.to_str().unwrap());
    assert_eq!(compiled["CUDAToolkit_ROOT"], "TOP/cuda-toolkit");
    assert_eq!(environment("own")["CUDACXX"], "/my/compiler");
    let by_nvcc = environment("compiledByNvcc");
    assert_eq!(by_nvcc["CUDACXX"], "TOP/cuda-toolkit/bin/nvcc");
}

#[test]
fn each_role_has_variables_of_its_own() {
    let seen = environment("roles");
    for (role, release, pieces) in [
        ("_FOR_BUILD", "13.5.0", ""),
        ("", "12.4.0", "include/piece.h "),
        ("_FOR_TARGET", "13.5.0", "include/piece.h "),
    ] {
        let root = format!("TOP/cuda-toolkit{role}");
        assert_eq!(seen[&format!("CUDAToolkit_ROOT{role}")], root);
        assert_eq!(seen[&format!("CUDA_PATH{role}")], root);
        let bin = format!("{root}/bin");
        assert_eq!(seen[&format!("CUDA_BIN_PATH{role}")], bin);
        assert!(seen[&format!("version{role}")].contains(release), "{role}");
        assert_eq!(seen[&format!("pieces{role}")], pieces, "{role}");
    }
}

#[test]
fn a_library_passes_its_toolkit_on() {
    for variable in ["cudaPropagateToOutput", "cudaPropagateDependenciesToOutput"] {
        let seen = environment(&format!("passedOn.{variable}"));
        assert_eq!(seen["CUDAToolkit_ROOT"], "TOP/cuda-toolkit", "{variable}");
        assert_eq!(seen["pieces"], "include/piece.h ", "{variable}");
    }
}

#[test]
fn what_contradicts_itself_stops_the_build() {
    let nix = Nix::get();
    let output = nix.try_build(&["components.fails"], &["--keep-going"], false);
    assert!(!output.status.success());
    let derivations = nix.value("nix/tests", "derivations.components.fails");
    let paths = nix.value("nix/tests", "paths.components.fails");
    let cases: [(&str, &[&str]); 6] = [
        (
            "twoReleases",
            &["two CUDA versions: 12.4", "13.5", "cuda-component"],
        ),
        (
            "twoCompilers",
            &["two CUDA compilers: ", "-another-", "cuda-component names"],
        ),
        ("besideNvcc", &["two CUDA compilers: ", "-cuda_nvcc-"]),
        (
            "noCompiler",
            &["cudaCompilerExecutable: no output has a program bin/gone"],
        ),
        (
            "noRelease",
            &["cudaPublishComponent: of which CUDA release?"],
        ),
        (
            "noOutput",
            &["cudaPropagateDependenciesToOutput: there is no output dev"],
        ),
    ];
    assert_eq!(paths.as_object().unwrap().len(), cases.len());
    for (case, says) in cases {
        let log = nix.log(derivations[case].as_str().unwrap());
        assert!(
            !nix.has(paths[case]["out"].as_str().unwrap()),
            "{case}: {log}"
        );
        for words in says {
            assert!(log.contains(words), "{case}: no `{words}`: {log}");
        }
    }
}
