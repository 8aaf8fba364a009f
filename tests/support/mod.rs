//! Real toolkits for tests: CUDA 13.5 from PyPI, as one prefix or split over several.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each test binary takes what it needs, and a failure here is a failure of the test"
)]

pub mod browser;
mod cache;
pub mod peers;
pub mod schema;
pub mod trees;

#[allow(unused_imports, reason = "no test uses all of it")]
pub use cache::{glibc, npm, patchelf, wheel, wheels, wheels_of_set};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// This program.
pub const BINARY: &str = env!("CARGO_BIN_EXE_cuda-fixup");
/// Version of the CUDA toolkit from PyPI.
pub const CUDA: &str = "13.5";

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether this is `./test --long`.
pub fn long() -> bool {
    std::env::var_os("CUDA_FIXUP_LONG").is_some()
}

/// A CUDA toolkit that compiles.
#[derive(Clone)]
pub struct Toolkit {
    pub cuda: &'static str,
    /// One for each package; the last one has the shared runtime.
    pub prefixes: Vec<PathBuf>,
    /// Behind `libcudart.so.`
    pub runtime: &'static str,
    /// For an nvcc that refuses the machine's gcc 12.
    pub host_compiler: Option<&'static str>,
    /// Wheels have no stub of the driver.
    pub has_stubs: bool,
}

impl Toolkit {
    /// CUDA 13.5 from PyPI, as Nix has it: each part in a prefix of its own.
    pub fn pypi() -> Toolkit {
        Toolkit {
            cuda: CUDA,
            prefixes: split(),
            runtime: "13",
            host_compiler: None,
            has_stubs: false,
        }
    }

    /// A directory of `testdata/fetch-cuda`.
    fn debian(
        cuda: &'static str,
        runtime: &'static str,
        compiler: Option<&'static str>,
    ) -> Toolkit {
        let dir = cache::cuda_debs(&format!("cuda-{cuda}"));
        let cudart = format!("libcudart{runtime}");
        let packages = ["nvidia-cuda-toolkit", "nvidia-cuda-dev", &cudart];
        let prefixes = packages.map(|name| dir.join(name).join("usr").canonicalize().unwrap());
        Toolkit {
            cuda,
            prefixes: prefixes.to_vec(),
            runtime,
            host_compiler: compiler,
            has_stubs: true,
        }
    }

    /// PyPI's, and in the long test Debian's of old.
    pub fn all() -> Vec<Toolkit> {
        let mut all = vec![Toolkit::pypi()];
        if long() {
            all.push(Toolkit::debian("12.4", "12", None));
            all.push(Toolkit::debian("11.8", "11.0", Some("/usr/bin/clang++")));
        }
        all
    }

    /// NVIDIA's own nvcc: Debian has a script in its place.
    pub fn nvcc(&self) -> PathBuf {
        let debian = self.prefixes[0].join("lib/nvidia-cuda-toolkit/bin/nvcc");
        if debian.exists() {
            debian
        } else {
            self.prefixes[0].join("bin/nvcc")
        }
    }

    /// The directory of the shared runtime.
    pub fn runtime_directory(&self) -> PathBuf {
        let lib = self.prefixes[self.prefixes.len() - 1].join("lib");
        let debian = lib.join("x86_64-linux-gnu");
        if debian.exists() { debian } else { lib }
    }

    /// Asserts that a program without a driver prints what cudaRuntimeGetVersion says, ended by a
    /// line's end: its version, but 0 in CUDA 11, which asks the driver first and fails.
    #[track_caller]
    pub fn has_answered(&self, output: &Output) {
        let stdout = String::from_utf8_lossy(&output.stdout);
        if self.cuda.starts_with("11.") {
            assert_eq!(stdout, "0\n");
        } else {
            let version = format!("{}0\n", self.cuda.replace('.', "0"));
            assert_eq!(succeeded(output), version);
        }
    }

    /// A farm of it, in a directory that goes when the value does.
    pub fn farm(&self, args: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().canonicalize().unwrap().join("farm");
        let mut args = args.to_vec();
        if let Some(compiler) = self.host_compiler {
            args.extend(["--host-compiler", compiler]);
        }
        succeeded(&farm(&out, &args, &self.prefixes));
        (dir, out)
    }
}

