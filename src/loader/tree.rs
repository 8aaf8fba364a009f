//! The programs and extensions of a tree, which load its libraries.
//!
//! A library whose dependencies can't be found on their own may find them in a process of its
//! program: through the program's RPATH, or because they are loaded already.

use super::{Extent, LoadedBy, Loader, Privileges, Resolution};
use crate::path_list::PathList;
use elf_edit::{ElfInfo, FileId, FileReader, Format, ReadError};
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Loaders that are tried for one library: hostile trees have very many.
const MAX_TRIED: usize = 32;
/// Threads that read the tree; the pool of the caller can't be used, its threads wait for this.
const THREADS: usize = 4;
/// Results that wait for their turn.
const CHUNK: usize = 4096;

/// The files of one run, as seen inside the root. Nothing is read before a library needs it.
#[derive(Default)]
pub(crate) struct TreeLoaders {
    files: Arc<PathList>,
    found: OnceLock<FoundLoaders>,
}

#[derive(Default)]
struct FoundLoaders {
    /// The programs that are tried for any library.
    programs: Vec<Program>,
    /// The files that load a file, by their place: programs, and libraries that no file needs.
    by_file: HashMap<FileId, Vec<User>>,
}

/// A program, by its place among the files.
struct Program {
    at: u32,
    /// Equal for programs whose processes have the same libraries: a JDK has thirty.
    kind: usize,
}

/// What decides which libraries are in a program's process, and where others are looked for.
#[derive(PartialEq)]
struct Process {
    /// `$ORIGIN`
    directory: Option<PathBuf>,
    format: Format,
    os_abi: u8,
    abi_version: u8,
    machine: u16,
    flags: u32,
    interpreter: Option<Vec<u8>>,
    privileges: Privileges,
    soname: Option<Vec<u8>>,
    needed: Vec<Vec<u8>>,
    runpath: Option<Vec<u8>>,
    rpath: Option<Vec<u8>>,
    flags_1: u64,
}

/// A file that loads another.
#[derive(Clone, Copy)]
struct User {
    at: u32,
    is_program: bool,
}

/// The headers of each file, read first.
struct Headers {
    id: FileId,
    soname: Option<Box<[u8]>>,
    is_program: bool,
}

impl TreeLoaders {
    /// The files of a tree, in its order.
    pub(crate) fn new(files: PathList) -> TreeLoaders {
        TreeLoaders {
            files: Arc::new(files),
            found: OnceLock::new(),
        }
    }

    pub(crate) fn files(&self) -> &Arc<PathList> {
        &self.files
    }

    /// The users of a library, each with its path.
    fn users(&self, found: &FoundLoaders, id: FileId) -> impl Iterator<Item = (User, PathBuf)> {
        let users = found.by_file.get(&id).into_iter().flatten();
        users.map(|user| (*user, self.files.get(user.at as usize)))
    }

    /// Like [`Loader::resolve`]; a library that does not load on its own is tried again in the
    /// processes of the tree's programs and extensions. The first one that loads it counts.
    pub(crate) fn resolve(
        &self,
        loader: &Loader,
        path: &Path,
        file: &FileReader,
        info: &ElfInfo,
        strings: &[Vec<u8>],
    ) -> Result<Resolution, ReadError> {
        let own = loader.resolve(path, file, info, strings)?;
        if own.loads() || own.loaded_by != LoadedBy::First || self.files.len() < 2 {
            return Ok(own);
        }
        let Some(library) = own.objects.first().and_then(|o| o.library.as_ref()) else {
            return Ok(own);
        };
        let found = self.found.get_or_init(|| self.find(loader));
        let users = self.users(found, library.id);
        let mut in_vain = None;
        for (_, by) in users.filter(|(_, by)| by != path) {
            let Ok(tried) = loader.resolve_by(&by, path, file, info, strings) else {
                continue;
            };
            if tried.loads() {
                return Ok(tried);
            }
            in_vain.get_or_insert(tried);
        }
        if in_vain.is_none() {
            let mut in_vain_for = Vec::new();
            for Program { at, kind } in &found.programs {
                if in_vain_for.contains(kind) {
                    continue;
                }
                let by = self.files.get(*at as usize);
                match loader.resolve_by(&by, path, file, info, strings) {
                    Ok(tried) if tried.loads() => return Ok(tried),
                    Ok(tried) if misses_library(&tried) => in_vain_for.push(*kind),
                    _ => {}
                }
            }
        }
        Ok(in_vain.unwrap_or(own))
    }

    /// [`TreeLoaders::resolve`] for a library that opens `name`: if its own search finds it nowhere,
    /// the process of the tree's first program counts that loads the library and in which it does.
    pub(crate) fn resolve_opening(
        &self,
        loader: &Loader,
        path: &Path,
        file: &FileReader,
        info: &ElfInfo,
        name: &[u8],
    ) -> Result<Resolution, ReadError> {
        let names = [name.to_vec()];
        let own = self.resolve(loader, path, file, info, &names)?;
        if own.opens(name) || own.loaded_by != LoadedBy::First || self.files.len() < 2 {
            return Ok(own);
        }
        let Some(library) = own.objects.first().and_then(|o| o.library.as_ref()) else {
            return Ok(own);
        };
        let found = self.found.get_or_init(|| self.find(loader));
        let users = self.users(found, library.id);
        for (_, by) in users.filter(|(user, by)| user.is_program && by != path) {
            match loader.resolve_by(&by, path, file, info, &names) {
                Ok(tried) if tried.opens(name) => return Ok(tried),
                _ => {}
            }
        }
        Ok(own)
    }

