//! Symbols that relocations ask for and that nothing in the process has, as `ldd -r` finds them:
//! by the Bloom filters and hashes of DT_GNU_HASH, no table of symbols is read whole.
//!
//! Names and versions are compared as glibc's elf/dl-lookup.c compares them. Whole versions that
//! a library lacks, `glibc::check_versions` finds.

mod hash;
mod pages;
mod places;
mod relocations;
mod table;
mod versions;

use super::closure::Closure;
use super::interpreter::Rules;
use super::library::Library;
use crate::cuda::symbols::REGISTERS;
use elf_edit::{ElfInfo, FileId};
use foldhash::HashSet;
use relocations::Use;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use table::{Undefined, VersionRules};

pub(in crate::loader) use table::SymbolTable;

/// Symbols and hashes that are compared for one process: hostile chains are as long as a file.
const MAX_LOOKS: u32 = 20_000_000;
/// Undefined symbols that are kept of one process.
const MAX_MISSING: usize = 64;

/// A symbol that no library of the process has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSymbol {
    /// The object that asks for it.
    pub by: usize,
    pub name: Vec<u8>,
    /// The version that it was linked with.
    pub version: Option<Vec<u8>>,
    /// A function that is looked for when it is first called: the program starts without it.
    pub lazy: bool,
}

/// The symbols that objects with `wanted` import and the whole process lacks, in the order of its
/// objects. Empty if a table can't be read, as it may define any symbol.
pub(super) fn missing(c: &Closure, wanted: impl Fn(usize) -> bool) -> Vec<MissingSymbol> {
    Process::new(c).missing(wanted).unwrap_or_default()
}

/// Identifies what an object imports: the file, and whether versions count.
pub(in crate::loader) type Importer = (FileId, bool);

/// The objects of a process. The table of each is read when a search reaches it.
struct Process<'a> {
    c: &'a Closure<'a>,
    rules: VersionRules,
    tables: Vec<OnceCell<Option<Arc<SymbolTable>>>>,
    ids: HashSet<FileId>,
    /// The order of searches: whether a symbol is there doesn't depend on it. The object that had
    /// the last symbol is the first, since it mostly has the next one.
    order: Vec<usize>,
}

