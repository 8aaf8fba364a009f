//! Packages that users asked for, out of made-up archives and sources; a driver's libraries; GPU tests.

use crate::store::{Nix, checked};
use crate::support::wheels;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FILE: &str = "nix/tests/cuda-requested.nix";

fn nix(program: &str, args: &[&str]) -> Output {
    let nix = Nix::get();
    let mut command = nix.command(program, false);
    command.args(["--argstr", "binary", nix.binary(), "--arg", "wheels"]);
    command.arg(wheels()).args(args).arg(FILE).output().unwrap()
}

fn value(attribute: &str) -> Value {
    let args = ["--eval", "--strict", "--json", "-A", attribute];
    serde_json::from_slice(&checked(nix("nix-instantiate", &args)).stdout).unwrap()
}

fn build(attribute: &str) -> PathBuf {
    let output = checked(nix("nix-build", &["--no-out-link", "-A", attribute]));
    let paths = String::from_utf8(output.stdout).unwrap();
    PathBuf::from(paths.lines().next().unwrap())
}

#[track_caller]
fn fails(program: &str, attribute: &str, words: &[&str]) {
    let more: &[&str] = match program {
        "nix-build" => &["--no-out-link"],
        _ => &["--eval", "--strict"],
    };
    let output = nix(program, &[more, &["-A", attribute]].concat());
    assert!(!output.status.success(), "{attribute}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    for word in words {
        assert!(text.contains(word), "{attribute}: no `{word}` in\n{text}");
    }
}

#[test]
fn archives_of_every_package_become_its_outputs() {
    checked(nix("nix-build", &["--no-out-link", "-A", "packages"]));
    let paths = value("paths.packages");
    for (package, output, file) in [
        ("cudnn", "lib", "lib/libcudnn.so.9"),
        ("libcal", "static", "lib/libcal_static.a"),
        ("libcublasmp", "include", "include/libcublasmp.h"),
        ("libcudss", "lib", "lib/libcudss.so"),
        ("libcusolvermp", "lib", "lib/libcusolverMp.so.0.1.2"),
        ("libcusparse_lt", "lib", "lib/libcusparseLt.so.0"),
        ("libnpp_plus", "lib", "lib/libnpp_plus.so.0"),
        ("libnvjpeg_2k", "lib", "lib/libnvjpeg2k.so.0"),
        ("libnvtiff", "lib", "lib/libnvtiff.so.0"),
        ("nvcomp", "lib", "lib/libnvcomp.so.5"),
        ("libcutensor", "lib", "lib/libcutensor.so.2"),
        ("cuquantum", "lib", "lib/libcutensornet.so.2"),
        ("tensorrt", "lib", "lib/libnvinfer.so.10"),
        ("tensorrt", "bin", "bin/trtexec"),
        ("tensorrt", "samples", "samples/README.md"),
        ("libnvshmem", "lib", "lib/nvshmem_bootstrap_mpi.so.3"),
        ("libnvshmem", "bin", "bin/nvshmem-info"),
        ("libnvshmem", "dev", "lib/cmake/nvshmem/NVSHMEMConfig.cmake"),
        (
            "nvidia_hpc_benchmarks_openmpi",
            "out",
            "hpl-linux-x86_64/xhpl",
        ),
        ("nvidia_hpc_benchmarks_openmpi", "out", "hpl.sh"),
        ("nvimgcodec", "lib", "lib/libnvimgcodec.so.0"),
        ("nvimgcodec", "out", "extensions/libnvjpeg_ext.so.0"),
        ("nvidia_driver", "out", "lib/libcuda.so.999.12.01"),
    ] {
        let path = Path::new(paths[package][output].as_str().unwrap()).join(file);
        assert!(path.exists(), "{package}: {}", path.display());
    }
    assert_eq!(
        value("aliases"),
        json!({
            "cublasmp": true, "cutensor": true, "nvidia_hpc_benchmarks": true,
            "nvImageCodec": true, "nvshmem": true,
        })
    );
}

