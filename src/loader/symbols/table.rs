//! The dynamic symbols of one file: what it defines, and what its relocations ask for.

use super::hash::{HashTable, Hashed};
use super::pages::Pages;
use super::relocations::{self, RelocationTable, Use};
use elf_edit::versions::{self, Version};
use elf_edit::{ElfInfo, Format};
use object::elf;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::sync::OnceLock;

/// Undefined symbols of one file, and bytes of their names; a file with more is not looked at.
const MAX_UNDEFINED: usize = 1 << 20;
const MAX_NAMES: usize = 64 << 20;

/// A symbol that a file asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undefined<'a> {
    pub(super) name: &'a [u8],
    pub(super) gnu_hash: u32,
    /// The version that it was linked with.
    pub(super) version: Option<&'a Version>,
    pub(super) used: Use,
}

/// All symbols that a file asks for, in the order of its table.
#[derive(Debug, Default)]
struct AllUndefined {
    /// One behind the other.
    names: Vec<u8>,
    symbols: Vec<NamedUse>,
}

#[derive(Clone, Copy, Debug)]
struct NamedUse {
    /// Where its name ends in the names of all.
    end: u32,
    gnu_hash: u32,
    /// By its index; 0 and 1 are none.
    version: u16,
    used: Use,
}

/// What a version index of DT_VERSYM names.
type Versions = BTreeMap<u16, Version>;

/// The symbols of one file.
#[derive(Debug)]
pub(in crate::loader) struct SymbolTable {
    pages: Pages,
    format: Format,
    machine: u16,
    binds_now: bool,
    /// `None` where its relocations can't be read.
    relocations: Option<Vec<RelocationTable>>,
    symtab: u64,
    strtab: u64,
    hash: HashTable,
    /// DT_VERSYM, where the file has versions.
    versym: Option<u64>,
    versions: Versions,
    undefined: OnceLock<Option<AllUndefined>>,
}

/// One entry of the symbol table.
#[derive(Clone, Copy)]
struct Entry {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    has_value: bool,
}

/// How versions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VersionRules {
    /// As `check_match` of glibc's elf/dl-lookup.c.
    Glibc,
    /// musl knows no versions.
    None,
}

impl SymbolTable {
    /// `None` where a table is not there or makes no sense.
    pub(in crate::loader) fn read(file: File, info: &ElfInfo) -> Option<SymbolTable> {
        let dynamic = info.dynamic.as_ref()?;
        let place = |tag| info.offset_of(dynamic.value(tag)?, 1);
        let symtab = place(elf::DT_SYMTAB)?;
        let versym = place(elf::DT_VERSYM);
        let relocations = relocations::tables(info);
        let tables = short_tables(info, relocations.as_deref().unwrap_or_default());
        let pages = Pages::new(file, info.size, tables);
        let mut versions = Versions::new();
        if versym.is_some() {
            let wanted = versions::wanted(&pages, info).ok()?;
            let defined = versions::defined(&pages, info).ok()?;
            let wanted = wanted.into_iter().flat_map(|library| library.versions);
            let all = wanted.chain(defined.into_iter().flatten());
            // 0 and 1 are for symbols without a version; the file's own name has 1.
            let real = all.filter(|version| version.index > 1);
            versions.extend(real.map(|version| (version.index, version)));
        }
        let hash = HashTable::read(&pages, info)?;
        Some(SymbolTable {
            pages,
            format: info.format(),
            machine: info.header.machine,
            binds_now: relocations::binds_now(info),
            relocations,
            symtab,
            strtab: dynamic.strtab,
            hash,
            versym,
            versions,
            undefined: OnceLock::new(),
        })
    }

    /// Approximate size in memory, in bytes, before anything is looked up.
    pub(in crate::loader) fn weight(&self) -> usize {
        self.pages.weight()
    }

    pub(super) fn binds_now(&self) -> bool {
        self.binds_now
    }

