//! The whole farm: merged prefixes, and the files that turn them into a toolkit.

use super::merge::{FarmEntry, Tree, insert, merge};
use super::record::{self, KnownCompiler, Record, Runtime};
use super::{
    FarmError, component, dev_links, device_runtime, layout, prefix, profile, versions, write,
};
use crate::cuda::{Capability, CudaVersion};
use crate::toolkit::cmake;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A request for a farm.
#[derive(Clone, Debug)]
pub(crate) struct FarmRequest {
    /// Prefixes, the first wins where two have the same file.
    pub prefixes: Vec<PathBuf>,
    /// Directory of the farm.
    pub out: PathBuf,
    /// This program, for `bin/nvcc` and `cmake`.
    pub program: PathBuf,
    /// Links are relative to their own directories.
    pub relative: bool,
    /// For -ccbin.
    pub host_compiler: Option<PathBuf>,
    /// The host compiler, or the one on PATH, with its version.
    pub known_compiler: Option<KnownCompiler>,
    /// To build for by default.
    pub capabilities: Vec<Capability>,
    /// `;`-separated, as CMake wants it.
    pub cmake_cuda_architectures: Option<String>,
    pub cuda_runtime: Option<Runtime>,
    /// `-Xfatbin=-compress-all`
    pub compress_fatbins: bool,
    /// Directories of nvcc's host compiler that CMake must not add.
    pub exclude_link_directories: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
pub(crate) struct Farm {
    /// As written to the farm.
    pub record: Record,
    /// The compiler that a package publishes, where the farm has no nvcc for it.
    pub compiler: Option<PathBuf>,
    /// Links and files in it.
    pub entries: usize,
    /// Those that had to be written: 0 the second time.
    pub written: usize,
    /// Links of prefixes that lead nowhere, left out.
    pub dangling: usize,
}

/// Directory of the link to the cmake wrapper: a separate one, for PATH only where there is a cmake
/// to wrap.
pub(crate) const CMAKE: &str = "libexec/cuda-fixup/cmake";

/// Makes the farm, or brings it up to date.
pub(crate) fn make(request: &FarmRequest) -> Result<Farm, FarmError> {
    let prefixes = canonical(&request.prefixes)?;
    let mut pieces = Vec::new();
    for prefix in &prefixes {
        let of_prefix = prefix::pieces(prefix)?;
        if of_prefix.is_empty() && component::compiler(prefix)?.is_none() {
            return Err(FarmError::prefix(
                prefix,
                "has nothing of a CUDA toolkit (bin, include, lib, nvvm): is it the right directory?",
            ));
        }
        pieces.extend(of_prefix);
    }
    let nvcc = the_nvcc(&prefixes)?;
    let cuda_version = the_version(&prefixes, nvcc.as_ref())?;
    let (nvcc, nvcc_version) = match nvcc {
        Some(nvcc) => (Some(nvcc.file), nvcc.version),
        None => (None, None),
    };
    let compiler = published_compiler(&prefixes, nvcc.as_deref())?;
    let targets = layout::own_target(&mut pieces, nvcc.as_deref())?;
    let (mut tree, dangling) = merge(&pieces)?;
    if let Some(nvcc) = &nvcc {
        check_device_runtime(&tree, nvcc, cuda_version)?;
    }
    dev_links::add(&mut tree);
    layout::add(&mut tree, &targets);
    let record = Record {
        format: 1,
        cuda_version,
        nvcc,
        host_compiler: request.host_compiler.clone(),
        known_compiler: request.known_compiler.clone(),
        cmake_cuda_architectures: request.cmake_cuda_architectures.clone(),
        cuda_runtime: request.cuda_runtime,
        compress_fatbins: request.compress_fatbins,
        capabilities: request.capabilities.clone(),
        directories: directories(&tree),
        prefixes,
    };
    let version_json = versions::version_json(cuda_version, nvcc_version.as_deref());
    add_ours(&mut tree, request, &record, version_json)?;
    let written = write::write(&tree, &request.out, request.relative)?;
    Ok(Farm {
        record,
        compiler,
        entries: tree.len(),
        written,
        dangling,
    })
}

/// Whether a prefix has anything that a toolkit is made of, and whether that is the compiler's.
pub(crate) fn parts(prefix: &Path) -> Result<(bool, bool), FarmError> {
    let some = prefix::has_pieces(prefix)?;
    let compiler = ["bin/nvcc", "nvvm", "include/crt"];
    let compiler = compiler.iter().any(|place| prefix.join(place).exists());
    let published = component::compiler(prefix)?.is_some();
    Ok((some || published, compiler || published))
}

/// The CUDA version that a farm of these prefixes is of.
pub(crate) fn cuda_version(prefixes: &[PathBuf]) -> Result<CudaVersion, FarmError> {
    let prefixes = canonical(prefixes)?;
    let nvcc = the_nvcc(&prefixes)?;
    the_version(&prefixes, nvcc.as_ref())
}

fn canonical(prefixes: &[PathBuf]) -> Result<Vec<PathBuf>, FarmError> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for prefix in prefixes {
        let real = prefix
            .canonicalize()
            .map_err(|e| FarmError::io(prefix, e))?;
        if seen.insert(real.clone()) {
            found.push(real);
        }
    }
    Ok(found)
}

