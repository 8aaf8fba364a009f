//! A farm, and directories to build projects with it in.

use crate::support::{Toolkit, failed, farm, root, succeeded, wheel};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where NixOS has the driver's libraries.
pub const DRIVER_LINK: &str = "/run/opengl-driver/lib";

/// Directories with a real cmake.
pub fn debian_cmake() -> PathBuf {
    "/usr/bin".into()
}

/// The same.
pub fn pypi_cmake() -> PathBuf {
    wheel("cmake-4.4.4").join("cmake/data/bin")
}

/// A farm, and directories to build a project in.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub farm: PathBuf,
    /// The prefix that has the shared runtime.
    pub runtime: PathBuf,
    /// The directories merged into each of the farm's.
    pub map: String,
}

impl Site {
    /// CUDA 13.5 in many prefixes.
    pub fn split(args: &[&str]) -> Site {
        Site::new(&Toolkit::pypi(), false, args)
    }

    /// A toolkit in many prefixes, or all in one, and a stub of the driver.
    pub fn new(toolkit: &Toolkit, merged: bool, args: &[&str]) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let mut prefixes = match merged {
            true => vec![crate::support::merged(
                &toolkit.prefixes,
                &base.join("toolkit"),
            )],
            false => toolkit.prefixes.clone(),
        };
        let runtime = prefixes.last().unwrap().clone();
        if !toolkit.has_stubs {
            prefixes.push(crate::support::driver_stub(&base.join("cuda-stub")));
        }
        let mut args = args.to_vec();
        if let Some(compiler) = toolkit.host_compiler {
            args.extend(["--host-compiler", compiler]);
        }
        let out = base.join("farm");
        Site {
            map: succeeded(&farm(&out, &args, &prefixes)),
            farm: out,
            runtime,
            dir,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// A command with these directories on PATH, and nothing else in its environment.
    pub fn command(&self, program: impl AsRef<OsStr>, path: &[&Path]) -> Command {
        let path = path
            .iter()
            .copied()
            .chain(["/usr/bin", "/bin"].map(Path::new));
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.dir.path());
        command.env("PATH", std::env::join_paths(path).unwrap());
        command
    }

    /// A command that knows of the farm by PATH alone.
    pub fn scrubbed(&self, program: impl AsRef<OsStr>, cmake: &Path) -> Command {
        let wrapper = self.farm.join("libexec/cuda-fixup");
        self.command(program, &[&wrapper, &self.farm.join("bin"), cmake])
    }

    /// Configures, builds and installs one of testdata/cmake to `name-installed`, and checks that
    /// nothing there names the farm.
    pub fn build(&self, name: &str, cmake: &Path, args: &[&str]) -> PathBuf {
        let mut configure = self.scrubbed("cmake", cmake);
        let installed = self.configure(name, configure.args(args));
        // Nothing of the farm is left in the environment of the build.
        self.finish(name, self.command(cmake.join("cmake"), &[]));
        installed
    }

    /// Configures one of testdata/cmake. Returns where it will be installed.
    pub fn configure(&self, name: &str, cmake: &mut Command) -> PathBuf {
        let installed = self.path(&format!("{name}-installed"));
        cmake
            .arg("-S")
            .arg(root().join("testdata/cmake").join(name));
        cmake.arg("-B").arg(self.path(&format!("{name}-build")));
        cmake.arg(format!("-DCMAKE_INSTALL_PREFIX={}", installed.display()));
        succeeded(&output(cmake));
        installed
    }

    /// Builds and installs a configured project.
    pub fn finish(&self, name: &str, mut cmake: Command) {
        let build = self.path(&format!("{name}-build"));
        succeeded(&output(cmake.arg("--build").arg(&build)));
        let mut install = Command::new(cmake.get_program());
        succeeded(&output(install.arg("--install").arg(&build)));
        self.no_leaks(&self.path(&format!("{name}-installed")), &build);
    }

    /// A Python package by scikit-build-core, unpacked.
    pub fn wheel(&self, build: &mut Command) -> PathBuf {
        let package = self.path("package");
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(root().join("testdata/cmake"));
        succeeded(&output(copy.arg(&package)));
        let script = "from scikit_build_core.build import build_wheel; print(build_wheel('dist'))";
        build.current_dir(package.join("python-package"));
        build.env("PYTHONPATH", wheel("scikit-build-core-1.1.2"));
        let told = succeeded(&output(build.args(["-c", script])));
        let name = told.lines().last().unwrap();
        let unpacked = self.path("unpacked");
        let mut unzip = Command::new("unzip");
        unzip.arg("-q").arg("-d").arg(&unpacked);
        succeeded(&output(
            unzip.arg(package.join("python-package/dist").join(name)),
        ));
        self.no_leaks(&unpacked, &package);
        unpacked
    }

    /// What a Nix build does to its outputs: strip, then fixup with the farm's map, then the
    /// search. Afterwards no byte of any file holds the farm's path, or the build's.
    fn no_leaks(&self, installed: &Path, build: &Path) {
        let elf_files = Command::new(crate::support::BINARY)
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
        let mut fixup = Command::new(crate::support::BINARY);
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
            let mut leaks = Command::new(crate::support::BINARY);
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

/// The RUNPATH of a file.
pub fn runpath(file: &Path) -> String {
    let dynamic = output(Command::new("readelf").arg("-dW").arg(file));
    let dynamic = succeeded(&dynamic);
    let line = dynamic.lines().find(|line| line.contains("(RUNPATH)"));
    let value = line.and_then(|line| line.split_once('['));
    value
        .map(|(_, value)| value.trim_end_matches(']').to_owned())
        .unwrap_or_default()
}

/// What a program does, with nothing to read.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// The NEEDED lines of a file.
pub fn needed(file: &Path) -> String {
    let dynamic = output(Command::new("readelf").arg("-dW").arg(file));
    let dynamic = succeeded(&dynamic);
    dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .collect()
}

/// What a build tree has cached.
pub fn cache(build: &Path, variable: &str) -> String {
    let cache = fs::read_to_string(build.join("CMakeCache.txt")).unwrap();
    let line = cache
        .lines()
        .find(|line| line.starts_with(&format!("{variable}:")));
    let value = line.and_then(|line| line.split_once('='));
    value.map(|(_, value)| value.to_owned()).unwrap_or_default()
}
