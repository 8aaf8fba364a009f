//! setupCudaHook and nvccHook: a toolkit of several packages in a build, and nothing of it after.

use crate::store::Nix;
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

            let runpath = runpath(out, "bin/user");
            let lib = runpath.split(':').next().unwrap();
            assert!(
                lib.ends_with("-cuda_cudart-12.4-lib/lib"),
                "{of}: {runpath}"
            );
            assert!(
                runpath.ends_with(":/run/opengl-driver/lib"),
                "{of}: {runpath}"
            );
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