/// The only nvcc of all prefixes, with its version.
fn the_nvcc(prefixes: &[PathBuf]) -> Result<Option<versions::Nvcc>, FarmError> {
    let mut found: Option<PathBuf> = None;
    for prefix in prefixes {
        match (prefix::nvcc(prefix)?, &found) {
            (Some(second), Some(first)) if *first != second => {
                return Err(FarmError::Conflict {
                    place: "bin/nvcc".into(),
                    first: first.clone(),
                    second,
                });
            }
            (Some(nvcc), _) => found = Some(nvcc),
            (None, _) => {}
        }
    }
    found.map(versions::Nvcc::ask).transpose()
}

/// nixpkgs' `cudaCompilerExecutable`. For a package with nvcc in it, the farm's own nvcc replaces
/// that one or the wrapper around it.
fn published_compiler(
    prefixes: &[PathBuf],
    nvcc: Option<&Path>,
) -> Result<Option<PathBuf>, FarmError> {
    let mut found: Option<PathBuf> = None;
    for prefix in prefixes {
        let Some(second) = component::compiler(prefix)? else {
            continue;
        };
        if nvcc.is_some_and(|nvcc| nvcc.starts_with(prefix)) {
            continue;
        }
        match nvcc.or(found.as_deref()) {
            Some(first) if first != second => {
                return Err(FarmError::TwoCompilers {
                    first: first.to_owned(),
                    second,
                    second_by: prefix.join(component::PLACE),
                });
            }
            _ => found = Some(second),
        }
    }
    Ok(found)
}

fn the_version(
    prefixes: &[PathBuf],
    nvcc: Option<&versions::Nvcc>,
) -> Result<CudaVersion, FarmError> {
    let mut found = nvcc.map(|nvcc| (nvcc.cuda, nvcc.file.clone()));
    for prefix in prefixes {
        match (versions::of_prefix(prefix)?, &found) {
            (Some((second, second_by)), Some((first, first_by))) if *first != second => {
                return Err(FarmError::TwoVersions {
                    first: *first,
                    first_by: first_by.clone(),
                    second,
                    second_by,
                });
            }
            (Some(version), _) => found = Some(version),
            (None, _) => {}
        }
    }
    found
        .map(|(version, _)| version)
        .ok_or(FarmError::NoVersion)
}

fn check_device_runtime(tree: &Tree, nvcc: &Path, nvcc_cuda: CudaVersion) -> Result<(), FarmError> {
    let Some(FarmEntry::Link(library)) = tree.get(Path::new("lib/libcudadevrt.a")) else {
        return Ok(());
    };
    match device_runtime::oldest_cuda(library)? {
        Some(library_cuda) if library_cuda > nvcc_cuda => Err(FarmError::NewerDeviceRuntime {
            library: library.clone(),
            library_cuda,
            nvcc: nvcc.to_owned(),
            nvcc_cuda,
        }),
        _ => Ok(()),
    }
}

