//! The programs and extensions of a tree, which load its libraries.
//!
//! A library whose dependencies can't be found on their own may find them in a process of its
//! program: through the program's RPATH, or because they are loaded already.

use super::{Extent, LoadedBy, Loader, Resolution};
use elf_edit::{ElfInfo, FileId, FileReader, ReadError};
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Loaders that are tried for one library: hostile trees have very many.
const MAX_TRIED: usize = 32;
/// Threads that read the tree; the pool of the caller can't be used, its threads wait for this.
const THREADS: usize = 4;

/// The files of one run, as seen inside the root. Nothing is read before a library needs it.
#[derive(Default)]
pub(crate) struct TreeLoaders {
    files: Arc<[PathBuf]>,
    found: OnceLock<FoundLoaders>,
}

#[derive(Default)]
struct FoundLoaders {
    /// Programs, and libraries that no file of the tree needs, in the order of the tree.
    loaders: Vec<FoundLoader>,
    /// The loaders that load a file, by their place in `loaders`.
    by_file: HashMap<FileId, Vec<usize>>,
}

struct FoundLoader {
    path: PathBuf,
    is_program: bool,
}

/// The headers of each file, read first.
struct Headers {
    id: FileId,
    needed: Vec<Vec<u8>>,
    soname: Option<Vec<u8>>,
    is_program: bool,
}

impl TreeLoaders {
    /// The files of a tree, in its order.
    pub(crate) fn new(files: Vec<PathBuf>) -> TreeLoaders {
        TreeLoaders {
            files: files.into(),
            found: OnceLock::new(),
        }
    }

    pub(crate) fn files(&self) -> &Arc<[PathBuf]> {
        &self.files
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
        let users = found.by_file.get(&library.id);
        let users = users.into_iter().flatten().map(|&at| &found.loaders[at]);
        let mut in_vain = None;
        for by in users.take(MAX_TRIED).filter(|by| by.path != path) {
            let Ok(tried) = loader.resolve_by(&by.path, path, file, info, strings) else {
                continue;
            };
            if tried.loads() {
                return Ok(tried);
            }
            in_vain.get_or_insert(tried);
        }
        if in_vain.is_none() {
            let programs = found.loaders.iter().filter(|by| by.is_program);
            for by in programs.take(MAX_TRIED) {
                match loader.resolve_by(&by.path, path, file, info, strings) {
                    Ok(tried) if tried.loads() => return Ok(tried),
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
        let users = found.by_file.get(&library.id);
        let users = users.into_iter().flatten().map(|&at| &found.loaders[at]);
        let programs = users.filter(|by| by.is_program && by.path != path);
        for by in programs.take(MAX_TRIED) {
            match loader.resolve_by(&by.path, path, file, info, &names) {
                Ok(tried) if tried.opens(name) => return Ok(tried),
                _ => {}
            }
        }
        Ok(own)
    }

    fn find(&self, loader: &Loader) -> FoundLoaders {
        let headers = in_parallel(&self.files, |path| headers(loader, path));
        let needed: HashSet<&[u8]> = headers
            .iter()
            .flatten()
            .flat_map(|h| h.needed.iter().map(Vec::as_slice))
            .collect();
        let is_needed = |path: &Path, h: &Headers| {
            let name = path.file_name().unwrap_or_default().as_bytes();
            needed.contains(name) || h.soname.as_deref().is_some_and(|s| needed.contains(s))
        };
        let all = self.files.iter().zip(&headers);
        let loaders: Vec<FoundLoader> = all
            .filter_map(|(path, headers)| {
                let headers = headers.as_ref()?;
                let is_loader = headers.is_program || !is_needed(path, headers);
                is_loader.then(|| FoundLoader {
                    path: path.clone(),
                    is_program: headers.is_program,
                })
            })
            .collect();
        let in_tree: HashSet<FileId> = headers.iter().flatten().map(|h| h.id).collect();
        let loaded = in_parallel(&loaders, |by| loaded(loader, &by.path, &in_tree));
        let mut by_file: HashMap<FileId, Vec<usize>> = HashMap::new();
        for (at, ids) in loaded.into_iter().enumerate() {
            for id in ids {
                let users = by_file.entry(id).or_default();
                if users.len() < MAX_TRIED {
                    users.push(at);
                }
            }
        }
        FoundLoaders { loaders, by_file }
    }
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

fn headers(loader: &Loader, path: &Path) -> Option<Headers> {
    let (file, info) = open(loader, path)?;
    let dynamic = info.dynamic.as_ref()?;
    Some(Headers {
        id: FileId::from(&file),
        needed: dynamic.needed.clone(),
        soname: dynamic.soname.clone(),
        is_program: info.interpreter.is_some() && info.kind != elf_edit::Kind::SharedLibrary,
    })
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

/// The results in the order of `items`, at any number of threads.
pub(crate) fn in_parallel<T: Sync, U: Send + Sync>(
    items: &[T],
    work: impl Fn(&T) -> U + Sync,
) -> Vec<U> {
    let next = AtomicUsize::new(0);
    let results: Vec<OnceLock<U>> = items.iter().map(|_| OnceLock::new()).collect();
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else {
                        break;
                    };
                    // Each place is filled once.
                    let _ = results[at].set(work(item));
                }
            });
        }
    });
    results
        .into_iter()
        .filter_map(OnceLock::into_inner)
        .collect()
}
