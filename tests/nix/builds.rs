//! The hooks in real builds, in all modes: the outputs are compared byte for byte.

use crate::store::{Nix, checked};
use crate::tree::{Entry, Meaning, meaning, snapshot};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// Where the outputs of an attribute of `nix/tests` are.
fn outputs(attribute: &str) -> BTreeMap<String, PathBuf> {
    let paths = Nix::get().value("nix/tests", &format!("paths.{attribute}"));
    of_object(&paths)
}

fn of_object(paths: &Value) -> BTreeMap<String, PathBuf> {
    paths
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, path)| (name.clone(), path.as_str().unwrap().into()))
        .collect()
}

fn built(attribute: &str) -> BTreeMap<String, PathBuf> {
    Nix::get().build(&[attribute], &[]);
    outputs(attribute)
}

/// All outputs of one derivation, by output and path.
fn bytes_of(outputs: &BTreeMap<String, PathBuf>) -> BTreeMap<String, Entry> {
    let mut all = BTreeMap::new();
    for (output, path) in outputs {
        for (name, entry) in snapshot(path) {
            all.insert(format!("{output}/{name}"), entry);
        }
    }
    all
}

/// Fails with the names of different entries, without the bytes of whole programs.
fn same(a: &BTreeMap<String, Entry>, b: &BTreeMap<String, Entry>, what: &str) {
    let differing: Vec<_> = a
        .keys()
        .chain(b.keys())
        .filter(|name| a.get(*name) != b.get(*name))
        .collect();
    assert!(differing.is_empty(), "{what}: {differing:?}");
}

const LOADER: &str = "/store/glibc-2.0/lib/";

fn runpath(file: PathBuf) -> String {
    meaning(&file).runpath.unwrap_or_default()
}

const GENERATIONS: [&str; 3] = ["2024-06", "2024-10", "2026-08"];

#[test]
fn every_mode_placement_and_generation_gives_the_same_bytes() {
    let nix = Nix::get();
    let attributes = GENERATIONS.map(|generation| format!("apps.{generation}"));
    nix.build(
        &attributes.each_ref().map(String::as_str),
        &["--max-jobs", "2", "--cores", "1"],
    );
    let paths = nix.value("nix/tests", "paths.apps");
    let mut seen: BTreeMap<bool, (String, BTreeMap<String, Entry>)> = BTreeMap::new();
    let mut compared = 0;
    for (generation, modes) in paths.as_object().unwrap() {
        for (mode, outputs) in modes.as_object().unwrap() {
            let bytes = bytes_of(&of_object(outputs));
            let what = format!("{generation} {mode}");
            let (first, expected) = seen
                .entry(mode.starts_with("many_"))
                .or_insert_with(|| (what.clone(), bytes.clone()));
            same(&bytes, expected, &format!("{what}, {first}"));
            compared += 1;
        }
    }
    assert_eq!(compared, 3 * 24);
}

#[test]
fn what_the_hooks_write_is_what_the_old_ones_promise() {
    let many = built("apps.2026-08.many_native_strict_structured");
    let app = meaning(&many["out"].join("bin/app"));
    assert!(app.interpreter.starts_with(LOADER), "{app:?}");
    assert_eq!(
        app.runpath.as_deref(),
        Some(
            "/run/opengl-driver/lib:/store/runtime-1.0/lib:/store/app-1.0-lib/lib:\
             /store/greet-1.0-lib/lib:/store/vendor-1.0/opt/deep/libs:/opt/plugins/lib"
        )
    );
    // A library gets no runtime dependencies, and one without dependencies still gets the appended
    // directories.
    assert_eq!(
        runpath(many["lib"].join("lib/libown.so.1")),
        "/run/opengl-driver/lib:/store/greet-1.0-lib/lib:/opt/plugins/lib"
    );
    assert_eq!(
        runpath(many["lib"].join("lib/plugins with spaces/a*b.so")),
        "/run/opengl-driver/lib:/opt/plugins/lib"
    );
    // The hard link is still one file, and the debug output is unchanged.
    let bytes = bytes_of(&many);
    let Entry::File(_, names, _) = &bytes["out/bin/app"] else {
        panic!("no file");
    };
    assert_eq!(*names, 2);
    assert_eq!(
        meaning(&many["debug"].join("lib/debug/plugin.so")).runpath,
        None
    );
    assert!(many["late"].is_dir());
    let Entry::File(_, _, program) = &bytes["out/bin/app"] else {
        panic!("no file");
    };
    assert!(!program.windows(15).any(|part| part == b"/build/leftover"));
}

