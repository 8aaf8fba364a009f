//! The dynamic symbols of one file: what it defines, and what its relocations ask for.

use super::hash::{self, HashTable, Hashed};
use super::pages::{OpenPages, Pages, Table};
use super::places::{End, short_tables};
use super::relocations::{self, RelocationTable, Use};
use super::versions::Versions;
use elf_edit::versions::{self, Version};
use elf_edit::{ElfInfo, Format};
use memchr::memmem;
use object::elf;
use std::borrow::Borrow;
use std::fs::File;
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
    /// The place of that version in those of the file.
    pub(super) place: Option<usize>,
    pub(super) used: Use,
}

/// All symbols that a file asks for, in the order of its table.
#[derive(Debug, Default)]
struct AllUndefined {
    /// Names that are not in the part of the string table that was read at once, one behind the
    /// other.
    names: Vec<u8>,
    symbols: Vec<NamedUse>,
}

#[derive(Clone, Copy, Debug)]
struct NamedUse {
    /// Where its name begins: in the string table, else in `names`.
    start: u32,
    len: u32,
    in_table: bool,
    gnu_hash: u32,
    /// By its index; 0 and 1 are none.
    version: u16,
    used: Use,
}

/// The symbols of one file.
#[derive(Debug)]
pub(in crate::loader) struct SymbolTable {
    pages: Pages,
    format: Format,
    machine: u16,
    binds_now: bool,
    /// `None` where its relocations can't be read.
    relocations: Option<Vec<RelocationTable>>,
    symtab: Table,
    strtab: Table,
    strsz: u64,
    hash: HashTable,
    /// DT_VERSYM, where the file has versions.
    versym: Option<Table>,
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
    pub(in crate::loader) fn read(file: &File, info: &ElfInfo) -> Option<SymbolTable> {
        let dynamic = info.dynamic.as_ref()?;
        let place = |tag| info.offset_of(dynamic.value(tag)?, 1);
        let symtab = place(elf::DT_SYMTAB)?;
        let versym = place(elf::DT_VERSYM);
        let (tables, end) = short_tables(info);
        let mut pages = Pages::new(file, info.size, tables);
        let open = OpenPages {
            pages: &pages,
            file,
        };
        let mut versions = Versions::default();
        if versym.is_some() {
            let wanted = versions::wanted(&open, info).ok()?;
            let defined = versions::defined(&open, info).ok()?;
            let wanted = wanted.into_iter().flat_map(|library| library.versions);
            versions = Versions::new(wanted.chain(defined.into_iter().flatten()));
        }
        let hash = HashTable::read(&open, info)?;
        let is_whole = match end {
            End::Known => true,
            End::Unknown => false,
            End::Hash => hash.has_chains(&pages, info.format()),
        };
        if !is_whole {
            pages.keep_open(file);
        }
        Some(SymbolTable {
            format: info.format(),
            machine: info.header.machine,
            binds_now: relocations::binds_now(info),
            relocations: relocations::tables(info),
            symtab: pages.table(symtab),
            strtab: pages.table(dynamic.strtab),
            strsz: dynamic.strsz,
            hash,
            versym: versym.map(|start| pages.table(start)),
            versions,
            undefined: OnceLock::new(),
            pages,
        })
    }

    /// Approximate size in memory, in bytes, without pages that are read later.
    pub(in crate::loader) fn weight(&self) -> usize {
        let imports = self.undefined.get().and_then(Option::as_ref);
        let imports = imports.map_or(0, |all| {
            all.names.capacity() + all.symbols.capacity() * size_of::<NamedUse>()
        });
        size_of::<SymbolTable>() + self.versions.len() * 64 + imports + self.pages.weight()
    }

    /// Whether the file is kept open.
    pub(in crate::loader) fn is_open(&self) -> bool {
        self.pages.is_open()
    }

    /// Whether the string table has these bytes; `None` where not all of it was read at once.
    pub(in crate::loader) fn has_string(&self, bytes: &[u8]) -> Option<bool> {
        let strings = self.pages.kept(&self.strtab);
        let strings = strings.get(..usize::try_from(self.strsz).ok()?)?;
        Some(memmem::find(strings, bytes).is_some())
    }

    /// Reads what the file imports, unless that was done; `open` opens it.
    pub(in crate::loader) fn read_imports<F: Borrow<File>>(
        &self,
        open: impl FnOnce() -> Option<F>,
    ) {
        let read = || self.read_undefined(open()?.borrow());
        self.undefined.get_or_init(read);
    }

    pub(super) fn binds_now(&self) -> bool {
        self.binds_now
    }

