//! Files and directories that were looked at, shared by all programs of a run: each library's
//! headers are read once, however many need it. Bounded: a part that grows too large is dropped
//! and read again.

use super::library::{self, Library, Planned, Unfit};
use super::symbols::{Importer, SymbolTable};
use super::sysroot::Sysroot;
use elf_edit::{FileId, FileReader};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes, roughly, that one cache may hold.
const MAX_WEIGHT: usize = 8 << 20;
const SHARDS: usize = 16;
/// Files whose symbols are kept, each of them open.
const MAX_SYMBOL_TABLES: usize = 128;

/// Result of opening a path.
#[derive(Clone, Debug)]
pub(super) enum Probe {
    Library(Arc<Library>),
    /// It was opened, and can't be loaded.
    Unfit(Arc<Unfit>),
    /// `open` failed with this errno.
    Closed(i32),
}

/// A map that many threads use, of bounded size.
pub(super) struct Cache<K, V> {
    shards: [Mutex<(HashMap<K, V>, usize)>; SHARDS],
    hasher: RandomState,
    max_weight: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// An empty map that may grow to `max_weight`, in bytes or so.
    pub(super) fn new(max_weight: usize) -> Self {
        Cache {
            max_weight,
            shards: std::array::from_fn(|_| Mutex::new((HashMap::new(), 0))),
            hasher: RandomState::new(),
        }
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &Mutex<(HashMap<K, V>, usize)> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let shard = self.shard(key).lock();
        let shard = shard.unwrap_or_else(PoisonError::into_inner);
        shard.0.get(key).cloned()
    }

    pub(super) fn insert(&self, key: K, value: V, weight: usize) {
        let shard = self.shard(&key).lock();
        let mut shard = shard.unwrap_or_else(PoisonError::into_inner);
        if shard.1 + weight > self.max_weight / SHARDS {
            *shard = (HashMap::new(), 0);
        }
        shard.1 += weight;
        shard.0.insert(key, value);
    }
}

/// The file system, seen through the caches.
pub(super) struct Files {
    pub(super) sysroot: Sysroot,
    by_path: Cache<Box<[u8]>, Probe>,
    by_id: Cache<FileId, Arc<Library>>,
    pub(super) reads_symbols: bool,
    symbols: Cache<FileId, Option<Arc<SymbolTable>>>,
    providers: Cache<Importer, Arc<[FileId]>>,
    /// Files that count as if edits of them were made already.
    planned: HashMap<FileId, Planned>,
}

impl Files {
    pub(super) fn new(sysroot: Sysroot, planned: HashMap<FileId, Planned>) -> Files {
        Files {
            planned,
            sysroot,
            by_path: Cache::new(MAX_WEIGHT),
            by_id: Cache::new(MAX_WEIGHT),
            reads_symbols: true,
            symbols: Cache::new(MAX_SYMBOL_TABLES),
            providers: Cache::new(MAX_WEIGHT),
        }
    }

    /// Classifies the file at `path` as the loader would.
    pub(super) fn probe(&self, path: &[u8]) -> Probe {
        if let Some(known) = self.by_path.get(path) {
            return known;
        }
        let probe = self.look(path).unwrap_or_else(|e| {
            let other = rustix::io::Errno::IO.raw_os_error();
            Probe::Closed(match e.kind() {
                io::ErrorKind::NotFound => rustix::io::Errno::NOENT.raw_os_error(),
                _ => e.raw_os_error().unwrap_or(other),
            })
        });
        self.by_path
            .insert(path.into(), probe.clone(), path.len() + 96);
        probe
    }

    /// A library whose headers were read elsewhere: the roots of a run are each other's
    /// dependencies.
    pub(super) fn know(&self, library: Library) -> Arc<Library> {
        if let Some(known) = self.by_id.get(&library.id) {
            return known;
        }
        let library = Arc::new(match self.planned.get(&library.id) {
            Some(planned) => library.after(planned),
            None => library,
        });
        self.by_id
            .insert(library.id, library.clone(), library.weight());
        library
    }

    /// The symbols of the file at `path`; `None` where they can't be read. `id` saves opening it,
    /// where that is known.
    pub(super) fn symbols(&self, id: Option<FileId>, path: &[u8]) -> Option<Arc<SymbolTable>> {
        if let Some(known) = id.and_then(|id| self.symbols.get(&id)) {
            return known;
        }
        let file = FileReader::new(self.sysroot.open(path).ok()?).ok()?;
        let id = FileId::from(file.metadata());
        if let Some(known) = self.symbols.get(&id) {
            return known;
        }
        let table = SymbolTable::read(file).map(Arc::new);
        self.symbols.insert(id, table.clone(), 1);
        table
    }

    /// The files that have all symbols that a file imports, as far as a process was seen in which
    /// none is missing. Tables are many and large, this is a few bytes a file.
    pub(super) fn providers(&self, importer: &Importer) -> Option<Arc<[FileId]>> {
        self.providers.get(importer)
    }

    pub(super) fn note_providers(&self, importer: Importer, ids: Arc<[FileId]>) {
        let weight = size_of::<Importer>() + size_of_val(&*ids) + 64;
        self.providers.insert(importer, ids, weight);
    }

    fn look(&self, path: &[u8]) -> io::Result<Probe> {
        let file = self.sysroot.open(path)?;
        let meta = file.metadata()?;
        let id = FileId::from(&meta);
        if let Some(known) = self.by_id.get(&id) {
            return Ok(Probe::Library(known));
        }
        Ok(match library::read(file, &meta, id) {
            Ok(library) => Probe::Library(self.know(library)),
            Err(unfit) => Probe::Unfit(Arc::new(unfit)),
        })
    }
}