#[test]
fn every_name_is_there_and_says_which_file_it_lacks() {
    let names = value("names");
    for (name, is_there) in names.as_object().unwrap() {
        assert_eq!(is_there, true, "{name}");
    }
    let words = value("words");
    for (package, expected) in [
        (
            "libnvshmem",
            "https://developer.download.nvidia.com/compute/nvshmem/redist/",
        ),
        ("nvimgcodec", "manifests = [ ./nvimgcodec.json ];"),
        (
            "nvidia_hpc_benchmarks_mpich",
            "cuda-fixup redist index redistrib_VERSION.json",
        ),
        (
            "nvidia_hpc_benchmarks_openmpi",
            "/compute/nvidia-hpc-benchmarks/redist/",
        ),
        (
            "nccl",
            "sources.nccl = { src = ./FILE; version = \"VERSION\"; };",
        ),
        ("gdrcopy", "a release of https://github.com/NVIDIA/gdrcopy"),
        ("nvhpc", "https://developer.nvidia.com/hpc-sdk-downloads"),
    ] {
        let text = words[package].as_str().unwrap();
        assert!(
            text.contains(expected),
            "{package}: no `{expected}` in {text}"
        );
        assert!(text.contains("\nhelp: "), "{text}");
    }
    for (name, says) in [
        ("asked.nccl", "nccl is built from a file that is not here"),
        ("asked.nvshmem", "libnvshmem has no manifest here"),
        ("asked.nvImageCodec", "nvimgcodec has no manifest here"),
        ("asked.hpc_sdk", "nvhpc is built from a file"),
        (
            "asked.nppplus",
            "libnpp_plus 0.10.0.0 has no archive for CUDA 13",
        ),
        (
            "unknownSource",
            "sources.nvccl matches no package: there is gdrcopy, nccl, nvhpc",
        ),
        (
            "bareSource",
            "sources.nccl: expected { src, version }, found something else",
        ),
    ] {
        fails("nix-instantiate", name, &[says]);
    }
}

#[test]
fn sources_are_built_with_the_sets_nvcc() {
    checked(nix("nix-build", &["--no-out-link", "-A", "sources"]));
    let paths = value("paths.sources");
    let path =
        |package: &str, output: &str| PathBuf::from(paths[package][output].as_str().unwrap());
    for (package, output, file) in [
        ("nccl", "lib", "lib/libnccl.so.2"),
        ("nccl", "include", "include/nccl.h"),
        ("nccl", "static", "lib/libnccl_static.a"),
        ("nccl", "out", "lib/libnccl.so"),
        ("gdrcopy", "lib", "lib/libgdrapi.so.2"),
        ("gdrcopy", "bin", "bin/gdrcopy_sanity"),
        ("gdrcopy", "include", "include/gdrapi.h"),
        ("nvhpc", "out", "bin/nvc"),
    ] {
        let file = path(package, output).join(file);
        assert!(file.exists(), "{package}: {}", file.display());
    }
    let pc = fs::read_to_string(path("nccl", "dev").join("lib/pkgconfig/nccl.pc")).unwrap();
    assert!(
        pc.contains(&format!("libdir={}/lib", path("nccl", "lib").display())),
        "{pc}"
    );
    let localrc = fs::read_to_string(path("nvhpc", "out").join("bin/localrc")).unwrap();
    assert!(
        localrc.contains("-gcc ") && localrc.contains("/bin/cc -gpp "),
        "{localrc}"
    );
    fails(
        "nix-build",
        "otherVersion",
        &[
            "sources.nccl: expected version 2.30.0, found 2.29.7 in makefiles/version.mk",
            "help: sources.nccl.version = \"2.29.7\";",
        ],
    );
    fails(
        "nix-build",
        "otherSource",
        &["expected NCCL's sources with makefiles/version.mk"],
    );
    fails(
        "nix-build",
        "otherSources.gdrcopy",
        &["expected GDRCopy's sources with Makefile"],
    );
    fails(
        "nix-build",
        "otherSources.nvhpc",
        &["expected the HPC SDK's archive with install_components"],
    );
}

