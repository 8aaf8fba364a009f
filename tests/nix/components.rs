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
        ("component", "a.name+1"),
        ("output", "lib"),
        ("cudaComponentVersion", "99.1"),
        ("cudaMajorMinorVersion", "11.8"),
    ]);
    assert_eq!(named, expected);
    assert!(!marker(&outputs("components.notAsked")["out"]).exists());
    let of_no_set = metadata(&outputs("components.noRelease")["out"]);
    assert_eq!(of_no_set.get("cudaMajorMinorVersion"), None);
    // A compiler is named below its output, and published by that one only.
    let compiler = outputs("components.compiler");
    assert_eq!(metadata(&compiler["out"])["compiler"], "libexec/compiler");
    assert!(!compiler["debug"].join("nix-support").exists());
}

/// nixpkgs' contract: who names a component sources the collector first, then the package's own hook.
#[test]
fn a_component_brings_the_hook_that_collects_it() {
    let hook = &outputs("components.hook")["out"];
    let line = format!("source {}/nix-support/setup-hook", hook.display());
    for (case, output, own) in [
        ("compiler", "out", ""),
        ("named", "lib", ""),
        (
            "ownSetupHook",
            "out",
            "export CUDA_OWN_HOOK=kept\nreturn 0\n",
        ),
    ] {
        let output = &outputs(&format!("components.{case}"))[output];
        let text = fs::read_to_string(output.join("nix-support/setup-hook")).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        assert_eq!(first, line, "{case}");
        assert_eq!(rest.trim(), own.trim(), "{case}");
    }
    assert_eq!(environment("setupHookOfItsOwn")["CUDA_OWN_HOOK"], "kept");
}

