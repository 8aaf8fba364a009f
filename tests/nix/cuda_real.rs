//! Real packages of CUDA 13.0.2 out of PyPI's wheels, and programs that are built with them.

use crate::store::{Nix, checked};
use crate::support::wheels;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FILE: &str = "nix/tests/cuda-real.nix";

/// A Nix program with the file's arguments.
fn nix(program: &str, args: &[&str]) -> Output {
    let nix = Nix::get();
    let wheels = wheels();
    nix.command(program, false)
        .args(["--argstr", "binary", nix.binary(), "--arg", "wheels"])
        .arg(wheels)
        .args(args)
        .arg(FILE)
        .output()
        .unwrap()
}

fn value(attribute: &str) -> Value {
    let args = ["--eval", "--strict", "--json", "-A", attribute];
    serde_json::from_slice(&checked(nix("nix-instantiate", &args)).stdout).unwrap()
}

/// Builds an attribute of the file, with all below it, and prints what the builds say.
fn build(attribute: &str) -> String {
    let args = ["--no-out-link", "--max-jobs", "2", "-A", attribute];
    let output = checked(nix("nix-build", &args));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(paths: &Value, name: &str, output: &str) -> PathBuf {
    paths[name][output].as_str().unwrap().into()
}

/// What a path needs at run time, by name without the hash.
fn closure(path: &Path) -> BTreeSet<String> {
    let mut command = Nix::get().command("nix-store", false);
    let output = checked(
        command
            .args(["--query", "--requisites"])
            .arg(path)
            .output()
            .unwrap(),
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| line.rsplit('/').next().unwrap()[33..].to_owned();
    text.lines().map(name).collect()
}

#[test]
fn packages_are_split_and_depend_on_what_they_load_only() {
    build("packages");
    let paths = value("paths.packages");
    let cudart = |output| path(&paths, "cuda_cudart", output);
    for (output, file) in [
        ("lib", "lib/libcudart.so.13"),
        ("lib", "lib/libcudart.so"),
        ("static", "lib/libcudart_static.a"),
        ("stubs", "lib/stubs/libcuda.so.1"),
        ("dev", "lib/libcudadevrt.a"),
        ("dev", "include/cuda.h"),
        ("include", "include/cuda.h"),
        ("out", "lib/libcudart.so.13"),
        ("out", "include/cuda.h"),
    ] {
        let file = cudart(output).join(file);
        assert!(file.exists(), "{}", file.display());
    }
    // A program that loads cudart gets neither headers nor static libraries.
    let lib = closure(&cudart("lib"));
    for other in [
        "-dev",
        "-include",
        "-static",
        "-stubs",
        "cuda_nvcc",
        "gcc-wrapper",
    ] {
        assert!(!lib.iter().any(|name| name.ends_with(other)), "{lib:?}");
    }
    let out = closure(&cudart("out"));
    assert!(
        out.contains("cuda13.0-cuda_cudart-13.0.96-static"),
        "{out:?}"
    );

    // nvvm is in one package, and nvcc passes it on.
    let nvcc = path(&paths, "cuda_nvcc", "out");
    assert!(nvcc.join("bin/crt/link.stub").exists());
    assert!(!nvcc.join("nvvm").exists());
    assert!(
        path(&paths, "libnvvm", "out")
            .join("nvvm/bin/cicc")
            .exists()
    );
    assert!(closure(&nvcc).contains("cuda13.0-libnvvm-13.0.88"));

    // pkg-config finds the outputs.
    let dev = cudart("dev").join("share/pkgconfig/cudart.pc");
    let pc = std::fs::read_to_string(dev).unwrap();
    let libdir = format!("libdir={}/lib\n", cudart("lib").display());
    assert!(pc.contains(&libdir), "{pc}");
}

fn run(program: &Path) -> String {
    let output = checked(Command::new(program).env_clear().output().unwrap());
    String::from_utf8(output.stdout).unwrap()
}

fn runpath(program: &Path) -> String {
    let output = Command::new("patchelf")
        .arg("--print-rpath")
        .arg(program)
        .output()
        .unwrap();
    String::from_utf8(checked(output).stdout)
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn programs_are_built_run_and_linted() {
    let said = build("users");
    for finding in ["warning[", "error["] {
        assert!(!said.contains(finding), "{said}");
    }
    let paths = value("paths.users");
    let program = |name: &str, file: &str| path(&paths, name, "out").join("bin").join(file);
    let shared = program("saxpyShared", "saxpy");
    // On a machine with a GPU, what it computes is right.
    for name in ["saxpyShared", "saxpyStatic"] {
        let said = run(&program(name, "saxpy"));
        assert!(
            said == "runtime 13000, no GPU\n" || said == "runtime 13000, fine\n",
            "{said}"
        );
    }
    let said = run(&program("dynamic", "dynamic"));
    assert!(said == "no GPU\n" || said == "fine\n", "{said}");
    assert!(
        shared
            .display()
            .to_string()
            .contains("-cuda13.0-saxpy-shared-1.0/")
    );

    let entries = runpath(&shared);
    assert!(entries.starts_with("/run/opengl-driver/lib:"), "{entries}");
    assert!(entries.contains("cuda_cudart-13.0.96-lib/lib"), "{entries}");
    for unwanted in ["stubs", "nix-build", "-dev/"] {
        assert!(!entries.contains(unwanted), "{entries}");
    }
    // The closure of a shared program: its runtime, and no toolkit.
    let needs = closure(&shared);
    for name in &needs {
        let cuda = name.contains("cuda");
        assert!(
            !cuda || name.contains("saxpy") || name.ends_with("cuda_cudart-13.0.96-lib"),
            "{needs:?}"
        );
    }
}

/// Builds a user of a library, which must be linted with no finding, and returns what it says.
fn user(name: &str, unwanted: &str) -> String {
    let said = build(name);
    for finding in ["warning[", "error["] {
        assert!(!said.contains(finding), "{said}");
    }
    let paths = value(&format!("paths.{name}"));
    let program = path(&paths, "user", "out").join("bin").join(name);
    let entries = runpath(&program);
    let library = path(&paths, "library", "lib").join("lib");
    assert!(entries.contains(library.to_str().unwrap()), "{entries}");
    let needs = closure(&program);
    for name in &needs {
        let other = [
            "-dev",
            "-include",
            "-static",
            "-stubs",
            "cuda_nvcc",
            unwanted,
        ];
        assert!(
            !other.iter().any(|other| name.ends_with(other)),
            "{needs:?}"
        );
    }
    run(&program)
}

/// It loads libnvrtc-builtins by name when it compiles, which is when it runs.
#[test]
fn a_program_compiles_kernels_when_it_runs() {
    assert_eq!(user("nvrtc", "cuda_cudart-13.0.96-lib"), "fine\n");
}

#[test]
fn a_program_that_uses_cufft_is_built_and_run() {
    if !crate::support::long() {
        return;
    }
    let said = user("cufft", "libcufft-12.0.0.61-dev");
    assert!(
        said == "cuFFT 12000, no GPU\n" || said == "cuFFT 12000, fine\n",
        "{said}"
    );
}

/// cuBLAS loads cuBLASLt, which is beside it.
#[test]
fn a_program_that_uses_cublas_is_built_and_run() {
    if !crate::support::long() {
        return;
    }
    let said = user("cublas", "libcublas-13.1.0.3-dev");
    assert!(
        said == "cuBLAS 13.1.0, no GPU\n" || said == "cuBLAS 13.1.0, fine\n",
        "{said}"
    );
}

/// nvcc of a set refuses a default compiler that is too new for it, and so does the set.
#[test]
fn an_older_host_compiler_with_the_defaults_libraries() {
    let exists = |version: &&str| {
        Path::new("/usr/bin")
            .join(format!("g++-{version}"))
            .exists()
    };
    let older = ["11", "12"].into_iter().find(exists).unwrap();
    // The set's choice, and the user's own.
    for name in ["older", "given"] {
        let said = user(name, "gcc-11-lib");
        assert_eq!(said, format!("gcc {older}, runtime 13000\n"));
        let program = path(&value(&format!("paths.{name}")), "user", "out")
            .join("bin")
            .join(name);
        let entries = runpath(&program);
        assert!(entries.contains("-gcc-12-lib/lib"), "{entries}");
        assert!(!entries.contains("gcc-11-lib"), "{entries}");
    }
}

#[test]
fn leaving_strictness_takes_a_reason() {
    let output = nix("nix-instantiate", &["-A", "unexplained"]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("lax sets strictDeps = false in cudaStdenv"),
        "{words}"
    );
    assert!(
        words.contains("help: say why: cudaRelaxed.strictDeps = \"…\";"),
        "{words}"
    );
    assert_eq!(value("explained"), "cuda13.0-lax-1");
}

#[test]
fn projects_of_cmake_and_python_are_built_run_and_linted() {
    let said = build("projects");
    for finding in ["warning[", "error["] {
        assert!(!said.contains(finding), "{said}");
    }
    let paths = value("paths.projects");
    let out = |name: &str| path(&paths, name, "out");
    let programs = [
        ("language", "bin/language"),
        ("language", "bin/language_shared"),
        ("language", "bin/language_static"),
        ("language", "bin/separable"),
        ("language", "bin/host_shared"),
        ("findCuda", "bin/legacy"),
        ("findCuda", "bin/legacy_host"),
        ("findCuda", "bin/legacy_separable"),
    ];
    for (project, program) in programs {
        let program = out(project).join(program);
        let output = Command::new(&program).env_clear().output().unwrap();
        // Without a GPU some of them say so by their exit status; none fails to load.
        assert_ne!(output.status.code(), Some(127), "{program:?}: {output:?}");
        assert!(output.status.code().is_some(), "{program:?}: {output:?}");
        let entries = runpath(&program);
        for unwanted in ["stubs", "nix-build", "cuda-toolkit"] {
            assert!(!entries.contains(unwanted), "{program:?}: {entries}");
        }
    }
    let config = out("language").join("lib/cmake/toolkit/toolkitConfig.cmake");
    let config = std::fs::read_to_string(config).unwrap();
    assert!(!config.contains("nix-build"), "{config}");
    let library = out("python").join("lib/python/cuda_fixup_sample/libkernels.so");
    assert!(runpath(&library).contains("cuda_cudart-13.0.96-lib/lib"));
}
