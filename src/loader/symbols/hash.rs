//! The hash tables in which a loader looks up symbols: DT_GNU_HASH, else DT_HASH.

use super::pages::Pages;
use elf_edit::{ElfInfo, Endianness, Format, ReadAt};
use object::elf;
use std::borrow::Cow;

/// Longer tables, in bytes, are malformed.
const MAX_TABLE: u64 = 64 << 20;

/// A hash table without its chains, which are read on demand.
#[derive(Debug)]
pub(super) enum HashTable {
    Gnu {
        first: u32,
        shift: u32,
        bloom: Vec<u64>,
        buckets: Vec<u32>,
        chains: u64,
    },
    SysV {
        buckets: Vec<u32>,
        chains: u64,
    },
}

/// A name with its hash of either kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed<'a> {
    pub(super) name: &'a [u8],
    pub(super) gnu: u32,
}

impl HashTable {
    pub(super) fn read(pages: &Pages, info: &ElfInfo) -> Option<HashTable> {
        let dynamic = info.dynamic.as_ref()?;
        let place = |tag| dynamic.value(tag).map(|at| info.offset_of(at, 16));
        match place(elf::DT_GNU_HASH) {
            Some(at) => HashTable::gnu(pages, info.format(), at?),
            None => HashTable::sysv(pages, info, place(elf::DT_HASH)??),
        }
    }

    fn gnu(pages: &Pages, format: Format, at: u64) -> Option<HashTable> {
        let mut head = [0; 16];
        pages.read(at, &mut head)?;
        let number = |i: usize| format.u32(&head, i * 4);
        let (buckets, first, words, shift) = (number(0)?, number(1)?, number(2)?, number(3)?);
        let word = format.word_size() as u64;
        let bloom_size = u64::from(words) * word;
        let buckets_size = u64::from(buckets) * 4;
        if words == 0 || buckets == 0 || shift > 31 || bloom_size + buckets_size > MAX_TABLE {
            return None;
        }
        let bytes = &*table(pages, at + 16, bloom_size + buckets_size)?;
        let (bloom, rest) = bytes.split_at(bloom_size as usize);
        let wide = |raw: &[u8]| match (word, format.endian) {
            (8, Endianness::Little) => Some(u64::from_le_bytes(raw.try_into().ok()?)),
            (8, Endianness::Big) => Some(u64::from_be_bytes(raw.try_into().ok()?)),
            _ => format.u32(raw, 0).map(u64::from),
        };
        Some(HashTable::Gnu {
            first,
            shift,
            bloom: bloom
                .chunks_exact(word as usize)
                .map(wide)
                .collect::<Option<_>>()?,
            buckets: numbers(format, rest)?,
            chains: at + 16 + bloom_size + buckets_size,
        })
    }

    fn sysv(pages: &Pages, info: &ElfInfo, at: u64) -> Option<HashTable> {
        // Its entries are of eight bytes on Alpha and 64-bit S/390.
        if info.header.machine == elf::EM_S390 && info.format().word_size() == 8 {
            return None;
        }
        let mut head = [0; 8];
        pages.read(at, &mut head)?;
        let size = u64::from(info.format().u32(&head, 0)?) * 4;
        if size == 0 || size > MAX_TABLE {
            return None;
        }
        Some(HashTable::SysV {
            buckets: numbers(info.format(), &table(pages, at + 8, size)?)?,
            chains: at + 8 + size,
        })
    }

    /// Symbols from this one on are defined in the file; unknown of DT_HASH.
    pub(super) fn first_defined(&self) -> u32 {
        match self {
            HashTable::Gnu { first, .. } => *first,
            HashTable::SysV { .. } => u32::MAX,
        }
    }

    /// Calls `see` with each symbol that may have the name, until it returns an answer. `left`
    /// limits the number of symbols; `None` if it is exhausted, or if the table can't be read.
    pub(super) fn find(
        &self,
        pages: &Pages,
        format: Format,
        wanted: Hashed,
        left: &mut u32,
        mut see: impl FnMut(u32) -> Option<bool>,
    ) -> Option<bool> {
        let number = |at: u64| {
            let mut raw = [0; 4];
            pages.read(at, &mut raw)?;
            format.u32(&raw, 0)
        };
        *left = left.checked_sub(1)?;
        match self {
            HashTable::Gnu {
                first,
                shift,
                bloom,
                buckets,
                chains,
            } => {
                let hash = wanted.gnu;
                let bits = format.word_size() as u32 * 8;
                let word = bloom[(hash / bits) as usize % bloom.len()];
                let mask = 1_u64 << (hash % bits) | 1 << ((hash >> shift) % bits);
                let mut index = buckets[hash as usize % buckets.len()];
                if word & mask != mask || index < *first {
                    return Some(false);
                }
                loop {
                    *left = left.checked_sub(1)?;
                    let chain = number(chains + u64::from(index - first) * 4)?;
                    if chain | 1 == hash | 1 && see(index)? {
                        return Some(true);
                    }
                    if chain & 1 != 0 {
                        return Some(false);
                    }
                    index = index.checked_add(1)?;
                }
            }
            HashTable::SysV { buckets, chains } => {
                let hash = elf::hash(wanted.name);
                let mut index = buckets[hash as usize % buckets.len()];
                while index != 0 {
                    *left = left.checked_sub(1)?;
                    if see(index)? {
                        return Some(true);
                    }
                    index = number(chains + u64::from(index) * 4)?;
                }
                Some(false)
            }
        }
    }
}

fn table(pages: &Pages, at: u64, size: u64) -> Option<Cow<'_, [u8]>> {
    if let Some(bytes) = pages.part(at, size) {
        return Some(bytes.into());
    }
    Some(pages.read_vec(at, size as usize).ok()?.into())
}

fn numbers(format: Format, bytes: &[u8]) -> Option<Vec<u32>> {
    let numbers = bytes.chunks_exact(4).map(|raw| format.u32(raw, 0));
    numbers.collect()
}
