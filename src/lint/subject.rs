//! The input of the rules about a file.

use super::context::{Context, Contexts};
use super::existing::Existing;
use super::interface::OlderLibrary;
use super::meeting::CudaLibraries;
use super::runtimes::{Runtime, RuntimeKind};
use crate::advice::Advice;
use crate::cuda::device_code::DeviceCode;
use crate::cuda::driver_versions::DriverVersions;
use crate::cuda::linkage::{Cudart, Linkage};
use crate::cuda::reach::Machine;
use crate::cuda::table::GpuTable;
use crate::cuda::{Capability, CudaVersion, RuntimeVersion, driver};
use crate::loader::{Library, LoadProblem, Mark, Need, Resolution, SearchEntry};
use crate::rodata::Contents;
use elf_edit::ElfInfo;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The user's options for the package.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The CUDA that it is built with.
    pub cuda: Option<CudaVersion>,
    /// The newest CUDA that the driver runs.
    pub max_driver_cuda: Option<CudaVersion>,
    /// The GPUs to run on.
    pub capabilities: Vec<Capability>,
    /// Stores, the directories of packages: one directory, by all its names.
    pub stores: Vec<PathBuf>,
    /// The driver link, where it isn't the usual one of the file's machine.
    pub driver_link: Option<PathBuf>,
    /// All files are given a driver link on purpose.
    pub driver_link_everywhere: bool,
    /// Symlink farms of the build, there or not.
    pub farms: Vec<PathBuf>,
    /// Directories of nvcc's host compiler.
    pub host_compilers: Vec<PathBuf>,
    /// Where absolute paths begin, if not at this machine's root; free of links.
    pub root: Option<PathBuf>,
    /// The directories that are linted, free of links, as seen inside the root.
    pub trees: Vec<PathBuf>,
    /// The names of the files in them.
    pub names: BTreeSet<Vec<u8>>,
    /// METADATA files of Python packages in them.
    pub metadata: Vec<PathBuf>,
    /// Maps files to their contexts.
    pub contexts: Contexts,
    /// Files that rules have asked for.
    pub existing: Existing,
}

impl Options {
    /// The file of this machine at a path inside the root.
    pub(crate) fn here(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// Whether there is a file at a path inside the root, as it was when it was first asked for.
    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.existing.has(&self.here(path))
    }

    /// The path inside the root of a file of this machine.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        let root = self.root.as_deref();
        match root.and_then(|root| path.strip_prefix(root).ok()) {
            Some(inside) => Path::new("/").join(inside),
            None => path.to_owned(),
        }
    }

    /// A path inside the root without links.
    pub(crate) fn real(&self, path: &Path) -> Option<PathBuf> {
        let real = self.here(path).canonicalize().ok()?;
        Some(self.inside(&real))
    }
}

