//! What tools are run on: trees out of the registries, fetched once, and fresh copies of them.

use anyhow::{Context, ensure};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the scripts in testdata/ put what they fetch.
pub fn cache() -> PathBuf {
    std::env::var_os("CUDA_FIXUP_CACHE").map_or(root().join(".cache"), PathBuf::from)
}

/// Runs a script of testdata/ with `--only NAME` for each name.
pub fn fetch(script: &str, names: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(root().join("testdata").join(script));
    for name in names {
        command.args(["--only", name]);
    }
    // Standard output is the report's.
    let status = command.stdout(std::io::stderr()).status()?;
    ensure!(status.success(), "testdata/{script}: {status}");
    Ok(())
}

/// A wheel's directory; its name has the version.
pub fn wheel(directory: &str) -> PathBuf {
    cache().join("wheels").join(directory)
}

/// Directories that are copied side by side.
pub struct Corpus {
    /// As the report calls it.
    pub name: String,
    sources: Vec<PathBuf>,
}

/// The tree that a tool is let loose on, removed at the end.
pub struct Copy {
    /// Its root.
    pub tree: PathBuf,
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.tree);
    }
}

impl Corpus {
    /// `what` it is, and what it consists of.
    pub fn new(what: &str, sources: Vec<PathBuf>) -> anyhow::Result<Corpus> {
        let (mut files, mut elf, mut bytes) = (0, 0, 0);
        for source in &sources {
            ensure!(source.exists(), "{} is not there", source.display());
            for path in regular_files(source)? {
                files += 1;
                if is_dynamic_elf(&path) {
                    elf += 1;
                    bytes += fs::metadata(&path)?.len();
                }
            }
        }
        let size = crate::table::bytes(bytes as f64);
        Ok(Corpus {
            name: format!("{what}: {files} files, {elf} of them ELF, {size} of ELF"),
            sources,
        })
    }

    /// PyTorch for CUDA with all that it loads; some small CUDA wheels if `quick`.
    pub fn wheels(quick: bool) -> anyhow::Result<Corpus> {
        if !quick {
            fetch("fetch-wheels", &["torch"])?;
            return Corpus::new("(a) PyTorch 2.15 for CUDA", vec![wheel("torch-2.15.0")]);
        }
        let names = [
            "nvidia-cuda-runtime-13.5.37",
            "nvidia-cufile-1.20.0.107",
            "nvidia-nvjitlink-13.5.37",
        ];
        fetch("fetch-wheels", &names)?;
        Corpus::new("(a, quick) CUDA wheels", names.map(wheel).to_vec())
    }

    /// Packages of Debian with many small files; three of them if `quick`.
    pub fn debs(quick: bool) -> anyhow::Result<Corpus> {
        let quickly = ["coreutils", "frei0r-plugins", "monitoring-plugins-basic"];
        let all = fs::read_to_string(root().join("testdata/debs.txt"))?;
        let all = all.lines().filter(|line| !line.starts_with('#'));
        let names: Vec<&str> = match quick {
            true => quickly.to_vec(),
            false => all.collect(),
        };
        fetch("fetch-debs", &names)?;
        let directory = cache().join("debs");
        let what = format!("(b) {} Debian packages", names.len());
        Corpus::new(
            &what,
            names.iter().map(|name| directory.join(name)).collect(),
        )
    }

    /// A copy that nothing has touched, in place of the last one.
    pub fn fresh(&self, scratch: &Path) -> anyhow::Result<Copy> {
        let tree = scratch.join("tree");
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        fs::create_dir_all(&tree)?;
        let status = Command::new("cp")
            .arg("-a")
            .args(&self.sources)
            .arg(&tree)
            .status()?;
        ensure!(status.success(), "cp: {status}");
        settle(scratch)?;
        Ok(Copy { tree })
    }
}

/// Flushes the file system's pending writes, which would be charged to the next run.
pub fn settle(scratch: &Path) -> anyhow::Result<()> {
    let status = Command::new("sync").arg("-f").arg(scratch).status()?;
    ensure!(status.success(), "sync: {status}");
    Ok(())
}

/// Regular files below `tree`, in order.
pub fn regular_files(tree: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(tree).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// By its head: magic, and ET_EXEC or ET_DYN (of this machine's byte order).
fn is_dynamic_elf(path: &Path) -> bool {
    let mut head = [0; 18];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut head, 0));
    let kind = u16::from_le_bytes([head[16], head[17]]);
    read.is_ok() && head.starts_with(b"\x7fELF") && (kind == 2 || kind == 3)
}

/// Writes the names of the ELF files below `tree`, NUL after each, for tools that take a list.
pub fn list_elf(tree: &Path, list: &Path) -> anyhow::Result<()> {
    let mut out = File::create(list).with_context(|| list.display().to_string())?;
    for path in regular_files(tree)?
        .iter()
        .filter(|path| is_dynamic_elf(path))
    {
        out.write_all(path.as_os_str().as_bytes())?;
        out.write_all(b"\0")?;
    }
    Ok(())
}