    /// Symbols that must be found somewhere, in the order of the table; none where the relocations
    /// can't be read.
    pub(super) fn undefined(&self) -> impl Iterator<Item = Undefined<'_>> {
        let all = self.undefined.get_or_init(|| self.read_undefined());
        let names = all.as_ref().map_or(&[][..], |all| &all.names);
        let symbols = all.as_ref().map_or(&[][..], |all| &all.symbols);
        let mut start = 0;
        symbols.iter().map(move |symbol| {
            let end = symbol.end as usize;
            Undefined {
                name: &names[std::mem::replace(&mut start, end)..end],
                gnu_hash: symbol.gnu_hash,
                version: self.versions.get(&symbol.version),
                used: symbol.used,
            }
        })
    }

    fn read_undefined(&self) -> Option<AllUndefined> {
        let mut found = AllUndefined::default();
        let tables = self.relocations.as_ref()?;
        let uses = relocations::uses(&self.pages, self.format, self.machine, tables)?;
        for (index, used) in uses {
            let here = index >= self.hash.first_defined();
            if here && used != Use::Copy {
                continue;
            }
            let entry = self.entry(index)?;
            let copied = used == Use::Copy;
            if entry.info >> 4 != elf::STB_GLOBAL && entry.info >> 4 != elf::STB_GNU_UNIQUE {
                continue;
            }
            if (entry.section != elf::SHN_UNDEF && !copied) || entry.is_local() {
                continue;
            }
            let start = found.names.len();
            let name = self.strtab + u64::from(entry.name);
            self.pages.add_string(name, &mut found.names)?;
            if found.symbols.len() >= MAX_UNDEFINED || found.names.len() > MAX_NAMES {
                return None;
            }
            found.symbols.push(NamedUse {
                end: found.names.len() as u32,
                gnu_hash: elf::gnu_hash(&found.names[start..]),
                version: self.version_of(index).unwrap_or(0),
                used,
            });
        }
        Some(found)
    }

    /// Whether the file has the symbol; `None` where its tables can't be read, or where `left`
    /// runs out.
    pub(super) fn defines(
        &self,
        wanted: &Undefined<'_>,
        rules: VersionRules,
        left: &mut u32,
    ) -> Option<bool> {
        let hashed = Hashed {
            name: wanted.name,
            gnu: wanted.gnu_hash,
        };
        let mut defaults = 0;
        let see = |index| {
            let entry = self.entry(index)?;
            let name = self.strtab + u64::from(entry.name);
            if !entry.defines(wanted.used) || !self.pages.is_string(name, wanted.name)? {
                return Some(false);
            }
            Some(match rules {
                VersionRules::None => true,
                VersionRules::Glibc => self.has_version(index, wanted, &mut defaults)?,
            })
        };
        let found = self
            .hash
            .find(&self.pages, self.format, hashed, left, see)?;
        // One that has no version gets the default one, if there is no other.
        Some(found || defaults == 1)
    }

    /// Whether a definition is of the wanted version. `defaults` counts default versions that
    /// one without a version may get.
    fn has_version(&self, index: u32, wanted: &Undefined<'_>, defaults: &mut u32) -> Option<bool> {
        let Some(raw) = self.versym(index)? else {
            return Some(true);
        };
        let (number, hidden) = (raw & elf::VERSYM_VERSION, raw & elf::VERSYM_HIDDEN != 0);
        let its = self.versions.get(&number);
        match &wanted.version {
            Some(version) => {
                let same = its.is_some_and(|v| v.hash == version.hash && v.name == version.name);
                Some(same || (its.is_none() && !hidden))
            }
            None if number >= 3 => {
                *defaults += u32::from(!hidden);
                Some(false)
            }
            None => Some(true),
        }
    }

    fn versym(&self, index: u32) -> Option<Option<u16>> {
        let Some(start) = self.versym else {
            return Some(None);
        };
        let mut raw = [0; 2];
        self.pages
            .read(start.checked_add(u64::from(index) * 2)?, &mut raw)?;
        Some(self.format.u16(&raw, 0))
    }

    /// The version of a symbol that the file asks for, by its index.
    fn version_of(&self, index: u32) -> Option<u16> {
        Some(self.versym(index)?? & elf::VERSYM_VERSION)
    }

    fn entry(&self, index: u32) -> Option<Entry> {
        let format = self.format;
        let size = format.symbol_size();
        let at = self.symtab.checked_add(u64::from(index) * size as u64)?;
        let mut raw = [0; 24];
        let raw = &mut raw[..size];
        self.pages.read(at, raw)?;
        // st_info and st_shndx are before st_value in 64-bit symbols and last in 32-bit ones.
        let (value, info) = if size == 24 { (8..16, 4) } else { (4..8, 12) };
        Some(Entry {
            name: format.u32(raw, 0)?,
            info: raw[info],
            other: raw[info + 1],
            section: format.u16(raw, info + 2)?,
            has_value: raw[value].iter().any(|&byte| byte != 0),
        })
    }
}

/// The tables in which symbols are looked up, each to the next one at most.
fn short_tables(info: &ElfInfo, relocations: &[RelocationTable]) -> Vec<Range<u64>> {
    /// Bytes that are read of a table behind which there is no other.
    const LAST: u64 = 4096;
    let Some(dynamic) = &info.dynamic else {
        return Vec::new();
    };
    let tags = [
        elf::DT_GNU_HASH,
        elf::DT_HASH,
        elf::DT_SYMTAB,
        elf::DT_VERSYM,
        elf::DT_VERNEED,
        elf::DT_VERDEF,
    ];
    let tables = tags.iter().filter_map(|&tag| dynamic.value(tag));
    let mut starts: Vec<u64> = tables.filter_map(|at| info.offset_of(at, 1)).collect();
    starts.push(dynamic.strtab);
    starts.extend(relocations.iter().map(|table| table.start));
    starts.sort_unstable();
    let ends = starts.iter().skip(1).copied();
    let ends = ends.chain(starts.last().map(|last| last.saturating_add(LAST)));
    let mut tables: Vec<Range<u64>> = starts.iter().zip(ends).map(|(&s, e)| s..e).collect();
    tables.push(dynamic.strtab..dynamic.strtab.saturating_add(dynamic.strsz));
    tables.extend(relocations.iter().map(|table| table.start..table.end));
    tables
}

impl Entry {
    /// Hidden and internal symbols are found by no other file.
    fn is_local(self) -> bool {
        matches!(self.other & 3, elf::STV_HIDDEN | elf::STV_INTERNAL)
    }

    fn defines(self, used: Use) -> bool {
        let kind = self.info & 0xf;
        let kinds = [
            elf::STT_NOTYPE,
            elf::STT_OBJECT,
            elf::STT_FUNC,
            elf::STT_COMMON,
            elf::STT_TLS,
            elf::STT_GNU_IFUNC,
        ];
        let bindings = [elf::STB_GLOBAL, elf::STB_WEAK, elf::STB_GNU_UNIQUE];
        let value = self.has_value || self.section == elf::SHN_ABS || kind == elf::STT_TLS;
        // The address of a function's entry in the PLT of an executable serves as the function's.
        let here = self.section != elf::SHN_UNDEF || (used == Use::Address && self.has_value);
        value
            && here
            && kinds.contains(&kind)
            && bindings.contains(&(self.info >> 4))
            && !self.is_local()
    }
}