impl Process<'_> {
    fn new<'a>(c: &'a Closure<'a>) -> Process<'a> {
        let libraries = c
            .objects
            .iter()
            .filter_map(|object| object.library.as_ref());
        Process {
            c,
            rules: match c.system.rules {
                Rules::Musl => VersionRules::None,
                _ => VersionRules::Glibc,
            },
            tables: c.objects.iter().map(|_| OnceCell::new()).collect(),
            ids: libraries.map(|library| library.id).collect(),
            order: (0..c.objects.len()).collect(),
        }
    }

    /// `None` if a table can't be read.
    fn missing(mut self, wanted: impl Fn(usize) -> bool) -> Option<Vec<MissingSymbol>> {
        let mut found = Vec::new();
        let mut left = MAX_LOOKS;
        for by in (0..self.tables.len()).filter(|by| wanted(*by)) {
            if self.is_known_complete(by) {
                continue;
            }
            let table = self.table(by)?.clone();
            let now = self.c.system.rules == Rules::Musl || table.binds_now();
            let mut providers = Some(BTreeSet::new());
            // The object that had the last symbol of each version: the others of that version are
            // mostly there too.
            let mut last = vec![None; table.versions()];
            table.read_imports(|| self.open(by));
            for symbol in table.undefined() {
                let first = symbol.place.and_then(|place| last[place]);
                let provider = self.provider(by, &symbol, first, &mut left)?;
                if left == 0 {
                    return Some(found);
                }
                if let Some(provider) = provider {
                    if let Some(place) = symbol.place {
                        last[place] = Some(provider);
                    }
                    providers.iter_mut().for_each(|all| {
                        all.insert(provider);
                    });
                    continue;
                }
                providers = None;
                if found.len() < MAX_MISSING {
                    found.push(MissingSymbol {
                        by,
                        name: symbol.name.to_vec(),
                        version: symbol.version.map(|version| version.name.clone()),
                        lazy: symbol.used == Use::Call && !now,
                    });
                }
            }
            if let (Some(importer), Some(providers)) = (self.importer(by), providers) {
                let ids = providers.into_iter().map(|at| self.id(at));
                if let Some(ids) = ids.collect() {
                    self.c.files.note_providers(importer, ids);
                }
            }
        }
        Some(found)
    }

    /// Whether all files are in this process that gave an object its symbols in another one.
    fn is_known_complete(&self, by: usize) -> bool {
        let providers = self.importer(by).and_then(|i| self.c.files.providers(&i));
        providers.is_some_and(|ids| ids.iter().all(|id| self.ids.contains(id)))
    }

    /// The object that has a symbol for object `by`, of which `first` is asked first. `None` if a
    /// table can't be read.
    fn provider(
        &mut self,
        by: usize,
        symbol: &Undefined<'_>,
        first: Option<usize>,
        left: &mut u32,
    ) -> Option<Option<usize>> {
        if let Some(at) = first
            && self.has(at, by, symbol, left)?
        {
            return Some(first);
        }
        for nth in 0..self.order.len() {
            let at = self.order[nth];
            if Some(at) != first && self.has(at, by, symbol, left)? {
                self.order[..=nth].rotate_right(1);
                return Some(Some(at));
            }
        }
        Some(None)
    }

    /// Whether object `at` has a symbol for object `by`.
    fn has(&self, at: usize, by: usize, symbol: &Undefined<'_>, left: &mut u32) -> Option<bool> {
        if symbol.used == Use::Copy && at == by {
            return Some(false);
        }
        let found = self.table(at)?.defines(symbol, self.rules, left);
        Some(found.unwrap_or(true))
    }

    fn table(&self, at: usize) -> Option<&Arc<SymbolTable>> {
        self.tables[at].get_or_init(|| self.read_table(at)).as_ref()
    }

    fn read_table(&self, at: usize) -> Option<Arc<SymbolTable>> {
        let files = self.c.files;
        // What an object imports is read while it is open, if that is needed.
        let imports = !self.is_known_complete(at);
        let table = match (self.c.root, self.library(at)) {
            (Some((file, info)), Some(library)) if at == 0 => {
                files.symbols_of(library, file, info, imports)?
            }
            _ => files.symbols(self.id(at), &self.c.objects[at].path, imports)?,
        };
        if files.notes_registration
            && let Some(noted) = self.library(at).map(|library| &library.names_registration)
            && noted.get().is_none()
            && let Some(has) = table.has_string(REGISTERS)
        {
            noted.get_or_init(|| has);
        }
        Some(table)
    }

    /// Opens the file of an object.
    fn open(&self, at: usize) -> Option<File> {
        match self.c.root {
            Some((file, _)) if at == 0 => file.file().try_clone().ok(),
            _ => self.c.files.sysroot.open(&self.c.objects[at].path).ok(),
        }
    }

    fn library(&self, at: usize) -> Option<&Library> {
        self.c.objects[at].library.as_deref()
    }

    fn id(&self, at: usize) -> Option<FileId> {
        self.library(at).map(|library| library.id)
    }

    fn importer(&self, at: usize) -> Option<Importer> {
        Some((self.id(at)?, self.rules == VersionRules::Glibc))
    }
}

/// Whether a library has a symbol, by name and version.
pub(crate) fn library_has(
    file: &File,
    info: &ElfInfo,
    name: &[u8],
    version: Option<&[u8]>,
) -> bool {
    let Some(table) = SymbolTable::read(file, info) else {
        return false;
    };
    let version = version.map(|name| elf_edit::versions::Version {
        name: name.to_vec(),
        hash: object::elf::hash(name),
        index: 0,
        weak: false,
    });
    let symbol = Undefined {
        name,
        gnu_hash: hash::gnu(name),
        version: version.as_ref(),
        place: None,
        used: Use::Call,
    };
    let mut left = MAX_LOOKS;
    table.defines(&symbol, VersionRules::Glibc, &mut left) == Some(true)
}
