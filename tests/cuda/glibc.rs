//! nvcc's headers with those of Debian's C libraries, old and new.

use crate::support::{BINARY, merged, succeeded, wheel};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PARTS: [&str; 5] = [
    "nvidia-cuda-nvcc-13.0.88",
    "nvidia-nvvm-13.0.88",
    "nvidia-cuda-crt-13.0.88",
    "nvidia-cuda-runtime-13.0.96",
    "nvidia-cuda-cccl-13.0.85",
];

const SOURCE: &str = "#include <cmath>
__global__ void kernel(double *x) { *x = rsqrt(*x) + rsqrtf(2.0f) + sinpi(*x) + cospi(*x); }
double host(double x) { return rsqrt(x) + rsqrtf(1.0f) + sinpi(x) + cospi(x); }
";

fn compile(toolkit: &Path, libc: &Path, source: &Path) -> Output {
    let include = libc.join("usr/include");
    Command::new(toolkit.join("bin/nvcc"))
        .args(["-std=c++17", "-arch=sm_75", "-c", "-o"])
        .arg(source.with_extension("o"))
        .arg("-isystem")
        .arg(&include)
        .arg("-isystem")
        .arg(include.join("x86_64-linux-gnu"))
        .arg(source)
        .output()
        .unwrap()
}

/// Installed headers compile with every C library; as published, some don't.
#[test]
fn headers_are_good_for_any_glibc() {
    let dir = tempfile::tempdir().unwrap();
    let prefixes = PARTS.map(|name| wheel(name).join("nvidia/cu13"));
    let published = dir.path().join("published");
    fs::create_dir(&published).unwrap();
    merged(&prefixes, &published);
    let installed = dir.path().join("installed");
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    merged(&prefixes, &source);
    let mut install = Command::new(BINARY);
    install.args(["redist", "install", "--cuda=13", "--allow-fhs-references"]);
    install.arg(format!("--output=out={}", installed.display()));
    succeeded(&install.arg(&source).output().unwrap());

    let program = dir.path().join("program.cu");
    fs::write(&program, SOURCE).unwrap();
    let cache = wheel(PARTS[0]).join("../../libc");
    for suite in ["bookworm", "trixie", "sid"] {
        let libc = cache.join(suite);
        let features = libc.join("usr/include/features.h");
        let features = fs::read_to_string(features).expect("run testdata/fetch-libc");
        let minor = features
            .lines()
            .find_map(|line| line.strip_prefix("#define\t__GLIBC_MINOR__\t"));
        let as_published = compile(&published, &libc, &program).status.success();
        println!(
            "{suite}: glibc 2.{}: as published {as_published}",
            minor.unwrap()
        );
        succeeded(&compile(&installed, &libc, &program));
    }
}
