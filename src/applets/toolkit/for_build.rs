//! The farms and the variables of a Nix build, for hooks/toolkit.sh.

use super::{FarmOptions, map};
use crate::applets::Outcome;
use crate::escape::shown;
use crate::toolkit::cmake::{INITIAL_CACHE, TOOLCHAIN};
use crate::toolkit::{farm, record};
use anyhow::{Context, bail};
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Make the farms of a Nix build, and print its settings
///
/// Prints NAME=VALUE, a line each, quoted for a shell: `farm`, `path` (for PATH), `map` (for `fixup
/// --replace-runpath`), `lib` (for `fixup --lib`), several times each, and variables to export.
/// Packages without a part of a toolkit are skipped.
#[derive(Debug, clap::Args)]
#[command(after_help = super::super::examples::TOOLKIT_FOR_BUILD)]
pub(super) struct Args {
    /// Directory of the farms
    #[arg(long, value_name = "DIR", required_unless_present = "cache")]
    top: Option<PathBuf>,
    /// Make them below DIR, in a directory of their own for these packages and options
    #[arg(long, value_name = "DIR", conflicts_with = "top")]
    cache: Option<PathBuf>,
    /// A package that the build's result is for; several times
    #[arg(long, value_name = "PACKAGE")]
    host: Vec<PathBuf>,
    /// A package among the build's own tools, whose compiler is for the build's result; several times
    #[arg(long, value_name = "PACKAGE")]
    build: Vec<PathBuf>,
    /// A tool whose compiler is for tools of the build, too; several times
    #[arg(long, value_name = "PACKAGE")]
    build_only: Vec<PathBuf>,
    /// A tool whose compiler is for the target of the build, if the result is a compiler; several times
    #[arg(long, value_name = "PACKAGE")]
    build_for_target: Vec<PathBuf>,
    /// A package of that target, if the result is a compiler; several times
    #[arg(long, value_name = "PACKAGE")]
    target: Vec<PathBuf>,
    #[command(flatten)]
    options: FarmOptions,
}

/// The packages of each toolkit that a build has.
#[derive(Default)]
struct Roles {
    host: Vec<PathBuf>,
    build: Vec<PathBuf>,
    target: Vec<PathBuf>,
}

/// Makes a farm for the host, and one for the build and the target where they have toolkits of
/// their own.
pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    let roles = roles(&args)?;
    // Held until the farms are whole: two shells may be entered at once.
    let (top, _lock) = match (args.top, args.cache) {
        (Some(top), _) => (top, None),
        (None, Some(cache)) => {
            let (top, lock) = cache_directory(&cache)?;
            (top, Some(lock))
        }
        (None, None) => bail!("expected --top or --cache"),
    };
    // The host's comes last, and so first on PATH.
    let mut lines = Vec::new();
    for (suffix, packages) in [
        ("_FOR_TARGET", roles.target),
        ("_FOR_BUILD", roles.build),
        ("", roles.host),
    ] {
        if !packages.is_empty() {
            role(&args.options, suffix, packages, &top, &mut lines)?;
        }
    }
    let mut text = Vec::new();
    for line in lines {
        text.extend(quoted(&line));
        text.push(b'\n');
    }
    // One write: each wakes the shell that reads it.
    io::stdout().write_all(&text)?;
    Ok(Outcome::Fine)
}

/// A word of a shell: bash reads what ends in NUL bytes from a pipe byte by byte, a system call
/// each, and the output of a command in blocks.
fn quoted(word: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = word.split(|&byte| byte == b'\'').collect();
    [b"'", &parts.join(&b"'\\''"[..])[..], b"'"].concat()
}

fn roles(args: &Args) -> anyhow::Result<Roles> {
    let mut roles = Roles::default();
    for package in &args.host {
        if farm::parts(package)?.0 {
            roles.host.push(package.clone());
        }
    }
    let mut build_has_own = false;
    for package in &args.build_only {
        if farm::parts(package)?.0 {
            build_has_own = true;
            roles.build.push(package.clone());
        }
    }
    // A compiler runs on the build's machine: it and its parts are among the tools, and belong to
    // the toolkit of the platform that it compiles for.
    let tools = args.build.iter().map(|package| (package, true));
    let for_target = args.build_for_target.iter().map(|package| (package, false));
    for (package, for_host) in tools.chain(for_target) {
        let (some, compiler) = farm::parts(package)?;
        let target = if for_host {
            &mut roles.host
        } else {
            &mut roles.target
        };
        if some && !target.contains(package) {
            build_has_own |= !compiler;
            if compiler {
                target.push(package.clone());
            }
        }
        let only = args.build_only.contains(package);
        if some && !only && (for_host || !compiler) {
            roles.build.push(package.clone());
        }
    }
    for package in &args.target {
        if farm::parts(package)?.0
            && !roles.host.contains(package)
            && !roles.target.contains(package)
        {
            roles.target.push(package.clone());
        }
    }
    if !build_has_own {
        roles.build.clear();
    } else if args.build_only.iter().any(|p| roles.build.contains(p)) {
        // It has its own compiler, or none: the host's has another role.
        let own = &args.build_only;
        roles.build.retain(|package| {
            own.contains(package) || !matches!(farm::parts(package), Ok((_, true)))
        });
    }
    Ok(roles)
}

/// The directory below `cache` for these arguments, and its lock. Leftovers of an interrupted run
/// are removed.
fn cache_directory(cache: &Path) -> anyhow::Result<(PathBuf, File)> {
    let mut key: u64 = 0xcbf2_9ce4_8422_2325;
    // FNV-1a: a name, and no more, since a farm is brought up to date whatever it held.
    for byte in env::args_os().skip(1).flat_map(|arg| {
        let mut bytes = arg.into_encoded_bytes();
        bytes.push(0);
        bytes
    }) {
        key = (key ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let top = cache.join(format!("{key:016x}"));
    fs::create_dir_all(&top).with_context(|| {
        format!(
            "{}: cannot be made, for the toolkit of this shell",
            shown(&top)
        )
    })?;
    let lock = top.join("lock");
    let file = File::create(&lock).with_context(|| shown(&lock).to_string())?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
        .with_context(|| format!("{}: cannot be locked", shown(&lock)))?;
    for suffix in ["", "_FOR_BUILD", "_FOR_TARGET"] {
        let farm = top.join(format!("cuda-toolkit{suffix}"));
        if farm.exists() && !farm.join(record::PLACE).exists() {
            fs::remove_dir_all(&farm).with_context(|| shown(&farm).to_string())?;
        }
    }
    Ok((top, file))
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
    let libraries = made.record.directories.iter();
    for (_, real) in libraries.filter(|(place, _)| place == Path::new("lib")) {
        for directory in real {
            add("lib", directory.as_os_str().as_bytes());
        }
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
