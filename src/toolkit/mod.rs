//! Merges a split CUDA toolkit into one directory of symbolic links, a farm.
//!
//! `prefix` knows the layouts of prefixes, `merge` merges them, `farm` adds the files of a toolkit
//! (our nvcc, a profile, development links), `layout` adds directories that only NVIDIA's installer
//! makes, and `write` writes the result. `record` stores the settings of a farm, for nvcc, cmake
//! and `leaks`, which finds references to a farm in a package that was built with it.

pub(crate) mod cmake;
pub(crate) mod compiler;
mod component;
mod dev_links;
mod device_runtime;
pub(crate) mod farm;
mod layout;
pub(crate) mod leaks;
mod merge;
pub(crate) mod nvcc;
mod prefix;
mod profile;
pub(crate) mod record;
mod versions;
mod write;

use crate::cuda::CudaVersion;
use std::io;
use std::path::{Path, PathBuf};

/// Why a farm can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FarmError {
    /// A file or directory could not be read or written.
    #[error("{}: {}", crate::escape::shown(path), elf_edit::reason(source))]
    Io { path: PathBuf, source: io::Error },
    /// A prefix that cannot join.
    #[error("{}: {why}", crate::escape::shown(prefix))]
    Prefix { prefix: PathBuf, why: String },
    /// Two different files for one place.
    #[error(
        "two different files want to be {}: {} and {}: leave one of their prefixes out",
        crate::escape::shown(place),
        crate::escape::shown(first),
        crate::escape::shown(second)
    )]
    Conflict {
        /// The place in the farm.
        place: PathBuf,
        /// The file of the prefix named first.
        first: PathBuf,
        second: PathBuf,
    },
    /// Prefixes of two CUDA versions.
    #[error(
        "two CUDA versions: {first} by {}, {second} by {}: all prefixes of a farm must be of one",
        crate::escape::shown(first_by),
        crate::escape::shown(second_by)
    )]
    TwoVersions {
        first: CudaVersion,
        /// The file with that version.
        first_by: PathBuf,
        second: CudaVersion,
        /// The file with that version.
        second_by: PathBuf,
    },
    /// Packages with two compilers.
    #[error(
        "two CUDA compilers: {} and {}, which {} names: leave one of them out",
        crate::escape::shown(first),
        crate::escape::shown(second),
        crate::escape::shown(second_by)
    )]
    TwoCompilers {
        first: PathBuf,
        second: PathBuf,
        /// The package's marker that names it.
        second_by: PathBuf,
    },
    /// nvlink would refuse it at every link.
    #[error(
        "{} is of CUDA {library_cuda} or newer, but {} is of CUDA {nvcc_cuda}: nvlink refuses to link it \
         (\"newer than toolkit\"): take both from one CUDA version",
        crate::escape::shown(library),
        crate::escape::shown(nvcc)
    )]
    NewerDeviceRuntime {
        library: PathBuf,
        library_cuda: CudaVersion,
        nvcc: PathBuf,
        nvcc_cuda: CudaVersion,
    },
    /// No prefix has a file with the version.
    #[error(
        "the CUDA version is unknown: no prefix has nvcc, version.json or include/cuda.h: \
         name the prefix of the CUDA runtime too"
    )]
    NoVersion,
    /// The directory for the farm holds something else.
    #[error(
        "{}: is there and is no farm of this program: remove it, or name another directory",
        crate::escape::shown(_0)
    )]
    InTheWay(PathBuf),
}

impl FarmError {
    fn io(path: &Path, source: io::Error) -> FarmError {
        FarmError::Io {
            path: path.to_owned(),
            source,
        }
    }

    fn prefix(prefix: &Path, why: impl Into<String>) -> FarmError {
        FarmError::Prefix {
            prefix: prefix.to_owned(),
            why: why.into(),
        }
    }
}
