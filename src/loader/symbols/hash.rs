//! The hash tables in which a loader looks up symbols: DT_GNU_HASH, else DT_HASH.

use super::pages::{OpenPages, Pages, Table};
use elf_edit::{ElfInfo, Format, ReadAt};
use object::elf;

/// Longer tables, in bytes, are malformed.
const MAX_TABLE: u64 = 64 << 20;

/// A hash table without its chains, which are read on demand.
#[derive(Debug)]
pub(super) enum HashTable {
    Gnu {
        first: u32,
        shift: u32,
        /// Words of the Bloom filter, and buckets behind them.
        words: u32,
        buckets: u32,
        bytes: Bytes,
        chains: Table,
    },
    SysV {
        buckets: u32,
        bytes: Bytes,
        chains: Table,
    },
}

/// Bytes of a table: among those that were read at once, or on their own.
#[derive(Debug)]
pub(super) enum Bytes {
    Kept(Table, usize),
    Own(Vec<u8>),
}

impl Bytes {
    fn read(open: &OpenPages<'_>, start: u64, len: u64) -> Option<Bytes> {
        let size = usize::try_from(len).ok()?;
        let table = open.pages.table(start);
        match open.pages.kept(&table).get(..size) {
            Some(_) => Some(Bytes::Kept(table, size)),
            None => open.read_vec(start, size).ok().map(Bytes::Own),
        }
    }

    fn get<'a>(&'a self, pages: &'a Pages) -> &'a [u8] {
        match self {
            Bytes::Kept(table, size) => pages.kept(table).get(..*size).unwrap_or_default(),
            Bytes::Own(bytes) => bytes,
        }
    }
}

/// A name with its hash of either kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed<'a> {
    pub(super) name: &'a [u8],
    pub(super) gnu: u32,
}

impl HashTable {
    pub(super) fn read(open: &OpenPages<'_>, info: &ElfInfo) -> Option<HashTable> {
        let dynamic = info.dynamic.as_ref()?;
        let place = |tag| dynamic.value(tag).map(|at| info.offset_of(at, 16));
        match place(elf::DT_GNU_HASH) {
            Some(at) => HashTable::gnu(open, info.format(), at?),
            None => HashTable::sysv(open, info, place(elf::DT_HASH)??),
        }
    }

    fn gnu(open: &OpenPages<'_>, format: Format, at: u64) -> Option<HashTable> {
        let mut head = [0; 16];
        open.read_exact_at(at, &mut head).ok()?;
        let number = |i: usize| format.u32(&head, i * 4);
        let (buckets, first, words, shift) = (number(0)?, number(1)?, number(2)?, number(3)?);
        let word = format.word_size() as u64;
        let bloom_size = u64::from(words) * word;
        let buckets_size = u64::from(buckets) * 4;
        if words == 0 || buckets == 0 || shift > 31 || bloom_size + buckets_size > MAX_TABLE {
            return None;
        }
        Some(HashTable::Gnu {
            first,
            shift,
            words,
            buckets,
            bytes: Bytes::read(open, at + 16, bloom_size + buckets_size)?,
            chains: open.pages.table(at + 16 + bloom_size + buckets_size),
        })
    }

    fn sysv(open: &OpenPages<'_>, info: &ElfInfo, at: u64) -> Option<HashTable> {
        // Its entries are of eight bytes on Alpha and 64-bit S/390.
        if info.header.machine == elf::EM_S390 && info.format().word_size() == 8 {
            return None;
        }
        let mut head = [0; 8];
        open.read_exact_at(at, &mut head).ok()?;
        let buckets = info.format().u32(&head, 0)?;
        let size = u64::from(buckets) * 4;
        if size == 0 || size > MAX_TABLE {
            return None;
        }
        Some(HashTable::SysV {
            buckets,
            bytes: Bytes::read(open, at + 8, size)?,
            chains: open.pages.table(at + 8 + size),
        })
    }

    /// Symbols from this one on are defined in the file; unknown of DT_HASH.
    pub(super) fn first_defined(&self) -> u32 {
        match self {
            HashTable::Gnu { first, .. } => *first,
            HashTable::SysV { .. } => u32::MAX,
        }
    }