    /// Symbols that must be found somewhere, in the order of the table; none where the relocations
    /// can't be read, or were not.
    pub(super) fn undefined(&self) -> impl Iterator<Item = Undefined<'_>> {
        let all = self.undefined.get().unwrap_or(&None);
        let names = all.as_ref().map_or(&[][..], |all| &all.names);
        let strings = self.pages.kept(&self.strtab);
        let symbols = all.as_ref().map_or(&[][..], |all| &all.symbols);
        symbols.iter().map(move |symbol| {
            let place = self.versions.place(symbol.version);
            let names = if symbol.in_table { strings } else { names };
            Undefined {
                name: &names[symbol.start as usize..][..symbol.len as usize],
                gnu_hash: symbol.gnu_hash,
                version: place.and_then(|place| self.versions.at(place)),
                place,
                used: symbol.used,
            }
        })
    }

    /// The number of versions that symbols of the file have.
    pub(super) fn versions(&self) -> usize {
        self.versions.len()
    }

    fn read_undefined(&self, file: &File) -> Option<AllUndefined> {
        let mut found = AllUndefined::default();
        let mut name_bytes = 0;
        let tables = self.relocations.as_ref()?;
        let uses = relocations::uses(file, self.format, self.machine, tables)?;
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
            let (start, name, in_table) = match self.kept_string(entry.name) {
                Some(name) => (entry.name, name, true),
                None => {
                    let start = found.names.len();
                    let at = self.strtab.start.checked_add(entry.name.into())?;
                    self.pages.add_string(at, &mut found.names)?;
                    (start as u32, &found.names[start..], false)
                }
            };
            name_bytes += name.len();
            if found.symbols.len() >= MAX_UNDEFINED || name_bytes > MAX_NAMES {
                return None;
            }
            found.symbols.push(NamedUse {
                start,
                len: name.len() as u32,
                in_table,
                gnu_hash: hash::gnu(name),
                version: self.version_of(index).unwrap_or(0),
                used,
            });
        }
        Some(found)
    }

    /// A string of the string table, where all of it was read at once.
    fn kept_string(&self, at: u32) -> Option<&[u8]> {
        let rest = self.pages.kept(&self.strtab).get(at as usize..)?;
        rest.get(..memchr::memchr(0, rest)?)
    }

    /// Whether the string table has this name at a place.
    fn is_name(&self, at: u32, name: &[u8]) -> Option<bool> {
        let kept = self.pages.kept(&self.strtab).get(at as usize..);
        match kept.and_then(|rest| rest.get(..=name.len())) {
            Some(bytes) => Some(bytes.starts_with(name) && bytes[name.len()] == 0),
            None => {
                let at = self.strtab.start.checked_add(at.into())?;
                self.pages.is_string(at, name)
            }
        }
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
            if !entry.defines(wanted.used) || !self.is_name(entry.name, wanted.name)? {
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
        let its = self.versions.get(number);
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
        let Some(table) = &self.versym else {
            return Some(None);
        };
        let from = u64::from(index) * 2;
        let kept = self.pages.kept(table);
        if let Some(version) = self.format.u16(kept, usize::try_from(from).ok()?) {
            return Some(Some(version));
        }
        let mut raw = [0; 2];
        self.pages.read(table.start.checked_add(from)?, &mut raw)?;
        Some(self.format.u16(&raw, 0))
    }

    /// The version of a symbol that the file asks for, by its index.
    fn version_of(&self, index: u32) -> Option<u16> {
        Some(self.versym(index)?? & elf::VERSYM_VERSION)
    }

    fn entry(&self, index: u32) -> Option<Entry> {
        let size = self.format.symbol_size();
        let from = u64::from(index) * size as u64;
        let kept = self.pages.kept(&self.symtab);
        let kept = kept.get(usize::try_from(from).ok()?..);
        if let Some(raw) = kept.and_then(|rest| rest.get(..size)) {
            return Entry::decode(self.format, raw);
        }
        let mut raw = [0; 24];
        let raw = &mut raw[..size];
        self.pages.read(self.symtab.start.checked_add(from)?, raw)?;
        Entry::decode(self.format, raw)
    }
}

impl Entry {
    fn decode(format: Format, raw: &[u8]) -> Option<Entry> {
        // st_info and st_shndx are before st_value in 64-bit symbols and last in 32-bit ones.
        let (value, info) = if raw.len() == 24 {
            (8..16, 4)
        } else {
            (4..8, 12)
        };
        Some(Entry {
            name: format.u32(raw, 0)?,
            info: raw[info],
            other: raw[info + 1],
            section: format.u16(raw, info + 2)?,
            has_value: raw[value].iter().any(|&byte| byte != 0),
        })
    }

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
