//! Files and directories that were looked at, shared by all programs of a run: each library's
//! headers are read once, however many need it. Bounded: where a part grows too large, entries that
//! were not used lately are dropped, and read again.

use super::library::{self, Library, Planned, Unfit};
use super::symbols::{Importer, SymbolTable};
use super::sysroot::Sysroot;
use elf_edit::{ElfInfo, FileId, FileReader};
use foldhash::HashMap;
use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hash};
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes, roughly, that one cache may hold.
const MAX_WEIGHT: usize = 8 << 20;
const SHARDS: usize = 16;
/// Bytes, roughly, of all tables of symbols; in few parts, as a table may be large.
const MAX_SYMBOLS: usize = 12 << 20;
const SYMBOL_SHARDS: usize = 4;
/// The least that the symbols of a file weigh which is kept open: 256 files at most.
const MIN_OPEN_TABLE: usize = MAX_SYMBOLS / 256;

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
pub(crate) struct Cache<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    hasher: RandomState,
    /// That of one part.
    max_weight: usize,
}

/// Values with their weights.
type Entries<K, V> = HashMap<K, (V, usize)>;

/// Entries that were used lately and those that were not: where the younger ones grow to half of
/// the limit, the older ones are dropped and the younger ones get old.
struct Shard<K, V> {
    young: Entries<K, V>,
    old: Entries<K, V>,
    /// That of the young ones.
    weight: usize,
}

impl<K: Hash + Eq, V: Clone> Shard<K, V> {
    /// The value, and what makes room for it.
    fn get<Q>(&mut self, key: &Q, max_weight: usize) -> (Option<V>, Entries<K, V>)
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some((value, _)) = self.young.get(key) {
            return (Some(value.clone()), HashMap::default());
        }
        let Some((key, (value, weight))) = self.old.remove_entry(key) else {
            return (None, HashMap::default());
        };
        let dropped = self.insert(key, value.clone(), weight, max_weight);
        (Some(value), dropped)
    }

    /// Returns what makes room for the value. The caller drops it without the lock: files are closed
    /// then, and memory is given back to the system.
    fn insert(&mut self, key: K, value: V, weight: usize, max_weight: usize) -> Entries<K, V> {
        let mut dropped = HashMap::default();
        if self.weight + weight > max_weight / 2 {
            dropped = mem::replace(&mut self.old, mem::take(&mut self.young));
            self.weight = 0;
        }
        self.weight += weight;
        self.young.insert(key, (value, weight));
        dropped
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// An empty map that may grow to `max_weight`, in bytes or so.
    pub(crate) fn new(max_weight: usize) -> Self {
        Cache::of_shards(SHARDS, max_weight)
    }

    /// The same in so many parts: with heavy values, few parts have room for more of them.
    pub(crate) fn of_shards(shards: usize, max_weight: usize) -> Self {
        let empty = |_| {
            Mutex::new(Shard {
                young: HashMap::default(),
                old: HashMap::default(),
                weight: 0,
            })
        };
        Cache {
            max_weight: max_weight / shards,
            shards: (0..shards).map(empty).collect(),
            hasher: RandomState::default(),
        }
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> MutexGuard<'_, Shard<K, V>> {
        let shard = self.shards[self.hasher.hash_one(key) as usize % self.shards.len()].lock();
        shard.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (value, _dropped) = {
            let mut shard = self.shard(key);
            shard.get(key, self.max_weight)
        };
        value
    }

    pub(crate) fn insert(&self, key: K, value: V, weight: usize) {
        let _dropped = {
            let mut shard = self.shard(&key);
            shard.insert(key, value, weight, self.max_weight)
        };
    }
}

/// The file system, seen through the caches.
pub(super) struct Files {
    pub(super) sysroot: Sysroot,
    by_path: Cache<Box<[u8]>, Probe>,
    directories: Cache<Box<[u8]>, bool>,
    by_id: Cache<FileId, Arc<Library>>,
    pub(super) reads_symbols: bool,
    pub(super) notes_registration: bool,
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
            directories: Cache::new(MAX_WEIGHT / 8),
            by_id: Cache::new(MAX_WEIGHT),
            reads_symbols: true,
            notes_registration: false,
            symbols: Cache::of_shards(SYMBOL_SHARDS, MAX_SYMBOLS),
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

    /// Whether there is a directory of that name.
    pub(super) fn is_dir(&self, path: &[u8]) -> bool {
        if let Some(known) = self.directories.get(path) {
            return known;
        }
        let is_dir = self.sysroot.is_dir(path);
        self.directories
            .insert(path.into(), is_dir, path.len() + 96);
        is_dir
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
    /// where that is known. With `imports`, those that it imports are read with them.
    pub(super) fn symbols(
        &self,
        id: Option<FileId>,
        path: &[u8],
        imports: bool,
    ) -> Option<Arc<SymbolTable>> {
        if let Some(known) = id.and_then(|id| self.symbols.get(&id)) {
            return known;
        }
        let file = FileReader::new(self.sysroot.open(path).ok()?).ok()?;
        let id = FileId::from(file.metadata());
        if let Some(known) = self.symbols.get(&id) {
            return known;
        }
        let info = ElfInfo::read(&file).ok();
        let table = info.and_then(|info| symbols_in(&file, &info, imports));
        self.keep_symbols(id, table)
    }

    /// The symbols of a file that is open. They are kept if others load it, as far as is known:
    /// plugins and programs are more than half of a tree.
    pub(super) fn symbols_of(
        &self,
        library: &Library,
        file: &FileReader,
        info: &ElfInfo,
        imports: bool,
    ) -> Option<Arc<SymbolTable>> {
        if let Some(known) = self.symbols.get(&library.id) {
            return known;
        }
        let table = symbols_in(file, info, imports);
        match library.is_found() {
            true => self.keep_symbols(library.id, table),
            false => table.map(Arc::new),
        }
    }

    fn keep_symbols(&self, id: FileId, table: Option<SymbolTable>) -> Option<Arc<SymbolTable>> {
        let table = table.map(Arc::new);
        let weight = table.as_ref().map_or(0, |table| match table.is_open() {
            true => table.weight().max(MIN_OPEN_TABLE),
            false => table.weight(),
        });
        self.symbols.insert(id, table.clone(), weight + 64);
        table
    }

    /// Whether the string table of a file has these bytes, if its symbols were read lately.
    pub(super) fn has_string(&self, id: FileId, bytes: &[u8]) -> Option<bool> {
        self.symbols.get(&id)??.has_string(bytes)
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
        let library = match self.by_id.get(&id) {
            Some(known) => known,
            None => match library::read(file, &meta, id) {
                Ok(library) => self.know(library),
                Err(unfit) => return Ok(Probe::Unfit(Arc::new(unfit))),
            },
        };
        library.note_found();
        Ok(Probe::Library(library))
    }
}

fn symbols_in(file: &FileReader, info: &ElfInfo, imports: bool) -> Option<SymbolTable> {
    let table = SymbolTable::read(file.file(), info)?;
    if imports {
        table.read_imports(|| Some(file.file()));
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::{Cache, SHARDS};

    #[test]
    fn a_full_cache_keeps_what_is_used() {
        let cache = Cache::new(SHARDS * 8);
        cache.insert(0, 0, 1);
        for key in 1..10_000 {
            cache.insert(key, key, 1);
            assert_eq!(cache.get(&0), Some(0), "{key}");
        }
        let kept = (0..10_000).filter(|key| cache.get(key).is_some());
        assert!((2..=SHARDS * 8).contains(&kept.count()));
    }
}