/// The fault of an entry of a RUNPATH or RPATH: the first that applies, so that one cause has one
/// finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryFault {
    Empty,
    Relative,
    Duplicate,
    Stubs,
    BuildDirectory,
    OutsideStore,
    System,
    Missing,
    Unused,
}

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

    /// The entries with a fault, each with the name of its tag.
    pub(crate) fn entries_with(
        &self,
        fault: EntryFault,
    ) -> impl Iterator<Item = (&'static str, &'a SearchEntry)> {
        let all = self.search_path();
        all.filter(move |(_, entry)| self.fault(entry) == Some(fault))
    }

    fn fault(&self, entry: &SearchEntry) -> Option<EntryFault> {
        let has = |mark| entry.marks.contains(&mark);
        let is_stubs = || driver::is_stubs(entry.directory.as_deref().unwrap_or(&entry.text));
        let leaves_store = || {
            let directory = entry.directory.as_deref();
            self.in_store(self.path.as_os_str().as_encoded_bytes())
                && directory.is_some_and(|directory| !self.in_store(directory))
        };
        // A wheel lists the directories of packages that may be installed beside it.
        let is_option = self.context == Context::Wheels && entry.text.starts_with(b"$");
        if has(Mark::Empty) {
            Some(EntryFault::Empty)
        } else if has(Mark::Relative) {
            Some(EntryFault::Relative)
        } else if has(Mark::Duplicate) {
            Some(EntryFault::Duplicate)
        } else if is_stubs() {
            Some(EntryFault::Stubs)
        } else if self.is_build_directory(entry) {
            Some(EntryFault::BuildDirectory)
        } else if self.is_driver_link(entry) {
            None
        } else if leaves_store() {
            Some(EntryFault::OutsideStore)
        } else if self.is_system(entry) && self.context != Context::Linux {
            Some(EntryFault::System)
        } else if is_option {
            None
        } else if has(Mark::Missing) {
            Some(EntryFault::Missing)
        } else if has(Mark::ProvidesNothing) && !has(Mark::Ignored) {
            Some(EntryFault::Unused)
        } else {
            None
        }
    }

    /// Entries of RUNPATH and RPATH, each with the name of its tag.
    pub(crate) fn search_path(&self) -> impl Iterator<Item = (&'static str, &'a SearchEntry)> {
        let runpath = self.resolution.runpath.iter().map(|e| ("RUNPATH", e));
        runpath.chain(self.resolution.rpath.iter().map(|e| ("RPATH", e)))
    }

    /// Directory of the driver's libraries for the file's machine.
    pub(crate) fn driver_link(&self) -> &'a [u8] {
        match &self.options.driver_link {
            Some(path) => path.as_os_str().as_encoded_bytes(),
            None => driver::link(self.info.header.machine).as_bytes(),
        }
    }

    /// Whether this entry is the driver link.
    pub(crate) fn is_driver_link(&self, entry: &SearchEntry) -> bool {
        let bare = |path: &[u8]| {
            path.trim_ascii()
                .strip_suffix(b"/")
                .unwrap_or(path)
                .to_vec()
        };
        bare(&entry.text) == bare(self.driver_link())
    }

    /// Whether the file's own search path leads to the driver.
    pub(crate) fn has_driver_link(&self) -> bool {
        self.search_path()
            .any(|(_, entry)| self.is_driver_link(entry))
    }

    /// Whether a path is below the store.
    pub(crate) fn in_store(&self, path: &[u8]) -> bool {
        let stores = self.options.stores.iter();
        let mut stores = stores.map(|store| store.as_os_str().as_encoded_bytes());
        stores.any(|store| below(path, store))
    }

    /// Whether an entry is a directory of the machine that built the file. A store, or the linted
    /// tree, may itself be below /tmp or /home: entries that lead there are intended.
    pub(crate) fn is_build_directory(&self, entry: &SearchEntry) -> bool {
        let meant = || entry.directory.as_deref().is_some_and(|d| self.in_store(d));
        entry.marks.contains(&Mark::BuildDirectory)
            && !meant()
            && !self.is_below_tree(entry)
            && !self.is_in_own_home(entry)
    }

    /// Whether an entry exists in the home directory in which the file is installed, as in a virtual
    /// environment. A package is built there for other machines.
    fn is_in_own_home(&self, entry: &SearchEntry) -> bool {
        let path = self.path.as_os_str().as_encoded_bytes();
        let directory = entry.directory.as_deref();
        self.context != Context::Nix
            && !entry.marks.contains(&Mark::Missing)
            && directory.is_some_and(|directory| is_same_home(path, directory))
    }

    /// Whether an entry leads into one of the linted trees.
    fn is_below_tree(&self, entry: &SearchEntry) -> bool {
        let Some(directory) = &entry.directory else {
            return false;
        };
        let trees = self.options.trees.iter();
        let mut trees = trees.map(|tree| tree.as_os_str().as_encoded_bytes());
        trees.any(|tree| below(directory, tree))
    }

    /// Whether an entry is a directory of the system.
    pub(crate) fn is_system(&self, entry: &SearchEntry) -> bool {
        let mut system = [&b"/usr"[..], b"/lib", b"/lib64", b"/opt"].into_iter();
        system.any(|directory| below(&entry.text, directory))
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

/// Whether `path` is `directory` or below it, by name: `/a/b/../../c` is not below `/a`.
fn below(path: &[u8], directory: &[u8]) -> bool {
    let normal = crate::plan::expand(path, None);
    let path = normal.as_deref().unwrap_or(path);
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Whether both paths are in the home directory of one user.
fn is_same_home(one: &[u8], other: &[u8]) -> bool {
    const HOMES: &[u8] = b"/home/";
    let user = one.strip_prefix(HOMES);
    let home = match user.and_then(|rest| rest.iter().position(|&byte| byte == b'/')) {
        Some(length) => &one[..HOMES.len() + length],
        None => b"/root",
    };
    below(one, home) && below(other, home)
}

#[cfg(test)]
mod tests {
    use super::{below, is_same_home};

    #[test]
    fn dots_lead_out_of_a_directory() {
        assert!(below(b"/a/b", b"/a") && below(b"/a/b/../c", b"/a/") && below(b"/a", b"/a"));
        assert!(!below(b"/a/b/../../c", b"/a") && !below(b"/ab", b"/a"));
        assert!(below(b"$ORIGIN", b"$ORIGIN"));
    }

    #[test]
    fn homes_are_of_one_user() {
        let same = |one: &str, other: &str| is_same_home(one.as_bytes(), other.as_bytes());
        assert!(same("/home/u/env/site-packages/a.so", "/home/u/env/lib"));
        assert!(same("/root/env/site-packages/a.so", "/root/lib"));
        for (one, other) in [
            ("/home/u/a.so", "/home/v/lib"),
            ("/home/u/a.so", "/home/user/lib"),
            ("/home/a.so", "/home/lib"),
            ("/srv/a.so", "/srv/lib"),
            ("/srv/a.so", "/root/lib"),
            ("/home/u/a.so", "/root/lib"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
