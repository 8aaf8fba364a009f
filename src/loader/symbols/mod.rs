//! Symbols that relocations ask for and that nothing in the process has, as `ldd -r` finds them:
//! by the Bloom filters and hashes of DT_GNU_HASH, no table of symbols is read whole.
//!
//! Names and versions are compared as glibc's elf/dl-lookup.c compares them. Whole versions that
//! a library lacks, `glibc::check_versions` finds.

mod hash;
mod pages;
mod relocations;
mod table;

use super::closure::Closure;
use super::interpreter::Rules;
use elf_edit::FileReader;
use relocations::Use;
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
    let tables = c.objects.iter().map(|object| c.files.symbols(&object.path));
    let Some(tables): Option<Vec<Arc<SymbolTable>>> = tables.collect() else {
        return Vec::new();
    };
    let rules = match c.system.rules {
        Rules::Musl => VersionRules::None,
        _ => VersionRules::Glibc,
    };
    let mut found = Vec::new();
    let mut left = MAX_LOOKS;
    for by in (0..tables.len()).filter(|by| wanted(*by)) {
        let now = c.system.rules == Rules::Musl || tables[by].binds_now();
        for symbol in tables[by].undefined().unwrap_or_default() {
            let mut others = tables.iter().enumerate();
            let has = others.any(|(at, table)| {
                let own_copy = symbol.used == Use::Copy && at == by;
                !own_copy && table.defines(symbol, rules, &mut left).unwrap_or(true)
            });
            if left == 0 {
                return found;
            }
            if !has && found.len() < MAX_MISSING {
                found.push(MissingSymbol {
                    by,
                    name: symbol.name.clone(),
                    version: symbol.version.as_ref().map(|version| version.name.clone()),
                    lazy: symbol.used == Use::Call && !now,
                });
            }
        }
    }
    found
}

/// Whether a library has a symbol, by name and version.
pub(crate) fn library_has(file: FileReader, name: &[u8], version: Option<&[u8]>) -> bool {
    let Some(table) = SymbolTable::read(file) else {
        return false;
    };
    let version = version.map(|name| elf_edit::versions::Version {
        name: name.to_vec(),
        hash: object::elf::hash(name),
        index: 0,
        weak: false,
    });
    let symbol = Undefined {
        name: name.to_vec(),
        gnu_hash: object::elf::gnu_hash(name),
        version,
        used: Use::Call,
    };
    let mut left = MAX_LOOKS;
    table.defines(&symbol, VersionRules::Glibc, &mut left) == Some(true)
}
