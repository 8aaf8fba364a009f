//! Which driver runs which CUDA runtime: NVIDIA's runtimes themselves, on drivers that name another
//! version of CUDA, compared with `doctor` and `lint`. Needs no GPU.

use crate::support::{BINARY, root, wheel};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const DRIVERS: [(u32, &str); 8] = [
    (10020, "10.2"),
    (11000, "11.0"),
    (11080, "11.8"),
    (12000, "12.0"),
    (12090, "12.9"),
    (13000, "13.0"),
    (13050, "13.5"),
    (14000, "14.0"),
];

fn sources() -> PathBuf {
    root().join("tests/gpu/src")
}

fn gcc(out: &Path, args: &[OsString]) {
    let built = Command::new("gcc").args(args).arg("-o").arg(out).output();
    crate::support::succeeded(&built.unwrap());
}

/// A driver without a GPU that names this version.
fn made_up_driver(dir: &Path, number: u32) -> PathBuf {
    let dir = dir.join(number.to_string());
    std::fs::create_dir(&dir).unwrap();
    let args = [
        "-shared".into(),
        "-fPIC".into(),
        format!("-DVERSION={number}").into(),
        "-Wl,-soname,libcuda.so.1".into(),
        sources().join("made_up_driver.c").into_os_string(),
    ];
    gcc(&dir.join("libcuda.so.1"), &args);
    dir
}

/// A program that only asks the runtime for GPUs.
fn program(dir: &Path, name: &str, library: &Path, libraries: &Path) -> PathBuf {
    let out = dir.join(name);
    let mut include = OsString::from("-I");
    include.push(wheel("nvidia-cuda-runtime-13.5.37").join("nvidia/cu13/include"));
    let mut crt = OsString::from("-I");
    crt.push(wheel("nvidia-cuda-crt-13.5.37").join("nvidia/cu13/include"));
    let mut rpath = OsString::from("-Wl,-rpath,");
    rpath.push(libraries);
    let args = [
        include,
        crt,
        sources().join("host_only.c").into_os_string(),
        library.into(),
        rpath,
        "-ldl".into(),
        "-lrt".into(),
        "-lpthread".into(),
    ];
    gcc(&out, &args);
    out
}

fn finds(applet: &str, cuda: &str, program: &Path, code: &str) -> bool {
    let judged = Command::new(BINARY)
        .args([applet, "--max-driver-cuda", cuda])
        .arg(program)
        .output()
        .unwrap();
    String::from_utf8_lossy(&judged.stdout).contains(code)
}

#[test]
fn runtimes_refuse_the_drivers_that_doctor_and_lint_expect() {
    let dir = tempfile::tempdir().unwrap();
    let cuda_13 = |version: &str| wheel(version).join("nvidia/cu13/lib");
    let older = |version: &str| wheel(version).join("nvidia/cuda_runtime/lib");
    let runtimes = [
        (
            "13.5",
            cuda_13("nvidia-cuda-runtime-13.5.37"),
            "libcudart_static.a",
        ),
        (
            "13.5-shared",
            cuda_13("nvidia-cuda-runtime-13.5.37"),
            "libcudart.so.13",
        ),
        (
            "13.0",
            cuda_13("nvidia-cuda-runtime-13.0.96"),
            "libcudart_static.a",
        ),
        (
            "12.9",
            older("nvidia-cuda-runtime-cu12-12.9.79"),
            "libcudart_static.a",
        ),
        (
            "12.9-shared",
            older("nvidia-cuda-runtime-cu12-12.9.79"),
            "libcudart.so.12",
        ),
        (
            "11.8-shared",
            older("nvidia-cuda-runtime-cu11-11.8.89"),
            "libcudart.so.11.0",
        ),
    ];
    let programs = runtimes.map(|(name, libraries, file)| {
        program(dir.path(), name, &libraries.join(file), &libraries)
    });
    for (number, cuda) in DRIVERS {
        let driver = made_up_driver(dir.path(), number);
        for program in &programs {
            let run = Command::new(program)
                .env("LD_LIBRARY_PATH", &driver)
                .output();
            let said = String::from_utf8(run.unwrap().stdout).unwrap();
            let refused = said.starts_with("error 35: CUDA driver version is insufficient");
            let taken = said.starts_with("error 100: no CUDA-capable device");
            assert!(refused || taken, "{program:?} on {cuda}: {said}");
            for (applet, code) in [
                ("doctor", "runtime-newer-than-driver"),
                ("lint", "cudart-newer-than-driver"),
            ] {
                let found = finds(applet, cuda, program, code);
                assert_eq!(found, refused, "{applet}: {program:?} on {cuda}: {said}");
            }
        }
    }
}
