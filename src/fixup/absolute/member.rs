//! A file of the trees as its plan makes it.

use crate::fixup::{Relative, SecondPass};
use crate::loader::{Extent, Loader, Object, Planned, Rules};
use crate::plan;
use crate::resolution::absolute::base;
use crate::scan::{self, Visited};
use crate::soname_index::LibraryInfo;
use elf_edit::{Edit, ElfInfo, FileId, FileReader, ReadAt, Search};
use memchr::memmem;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file of the trees, after its plan.
pub(super) struct Member {
    pub(super) id: FileId,
    pub(super) path: PathBuf,
    /// The interpreter that it gets.
    pub(super) interpreter: Option<Vec<u8>>,
    /// Its needed names; the planned ones are their last components where these are searched for.
    pub(super) needed: Vec<Vec<u8>>,
    pub(super) planned: Planned,
    /// `$ORIGIN`, unless its names disagree, or it may be moved.
    pub(super) origin: Option<Vec<u8>>,
    /// The driver link, and the directory of compat libraries.
    pub(super) machine: Vec<Vec<u8>>,
    /// Entries that stay, whatever they provide; `None` for all.
    pub(super) asked_for: Option<Vec<Vec<u8>>>,
}

impl Member {
    pub(super) fn objects(&self, loader: &Loader, extent: Extent) -> Option<(Vec<Object>, Rules)> {
        let (reader, mut info) = open(&self.path)?;
        info.interpreter.clone_from(&self.interpreter);
        loader.objects(&self.path, &reader, &info, extent).ok()?
    }
}

pub(super) fn member(pass: &SecondPass<'_>, file: &Visited<LibraryInfo>) -> Option<Member> {
    let names = pass.names(file);
    let reader = scan::open(names.first()?, false).ok()?;
    let id = FileId::from(&reader);
    let (info, plan) = pass.examine_search(file, &names, &reader).ok()?;
    let policy = pass.policy_of(file);
    let search = Search::after(&info, &plan.edits).ok()?;
    let path = search.path.clone().unwrap_or_default();
    let origins = pass.origins(&names);
    let origin = plan::one_origin(&origins);
    let renamed = |name: &[u8]| {
        let renames = |edit: &Edit| matches!(edit, Edit::ReplaceNeeded { to, .. } if to == name);
        plan.edits.iter().any(renames)
    };
    let needed: Vec<Vec<u8>> = search.needed;
    let base_name = |name: &Vec<u8>| match renamed(name) {
        true => name.clone(),
        false => searched_name(name, &path, origin).to_vec(),
    };
    let bases: Vec<Vec<u8>> = needed.iter().map(base_name).collect();
    let pairs = needed.iter().cloned().zip(bases.iter().cloned());
    let path_of = names.first()?.canonicalize().ok()?;
    let stays = pass.in_store(&path_of) && pass.request.relative != Relative::Tree;
    let mut machine = vec![plan::driver_link(&info, policy)];
    machine.extend(policy.compat.clone());
    let asked_for = machine
        .iter()
        .chain(&policy.append)
        .chain(&policy.runtime_dependencies);
    let asked_for = (!may_open(&reader, &info)).then(|| asked_for.cloned().collect());
    Some(Member {
        id,
        path: path_of,
        interpreter: match plan.interpreter {
            Some((_, new)) => Some(new),
            None => info.interpreter.clone(),
        },
        planned: Planned {
            runpath: search.path.clone().filter(|_| !search.is_rpath),
            rpath: search.path.filter(|_| search.is_rpath),
            renamed: pairs.filter(|(from, to)| from != to).collect(),
            needed: bases,
        },
        needed,
        origin: origin.filter(|_| stays).map(<[u8]>::to_vec),
        machine,
        asked_for,
    })
}

/// The headers with names in the place of paths that an earlier run may have written, as the plan of
/// the RUNPATH takes them.
pub(in crate::fixup) fn searched(info: &ElfInfo, origin: Option<&[u8]>) -> ElfInfo {
    let mut info = info.clone();
    let path = info.runpath_or_rpath().unwrap_or_default().to_vec();
    if let Some(dynamic) = &mut info.dynamic {
        for name in &mut dynamic.needed {
            *name = searched_name(name, &path, origin).to_vec();
        }
    }
    info
}

/// The last component of an absolute name whose directory is in the RUNPATH, or that leads nowhere.
fn searched_name<'a>(name: &'a [u8], runpath: &[u8], origin: Option<&[u8]>) -> &'a [u8] {
    let Some(directory) = name.strip_suffix(base(name)) else {
        return name;
    };
    let directory = directory.strip_suffix(b"/").unwrap_or_default();
    if !name.starts_with(b"/") || name.contains(&b'$') || base(name).is_empty() {
        return name;
    }
    let mut entries = runpath.split(|&byte| byte == b':');
    let is_searched =
        entries.any(|entry| plan::expand(entry, origin).as_deref() == Some(directory));
    let is_gone = || {
        Path::new(OsStr::from_bytes(name))
            .symlink_metadata()
            .is_err()
    };
    match is_searched || is_gone() {
        true => base(name),
        false => name,
    }
}

/// Opens a file of a closure.
pub(super) fn open(path: &Path) -> Option<(FileReader, ElfInfo)> {
    let reader = scan::open(path, true).ok()?;
    let info = scan::dynamic_info(&reader).ok()?;
    Some((reader, info))
}

/// Whether a file may search its RUNPATH itself: it mentions a function that does, or one that finds
/// such a function.
fn may_open(file: &FileReader, info: &ElfInfo) -> bool {
    const OPENERS: [&[u8]; 5] = [
        b"dlopen\0",
        b"dlmopen\0",
        b"dlsym\0",
        b"dlvsym\0",
        b"dlinfo\0",
    ];
    let Some(dynamic) = &info.dynamic else {
        return true;
    };
    let Ok(strings) = file.read_vec(dynamic.strtab, dynamic.strsz as usize) else {
        return true;
    };
    let mut openers = OPENERS.iter();
    openers.any(|name| memmem::find(&strings, name).is_some())
}

impl SecondPass<'_> {
    /// Whether a path, or what it leads to, is in the store of Nix.
    pub(super) fn in_store(&self, path: &Path) -> bool {
        let store = &self.request.store;
        path.starts_with(store)
            || store
                .canonicalize()
                .is_ok_and(|store| path.starts_with(store))
    }
}
