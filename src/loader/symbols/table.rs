//! The dynamic symbols of one file: what it defines, and what its relocations ask for.

use super::hash::{HashTable, Hashed};
use super::pages::Pages;
use super::relocations::{self, Use};
use elf_edit::versions::{self, Version};
use elf_edit::{ElfInfo, FileReader, Format};
use object::elf;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Undefined symbols of one file; a file with more of them is not looked at.
const MAX_UNDEFINED: usize = 1 << 20;

/// A symbol that a file asks for.
#[derive(Clone, Debug)]
pub(super) struct Undefined {
    pub(super) name: Vec<u8>,
    pub(super) gnu_hash: u32,
    /// The version that it was linked with.
    pub(super) version: Option<Version>,
    pub(super) used: Use,
}

/// What a version index of DT_VERSYM names.
type Versions = BTreeMap<u16, Version>;

/// The symbols of one file.
#[derive(Debug)]
pub(in crate::loader) struct SymbolTable {
    pages: Pages,
    info: ElfInfo,
    symtab: u64,
    strtab: u64,
    hash: HashTable,
    /// DT_VERSYM, where the file has versions.
    versym: Option<u64>,
    versions: Versions,
    undefined: OnceLock<Option<Vec<Undefined>>>,
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
    pub(in crate::loader) fn read(file: FileReader) -> Option<SymbolTable> {
        let info = ElfInfo::read(&file).ok()?;
        let dynamic = info.dynamic.as_ref()?;
        let place = |tag| info.offset_of(dynamic.value(tag)?, 1);
        let symtab = place(elf::DT_SYMTAB)?;
        let versym = place(elf::DT_VERSYM);
        let strtab = dynamic.strtab;
        let mut versions = Versions::new();
        if versym.is_some() {
            let wanted = versions::wanted(&file, &info).ok()?;
            let defined = versions::defined(&file, &info).ok()?;
            let wanted = wanted.into_iter().flat_map(|library| library.versions);
            let all = wanted.chain(defined.into_iter().flatten());
            // 0 and 1 are for symbols without a version; the file's own name has 1.
            let real = all.filter(|version| version.index > 1);
            versions.extend(real.map(|version| (version.index, version)));
        }
        let pages = Pages::new(file);
        let hash = HashTable::read(&pages, &info)?;
        Some(SymbolTable {
            pages,
            symtab,
            strtab,
            hash,
            versym,
            versions,
            undefined: OnceLock::new(),
            info,
        })
    }

    pub(super) fn binds_now(&self) -> bool {
        relocations::binds_now(&self.info)
    }

    fn format(&self) -> Format {
        self.info.format()
    }

    /// Symbols that must be found somewhere, in the order of the table; `None` where the
    /// relocations can't be read.
    pub(super) fn undefined(&self) -> Option<&[Undefined]> {
        let read = || {
            let uses = relocations::uses(self.pages.file(), &self.info)?;
            let mut found = Vec::new();
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
                let name = self.pages.string(self.strtab + u64::from(entry.name))?;
                if found.len() >= MAX_UNDEFINED {
                    return None;
                }
                found.push(Undefined {
                    gnu_hash: elf::gnu_hash(&name),
                    version: self.version_of(index).map(|(version, _)| version.clone()),
                    name,
                    used,
                });
            }
            Some(found)
        };
        self.undefined.get_or_init(read).as_deref()
    }

    /// Whether the file has the symbol; `None` where its tables can't be read, or where `left`
    /// runs out.
    pub(super) fn defines(
        &self,
        wanted: &Undefined,
        rules: VersionRules,
        left: &mut u32,
    ) -> Option<bool> {
        let hashed = Hashed {
            name: &wanted.name,
            gnu: wanted.gnu_hash,
        };
        let mut defaults = 0;
        let see = |index| {
            let entry = self.entry(index)?;
            let name = self.strtab + u64::from(entry.name);
            if !entry.defines(wanted.used) || !self.pages.is_string(name, &wanted.name)? {
                return Some(false);
            }
            Some(match rules {
                VersionRules::None => true,
                VersionRules::Glibc => self.has_version(index, wanted, &mut defaults)?,
            })
        };
        let found = self
            .hash
            .find(&self.pages, self.format(), hashed, left, see)?;
        // One that has no version gets the default one, if there is no other.
        Some(found || defaults == 1)
    }

    /// Whether a definition is of the wanted version. `defaults` counts default versions that
    /// one without a version may get.
    fn has_version(&self, index: u32, wanted: &Undefined, defaults: &mut u32) -> Option<bool> {
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
        Some(self.format().u16(&raw, 0))
    }

    /// The version of a symbol that the file asks for.
    fn version_of(&self, index: u32) -> Option<(&Version, u16)> {
        let number = self.versym(index)?? & elf::VERSYM_VERSION;
        self.versions.get(&number).map(|version| (version, number))
    }

    fn entry(&self, index: u32) -> Option<Entry> {
        let format = self.format();
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
