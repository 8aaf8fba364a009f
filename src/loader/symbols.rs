//! Symbols that relocations ask for and that nothing in the process has, as `ldd -r` finds them:
//! by the hashes and Bloom filters of DT_GNU_HASH, no table is read whole.
//!
//! Symbols are compared by name; `glibc::check_versions` compares versions.

use super::closure::Closure;
use super::interpreter::Rules;
use elf_edit::{Class, ElfInfo, FileReader, Format, ReadAt};
use object::elf;
use std::collections::BTreeMap;

/// Symbols and hashes that are compared for one process: hostile chains are as long as a file.
const MAX_LOOKS: u32 = 20_000_000;
/// Undefined symbols that are kept of one process.
const MAX_MISSING: usize = 64;
/// Longer tables, in bytes, are malformed.
const MAX_TABLE: u64 = 64 << 20;
/// Bytes of relocations that are read at a time.
const BATCH: u64 = 1 << 16;
/// A longer name is compared up to here.
const MAX_NAME: u64 = 1 << 12;

/// A symbol that no library of the process has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSymbol {
    /// The object that asks for it.
    pub by: usize,
    pub name: Vec<u8>,
    /// A function that is looked for when it is first called: the program starts without it.
    pub lazy: bool,
}

/// The symbols that the whole process lacks, in the order of its objects.
pub(super) fn missing(c: &Closure) -> Vec<MissingSymbol> {
    let tables: Vec<Option<SymbolTable>> = c
        .objects
        .iter()
        .map(|object| SymbolTable::open(c, &object.path))
        .collect();
    // An unreadable table might define any symbol.
    let mut found = Vec::new();
    let mut left = MAX_LOOKS;
    if tables.iter().any(Option::is_none) {
        return found;
    }
    for (by, table) in tables.iter().flatten().enumerate() {
        let now = c.system.rules == Rules::Musl || table.binds_now();
        for (index, lazy) in table.references().unwrap_or_default() {
            let Some(name) = table.undefined(index) else {
                continue;
            };
            let hash = elf::gnu_hash(&name);
            let mut all = tables.iter().flatten();
            let has = all.any(|other| other.defines(&name, hash, &mut left).unwrap_or(true));
            if left == 0 {
                return found;
            }
            if !has && found.len() < MAX_MISSING {
                let lazy = lazy && !now;
                found.push(MissingSymbol { by, name, lazy });
            }
        }
    }
    found
}

struct SymbolTable {
    file: FileReader,
    info: ElfInfo,
    symtab: u64,
    hash: Gnu,
}

/// `.gnu.hash`, but for its chains.
struct Gnu {
    first: u32,
    shift: u32,
    bloom: Vec<u64>,
    buckets: Vec<u32>,
    chains: u64,
}

impl SymbolTable {
    /// `None` where a table is not there or makes no sense.
    fn open(c: &Closure, path: &[u8]) -> Option<SymbolTable> {
        let file = FileReader::new(c.files.sysroot.open(path).ok()?).ok()?;
        let info = ElfInfo::read(&file).ok()?;
        let dynamic = info.dynamic.as_ref()?;
        let symtab = info.offset_of(dynamic.value(elf::DT_SYMTAB)?, 1)?;
        let at = info.offset_of(dynamic.value(elf::DT_GNU_HASH)?, 16)?;
        let hash = Gnu::read(&file, info.format(), at)?;
        Some(SymbolTable {
            file,
            info,
            symtab,
            hash,
        })
    }

    fn value(&self, tag: i64) -> Option<u64> {
        self.info.dynamic.as_ref()?.value(tag)
    }

    fn binds_now(&self) -> bool {
        let has = |tag, flag: u32| self.value(tag).unwrap_or(0) & u64::from(flag) != 0;
        self.value(elf::DT_BIND_NOW).is_some()
            || has(elf::DT_FLAGS, elf::DF_BIND_NOW)
            || has(elf::DT_FLAGS_1, elf::DF_1_NOW)
    }

    /// Undefined symbols of relocations, and whether all that ask for one are lazily bound.
    fn references(&self) -> Option<BTreeMap<u32, bool>> {
        let mut found = BTreeMap::new();
        let class = self.info.format().class;
        let size = |with_addend: bool| match (class, with_addend) {
            (Class::Elf64, true) => 24,
            (Class::Elf64, false) => 16,
            (Class::Elf32, true) => 12,
            (Class::Elf32, false) => 8,
        };
        let plt_addend = self.value(elf::DT_PLTREL) == Some(elf::DT_RELA as u64);
        let lists = [
            (elf::DT_RELA, elf::DT_RELASZ, elf::DT_RELACOUNT, size(true)),
            (elf::DT_REL, elf::DT_RELSZ, elf::DT_RELCOUNT, size(false)),
            (elf::DT_JMPREL, elf::DT_PLTRELSZ, 0, size(plt_addend)),
        ];
        for (tag, len, relative, entry) in lists {
            let (Some(at), Some(len)) = (self.value(tag), self.value(len)) else {
                continue;
            };
            // Relative relocations come first and name no symbol.
            let relative = if relative == 0 {
                None
            } else {
                self.value(relative)
            };
            let skip = relative.unwrap_or(0).saturating_mul(entry);
            let start = self.info.offset_of(at, len)?;
            if len > MAX_TABLE {
                return None;
            }
            self.read_list(start + skip.min(len), start + len, entry, |symbol| {
                let lazy = tag == elf::DT_JMPREL;
                found
                    .entry(symbol)
                    .and_modify(|l| *l &= lazy)
                    .or_insert(lazy);
            })?;
        }
        Some(found)
    }