#[test]
fn nix_debug_changes_no_byte() {
    let nix = Nix::get();
    nix.build(&["debug"], &[]);
    let levels = nix.value("nix/tests", "paths.debug");
    let levels = levels.as_object().unwrap();
    assert_eq!(levels.len(), 8);
    let quiet = bytes_of(&built("apps.2026-08.many_native_strict_structured"));
    for (level, outputs) in levels {
        let bytes = bytes_of(&of_object(outputs));
        same(&bytes, &quiet, &format!("NIX_DEBUG, {level}"));
    }
}

/// `--check` builds again and compares every byte, here with many threads and builds at once.
#[test]
fn the_same_again_with_other_numbers_of_jobs() {
    let nix = Nix::get();
    let attributes = ["apps.2026-08", "cudaModes", "toolkit", "checks.kept"];
    nix.build(&attributes, &["--max-jobs", "1", "--cores", "1"]);
    nix.build(&attributes, &["--check", "--max-jobs", "8", "--cores", "8"]);
}

/// The sandbox must work: in CI, too. Where the kernel forbids it, this fails.
#[test]
fn the_same_again_in_a_sandbox() {
    let nix = Nix::get();
    let attributes = [
        "apps.2026-08.many_native_strict_structured",
        "apps.2026-08.no-many_build_no-strict_no-structured",
        "foreign",
        "toolkit",
        "byHand",
        "components.passedOn",
        "linted.2026-08.fixed",
        "checks.kept",
    ];
    nix.build(&attributes, &[]);
    checked(nix.try_build(&attributes, &["--check"], true));
    // Outside files are not visible inside, or it was no sandbox.
    let outside = nix.try_build(&["sandboxed"], &[], false);
    assert!(!outside.status.success());
    checked(nix.try_build(&["sandboxed"], &[], true));
}

#[test]
fn a_vendors_program_runs_in_any_mode() {
    for attribute in ["foreign.native", "foreign.build"] {
        let out = &built(attribute)["out"];
        let tool = meaning(&out.join("bin/tool"));
        assert!(tool.interpreter.starts_with(LOADER), "{tool:?}");
        assert_eq!(
            tool.runpath.as_deref(),
            Some(
                "/store/foreign-1.0/lib:/store/greet-1.0-lib/lib:\
                 /store/vendor-1.0/opt/deep/libs"
            )
        );
        assert_eq!(
            runpath(out.join("lib/libown.so.1")),
            "/store/greet-1.0-lib/lib"
        );
        let output = checked(Command::new(out.join("bin/tool")).output().unwrap());
        assert_eq!(output.stdout, b"hello hello vendor\n");
    }
}