    fn find(&self, loader: &Loader) -> FoundLoaders {
        let mut needed: HashSet<Vec<u8>> = HashSet::new();
        let mut all: Vec<Option<Headers>> = Vec::with_capacity(self.files.len());
        in_parallel(
            self.files.len(),
            |at| headers(loader, &self.files.get(at)),
            |headers| {
                all.push(headers.map(|(headers, names)| {
                    needed.extend(names);
                    headers
                }));
            },
        );
        let is_needed = |at: usize, soname: Option<&[u8]>| {
            needed.contains(self.files.name(at)) || soname.is_some_and(|s| needed.contains(s))
        };
        let mut users = Vec::new();
        let mut in_tree: HashSet<FileId> = HashSet::with_capacity(all.len());
        for (at, headers) in all.into_iter().enumerate() {
            let Some(headers) = headers else {
                continue;
            };
            in_tree.insert(headers.id);
            let is_program = headers.is_program;
            if is_program || !is_needed(at, headers.soname.as_deref()) {
                // 2^32 files do not fit into memory.
                let at = at as u32;
                users.push(User { at, is_program });
            }
        }
        let mut by_file: HashMap<FileId, Vec<User>> = HashMap::new();
        in_parallel(
            users.len(),
            |at| {
                let path = self.files.get(users[at].at as usize);
                (users[at], loaded(loader, &path, &in_tree))
            },
            |(user, ids)| {
                for id in ids {
                    let users = by_file.entry(id).or_default();
                    if users.len() < MAX_TRIED {
                        users.push(user);
                    }
                }
            },
        );
        let programs = users.iter().filter(|user| user.is_program);
        let programs = programs.take(MAX_TRIED).map(|user| user.at);
        FoundLoaders {
            programs: self.kinds(loader, programs),
            by_file,
        }
    }

    fn kinds(&self, loader: &Loader, programs: impl Iterator<Item = u32>) -> Vec<Program> {
        let mut processes: Vec<Option<Process>> = Vec::new();
        let program = |at: u32| {
            let process = process(loader, &self.files.get(at as usize));
            let known = |other: &Option<Process>| process.is_some() && *other == process;
            let kind = processes.iter().position(known);
            let kind = kind.unwrap_or_else(|| {
                processes.push(process);
                processes.len() - 1
            });
            Program { at, kind }
        };
        programs.map(program).collect()
    }
}

fn process(loader: &Loader, path: &Path) -> Option<Process> {
    let (file, info) = open(loader, path)?;
    let library = loader.library(&file, &info).ok()?;
    Some(Process {
        directory: path.parent().map(Path::to_owned),
        format: info.header.format,
        os_abi: info.header.os_abi,
        abi_version: info.header.abi_version,
        machine: info.header.machine,
        flags: info.header.flags,
        privileges: super::privileges(&file, &info),
        interpreter: info.interpreter,
        soname: library.soname.clone(),
        needed: library.needed.clone(),
        runpath: library.runpath.clone(),
        rpath: library.rpath.clone(),
        flags_1: library.flags_1,
    })
}

/// Whether a library is found nowhere, which does not depend on the program's symbols and versions.
fn misses_library(resolution: &Resolution) -> bool {
    let mut needs = resolution.loaded().iter().flat_map(|object| &object.needs);
    needs.any(|need| need.object.is_none())
}

fn open(loader: &Loader, path: &Path) -> Option<(FileReader, ElfInfo)> {
    let file = loader
        .files
        .sysroot
        .open(path.as_os_str().as_bytes())
        .ok()?;
    let file = FileReader::new(file).ok()?;
    let info = ElfInfo::read(&file).ok()?;
    Some((file, info))
}

/// The headers of a file, and the names that it needs.
fn headers(loader: &Loader, path: &Path) -> Option<(Headers, Vec<Vec<u8>>)> {
    let (file, info) = open(loader, path)?;
    let dynamic = info.dynamic?;
    let headers = Headers {
        id: FileId::from(&file),
        soname: dynamic.soname.map(Vec::into_boxed_slice),
        is_program: info.interpreter.is_some() && info.kind != elf_edit::Kind::SharedLibrary,
    };
    Some((headers, dynamic.needed))
}

/// The files of the tree that one of its loaders loads, whether or not symbols are missing.
fn loaded(loader: &Loader, path: &Path, in_tree: &HashSet<FileId>) -> Vec<FileId> {
    let all = |(file, info)| loader.objects(path, &file, &info, Extent::All).ok()?;
    let loaded = open(loader, path).and_then(all);
    let objects = loaded.iter().flat_map(|(objects, _)| objects);
    objects
        .filter_map(|object| Some(object.library.as_ref()?.id))
        .filter(|id| in_tree.contains(id))
        .collect()
}

/// Does the work of each place below `count`, and gives the results to `take` in that order, at any
/// number of threads.
pub(crate) fn in_parallel<T: Send + Sync>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T),
) {
    for start in (0..count).step_by(CHUNK) {
        let end = count.min(start + CHUNK);
        let next = AtomicUsize::new(start);
        let results: Vec<OnceLock<T>> = (start..end).map(|_| OnceLock::new()).collect();
        std::thread::scope(|scope| {
            for _ in 0..THREADS.min(results.len()) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= end {
                            break;
                        }
                        // Each place is filled once.
                        let _ = results[at - start].set(work(at));
                    }
                });
            }
        });
        let results = results.into_iter();
        results.filter_map(OnceLock::into_inner).for_each(&mut take);
    }
}