#[test]
fn wheels_are_checked_against_the_sets_libraries() {
    let found = fs::read_to_string(build("wheels.suit")).unwrap();
    assert!(
        found.starts_with("libcudnn, version unknown: suits: the set has 9.14.0"),
        "{found}"
    );
    fails(
        "nix-build",
        "wheels.lack",
        &["symbols missing", "it lacks cudnnNew, which x/x.so imports"],
    );
    assert!(
        value("wheels.all")
            .as_str()
            .unwrap()
            .ends_with("-wheels-suit.drv")
    );
}

#[test]
fn what_is_no_archive_or_is_empty_fails_with_a_reason() {
    fails(
        "nix-build",
        "page",
        &[
            "-archive.tar.xz: expected an archive, found a page of HTML or XML",
            "help: download it again: cuda-fixup redist url prints its address",
        ],
    );
    fails(
        "nix-build",
        "nothing",
        &["expected the files of an archive, found none"],
    );
}

/// The user's program finds no driver; a stub of the set's answers in its place.
#[test]
fn programs_run_with_a_drivers_libraries() {
    let driver = build("driver");
    // Each under its SONAME, those of 32-bit programs apart (EI_CLASS).
    for (directory, class) in [("lib", 2), ("lib32", 1)] {
        let library = fs::read(driver.join(directory).join("libcuda.so.1")).unwrap();
        assert_eq!(library[4], class, "{directory}");
    }
    let run = driver.join("bin/nvidia-driver-run");
    let user = build("user").join("bin/user");
    let alone = Command::new(&user).env_clear().output().unwrap();
    assert_eq!(alone.status.code(), Some(127), "{alone:?}");
    let dir = tempfile::tempdir().unwrap();
    let proc = dir.path().join("version");
    let with = |kernel: &str| {
        let line = format!(
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {kernel}  Release Build\nGCC version: 12\n"
        );
        fs::write(&proc, line).unwrap();
        let mut command = Command::new(&run);
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.env("NVIDIA_DRIVER_RUN_VERSION", &proc);
        command
    };
    let code = |output: Output| output.status.code();
    let stub = with("999.12.01").arg(&user).output().unwrap();
    assert!(matches!(code(stub), Some(0 | 5)));
    let environment = checked(with("999.12.01").arg("env").output().unwrap());
    let environment = String::from_utf8(environment.stdout).unwrap();
    for variable in [
        "VK_DRIVER_FILES=",
        "__EGL_VENDOR_LIBRARY_FILENAMES=",
        "OCL_ICD_VENDORS=",
        "__GLX_VENDOR_LIBRARY_NAME=nvidia",
    ] {
        assert!(
            environment.contains(variable),
            "no {variable} in\n{environment}"
        );
    }
    let other = with("570.86.15").arg(&user).output().unwrap();
    let words = String::from_utf8(other.stderr.clone()).unwrap();
    assert_eq!(code(other), Some(1));
    assert!(
        words.contains(
            "expected the kernel module 999.12.01, as these libraries are, found 570.86.15"
        ),
        "{words}"
    );
    assert!(
        words.contains("help: take nvidia_driver 570.86.15"),
        "{words}"
    );
    assert_eq!(code(with("999.12.01").output().unwrap()), Some(2));
    fails(
        "nix-build",
        "noDriver",
        &["expected a driver's libcuda.so.1, found none"],
    );
}

#[test]
fn gpu_tests_are_programs_and_checks_for_machines_with_a_gpu() {
    for (name, says) in [("shell", "a GPU\n"), ("python", "a GPU, says 3\n")] {
        let program = build(&format!("gpu.{name}")).join(format!("bin/gpu-{name}"));
        let output = checked(Command::new(program).output().unwrap());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), says);
        let check = format!("gpu.{name}.gpuCheck");
        fails("nix-build", &check, &["cuda"]);
        let feature = ["--option", "system-features", "cuda"];
        let args = [&["--no-out-link", "-A", check.as_str()], &feature[..]].concat();
        checked(nix("nix-build", &args));
    }
    assert_eq!(value("gpu.features"), json!(["cuda"]));
    fails(
        "nix-instantiate",
        "gpu.both",
        &["expected a script in `shell` or in `python`, found both"],
    );
    fails("nix-instantiate", "gpu.neither", &["found neither"]);
}