/// For the search for leaks: directory of the farm -> the directories that it merges.
fn directories(tree: &Tree) -> Vec<(PathBuf, Vec<PathBuf>)> {
    let directory = |(place, entry): (&PathBuf, &FarmEntry)| match entry {
        FarmEntry::Directory(sources) => {
            let sources = layout::sources(tree, place, sources);
            // A directory that only has stubs in a subdirectory provides no libraries.
            let mut with_files = sources.clone();
            with_files.retain(|dir| place != Path::new("lib") || has_files(dir));
            match with_files.is_empty() {
                true => Some(sources).filter(|sources| !sources.is_empty()),
                false => Some(with_files),
            }
        }
        FarmEntry::DirectoryLink(target) => Some(vec![target.clone()]),
        // A relative one is a name for another directory of the farm.
        FarmEntry::Link(_) | FarmEntry::File(_) => None,
    };
    let mut directories: Vec<(PathBuf, Vec<PathBuf>)> = tree
        .iter()
        .filter_map(|entry| Some((entry.0.clone(), directory(entry)?)))
        .collect();
    // The same directory by the other names of the layout.
    for (place, entry) in tree {
        let FarmEntry::Link(target) = entry else {
            continue;
        };
        let Some(name) = target.file_name().filter(|_| target.is_relative()) else {
            continue;
        };
        let same = directories
            .iter()
            .find(|(place, _)| place.as_os_str() == name);
        if let Some((_, sources)) = same {
            directories.push((place.clone(), sources.clone()));
        }
    }
    directories.sort();
    directories
}

fn has_files(dir: &Path) -> bool {
    super::merge::list(dir).is_ok_and(|entries| entries.iter().any(|(_, path)| !path.is_dir()))
}

/// Adds the farm's own files: our programs, the profile, version.json, CMake's files, the record.
fn add_ours(
    tree: &mut Tree,
    request: &FarmRequest,
    record: &Record,
    version_json: String,
) -> Result<(), FarmError> {
    let program = || FarmEntry::Link(request.program.clone());
    let file = |text: String| FarmEntry::File(text.into_bytes());
    let mut ours: Vec<(&str, FarmEntry)> = vec![
        (CMAKE, program()),
        (
            cmake::INITIAL_CACHE,
            file(cmake::initial_cache(request, record)),
        ),
        (cmake::TOOLCHAIN, file(cmake::toolchain(request, record))),
    ];
    if let Some(nvcc) = &record.nvcc {
        ours.push(("bin/nvcc", program()));
        ours.push(("bin/nvcc.profile", the_profile(nvcc, record.cuda_version)?));
    }
    if record.cuda_version.major >= 13 && tree.contains_key(Path::new("include")) {
        // The profile names it, and CMake refuses an include directory that is not there.
        let cccl = tree.entry("include/cccl".into());
        cccl.or_insert(FarmEntry::Directory(Vec::new()));
    }
    if !tree.contains_key(Path::new("version.json")) {
        ours.push(("version.json", file(version_json)));
    }
    let record = serde_json::to_string_pretty(record)
        .map_err(|e| FarmError::io(Path::new(record::PLACE), e.into()))?;
    ours.push((record::PLACE, file(record + "\n")));
    for (place, entry) in ours {
        insert(tree, place.into(), entry);
    }
    Ok(())
}

fn the_profile(nvcc: &Path, cuda: CudaVersion) -> Result<FarmEntry, FarmError> {
    let theirs = nvcc.with_file_name("nvcc.profile");
    match std::fs::read(&theirs) {
        Ok(bytes) if profile::is_relocatable(&String::from_utf8_lossy(&bytes)) => {
            Ok(FarmEntry::Link(theirs))
        }
        // Debian's is a link to /etc, which may be missing.
        Ok(_) => Ok(FarmEntry::File(profile::of_farm(cuda).into_bytes())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Ok(FarmEntry::File(profile::of_farm(cuda).into_bytes()))
        }
        Err(e) => Err(FarmError::io(&theirs, e)),
    }
}