    fn read_list(&self, start: u64, end: u64, entry: u64, mut seen: impl FnMut(u32)) -> Option<()> {
        let format = self.info.format();
        let mut at = start;
        while at + entry <= end {
            let part = (BATCH / entry * entry).min((end - at) / entry * entry);
            let mut bytes = vec![0; part as usize];
            self.file.read_once_at(at, &mut bytes).ok()?;
            for raw in bytes.chunks_exact(entry as usize) {
                let symbol = match (format.class, format.endian) {
                    (Class::Elf32, _) => format.u32(raw, 4)? >> 8,
                    (_, elf_edit::Endianness::Little) => format.u32(raw, 12)?,
                    (_, elf_edit::Endianness::Big) => format.u32(raw, 8)?,
                };
                // Symbols of the hash table are defined here.
                if symbol != 0 && symbol < self.hash.first {
                    seen(symbol);
                }
            }
            at += part;
        }
        Some(())
    }

    /// The entry of a symbol: `st_name`, `st_info`, `st_shndx`.
    fn symbol(&self, index: u32) -> Option<(u32, u8, u16)> {
        let format = self.info.format();
        let size = format.symbol_size();
        let at = self.symtab.checked_add(u64::from(index) * size as u64)?;
        let raw = self.file.read_vec(at, size).ok()?;
        let (info_at, section_at) = if size == 24 { (4, 6) } else { (12, 14) };
        Some((
            format.u32(&raw, 0)?,
            raw[info_at],
            format.u16(&raw, section_at)?,
        ))
    }

    fn name(&self, at: u32) -> Option<Vec<u8>> {
        let dynamic = self.info.dynamic.as_ref()?;
        let left = dynamic.strsz.checked_sub(at.into())?;
        let mut want = 64;
        loop {
            let len = left.min(want);
            let bytes = self
                .file
                .read_vec(dynamic.strtab + u64::from(at), len as usize)
                .ok()?;
            if let Some(end) = memchr::memchr(0, &bytes) {
                return Some(bytes[..end].to_vec());
            }
            if len == left || want >= MAX_NAME {
                return None;
            }
            want *= 4;
        }
    }

    /// The name of a symbol that is undefined and must be found.
    fn undefined(&self, index: u32) -> Option<Vec<u8>> {
        let (name, info, section) = self.symbol(index)?;
        (section == elf::SHN_UNDEF && info >> 4 == elf::STB_GLOBAL).then(|| self.name(name))?
    }

    /// Whether the library has the symbol; `None` where its tables can't be read.
    fn defines(&self, name: &[u8], hash: u32, left: &mut u32) -> Option<bool> {
        let bits = match self.info.format().class {
            Class::Elf64 => 64,
            Class::Elf32 => 32,
        };
        *left = left.saturating_sub(1);
        let word = self.hash.bloom[(hash / bits) as usize % self.hash.bloom.len()];
        let mask = 1_u64 << (hash % bits) | 1 << ((hash >> self.hash.shift) % bits);
        if word & mask != mask {
            return Some(false);
        }
        let mut index = self.hash.buckets[hash as usize % self.hash.buckets.len()];
        if index < self.hash.first {
            return Some(false);
        }
        loop {
            *left = left.checked_sub(1)?;
            let at = self.hash.chains + u64::from(index - self.hash.first) * 4;
            let raw = self.file.read_vec(at, 4).ok()?;
            let chain = self.info.format().u32(&raw, 0)?;
            if chain | 1 == hash | 1 {
                let (text, _, section) = self.symbol(index)?;
                if section != elf::SHN_UNDEF && self.name(text)? == name {
                    return Some(true);
                }
            }
            if chain & 1 != 0 {
                return Some(false);
            }
            index = index.checked_add(1)?;
        }
    }
}

impl Gnu {
    fn read(file: &FileReader, format: Format, at: u64) -> Option<Gnu> {
        let head = file.read_vec(at, 16).ok()?;
        let number = |i: usize| format.u32(&head, i * 4);
        let (buckets, first, words, shift) = (number(0)?, number(1)?, number(2)?, number(3)?);
        let word = format.word_size() as u64;
        let bloom_size = u64::from(words) * word;
        let buckets_size = u64::from(buckets) * 4;
        if words == 0 || buckets == 0 || shift > 31 || bloom_size + buckets_size > MAX_TABLE {
            return None;
        }
        let bytes = file
            .read_vec(at + 16, (bloom_size + buckets_size) as usize)
            .ok()?;
        let (bloom, rest) = bytes.split_at(bloom_size as usize);
        let wide = |raw: &[u8]| match (word, format.endian) {
            (8, elf_edit::Endianness::Little) => Some(u64::from_le_bytes(raw.try_into().ok()?)),
            (8, elf_edit::Endianness::Big) => Some(u64::from_be_bytes(raw.try_into().ok()?)),
            _ => format.u32(raw, 0).map(u64::from),
        };
        Some(Gnu {
            first,
            shift,
            bloom: bloom
                .chunks_exact(word as usize)
                .map(wide)
                .collect::<Option<_>>()?,
            buckets: rest
                .chunks_exact(4)
                .map(|raw| format.u32(raw, 0))
                .collect::<Option<_>>()?,
            chains: at + 16 + bloom_size + buckets_size,
        })
    }
}
