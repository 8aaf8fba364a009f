//! cudaFixupLintHook: its findings in outputs stop the build, after all hooks have run.

use crate::store::Nix;
use std::path::Path;

const GENERATIONS: [&str; 3] = ["2024-06", "2024-10", "2026-08"];

/// Builds that must stop, and what they say.
const STOPPED: &[(&str, &[&str])] = &[
    ("fails", &["error[runpath-stubs]: ", "status 1"]),
    ("failsPlain", &["error[runpath-stubs]: ", "status 1"]),
    ("failsInBuildInputs", &["error[runpath-stubs]: "]),
    ("asked", &["error[runpath-stubs]: "]),
    (
        "flags",
        &["error[driver-link-missing]: ", "lacks /run/other"],
    ),
    ("code", &["there is no rule `no-such-code`", "status 2"]),
];

const BUILT: &[&str] = &[
    "allowed",
    "allowedPlain",
    "off",
    "offPlain",
    "fixed",
    "silent",
];

#[test]
fn errors_stop_the_build_where_they_are_not_allowed() {
    let nix = Nix::get();
    let attributes = GENERATIONS.map(|generation| format!("linted.{generation}"));
    let attributes: Vec<&str> = attributes.iter().map(String::as_str).collect();
    let output = nix.try_build(&attributes, &["--keep-going"], false);
    assert!(!output.status.success());
    let paths = nix.value("nix/tests", "paths.linted");
    let derivations = nix.value("nix/tests", "derivations.linted");
    for generation in GENERATIONS {
        let cases = paths[generation].as_object().unwrap();
        assert_eq!(cases.len(), STOPPED.len() + BUILT.len());
        let built = |case: &str| nix.has(cases[case]["out"].as_str().unwrap());
        let log = |case: &str| nix.log(derivations[generation][case].as_str().unwrap());
        for (case, says) in STOPPED {
            let log = log(case);
            let what = format!("{generation} {case}: {log}");
            assert!(!built(case), "{what}");
            assert!(log.contains("cuda-fixup lint ended with status"), "{what}");
            for words in *says {
                // Through nixLog or its replacement: both name the hook.
                let line = log.lines().find(|line| line.contains(words));
                let line = line.unwrap_or_else(|| panic!("no `{words}`: {what}"));
                assert!(line.starts_with("cudaFixupLintOutputs: "), "{what}");
            }
        }
        for case in BUILT {
            let log = log(case);
            assert!(built(case), "{generation} {case}: {log}");
            assert!(!log.contains("error["), "{generation} {case}: {log}");
        }
        // It was linted, and what it was linted for was put right before.
        let fixed = Path::new(cases["fixed"]["out"].as_str().unwrap());
        let runpath = crate::tree::meaning(&fixed.join("bin/user")).runpath;
        assert_eq!(runpath.as_deref(), Some("/run/opengl-driver/lib"));
    }
}
