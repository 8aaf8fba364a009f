//! CMake builds with farms: every kind of project, Debian's CMake and PyPI's, the environment
//! scrubbed. The long test does all combinations.

#![allow(
    clippy::unwrap_used,
    reason = "a failure here is a failure of the test"
)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{failed, farm, root, split, succeeded, wheel};

/// Directories with a real cmake.
fn debian_cmake() -> PathBuf {
    "/usr/bin".into()
}

fn pypi_cmake() -> PathBuf {
    wheel("cmake-4.4.4").join("cmake/data/bin")
}

/// A farm, and directories to build a project in.
struct Site {
    dir: tempfile::TempDir,
    farm: PathBuf,
    /// What the farm's directories stand for.
    map: String,
}

impl Site {
    /// The toolkit in many prefixes or one, and a stub of the driver.
    fn new(merged: bool, args: &[&str]) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let mut prefixes = match merged {
            true => vec![support::merged(&base.join("toolkit"))],
            false => split(),
        };
        prefixes.push(support::driver_stub(&base.join("cuda-stub")));
        let out = base.join("farm");
        Site {
            map: succeeded(&farm(&out, args, &prefixes)),
            farm: out,
            dir,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// A command that knows of the farm by PATH alone.
    fn scrubbed(&self, program: impl AsRef<OsStr>, cmake: &Path) -> Command {
        let farm = self.farm.display();
        let path = format!(
            "{farm}/libexec/cuda-fixup:{farm}/bin:{}:/usr/bin:/bin",
            cmake.display()
        );
        let mut command = Command::new(program);
        command.env_clear().env("PATH", path);
        command.env("HOME", self.dir.path());
        command
    }

    /// Configures, builds and installs one of testdata/cmake to `name-installed`.
    fn build(&self, name: &str, cmake: &Path, args: &[&str]) -> PathBuf {
        let (build, installed) = (
            self.path(&format!("{name}-build")),
            self.path(&format!("{name}-installed")),
        );
        let source = root().join("testdata/cmake").join(name);
        let configure = |command: &mut Command| {
            command.arg("-S").arg(&source).arg("-B").arg(&build);
            command.arg(format!("-DCMAKE_INSTALL_PREFIX={}", installed.display()));
            succeeded(&output(command.args(args)));
        };
        configure(&mut self.scrubbed("cmake", cmake));
        // Nothing of the farm is left in the environment of the build.
        let mut build_it = Command::new(cmake.join("cmake"));
        build_it.env_clear().env("PATH", "/usr/bin:/bin");
        succeeded(&output(build_it.arg("--build").arg(&build)));
        let mut install = Command::new(cmake.join("cmake"));
        succeeded(&output(install.arg("--install").arg(&build)));
        self.no_leaks(&installed, &build);
        installed
    }

    /// What a Nix build does to its outputs: strip, then fixup with the farm's map, then the
    /// search. Afterwards no byte of any file holds the farm's path, or the build's.
    fn no_leaks(&self, installed: &Path, build: &Path) {
        let elf_files = Command::new(support::BINARY)
            .arg("elf-files")
            .arg(installed)
            .output();
        let elf_files = succeeded(&elf_files.unwrap());
        assert!(!elf_files.is_empty());
        let strip = Command::new("strip")
            .arg("-S")
            .args(elf_files.lines())
            .status();
        assert!(strip.unwrap().success());
        let mut fixup = Command::new(support::BINARY);
        fixup.args([
            "fixup",
            "--dependencies",
            "off",
            "--driver-link",
            DRIVER_LINK,
        ]);
        for line in self.map.lines() {
            fixup.arg(format!("--replace-runpath={line}"));
        }
        succeeded(&output(fixup.arg(installed)));
        for _ in 0..2 {
            let mut leaks = Command::new(support::BINARY);
            leaks.args(["toolkit", "leaks", "--farm"]).arg(&self.farm);
            leaks.arg("--forbid").arg(build).arg(installed);
            succeeded(&output(&mut leaks));
        }
        let grep = Command::new("grep")
            .arg("-rlF")
            .arg(&self.farm)
            .arg(installed)
            .output();
        assert_eq!(failed(&grep.unwrap(), 1), "");
        for file in elf_files.lines() {
            let runpath = runpath(Path::new(file));
            assert!(!runpath.contains("stubs"), "{file}: {runpath}");
        }
    }
}

const DRIVER_LINK: &str = "/run/opengl-driver/lib";

fn runpath(file: &Path) -> String {
    let dynamic = output(Command::new("readelf").arg("-dW").arg(file));
    let dynamic = succeeded(&dynamic);
    let line = dynamic.lines().find(|line| line.contains("(RUNPATH)"));
    let value = line.and_then(|line| line.split_once('['));
    value
        .map(|(_, value)| value.trim_end_matches(']').to_owned())
        .unwrap_or_default()
}

fn output(command: &mut Command) -> Output {
    command.stdin(std::process::Stdio::null()).output().unwrap()
}

fn needed(file: &Path) -> String {
    let dynamic = output(Command::new("readelf").arg("-dW").arg(file));
    let dynamic = succeeded(&dynamic);
    dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .collect()
}

fn cache(build: &Path, variable: &str) -> String {
    let cache = fs::read_to_string(build.join("CMakeCache.txt")).unwrap();
    let line = cache
        .lines()
        .find(|line| line.starts_with(&format!("{variable}:")));
    let value = line.and_then(|line| line.split_once('='));
    value.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// What every installed program of the project `toolkit` must be.
fn check_toolkit(installed: &Path, runtime: &str) {
    let bin = installed.join("bin");
    for (name, shared) in [
        ("language_shared", true),
        ("language_static", false),
        ("host_shared", true),
        ("host_static", false),
        ("separable", false),
        ("nested", false),
    ] {
        let needed = needed(&bin.join(name));
        assert_eq!(needed.contains("libcudart.so"), shared, "{name}: {needed}");
    }
    assert!(needed(&bin.join("driver")).contains("libcuda.so.1"));
    // The driver is looked for by what contains a static cudart or needs it by name.
    for name in ["language_static", "host_static", "driver"] {
        let runpath = runpath(&bin.join(name));
        assert!(runpath.starts_with(DRIVER_LINK), "{name}: {runpath}");
    }
    // Without a device: the runtime is there and answers.
    let run = output(&mut Command::new(bin.join("host_static")));
    assert_eq!(succeeded(&run), "13050\n");
    // Its RUNPATH, which named the farm, is that of the prefix now.
    assert!(runpath(&bin.join("host_shared")).contains(runtime));
    let shared = output(&mut Command::new(bin.join("host_shared")));
    assert_eq!(succeeded(&shared), "13050\n");
}

#[test]
fn a_split_toolkit_with_debians_cmake() {
    let site = Site::new(false, &[]);
    let runtime = split()[3].join("lib");
    let installed = site.build("toolkit", &debian_cmake(), &[]);
    check_toolkit(&installed, runtime.to_str().unwrap());
}

#[test]
fn a_merged_toolkit_with_pypis_cmake() {
    let site = Site::new(true, &["--capabilities", "8.6;9.0"]);
    let runtime = site.path("toolkit/lib");
    let installed = site.build("toolkit", &pypi_cmake(), &[]);
    check_toolkit(&installed, runtime.to_str().unwrap());
    let build = site.path("toolkit-build");
    assert_eq!(cache(&build, "CMAKE_CUDA_ARCHITECTURES"), "86-real;90");
}

#[test]
fn find_cuda_of_old() {
    let site = Site::new(false, &["--cuda-runtime", "shared"]);
    let installed = site.build("find-cuda", &debian_cmake(), &[]);
    for name in ["legacy", "legacy_host"] {
        assert!(
            needed(&installed.join("bin").join(name)).contains("libcudart.so.13"),
            "{name}"
        );
    }
    assert!(installed.join("bin/legacy_separable").exists());
    assert!(installed.join("bin/legacy_nested").exists());
}

#[test]
fn a_project_that_builds_another() {
    let site = Site::new(false, &[]);
    let inner = site.path("external-project-installed").join("bin/inner");
    let source = root().join("testdata/cmake/external-project");
    let build = site.path("build");
    let mut configure = site.scrubbed("cmake", &pypi_cmake());
    configure.arg("-S").arg(source).arg("-B").arg(&build);
    let prefix = inner.ancestors().nth(2).unwrap();
    configure.arg(format!("-DCMAKE_INSTALL_PREFIX={}", prefix.display()));
    succeeded(&output(&mut configure));
    // The inner project is configured now, by the real cmake: it has PATH to find nvcc by.
    succeeded(&output(
        site.scrubbed("cmake", &pypi_cmake())
            .arg("--build")
            .arg(&build),
    ));
    assert!(needed(&inner).contains("libcudart.so.13"));
    site.no_leaks(prefix, &build);
}

#[test]
fn a_python_package() {
    let site = Site::new(false, &["--capabilities", "9.0"]);
    let package = site.path("package");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(root().join("testdata/cmake"))
        .arg(&package)
        .status();
    assert!(copied.unwrap().success());
    let script = "from scikit_build_core.build import build_wheel; print(build_wheel('dist'))";
    let mut build = site.scrubbed("/usr/bin/python3", &pypi_cmake());
    build.current_dir(package.join("python-package"));
    build.env("PYTHONPATH", wheel("scikit-build-core-1.1.2"));
    let told = succeeded(&output(build.args(["-c", script])));
    let name = told.lines().last().unwrap();
    let wheel = package.join("python-package/dist").join(name);
    let unpacked = site.path("unpacked");
    let unzip = Command::new("unzip")
        .arg("-q")
        .arg(&wheel)
        .arg("-d")
        .arg(&unpacked)
        .status();
    assert!(unzip.unwrap().success());
    site.no_leaks(&unpacked, &package);
    assert!(needed(&unpacked.join("cuda_fixup_sample/libkernels.so")).contains("libcudart.so.13"));
}

#[test]
fn what_the_user_says_wins() {
    let site = Site::new(
        false,
        &["--capabilities", "9.0", "--cuda-runtime", "shared"],
    );
    let source = root().join("testdata/cmake/external-project/inner");
    let build = site.path("build");
    let configure = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = site.scrubbed("cmake", &pypi_cmake());
        command.arg("-S").arg(&source).arg("-B").arg(&build);
        command.args(args).envs(variables.iter().copied());
        output(&mut command)
    };
    succeeded(&configure(&[], &[]));
    assert_eq!(cache(&build, "CMAKE_CUDA_ARCHITECTURES"), "90");
    assert_eq!(cache(&build, "CMAKE_CUDA_RUNTIME_LIBRARY"), "Shared");
    let compiler = site.farm.join("bin/nvcc").display().to_string();
    assert_eq!(cache(&build, "CMAKE_CUDA_COMPILER"), compiler);
    // -D wins, and stays when the project is configured again.
    succeeded(&configure(&["-DCMAKE_CUDA_ARCHITECTURES=80"], &[]));
    succeeded(&configure(&[], &[]));
    assert_eq!(cache(&build, "CMAKE_CUDA_ARCHITECTURES"), "80");
    fs::remove_dir_all(&build).unwrap();
    succeeded(&configure(&[], &[("CUDAARCHS", "75-real")]));
    assert_eq!(cache(&build, "CMAKE_CUDA_ARCHITECTURES"), "75-real");
}

#[test]
fn native_architectures_are_refused_without_a_gpu() {
    let site = Site::new(false, &[]);
    let query = site.farm.join("bin/__nvcc_device_query");
    fs::remove_file(&query).unwrap();
    std::os::unix::fs::symlink("/bin/false", &query).unwrap();
    let mut cmake = site.scrubbed("cmake", &pypi_cmake());
    let told = failed(
        &output(cmake.args(["-DCMAKE_CUDA_ARCHITECTURES=native", "."])),
        1,
    );
    assert!(told.contains("no GPU answers on this machine"), "{told}");
    let mut cmake = site.scrubbed("cmake", &pypi_cmake());
    let told = failed(&output(cmake.env("CUDAARCHS", "native").arg(".")), 1);
    assert!(told.contains("CUDAARCHS=native"), "{told}");
}

#[test]
fn what_configures_nothing_passes_through() {
    let site = Site::new(false, &[]);
    for cmake in [debian_cmake(), pypi_cmake()] {
        for args in [
            &["--version"][..],
            &["--help"],
            &["--help-module", "FindCUDAToolkit"],
            &["-E", "echo", "-S", "."],
            &["-E", "capabilities"],
            &["--build", "/nowhere"],
            &["--install", "/nowhere"],
            &[
                "--find-package",
                "-DNAME=Nothing",
                "-DCOMPILER_ID=GNU",
                "-DLANGUAGE=C",
                "-DMODE=EXIST",
            ],
            &["-P", "/nowhere.cmake"],
            &["-N", "-L", "/nowhere"],
            &["--list-presets"],
            &[],
        ] {
            let run = |program: PathBuf| {
                let mut command = site.scrubbed(program, &cmake);
                let output = output(command.current_dir(site.dir.path()).args(args));
                (output.status.code(), output.stdout, output.stderr)
            };
            let ours = run(site.farm.join("libexec/cuda-fixup/cmake"));
            assert_eq!(ours, run(cmake.join("cmake")), "{args:?}");
        }
    }
}

#[test]
fn only_the_real_cmake_is_called() {
    let site = Site::new(false, &[]);
    // Two copies of this program, then nothing: neither calls the other for ever.
    let bin = site.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::copy(support::BINARY, bin.join("cuda-fixup")).unwrap();
    std::os::unix::fs::symlink("cuda-fixup", bin.join("cmake")).unwrap();
    let path = format!(
        "{}:{}/libexec/cuda-fixup",
        bin.display(),
        site.farm.display()
    );
    let mut cmake = Command::new("cmake");
    cmake.env_clear().env("PATH", path).arg("--version");
    let told = failed(&output(&mut cmake), 2);
    assert!(told.contains("no cmake on PATH but this one"), "{told}");
}
