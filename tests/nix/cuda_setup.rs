//! setupCudaHook and nvccHook: a toolkit of several packages in a build, and nothing of it after.

use crate::store::{Nix, checked};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn read(dir: &Value, file: &str) -> String {
    fs::read_to_string(Path::new(dir.as_str().unwrap()).join(file)).unwrap()
}

fn runpath(dir: &Value, file: &str) -> String {
    let file = Path::new(dir.as_str().unwrap()).join(file);
    let output = Command::new("patchelf")
        .arg("--print-rpath")
        .arg(file)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn variable(environment: &str, name: &str) -> String {
    let mut lines = environment.lines().filter_map(|line| line.split_once('='));
    lines
        .find(|(variable, _)| *variable == name)
        .unwrap()
        .1
        .to_owned()
}

#[test]
fn a_build_has_the_whole_toolkit_and_its_outputs_name_the_packages() {
    let nix = Nix::get();
    let attributes =
        ["2024-06", "2024-10", "2026-08"].map(|each| format!("cudaUser.generations.{each}"));
    nix.build(&attributes.each_ref().map(String::as_str), &[]);
    let paths = nix.value("nix/tests", "paths.cudaUser.generations");
    let mut checked = 0;
    for (generation, modes) in paths.as_object().unwrap() {
        for (mode, outputs) in modes.as_object().unwrap() {
            let of = format!("{generation}, {mode}");
            let out = &outputs["out"];
            let environment = read(out, "environment");
            for (name, value) in [
                ("CUDAToolkit_ROOT", "TOP/cuda-toolkit"),
                ("CUDAToolkit_INCLUDE_DIR", "TOP/cuda-toolkit/include"),
                ("CUDA_PATH", "TOP/cuda-toolkit"),
                ("CUDA_BIN_PATH", "TOP/cuda-toolkit/bin"),
                ("CUDACXX", "TOP/cuda-toolkit/bin/nvcc"),
                ("nvcc", "TOP/cuda-toolkit/bin/nvcc"),
                ("CUDAARCHS", "86-real;90"),
                (
                    "CMAKE_TOOLCHAIN_FILE",
                    "TOP/cuda-toolkit/share/cuda-fixup/toolchain.cmake",
                ),
                (
                    "CMAKE_ARGS",
                    "-C TOP/cuda-toolkit/share/cuda-fixup/initial-cache.cmake",
                ),
                ("CUDAToolkit_ROOT_FOR_BUILD", ""),
            ] {
                assert_eq!(variable(&environment, name), value, "{of}: {name}");
            }
            let compiler = variable(&environment, "NVCC_CCBIN");
            assert!(compiler.ends_with("/bin/c++"), "{of}: {compiler}");
            assert_eq!(variable(&environment, "CUDAHOSTCXX"), compiler, "{of}");
            let flags = format!("-ccbin {compiler} -Xfatbin=-compress-all");
            assert_eq!(variable(&environment, "NVCC_PREPEND_FLAGS"), flags, "{of}");
            let flags = variable(&environment, "cmakeFlags");
            assert!(
                flags.contains("-DCUDA_TOOLKIT_ROOT_DIR=TOP/cuda-toolkit"),
                "{of}: {flags}"
            );
            assert!(read(out, "version").contains("release 12.4"), "{of}");

            // Whatever linked it: the compiler adds nothing for libraries outside of the store.
            let by_name = runpath(out, "bin/by-name");
            let lib = by_name.as_str();
            assert!(lib.ends_with("-cuda_cudart-12.4-lib/lib"), "{of}: {lib}");
            let driver = "/run/opengl-driver/lib";
            for (file, expected) in [
                ("bin/user", format!("{driver}:{lib}")),
                ("bin/by-path", format!("{lib}:{driver}")),
                ("lib/none.so", String::new()),
            ] {
                assert_eq!(runpath(out, file), expected, "{of}: {file}");
            }
            let cmake = read(out, "lib/cmake/x.cmake");
            assert!(
                cmake.starts_with(&format!("set(X {lib}/libcudart.so")),
                "{of}: {cmake}"
            );
            assert!(
                cmake.ends_with("-cuda_nvcc-12.4/bin/nvcc)\n"),
                "{of}: {cmake}"
            );
            assert_eq!(
                read(out, "lib/pkgconfig/x.pc"),
                format!("Libs: -L{lib} -lcudart\n"),
                "{of}"
            );
            let propagated = read(&outputs["dev"], "nix-support/propagated-build-inputs");
            let first = out.as_str().unwrap();
            assert!(
                propagated.split_whitespace().any(|path| path == first),
                "{of}: {propagated}"
            );
            assert!(
                propagated.contains("cuda_cudart-12.4-stubs"),
                "{of}: {propagated}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 3 * 6);
}

#[test]
fn what_the_package_has_set_stays() {
    let nix = Nix::get();
    nix.build(&["cudaUser.own", "cudaUser.ownStructured"], &[]);
    let paths = nix.value("nix/tests", "paths.cudaUser");
    for (case, flags) in [
        ("own", "-lineinfo -ccbin /my/ccbin"),
        ("ownStructured", "-lineinfo -ccbin /my/g++"),
    ] {
        let environment = read(&paths[case]["out"], "environment");
        for (name, value) in [
            ("CUDAARCHS", "75"),
            ("CUDACXX", "/my/nvcc"),
            ("CUDAHOSTCXX", "/my/c++"),
            ("CUDAToolkit_INCLUDE_DIR", "/my/include"),
            ("CUDA_BIN_PATH", "/my/bin"),
            ("CUDA_PATH", "/my/toolkit"),
            ("NVCC_CCBIN", "/my/ccbin"),
            ("NVCC_PREPEND_FLAGS", flags),
        ] {
            assert_eq!(variable(&environment, name), value, "{case}: {name}");
        }
        let flags = variable(&environment, "cmakeFlags");
        let old = "-DCUDA_TOOLKIT_ROOT_DIR=TOP/cuda-toolkit";
        assert!(flags.contains(old), "{case}: {flags}");
    }
    let cache = read(&paths["ownStructured"]["out"], "initial-cache.cmake");
    assert!(
        cache.contains("CMAKE_CUDA_RUNTIME_LIBRARY") && cache.contains("Static"),
        "{cache}"
    );
}

/// nixpkgs' `dontSetupCUDAToolkitCompilers`, for packages that bring a host compiler.
#[test]
fn without_compilers_nothing_is_said_of_the_host_compiler() {
    let nix = Nix::get();
    nix.build(&["cudaUser.noCompilers", "cudaUser.added"], &[]);
    let out = &nix.value("nix/tests", "paths.cudaUser.noCompilers")["out"];
    let environment = read(out, "environment");
    for name in ["CUDAHOSTCXX", "NVCC_CCBIN", "NVCC_PREPEND_FLAGS"] {
        assert_eq!(variable(&environment, name), "", "{name}");
    }
    let root = variable(&environment, "CUDAToolkit_ROOT");
    assert_eq!(root, "TOP/cuda-toolkit");
}

/// The hook is propagated by every CUDA library: a build without nvcc must not see it.
#[test]
fn a_build_that_only_links_cuda_libraries_sees_nothing_of_a_toolkit() {
    let nix = Nix::get();
    let cases = ["propagated", "lax", "none"];
    let attributes = cases.map(|case| format!("cudaUser.libraries.{case}"));
    nix.build(&attributes.each_ref().map(String::as_str), &[]);
    let paths = nix.value("nix/tests", "paths.cudaUser.libraries");
    let of = |case: &str| read(&paths[case]["out"], "environment");
    for case in &cases[..2] {
        assert_eq!(of(case), of("none"), "{case}");
        let runpath = runpath(&paths[case]["out"], "bin/user");
        assert!(runpath.ends_with("-cuda_cudart-12.4-lib/lib"), "{runpath}");
    }
    assert!(!of("none").to_lowercase().contains("nvcc"));
}

/// `cudaFixup.toolkitFarm [ … ]`.
#[test]
fn a_farm_in_the_store_is_a_whole_toolkit() {
    let nix = Nix::get();
    nix.build(&["cudaUser.farm"], &[]);
    let out = &nix.value("nix/tests", "paths.cudaUser.farm")["out"];
    assert!(read(out, "version").contains("release 12.4"));
    let files = read(out, "files");
    for file in [
        "./bin/nvcc",
        "./include/cuda.h",
        "./lib/libcudart.so",
        "./lib/stubs/libcuda.so",
        "./version.json",
    ] {
        assert!(files.lines().any(|line| line == file), "{file}: {files}");
    }
    let cache = read(out, "farm/share/cuda-fixup/initial-cache.cmake");
    assert!(cache.contains("86-real;90") && cache.contains("/bin/c++"));
}

/// `nix print-dev-env` and direnv, as `nix develop`, which runs the same script: the build whose
/// environment it is has ended, and its directory is gone.
#[test]
fn a_development_shell_has_a_toolkit_that_exists() {
    let nix = Nix::get();
    // (Debian's Nix makes no environment of structured attributes with several outputs.)
    for case in ["plain", "lax"] {
        let mut command = nix.command("nix", false);
        command.args(["print-dev-env", "-f", "nix/tests"]);
        command.args(["--argstr", "binary", nix.binary()]);
        command.arg(format!("cudaUser.generations.2026-08.{case}"));
        let script = checked(command.output().unwrap()).stdout;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env.sh");
        fs::write(&file, script).unwrap();
        // Entered twice, the second time from within, and with another toolkit outside of it. The
        // directory that the script makes is removed, as nix-direnv does.
        let enter = r#"source "$1"; rm -rf "$NIX_BUILD_TOP"; unset TMPDIR"#;
        let show = r#"for name in CUDAToolkit_ROOT CUDACXX CUDA_PATH CMAKE_TOOLCHAIN_FILE; do
            [[ -e ${!name} ]] || exit 3; printf '%s=%s\n' "$name" "${!name}"; done
            printf 'CMAKE_ARGS=%s\n' "$CMAKE_ARGS"; printf 'flags=%s\n' "$NVCC_PREPEND_FLAGS"
            nvcc --version; printf 'nvcc=%s\n' "$(command -v nvcc)""#;
        let script =
            format!("set -e; shell() {{ {enter}; }}; shell \"$1\"; {show}; shell \"$1\"; {show}");
        let mut bash = Command::new("bash");
        bash.env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", dir.path())
            .env("CUDA_PATH", "/usr/local/cuda");
        let output = checked(bash.args(["-c", &script, "-"]).arg(&file).output().unwrap());
        let text = String::from_utf8(output.stdout).unwrap();
        let (first, second) = text.split_at(text.len() / 2);
        assert_eq!(first, second, "{case}");
        let root = variable(first, "CUDAToolkit_ROOT");
        let cache = dir.path().join(".cache/cuda-fixup/toolkits");
        assert!(Path::new(&root).starts_with(&cache), "{case}: {root}");
        assert_eq!(variable(first, "CUDA_PATH"), root, "{case}");
        assert_eq!(variable(first, "nvcc"), format!("{root}/bin/nvcc"));
        assert_eq!(variable(first, "CUDACXX"), format!("{root}/bin/nvcc"));
        assert!(first.contains("release 12.4"), "{case}: {first}");
        assert_eq!(first.matches("-compress-all").count(), 1, "{case}");
    }
}

#[test]
fn what_is_not_asked_for_is_not_added() {
    let nix = Nix::get();
    nix.build(&["cudaUser.thirdSpelling"], &[]);
    let out = &nix.value("nix/tests", "paths.cudaUser.thirdSpelling")["out"];
    let environment = read(out, "environment");
    let flags = variable(&environment, "NVCC_PREPEND_FLAGS");
    assert!(!flags.contains("compress"), "{flags}");
    assert_eq!(variable(&environment, "cmakeFlags"), "");
}

#[test]
fn builds_that_cannot_be_right_fail_and_say_why() {
    let nix = Nix::get();
    let derivations = nix.value("nix/tests", "derivations.cudaUser");
    for (attribute, words) in [
        ("twoVersions", &["two CUDA versions: 12.4", "13.5"][..]),
        (
            "leak",
            &["/lib/x.h: ", "dontCudaToolkitLeaksCheck lets them"],
        ),
        (
            "hostCompilerLeft",
            &[
                "bin/user: its RUNPATH has",
                "gcc-11-lib",
                "dontNvccRunpathCheck",
            ],
        ),
        (
            "components",
            &[
                "two CUDA versions: 12.4",
                "12.9 by",
                "nix-support/cuda-component",
            ],
        ),
    ] {
        let name = attribute;
        let attribute = format!("cudaUser.{name}");
        let build = nix.try_build(&[&attribute], &[], false);
        assert!(!build.status.success(), "{attribute}");
        let log = nix.log(derivations[name].as_str().unwrap());
        for word in words {
            assert!(log.contains(word), "{attribute}: {log}");
        }
    }
}

#[test]
fn libraries_of_nvccs_host_compiler_give_way() {
    let nix = Nix::get();
    nix.build(
        &["cudaUser.hostCompiler", "cudaUser.hostCompilerAllowed"],
        &[],
    );
    let paths = nix.value("nix/tests", "paths.cudaUser.hostCompiler");
    let runpath = runpath(&paths["out"], "bin/user");
    assert!(
        runpath.starts_with("/before:") && !runpath.contains("gcc-11-lib"),
        "{runpath}"
    );
}

#[test]
fn the_builds_own_toolkit_is_another_one() {
    let nix = Nix::get();
    nix.build(&["cudaUser.roles"], &[]);
    let paths = nix.value("nix/tests", "paths.cudaUser.roles");
    assert!(read(&paths["out"], "host.json").contains("12.4.0"));
    assert!(read(&paths["out"], "build.json").contains("13.5.0"));
    let environment = read(&paths["out"], "environment");
    let root = variable(&environment, "CUDAToolkit_ROOT_FOR_BUILD");
    assert_eq!(root, "TOP/cuda-toolkit_FOR_BUILD");
    assert_eq!(variable(&environment, "nvcc"), "TOP/cuda-toolkit/bin/nvcc");
}
