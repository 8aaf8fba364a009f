//! The input of the rules about a file.

use super::context::Context;
use super::entries::below;
use super::interface::OlderLibrary;
use super::meeting::CudaLibraries;
use super::options::Options;
use super::runtimes::{Runtime, RuntimeKind};
use crate::advice::Advice;
use crate::cuda::RuntimeVersion;
use crate::cuda::device_code::DeviceCode;
use crate::cuda::driver_versions::DriverVersions;
use crate::cuda::linkage::{Cudart, Linkage};
use crate::cuda::reach::Machine;
use crate::cuda::table::GpuTable;
use crate::loader::{Library, LoadProblem, Need, Resolution};
use crate::rodata::Contents;
use elf_edit::ElfInfo;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One file, with everything that was read from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Absolute.
    pub path: &'a Path,
    /// As the user names it.
    pub shown: &'a Path,
    pub info: &'a ElfInfo,
    pub contents: &'a Contents,
    pub cudart: &'a Cudart,
    pub device_code: &'a DeviceCode,
    /// The result of loading it.
    pub resolution: &'a Resolution,
    /// The file of the tree that opens this one by name, if no file needs it: it is a plugin.
    pub opener: Option<&'a Path>,
    /// Advice for each of the problems of `resolution`, in their order.
    pub advice: &'a [Advice],
    /// Symbols `__cudaRegister…` that it wants and that nothing has that is loaded with it.
    pub unprovided: &'a BTreeSet<Vec<u8>>,
    /// Symbols of CUDA's libraries that it wants and that those that it loads lack.
    pub older: &'a [OlderLibrary],
    /// Why it does not load although its own needs are met, as far as no other file has the finding.
    pub below: &'a [String],
    /// The CUDA libraries that are loaded with it, itself among them.
    pub cuda_libraries: &'a CudaLibraries<'a>,
    /// Dependencies found only through LD_LIBRARY_PATH.
    pub through_environment: &'a [Vec<u8>],
    /// The libraries loaded with it that have a CUDA runtime.
    pub runtimes: &'a [Runtime<'a>],
    /// They are different ones, and no library below the file loads them all.
    pub runtimes_meet: bool,
    /// The same of the shared ones alone.
    pub shared_runtimes_meet: bool,
    /// Where it is.
    pub context: Context,
    pub options: &'a Options,
}

impl<'a> Subject<'a> {
    /// Path and library of all objects loaded with the file, the file itself first.
    pub(crate) fn loaded(&self) -> impl Iterator<Item = (&'a [u8], &'a Library)> {
        let objects = self.resolution.loaded().iter();
        objects.filter_map(|object| Some((&object.path[..], object.library.as_deref()?)))
    }

    pub(crate) fn soname(&self) -> Option<&'a [u8]> {
        self.info.dynamic.as_ref()?.soname.as_deref()
    }

    /// Resolutions of the file's own DT_NEEDED.
    pub(crate) fn own_needs(&self) -> impl Iterator<Item = &'a Need> {
        let own = self.resolution.objects.first();
        own.into_iter().flat_map(|object| &object.needs)
    }

    /// The command that lets the file open a library which is beside it, of names that it opens.
    pub(crate) fn open_beside(&self, names: &[&[u8]]) -> Option<String> {
        let directory = self.path.parent()?;
        let beside = |name: &&&[u8]| {
            let path = directory.join(OsStr::from_bytes(name));
            !name.contains(&b'/') && self.options.exists(&path)
        };
        let name = names.iter().find(beside)?;
        let command = crate::advice::open_beside(self.shown.as_os_str().as_bytes())?;
        Some(format!("{} is beside it: {command}", super::text(name)))
    }

    /// Causes and remedies of a need that is not met.
    pub(crate) fn advice_for(&self, need: &Need) -> Advice {
        self.advice_where(|problem| match problem {
            LoadProblem::Missing(_, other) | LoadProblem::Versions(_, other) => {
                std::ptr::eq(*other, need)
            }
            _ => false,
        })
    }

    /// Causes and remedies of the first such problem.
    pub(crate) fn advice_where(&self, is_it: impl Fn(&LoadProblem<'_>) -> bool) -> Advice {
        let at = self.resolution.problems().iter().position(is_it);
        let found = at.and_then(|at| self.advice.get(at));
        found.cloned().unwrap_or_default()
    }

    /// Runtimes of other libraries, for a message: `the shared libcudart.so.13`, the first few.
    pub(crate) fn shown_runtimes(&self, wanted: impl Fn(&Runtime<'_>) -> bool) -> Option<String> {
        const SHOWN: usize = 4;
        let found = self.runtimes.iter().filter(|r| wanted(r));
        let one = |runtime: &Runtime<'_>| {
            let name = runtime.path.rsplit(|&b| b == b'/').next();
            let path = super::text(name.unwrap_or_default());
            match runtime.kind {
                RuntimeKind::Shared(Some(version)) => format!("the shared {path} ({version})"),
                RuntimeKind::Shared(None) => format!("the shared {path}"),
                RuntimeKind::Static(Some(version)) => format!("a static {version} in {path}"),
                RuntimeKind::Static(None) => format!("a static one in {path}"),
            }
        };
        let mut all: Vec<String> = found.map(one).collect();
        let more = all.len().saturating_sub(SHOWN);
        all.truncate(SHOWN);
        let text = all.join(", ");
        match (all.len(), more) {
            (0, _) => None,
            (_, 0) => Some(text),
            _ => Some(format!("{text} and {more} more")),
        }
    }

    /// The CUDA runtime that the file has in it, is, or loads, for a message. The one that it loads
    /// has no name here where that file is linted itself and has the finding.
    pub(crate) fn own_runtime(&self) -> Option<(String, RuntimeVersion)> {
        let version = self.cudart.version;
        match (self.cudart.linkage, &self.cudart.needed) {
            (Linkage::Static, _) => Some((format!("holds a static cudart {}", version?), version?)),
            (Linkage::Shared, None) => {
                Some((format!("is the CUDA runtime {}", version?), version?))
            }
            (Linkage::Shared, Some(needed)) => {
                let mut runtimes = self.runtimes.iter();
                let loaded = runtimes.find_map(|runtime| match runtime.kind {
                    RuntimeKind::Shared(version) => Some((runtime.path, version)),
                    RuntimeKind::Static(_) => None,
                });
                if loaded.is_some_and(|(path, _)| self.is_linted(path)) {
                    return None;
                }
                let version = loaded.and_then(|(_, version)| version).or(version)?;
                let name = super::text(needed);
                Some((format!("uses {name}, the CUDA runtime {version}"), version))
            }
            (Linkage::None, _) => None,
        }
    }

    /// Whether a file is below one of the linted trees.
    fn is_linted(&self, path: &[u8]) -> bool {
        let trees = self.options.trees.iter();
        let mut trees = trees.map(|tree| tree.as_os_str().as_encoded_bytes());
        trees.any(|tree| below(path, tree))
    }

    /// Tables for the reach of device code.
    pub(crate) fn machine<'t>(
        &self,
        table: &'t GpuTable,
        drivers: &'t DriverVersions,
    ) -> Machine<'t> {
        Machine {
            table,
            drivers,
            driver: self.options.max_driver_cuda,
        }
    }
}