/// The variables that a package sees, by name.
fn environment(attribute: &str) -> BTreeMap<String, String> {
    let out = &outputs(&format!("components.{attribute}"))["out"];
    let text = fs::read_to_string(out.join("environment")).unwrap();
    let pairs = text.lines().map(|line| line.split_once('=').unwrap());
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[test]
fn a_package_that_names_only_components_has_a_toolkit_where_one_of_them_compiles() {
    let out = outputs("components.compiler")["out"].clone();
    let compiler = out.join("libexec/compiler");
    for case in ["compiled", "lax", "setupHookOfItsOwn"] {
        let seen = environment(case);
        assert_eq!(seen["CUDAToolkit_ROOT"], "TOP/cuda-toolkit", "{case}");
        assert_eq!(seen["CUDACXX"], compiler.to_str().unwrap(), "{case}");
        assert_eq!(seen["NIX_CUDA_COMPILER"], seen["CUDACXX"], "{case}");
        assert_eq!(seen["NIX_CUDA_COMPILER_ROOT"], out.to_str().unwrap());
        assert_eq!(seen["NIX_CUDA_MAJOR_MINOR_VERSION"], "12.4", "{case}");
        assert!(seen["CUDAHOSTCXX"].ends_with("/bin/c++"), "{case}");
        assert!(seen["pieces"].contains("include/piece.h"), "{case}");
    }
    let own = environment("own");
    assert_eq!(own["CUDACXX"], "/my/compiler");
    assert_eq!(own["NIX_CUDA_COMPILER"], compiler.to_str().unwrap());
    let by_nvcc = environment("compiledByNvcc");
    assert_eq!(by_nvcc["CUDACXX"], "TOP/cuda-toolkit/bin/nvcc");
    assert!(by_nvcc["NIX_CUDA_COMPILER"].ends_with("/bin/nvcc"));
}

/// nixpkgs: "A library dependency must not configure NVCC or rewrite its flags."
#[test]
fn libraries_and_compilers_that_cannot_run_configure_nothing() {
    for case in ["onlyLibraries", "inactive"] {
        let seen = environment(case);
        for name in [
            "CUDAToolkit_ROOT",
            "CUDACXX",
            "CUDAHOSTCXX",
            "NVCC_CCBIN",
            "NIX_CUDA_COMPILER",
            "CMAKE_TOOLCHAIN_FILE",
        ] {
            assert_eq!(seen[name], "", "{case}: {name}");
        }
        assert_eq!(seen["NIX_CUDA_MAJOR_MINOR_VERSION"], "12.4", "{case}");
    }
    let seen = environment("onlyLibraries");
    assert_eq!(seen["NVCC_PREPEND_FLAGS"], "--untouched");
    assert!(seen["registry"].contains("0:1:cuda_piece:lib 0:1:cuda_piece:out"));
}

#[test]
fn the_older_marker_is_collected_beside_components() {
    let seen = environment("besideTheOldHook");
    assert_eq!(seen["CUDAToolkit_ROOT"], "TOP/cuda-toolkit");
    assert_eq!(seen["pieces"], "include/piece.h lib/libpiece.so ");
    assert!(seen["version"].contains("12.4.0"), "{seen:?}");
    assert_eq!(seen["CUDACXX"], "", "there is no compiler");
}

#[test]
fn each_role_has_variables_of_its_own() {
    let seen = environment("roles");
    for (role, release, pieces) in [
        ("_FOR_BUILD", "13.5", ""),
        ("", "12.4", "include/piece.h "),
        ("_FOR_TARGET", "13.5", "include/piece.h "),
    ] {
        let root = format!("TOP/cuda-toolkit{role}");
        assert_eq!(seen[&format!("CUDAToolkit_ROOT{role}")], root);
        assert_eq!(seen[&format!("CUDA_PATH{role}")], root);
        let bin = format!("{root}/bin");
        assert_eq!(seen[&format!("CUDA_BIN_PATH{role}")], bin);
        assert!(seen[&format!("version{role}")].contains(release), "{role}");
        let version = format!("NIX_CUDA_MAJOR_MINOR_VERSION{role}");
        assert_eq!(seen[&version], release);
        let compiler = &seen[&format!("NIX_CUDA_COMPILER{role}")];
        assert!(compiler.ends_with("/libexec/compiler"), "{role}");
        assert_eq!(&seen[&format!("CUDACXX{role}")], compiler, "{role}");
        assert_eq!(
            seen.get(&format!("pieces{role}"))
                .map_or("", String::as_str),
            pieces,
            "{role}"
        );
    }
}

/// Each generation by its own text: who depends on that one output has all that it needs.
#[test]
fn a_library_passes_its_toolkit_on() {
    let propagated = |case: &str, file: &str| -> String {
        let of = outputs(&format!("components.passedOn.{case}.package"));
        let file = of["cxxdev"].join("nix-support").join(file);
        fs::read_to_string(file).unwrap_or_default()
    };
    let names = |text: String| -> Vec<String> {
        let paths = text.split_whitespace();
        paths.map(crate::tree::by_name).collect()
    };
    let inputs = |case: &str| names(propagated(case, "propagated-build-inputs"));
    let tools = |case: &str| names(propagated(case, "propagated-native-build-inputs"));
    let piece = "/store/cuda_piece-12.4.99";
    assert_eq!(inputs("old"), [piece, "/store/between-1.0"]);
    assert_eq!(tools("old"), ["/store/setup-cuda-hook"]);
    assert_eq!(inputs("oldWithoutPieces"), ["/store/between-1.0"]);
    assert_eq!(tools("oldWithoutPieces"), ["/store/setup-cuda-hook"]);
    assert_eq!(inputs("newest"), [piece, "/store/between-1.0-dev"]);
    assert_eq!(tools("newest"), ["/store/cuda_compiler-12.4.99"]);
    for case in ["old", "newest"] {
        let seen = environment(&format!("passedOn.{case}.user"));
        assert_eq!(seen["CUDAToolkit_ROOT"], "TOP/cuda-toolkit", "{case}");
        assert_eq!(seen["pieces"], "include/piece.h ", "{case}");
    }
}

#[test]
fn what_contradicts_itself_stops_the_build() {
    let nix = Nix::get();
    let output = nix.try_build(&["components.fails"], &["--keep-going"], false);
    assert!(!output.status.success());
    let derivations = nix.value("nix/tests", "derivations.components.fails");
    let paths = nix.value("nix/tests", "paths.components.fails");
    let cases: [(&str, &[&str]); 12] = [
        (
            "twoReleases",
            &["conflicting CUDA major-minor versions", "12.4", "13.5"],
        ),
        (
            "twoCompilers",
            &["conflicting CUDA compilers", "libexec/compiler"],
        ),
        ("besideNvcc", &["two CUDA compilers: ", "-cuda_nvcc-"]),
        (
            "noCompiler",
            &["compiler is not an executable file", "bin/gone"],
        ),
        (
            "byPath",
            &["compiler must be relative to its component output"],
        ),
        (
            "upwards",
            &["compiler must be relative to its component output"],
        ),
        ("badName", &["invalid component name: a \"name\" $HOME"]),
        ("badRelease", &["cudaMajorMinorVersion: expected a release"]),
        (
            "noVersion",
            &["cudaComponentVersion is required for cuda_piece"],
        ),
        (
            "noOutput",
            &["cudaPropagateDependenciesToOutput names an unknown output: dev"],
        ),
        (
            "noOutputOfTheOldHook",
            &["cudaPropagateToOutput: there is no output dev"],
        ),
        ("unknownField", &["unknown field \"colour\" in "]),
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
