//! The record of a farm's settings: read by nvcc and cmake at each call, and by the search for
//! leaks.

use crate::cuda::{Capability, CudaVersion, host_compilers::Compiler};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Its path in the farm.
pub(crate) const PLACE: &str = "share/cuda-fixup/farm.json";
/// Real ones have some kilobytes.
const MAX_SIZE: u64 = 16 << 20;
/// Links that are followed one after the other, as many as the kernel does.
const MAX_LINKS: usize = 40;

/// The root of the farm that a link is in, or leads into over further links, as symlinkJoin and
/// update-alternatives make them. `levels`: 2 for `ROOT/bin/nvcc`.
pub(crate) fn farm_of(link: &Path, levels: usize) -> Option<PathBuf> {
    let is_farm = |root: &Path| root.join(PLACE).exists();
    // The path as called, if possible: nvcc prints it, and CMake uses it.
    let root = link.ancestors().nth(levels)?;
    if is_farm(root) {
        return Some(root.to_owned());
    }
    let mut link = link.to_owned();
    for _ in 0..MAX_LINKS {
        let dir = link.parent()?.canonicalize().ok()?;
        let root = dir.ancestors().nth(levels - 1)?;
        if is_farm(root) {
            return Some(root.to_owned());
        }
        link = dir.join(fs::read_link(dir.join(link.file_name()?)).ok()?);
    }
    None
}

/// The contents of farm.json.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Record {
    /// 1; another one is another program's.
    pub format: u32,
    pub cuda_version: CudaVersion,
    /// NVIDIA's own nvcc, if a prefix has it.
    pub nvcc: Option<PathBuf>,
    /// The compiler for nvcc's -ccbin.
    pub host_compiler: Option<PathBuf>,
    /// A compiler whose version was determined when the farm was made, so that it need not run
    /// again.
    pub known_compiler: Option<KnownCompiler>,
    /// CMake's default for the architectures.
    pub cmake_cuda_architectures: Option<String>,
    /// shared or static: CMake's default for the runtime.
    pub cuda_runtime: Option<Runtime>,
    /// nvcc compresses device code.
    pub compress_fatbins: bool,
    /// All capabilities that the farm was made for, if given.
    pub capabilities: Vec<Capability>,
    /// The prefixes that it was made from.
    pub prefixes: Vec<PathBuf>,
    /// Directories of the farm, relative, and the directories of prefixes that each merges.
    pub directories: Vec<(PathBuf, Vec<PathBuf>)>,
}

/// A compiler by its file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct KnownCompiler {
    /// As passed to nvcc, or as found on PATH.
    pub path: PathBuf,
    /// Size in bytes, to notice another file of that name.
    pub size: u64,
    /// Its name and version.
    pub compiler: Compiler,
}

/// The kind of the CUDA runtime to link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runtime {
    /// libcudart.so
    Shared,
    /// libcudart_static.a
    Static,
}

impl Record {
    /// The record of the farm at `root`; `None` if it is no farm.
    pub(crate) fn read(root: &Path) -> io::Result<Option<Record>> {
        let file = match File::open(root.join(PLACE)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            Err(e) => return Err(e),
        };
        // In one piece: each call of nvcc reads it.
        let expected = file.metadata()?.len().min(MAX_SIZE) as usize;
        let mut text = String::with_capacity(expected + 1);
        file.take(MAX_SIZE).read_to_string(&mut text)?;
        let record: Record = serde_json::from_str(&text)?;
        if record.format != 1 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("format {} of a farm is not known", record.format),
            ));
        }
        Ok(Some(record))
    }
}