/// nixpkgs' own hooks, mocked over patchelf, and ours: the same for the loader but for the known
/// faults of the old ones.
#[test]
fn nixpkgs_hooks_would_have_made_the_same_of_it() {
    let (ours, theirs) = (built("upstream.ours"), built("upstream.theirs"));
    let mut compared = 0;
    for (output, name) in [
        ("out", "bin/app"),
        ("out", "bin/app-by-another-name"),
        ("lib", "lib/libown.so.1"),
        ("lib", "lib/plugins with spaces/a*b.so"),
    ] {
        let mut theirs = meaning(&theirs[output].join(name));
        // A file of two names is patched twice over.
        let twice = "/run/opengl-driver/lib:/run/opengl-driver/lib:";
        theirs.runpath = theirs
            .runpath
            .map(|runpath| runpath.replace(twice, "/run/opengl-driver/lib:"));
        assert_eq!(meaning(&ours[output].join(name)), theirs, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 4);
    for (output, path) in &ours {
        let names = |path| snapshot(path).into_keys().collect::<Vec<_>>();
        assert_eq!(names(path), names(&theirs[output]), "{output}");
    }
}

#[test]
fn the_hooks_of_a_cuda_set_meet_in_one_call() {
    let of = |attribute: &str, file: &str| -> Meaning {
        meaning(&built(&format!("toolkit.{attribute}"))["out"].join(file))
    };
    let runpath_of = |attribute: &str, file: &str| of(attribute, file).runpath.unwrap_or_default();
    let user = "bin/user";
    let stubs = "/store/cuda_cudart-12.4-stubs/lib/stubs";
    let cudart = "/store/cuda_cudart-12.4-lib/lib";
    assert_eq!(
        runpath_of("driver", user),
        format!("/run/opengl-driver/lib:/before:{stubs}:{cudart}:{stubs}/")
    );
    // The link once, where the first stubs were; the old hook's trailing colon is not made.
    assert_eq!(
        runpath_of("stubs", user),
        format!("/before:/run/opengl-driver/lib:{cudart}")
    );
    assert_eq!(of("stubs", "lib/plugin.so").runpath, None);
    assert_eq!(
        runpath_of("driver", "lib/plugin.so"),
        "/run/opengl-driver/lib"
    );
    let compat = "/store/cuda_compat-11.8/compat:/run/opengl-driver/lib";
    for attribute in ["jetson", "jetsonBackwards"] {
        assert_eq!(
            runpath_of(attribute, user),
            format!("{compat}:/before:/store/cuda_cudart-11.8-lib/lib")
        );
        assert_eq!(runpath_of(attribute, "lib/plugin.so"), compat);
    }
    assert_eq!(
        runpath_of("noCompat", user),
        format!("/before:{stubs}:{cudart}:{stubs}/")
    );
    assert_eq!(
        runpath_of("everything", user),
        format!("/run/opengl-driver/lib:{cudart}")
    );
    assert!(runpath_of("link", user).starts_with("/run/other/lib:/before:"));

    // Five hooks in both input lists, ten times sourced.
    assert_eq!(
        runpath_of("counted", user),
        format!("{compat}:/store/cuda_cudart-11.8-lib/lib")
    );
    let out = &built("toolkit.counted")["out"];
    let calls = std::fs::read_to_string(out.join("calls")).unwrap();
    assert_eq!(calls.lines().count(), 1, "{calls}");
}

/// The results of the CUDA sets' hooks don't depend on their list either.
#[test]
fn the_hooks_of_a_cuda_set_do_the_same_in_every_mode() {
    Nix::get().build(&["cudaModes"], &[]);
    let paths = Nix::get().value("nix/tests", "paths.cudaModes");
    let mut seen: BTreeMap<bool, BTreeMap<String, Entry>> = BTreeMap::new();
    for (mode, outputs) in paths.as_object().unwrap() {
        let outputs = of_object(outputs);
        let bytes = bytes_of(&outputs);
        let first = seen.entry(mode.starts_with("many_"));
        same(&bytes, first.or_insert_with(|| bytes.clone()), mode);
        let lib = outputs.get("lib").unwrap_or(&outputs["out"]);
        assert_eq!(
            runpath(lib.join("lib/user.so")),
            "/store/cuda_compat-11.8/compat:/run/opengl-driver/lib:/before:/store/gcc-12-lib/lib:\
             /store/cuda_cudart-11.8-lib/lib",
            "{mode}"
        );
    }
    assert_eq!(paths.as_object().unwrap().len(), 24);
}

#[test]
fn each_variable_means_what_it_means_in_nixpkgs() {
    Nix::get().build(&["variables"], &[]);
    let of =
        |case: &str, file: &str| meaning(&outputs(&format!("variables.{case}"))["out"].join(file));
    let library = |case: &str| of(case, "lib/libown.so").runpath.unwrap_or_default();
    let greet = "/store/greet-1.0-lib/lib";
    assert_eq!(
        library("spaces"),
        format!("{greet}:/with space/lib:/glob*/lib")
    );
    assert_eq!(library("string"), format!("{greet}:/one:/glob*/lib"));
    for case in ["replaced", "replacedPlain"] {
        assert_eq!(
            library(case),
            format!("{greet}:/one:/two:$ORIGIN/.:$ORIGIN/../gone"),
            "{case}"
        );
    }
    for case in ["forced", "forcedPlain"] {
        let forced = of(case, "lib/libown.so");
        assert_eq!(forced.runpath, None, "{case}");
        assert_eq!(forced.rpath.as_deref(), Some(greet), "{case}");
    }
    let relative = library("relative");
    assert!(relative.starts_with("$ORIGIN/../../"), "{relative}");
    assert!(relative.ends_with("-greet-1.0-lib/lib"), "{relative}");
    for case in ["needed", "neededPlain"] {
        assert_eq!(of(case, "bin/user").runpath, None, "{case}");
        let user = of(case, "bin/driver-user").runpath;
        assert_eq!(user.as_deref(), Some("/run/opengl-driver/lib"), "{case}");
    }
    for case in ["note", "notePlain"] {
        let file = outputs(&format!("variables.{case}"))["out"].join("lib/libown.so");
        let bytes = std::fs::read(file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("libgreet.so.1\0=/"), "{case}");
        assert!(
            text.contains("-greet-1.0-lib/lib/libgreet.so.1\0"),
            "{case}"
        );
    }
    for case in ["absolute", "absolutePlain"] {
        let needed = of(case, "lib/libown.so").needed;
        let path = crate::tree::by_name(&needed[0]);
        assert_eq!(path, format!("{greet}/libgreet.so.1"), "{case}");
    }
    let untouched = "$ORIGIN/.:$ORIGIN/../gone";
    for case in ["off", "dontFixup", "flags"] {
        assert_eq!(library(case), untouched, "{case}");
    }
}

#[test]
fn what_packages_call_by_hand() {
    let mut all = Vec::new();
    for mode in ["structured", "plain"] {
        let outputs = built(&format!("byHand.{mode}"));
        let out = &outputs["out"];
        let of = |file: &str| runpath(out.join(file));
        let greet = "/store/greet-1.0-lib/lib";
        let old = "/old";
        assert_eq!(of("top/own.so"), greet);
        assert_eq!(of("top/below/own.so"), old);
        assert_eq!(of("untouched/own.so"), old);
        assert_eq!(of("driver/directory/own.so"), old);
        // Twice is once; through the link, too.
        assert_eq!(of("driver/a b.so"), "/run/opengl-driver/lib:/old");
        assert_eq!(of("driver/linked.so"), "/run/opengl-driver/lib:/old");
        assert_eq!(of("driver/older-name.so"), "/run/opengl-driver/lib:/old");
        assert!(out.join("driver/link.so").is_symlink());
        let forced = meaning(&out.join("driver/rpath.so"));
        assert_eq!(forced.runpath, None);
        assert_eq!(forced.rpath.as_deref(), Some("/run/opengl-driver/lib:/old"));
        let files = std::fs::read_to_string(out.join("action/files")).unwrap();
        assert_eq!(
            files,
            "it own.so\n\
             it driver/a b.so\nit driver/linked.so\nit driver/older-name.so\nit driver/rpath.so\n\
             it driver/directory/own.so\nit top/own.so\nit top/below/own.so\n\
             it untouched/own.so\n"
        );
        all.push(bytes_of(&outputs));
    }
    same(&all[0], &all[1], "plain and structured");
}

#[test]
fn a_failure_stops_the_build_and_says_why() {
    let nix = Nix::get();
    let mut attributes = Vec::new();
    for generation in GENERATIONS {
        for mode in ["plain", "structured"] {
            attributes.push(format!("failures.{generation}.{mode}"));
        }
    }
    let attributes: Vec<&str> = attributes.iter().map(String::as_str).collect();
    let output = nix.try_build(&attributes, &["--keep-going", "--max-jobs", "2"], false);
    assert!(!output.status.success());
    let paths = nix.value("nix/tests", "paths.failures");
    let derivations = nix.value("nix/tests", "derivations.failures");
    for generation in GENERATIONS {
        for mode in ["plain", "structured"] {
            let built =
                |case: &str| nix.has(paths[generation][mode][case]["out"].as_str().unwrap());
            for (case, says) in [
                ("missing", "libgreet.so.1"),
                ("otherPattern", "libgreet.so.1"),
                ("byHand", "libvendor.so.1"),
                ("badFlag", "--no-such-flag"),
                ("badPath", "not-there"),
            ] {
                let log = nix.log(derivations[generation][mode][case].as_str().unwrap());
                let what = format!("{generation} {mode} {case}: {log}");
                assert!(!built(case), "{what}");
                assert!(log.contains(says), "{what}");
                assert!(log.contains("cuda-fixup ended with status"), "{what}");
                assert!(!log.contains("went on"), "{what}");
            }
            assert!(built("all"), "{generation} {mode}");
            let log = nix.log(derivations[generation][mode]["all"].as_str().unwrap());
            assert!(
                log.contains("autoPatchelfIgnoreMissingDeps: 1 is deprecated, write [ \"*\" ]"),
                "{log}"
            );
        }
    }
}

#[test]
fn the_hooks_own_tests_pass_and_the_package_is_whole() {
    let nix = Nix::get();
    let tests = nix.build(&["passthru"], &[]);
    let tests = String::from_utf8(tests.stdout).unwrap().lines().count();
    assert!(tests >= 24, "{tests}");
    let program = &built("program")["out"];
    let linked = std::fs::read_link(program.join("bin/auto-patchelf")).unwrap();
    assert_eq!(linked, program.join("bin/cuda-fixup"));
    // nixpkgs' package of that name: `nix run` and lib.getExe give the program, which needs no stdenv.
    let alone = &built("autoPatchelfAlone")["out"];
    let patched = meaning(&alone.join("bin/program"));
    assert!(patched.interpreter.starts_with(LOADER), "{patched:?}");
    assert_eq!(patched.runpath.as_deref(), Some("/store/greet-1.0-lib/lib"));
    for file in [
        "share/man/man1/cuda-fixup.1",
        "share/man/man1/cuda-fixup-fixup.1",
        "share/bash-completion/completions/cuda-fixup.bash",
        "share/zsh/site-functions/_cuda-fixup",
        "share/fish/vendor_completions.d/cuda-fixup.fish",
    ] {
        assert!(program.join(file).is_file(), "{file}");
    }
}

/// nixpkgs' names, read off its hooks: the table is nix/tests/contracts.nix. What packages do with
/// them is nix/tests/by-name-calls.nix. Each build checks itself.
#[test]
fn every_name_of_nixpkgs_hooks_works() {
    let attributes = ["contracts.native", "contracts.build", "byNameCalls"];
    Nix::get().build(&attributes, &[]);
}

#[test]
fn lint_report_and_diff_are_derivations_and_one_joins_findings() {
    let nix = Nix::get();
    nix.build(&["checks.one", "checks.good", "checks.kept"], &[]);
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let one = &outputs("checks.one")["out"];
    assert_eq!(read(one.join("status")), "1\n");
    assert!(read(one.join("lint.jsonl")).contains("\"runpath-stubs\""));
    let kept = read(outputs("checks.kept")["out"].clone());
    for line in kept.lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        assert!(finding["code"].is_string(), "{line}");
    }
    assert!(kept.contains("\"runpath-stubs\""), "{kept}");
    let pages = [
        "checks.page",
        "checks.compared",
        "checks.diff",
        "checks.accepted",
    ];
    nix.build(&pages, &[]);
    let page = &outputs("checks.page")["out"];
    assert!(read(page.join("report.html")).contains("id=\"findings\""));
    let products = read(page.join("nix-support/hydra-build-products"));
    assert_eq!(
        products,
        format!("report cuda-fixup {} report.html\n", page.display())
    );
    let compared = &outputs("checks.compared")["out"];
    assert!(read(compared.join("report.html")).contains("id=\"changes\""));
    let diff = &outputs("checks.diff")["out"];
    assert!(read(diff.join("diff.md")).starts_with("**cuda-fixup diff**: "));
    assert_eq!(read(diff.join("status")), "1\n");
    let accepted = &outputs("checks.accepted")["out"];
    assert_eq!(read(accepted.join("status")), "0\n");
    let summary = read(accepted.join("diff.jsonl"));
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["summary"]["worse"], 0);
    let bad = nix.try_build(&["checks.bad"], &[], false);
    assert!(!bad.status.success());
    let says = String::from_utf8(bad.stderr).unwrap();
    assert!(says.contains("\"runpath-stubs\""), "{says}");
}