    /// Whether the last chain, and so all of them, was read with the other tables.
    pub(super) fn has_chains(&self, pages: &Pages, format: Format) -> bool {
        let HashTable::Gnu {
            first,
            words,
            bytes,
            chains,
            ..
        } = self
        else {
            return false;
        };
        let buckets = bytes.get(pages).get(*words as usize * format.word_size()..);
        let buckets = buckets.unwrap_or_default().chunks_exact(4);
        let last = buckets.filter_map(|raw| format.u32(raw, 0)).max();
        let Some(from) = last.unwrap_or(0).checked_sub(*first) else {
            // All buckets are empty.
            return true;
        };
        let rest = pages.kept(chains).get(from as usize * 4..);
        let mut numbers = rest.unwrap_or_default().chunks_exact(4);
        numbers.any(|raw| format.u32(raw, 0).is_some_and(|number| number & 1 != 0))
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
        let chain = |chains: &Table, place| chain(pages, format, chains, place);
        *left = left.checked_sub(1)?;
        match self {
            HashTable::Gnu {
                first,
                shift,
                words,
                buckets,
                bytes,
                chains,
            } => {
                let hash = wanted.gnu;
                let bytes = bytes.get(pages);
                let size = format.word_size();
                let bits = size as u32 * 8;
                let at = (hash / bits % words) as usize * size;
                let word = format.word(bytes, at)?;
                let mask = 1_u64 << (hash % bits) | 1 << ((hash >> shift) % bits);
                if word & mask != mask {
                    return Some(false);
                }
                let bucket = *words as usize * size + (hash % buckets) as usize * 4;
                let mut index = format.u32(bytes, bucket)?;
                if index < *first {
                    return Some(false);
                }
                loop {
                    *left = left.checked_sub(1)?;
                    let number = chain(chains, index - first)?;
                    if number | 1 == hash | 1 && see(index)? {
                        return Some(true);
                    }
                    if number & 1 != 0 {
                        return Some(false);
                    }
                    index = index.checked_add(1)?;
                }
            }
            HashTable::SysV {
                buckets,
                bytes,
                chains,
            } => {
                let hash = elf::hash(wanted.name);
                let mut index = format.u32(bytes.get(pages), (hash % buckets) as usize * 4)?;
                while index != 0 {
                    *left = left.checked_sub(1)?;
                    if see(index)? {
                        return Some(true);
                    }
                    index = chain(chains, index)?;
                }
                Some(false)
            }
        }
    }
}

/// The number of that place in a table of chains.
fn chain(pages: &Pages, format: Format, chains: &Table, place: u32) -> Option<u32> {
    let from = u64::from(place) * 4;
    if let Some(number) = format.u32(pages.kept(chains), usize::try_from(from).ok()?) {
        return Some(number);
    }
    let mut raw = [0; 4];
    pages.read(chains.start.checked_add(from)?, &mut raw)?;
    format.u32(&raw, 0)
}

/// The hash of a name in DT_GNU_HASH: for each byte, the hash before it times 33 and the byte.
/// Four bytes at a time, since each step has to wait for the one before it.
pub(super) fn gnu(name: &[u8]) -> u32 {
    let mut hash = 5381_u32;
    let (fours, rest) = name.as_chunks::<4>();
    for four in fours {
        let [a, b, c, d] = four.map(u32::from);
        let new = a * 33_u32.pow(3) + b * 33_u32.pow(2) + c * 33 + d;
        hash = hash.wrapping_mul(33_u32.pow(4)).wrapping_add(new);
    }
    for &byte in rest {
        hash = hash.wrapping_mul(33).wrapping_add(byte.into());
    }
    hash
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_is_that_of_elf() {
        let text: Vec<u8> = (1..=255).cycle().take(600).collect();
        for start in 0..300 {
            for len in 0..40 {
                let name = &text[start..start + len];
                assert_eq!(super::gnu(name), object::elf::gnu_hash(name));
            }
        }
    }
}