/// The toolkit as Nix has it: each part in a prefix of its own.
pub fn split() -> Vec<PathBuf> {
    [
        "nvidia-cuda-nvcc",
        "nvidia-nvvm",
        "nvidia-cuda-crt",
        "nvidia-cuda-runtime",
    ]
    .map(|name| wheel(&format!("{name}-13.5.37")).join("nvidia/cu13"))
    .to_vec()
}

/// A toolkit as pip and `dpkg -x` lay it out: all parts in one prefix, copied to `dir`.
pub fn merged(prefixes: &[PathBuf], dir: &Path) -> PathBuf {
    for prefix in prefixes {
        let copied = Command::new("cp")
            .args(["-r", "--reflink=auto"])
            .arg(prefix.join("."))
            .arg(dir)
            .status()
            .unwrap();
        assert!(copied.success());
    }
    dir.to_owned()
}

/// A prefix with a stub of the driver, which no wheel has: it links, and does nothing.
pub fn driver_stub(dir: &Path) -> PathBuf {
    let stubs = dir.join("lib/stubs");
    fs::create_dir_all(&stubs).unwrap();
    let source = dir.join("stub.c");
    fs::write(
        &source,
        "int cuInit(unsigned flags) { return flags + 34; }\n",
    )
    .unwrap();
    let built = Command::new("gcc")
        .args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"])
        .arg(stubs.join("libcuda.so"))
        .arg(&source)
        .status()
        .unwrap();
    assert!(built.success());
    dir.to_owned()
}

/// `cuda-fixup toolkit farm`
pub fn farm(out: &Path, args: &[&str], prefixes: &[PathBuf]) -> Output {
    Command::new(BINARY)
        .args(["toolkit", "farm", "--out"])
        .arg(out)
        .args(args)
        .args(prefixes)
        .output()
        .unwrap()
}

/// A farm of PyPI's toolkit, in a directory that goes when the value does.
pub fn split_farm() -> (tempfile::TempDir, PathBuf) {
    Toolkit::pypi().farm(&[])
}

/// Copies this program, by another process: a child that another test forks meanwhile would hold
/// the copy open for writing, and Linux would not run it ("Text file busy").
pub fn copy_binary(to: &Path) {
    succeeded(&Command::new("cp").arg(BINARY).arg(to).output().unwrap());
}

/// Runs a test's body as root with mounts of its own. Where an ordinary user runs the tests, the
/// test of this name is run again in a user namespace, in which that user is root and has a
/// range of subordinate users (subuid(5)).
pub fn as_root(test: &str, body: impl FnOnce()) {
    if rustix::process::geteuid().is_root() {
        return body();
    }
    let again = Command::new("unshare")
        .args(["--user", "--map-root-user", "--map-auto", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .output()
        .unwrap();
    let printed = succeeded(&again);
    assert!(
        printed.contains("\ntest result: ok. 1 passed"),
        "{test}: {printed}"
    );
}

/// Asserts that a program ended well, and returns what it wrote to stdout.
#[track_caller]
pub fn succeeded(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{stdout}\n{stderr}",
        output.status
    );
    stdout
}

/// Asserts that a program ended with this status, and returns what it wrote to stderr.
#[track_caller]
pub fn failed(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

/// Asserts that `nvcc --list-gpu-code` and the table of capabilities agree on a CUDA version.
#[track_caller]
pub fn compare_with_table(nvcc: &Path, cuda: &str) {
    use cuda_fixup::parts::Variant;
    use cuda_fixup::parts::{Capability, GpuTable};
    let listed = succeeded(&Command::new(nvcc).arg("--list-gpu-code").output().unwrap());
    let mut listed: Vec<_> = listed
        .split_whitespace()
        .map(|name| Capability::from_architecture(name).unwrap())
        .collect();
    listed.sort();
    let mut supported = GpuTable::read().unwrap().supported(cuda.parse().unwrap());
    supported.retain(|capability| capability.variant == Variant::Base);
    assert_eq!(listed, supported);
    // The list leaves those with a letter out; the help text has all.
    let help = succeeded(&Command::new(nvcc).arg("--help").output().unwrap());
    for row in &GpuTable::read().unwrap().capabilities {
        let name = format!("'sm_{}'", row.capability.digits());
        let supported = row.min <= cuda.parse().unwrap()
            && row.max.is_none_or(|max| max >= cuda.parse().unwrap());
        assert_eq!(help.contains(&name), supported, "{name}");
    }
}
