//! The CUDA runtimes of one process, in the libraries loaded with a file.

use super::meeting::reached;
use crate::cuda::soname::is_cudart;
use crate::cuda::symbols;
use crate::cuda::{CudaVersion, RuntimeVersion};
use crate::loader::{Loader, Resolution};
use crate::rodata;
use elf_edit::{ElfInfo, FileId, FileReader};
use memchr::memmem;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A static runtime resolves the driver with it, so no file without it has one.
const DLSYM: &[u8] = b"\0dlsym\0";
/// Limit of runtimes in one process.
const MAX_RUNTIMES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RuntimeKind {
    /// libcudart.so; its version, if the file or its name determines it.
    Shared(Option<RuntimeVersion>),
    /// Linked into a file; its version, where that is known.
    Static(Option<RuntimeVersion>),
}

impl RuntimeKind {
    /// Whether it is libcudart.so.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, RuntimeKind::Shared(_))
    }
}

/// A library that is loaded with a file and has a CUDA runtime in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Runtime<'a> {
    /// The path that the loader opens.
    pub path: &'a [u8],
    pub kind: RuntimeKind,
    object: usize,
}

type Known = Arc<OnceLock<Option<RuntimeKind>>>;

/// The runtimes of libraries: each library is read once, however many files load it.
#[derive(Debug, Default)]
pub(super) struct KnownLibraries(Mutex<HashMap<FileId, Known>>);

impl KnownLibraries {
    /// The libraries with a runtime that are loaded with a file, the file itself left out. Without
    /// `all` only those that are one.
    pub(super) fn runtimes<'a>(
        &self,
        loader: &Loader,
        resolution: &'a Resolution,
        all: bool,
    ) -> Vec<Runtime<'a>> {
        let objects = resolution.loaded().iter().enumerate().skip(1);
        let runtimes = objects.filter_map(|(object, found)| {
            let library = found.library.as_deref()?;
            let soname = library.soname.as_deref().unwrap_or_default();
            if !all && !is_cudart(soname) {
                return None;
            }
            let kind = self.within(loader, library.id, &found.path, soname)?;
            let path = &found.path;
            Some(Runtime { path, kind, object })
        });
        runtimes.take(MAX_RUNTIMES).collect()
    }

    fn within(
        &self,
        loader: &Loader,
        id: FileId,
        path: &[u8],
        soname: &[u8],
    ) -> Option<RuntimeKind> {
        let known = {
            let lock = self.0.lock();
            let mut known = lock.unwrap_or_else(PoisonError::into_inner);
            known.entry(id).or_default().clone()
        };
        *known.get_or_init(|| {
            if is_cudart(soname) {
                let own = open(loader, path).and_then(|(file, info)| version(&file, &info)?);
                return Some(RuntimeKind::Shared(
                    own.or_else(|| RuntimeVersion::of_soname(soname)),
                ));
            }
            if !loader.may_have_string(id, DLSYM) {
                return None;
            }
            // An unreadable library is reported, if at all, when it is linted itself.
            let (file, info) = open(loader, path)?;
            let strings = symbols::strings(&file, &info).ok()?;
            if strings.is_some_and(|s| memmem::find(&s, DLSYM).is_none()) {
                return None;
            }
            Some(RuntimeKind::Static(version(&file, &info)?))
        })
    }
}

/// The version of the runtime in a file, from its code; `None` without a runtime.
fn version(file: &FileReader, info: &ElfInfo) -> Option<Option<RuntimeVersion>> {
    let code = rodata::cudart(file, info).ok()??;
    let number = code.version;
    Some(number.map(|number| CudaVersion::from_number(number).into()))
}

/// A library as the loader found it.
pub(super) fn open(loader: &Loader, path: &[u8]) -> Option<(FileReader, ElfInfo)> {
    let file = FileReader::new(loader.open(path).ok()?).ok()?;
    let info = ElfInfo::read(&file).ok()?;
    Some((file, info))
}

/// Whether the file combines runtimes that no library below it combines, which makes it the one
/// file to report. Each shared runtime has its own state, whatever its version; NVIDIA's libraries
/// come with static ones of one version on purpose.
pub(super) fn meet_here(
    resolution: &Resolution,
    runtimes: &[Runtime<'_>],
    counts: impl Fn(RuntimeKind) -> bool,
) -> bool {
    let kinds = |mask: u64| {
        let held = runtimes.iter().enumerate();
        let held = held.filter(|(bit, runtime)| mask & 1 << bit != 0 && counts(runtime.kind));
        held.map(|(_, runtime)| match runtime.kind {
            RuntimeKind::Shared(_) => (runtime.kind, runtime.object),
            RuntimeKind::Static(_) => (runtime.kind, 0),
        })
        .collect::<BTreeSet<_>>()
    };
    let all = kinds(u64::MAX);
    if all.len() < 2 {
        return false;
    }
    let marked: Vec<usize> = runtimes.iter().map(|runtime| runtime.object).collect();
    let masks = reached(&resolution.objects, &marked);
    let below: BTreeSet<u64> = masks.into_iter().skip(1).collect();
    below.into_iter().all(|mask| kinds(mask) != all)
}
