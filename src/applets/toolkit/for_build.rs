//! The farms and the variables of a Nix build, for hooks/cuda-setup.sh.

use super::{FarmOptions, map};
use crate::applets::Outcome;
use crate::toolkit::cmake::{INITIAL_CACHE, TOOLCHAIN};
use crate::toolkit::farm;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Make the farms of a Nix build, and print what the build is told
///
/// Prints NAME=VALUE, each with a NUL byte behind it: `farm`, `path` (for PATH), `map` (for
/// `fixup --replace-runpath`), several times each, and variables to export. Packages without a
/// piece of a toolkit are passed over.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the farms are made
    #[arg(long, value_name = "DIR")]
    top: PathBuf,
    /// A package that the build's result is for; several times
    #[arg(long, value_name = "PACKAGE")]
    host: Vec<PathBuf>,
    /// A package among the build's own tools; several times
    #[arg(long, value_name = "PACKAGE")]
    build: Vec<PathBuf>,
    /// A package that what is built makes code for, where that is a compiler; several times
    #[arg(long, value_name = "PACKAGE")]
    target: Vec<PathBuf>,
    #[command(flatten)]
    options: FarmOptions,
}

/// Makes a farm for the host, and one for the build and the target where they have toolkits of
/// their own.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let mut host = Vec::new();
    for package in args.host {
        if farm::parts(&package)?.0 {
            host.push(package);
        }
    }
    // The compiler runs on the build's machine and compiles for the host: it, and what it is made
    // of, stand among the tools, and belong to the host's toolkit.
    let (mut build, mut has_own) = (Vec::new(), false);
    for package in args.build {
        let (some, compiler) = farm::parts(&package)?;
        if some && !host.contains(&package) {
            has_own |= !compiler;
            if compiler {
                host.push(package.clone());
            }
        }
        if some {
            build.push(package);
        }
    }
    let mut target = Vec::new();
    for package in args.target {
        if farm::parts(&package)?.0 && !host.contains(&package) {
            target.push(package);
        }
    }
    // The host's comes last, and so first on PATH.
    let mut lines = Vec::new();
    if !target.is_empty() {
        role(&args.options, "_FOR_TARGET", target, &args.top, &mut lines)?;
    }
    if has_own {
        role(&args.options, "_FOR_BUILD", build, &args.top, &mut lines)?;
    }
    if !host.is_empty() {
        role(&args.options, "", host, &args.top, &mut lines)?;
    }
    let mut out = io::stdout().lock();
    for line in lines {
        out.write_all(&line)?;
        out.write_all(b"\0")?;
    }
    Ok(Outcome::Fine)
}

fn role(
    options: &FarmOptions,
    suffix: &str,
    packages: Vec<PathBuf>,
    top: &Path,
    lines: &mut Vec<Vec<u8>>,
) -> anyhow::Result<()> {
    let request = options.request(packages, &top.join(format!("cuda-toolkit{suffix}")))?;
    let made = super::make(&request)?;
    let farm = &request.out;
    let mut add = |name: &str, value: &[u8]| lines.push([name.as_bytes(), b"=", value].concat());
    let path = |place: &str| farm.join(place).into_os_string();
    add("farm", farm.as_os_str().as_bytes());
    add("path", path("bin").as_bytes());
    for line in map(&request, &made) {
        add("map", line.as_bytes());
    }
    let mut export = |name: &str, value: &[u8]| add(&format!("{name}{suffix}"), value);
    export("CUDAToolkit_ROOT", farm.as_os_str().as_bytes());
    export("CUDA_PATH", farm.as_os_str().as_bytes());
    export("CUDAToolkit_INCLUDE_DIR", path("include").as_bytes());
    export("CUDA_BIN_PATH", path("bin").as_bytes());
    if made.record.nvcc.is_some() {
        export("CUDACXX", path("bin/nvcc").as_bytes());
    } else if let Some(compiler) = &made.compiler {
        export("CUDACXX", compiler.as_os_str().as_bytes());
    }
    if let Some(compiler) = &made.record.host_compiler {
        export("CUDAHOSTCXX", compiler.as_os_str().as_bytes());
        export("NVCC_CCBIN", compiler.as_os_str().as_bytes());
    }
    if suffix.is_empty() {
        if let Some(list) = &made.record.cmake_cuda_architectures {
            export("CUDAARCHS", list.as_bytes());
        }
        export("CMAKE_TOOLCHAIN_FILE", path(TOOLCHAIN).as_bytes());
        export(
            "CMAKE_ARGS",
            &[b"-C ", path(INITIAL_CACHE).as_bytes()].concat(),
        );
    }
    Ok(())
}
