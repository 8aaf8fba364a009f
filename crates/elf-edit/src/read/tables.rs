//! Tables that dynamic tags point to: their lengths and the strings that they name.
//!
//! Sizes come from the section header of the same address, where there is one, and from the table
//! itself: section headers may be stripped off, and may be wrong.

use crate::read::codec::{Class, Endianness, Format, Section, symbol_name};
use crate::read::headers::ElfInfo;
use crate::read::read_at::ReadAt;
use crate::read::versions;
use object::elf;
use std::io;

/// `DT_MIPS_XHASH`: a GNU hash table with a translation table behind it (glibc's `elf.h`).
pub(crate) const DT_MIPS_XHASH: i64 = 0x7000_0036;

/// Limit of the symbol count.
const MAX_SYMBOLS: u64 = 1 << 26;

/// The section with contents at this address.
pub(crate) fn section_at(sections: &[Section], addr: u64) -> Option<&Section> {
    sections.iter().find(|s| {
        s.addr == addr
            && s.size > 0
            && s.sh_type != elf::SHT_NOBITS
            && s.flags & u64::from(elf::SHF_ALLOC) != 0
    })
}

/// A file with its headers, for the sizes of its tables.
#[derive(Debug)]
pub struct Tables<'a, R: ?Sized> {
    /// The file that the tables are read from.
    pub file: &'a R,
    /// The decoded headers.
    pub info: &'a ElfInfo,
    /// Section headers, none if the file has none.
    pub sections: &'a [Section],
}

impl<R: ReadAt + ?Sized> Tables<'_, R> {
    fn format(&self) -> Format {
        self.info.format()
    }

    fn tag(&self, tag: i64) -> Option<u64> {
        self.info.dynamic.as_ref()?.value(tag)
    }

    /// 32-bit numbers at an address.
    fn words(&self, vaddr: u64, count: u64) -> io::Result<Option<Vec<u32>>> {
        let len = match count.checked_mul(4) {
            Some(len) if count <= MAX_SYMBOLS => len,
            _ => return Ok(None),
        };
        let Some(offset) = self.info.offset_of(vaddr, len) else {
            return Ok(None);
        };
        let bytes = self.file.read_vec(offset, len as usize)?;
        Ok((0..count as usize)
            .map(|i| self.format().u32(&bytes, i * 4))
            .collect())
    }

    /// The largest of `count` 32-bit numbers at an address, 0 for none.
    fn largest_word(&self, vaddr: u64, count: u64) -> io::Result<Option<u32>> {
        const BATCH: usize = 1 << 16;
        if count > MAX_SYMBOLS {
            return Ok(None);
        }
        let offset = self.info.offset_of(vaddr, count * 4);
        let Some((mut at, end)) = offset.and_then(|at| Some((at, at.checked_add(count * 4)?)))
        else {
            return Ok(None);
        };
        let mut largest = 0;
        let mut bytes = Vec::new();
        while at < end {
            bytes.resize(BATCH.min((end - at) as usize), 0);
            self.file.read_exact_at(at, &mut bytes)?;
            let (words, _) = bytes.as_chunks();
            let of_batch = match self.format().endian {
                Endianness::Little => words.iter().map(|&word| u32::from_le_bytes(word)).max(),
                Endianness::Big => words.iter().map(|&word| u32::from_be_bytes(word)).max(),
            };
            largest = largest.max(of_batch.unwrap_or(0));
            at += bytes.len() as u64;
        }
        Ok(Some(largest))
    }

    /// Number of symbols in `.dynsym`, `None` if neither a hash table nor a section header gives
    /// it.
    pub fn symbol_count(&self) -> io::Result<Option<u64>> {
        let Some(symtab) = self.tag(elf::DT_SYMTAB) else {
            return Ok(Some(0));
        };
        let by_section = section_at(self.sections, symtab)
            .filter(|s| s.sh_type == elf::SHT_DYNSYM)
            .map(|s| s.size / self.format().symbol_size() as u64);
        let by_hash = match (self.tag(elf::DT_HASH), self.tag(elf::DT_GNU_HASH)) {
            (Some(hash), _) => self.sysv_hash(hash)?.map(|h| h.symbols),
            (None, Some(hash)) => self.gnu_hash(hash)?.map(|h| h.symbols),
            // Its chains are in the order of hashes, not of symbols; the loader knows their number by
            // the GOT.
            (None, None) => self.tag(DT_MIPS_XHASH).and(self.tag(elf::DT_MIPS_SYMTABNO)),
        };
        // The larger one: to miss a symbol could mean to overwrite its name.
        Ok(by_section.max(by_hash).filter(|&n| n <= MAX_SYMBOLS))
    }

    /// Size in bytes of an entry of `.hash`: 4, but 8 on 64-bit s390x and alpha (their psABIs).
    pub fn hash_entry_size(&self) -> usize {
        let wide = self.format().class == Class::Elf64
            && matches!(self.info.header.machine, elf::EM_S390 | elf::EM_ALPHA);
        if wide { 8 } else { 4 }
    }

    fn sysv_hash(&self, vaddr: u64) -> io::Result<Option<HashTable>> {
        let entry = self.hash_entry_size();
        let wide = entry == 8;
        let Some(head) = self.words(vaddr, if wide { 4 } else { 2 })? else {
            return Ok(None);
        };
        let (buckets, chains) = if wide {
            let low = usize::from(self.format().endian == Endianness::Big);
            (head[low], head[2 + low])
        } else {
            (head[0], head[1])
        };
        let size = (2 + u64::from(buckets) + u64::from(chains)) * entry as u64;
        Ok(Some(HashTable {
            symbols: chains.into(),
            size,
        }))
    }

    fn gnu_hash(&self, vaddr: u64) -> io::Result<Option<HashTable>> {
        let Some(head) = self.words(vaddr, 4)? else {
            return Ok(None);
        };
        let (buckets, first, bloom) = (u64::from(head[0]), u64::from(head[1]), u64::from(head[2]));
        let buckets_at = vaddr + 16 + bloom * self.format().word_size() as u64;
        let Some(last) = self.largest_word(buckets_at, buckets)?.map(u64::from) else {
            return Ok(None);
        };
        let chains_at = buckets_at + buckets * 4;
        if last < first {
            return Ok(Some(HashTable {
                symbols: first,
                size: chains_at - vaddr,
            }));
        }
        // The chain of the last bucket ends at the first odd hash value.
        let mut symbol = last;
        loop {
            let Some(chain) = self.words(chains_at + (symbol - first) * 4, 1)? else {
                return Ok(None);
            };
            symbol += 1;
            if chain[0] & 1 != 0 {
                let size = chains_at + (symbol - first) * 4 - vaddr;
                return Ok(Some(HashTable {
                    symbols: symbol,
                    size,
                }));
            }
            if symbol > MAX_SYMBOLS {
                return Ok(None);
            }
        }
    }

    /// Length in bytes of the table that `tag` points to, `None` if it can't be determined.
    pub fn size_of(&self, tag: i64) -> io::Result<Option<u64>> {
        let Some(vaddr) = self.tag(tag) else {
            return Ok(None);
        };
        if let Some(section) = section_at(self.sections, vaddr) {
            return Ok(Some(section.size));
        }
        let symbol_size = self.format().symbol_size() as u64;
        Ok(match tag {
            elf::DT_HASH => self.sysv_hash(vaddr)?.map(|h| h.size),
            elf::DT_GNU_HASH => self.gnu_hash(vaddr)?.map(|h| h.size),
            elf::DT_SYMTAB => self.symbol_count()?.map(|n| n * symbol_size),
            elf::DT_VERSYM => self.symbol_count()?.map(|n| n * 2),
            elf::DT_VERNEED | elf::DT_VERDEF => {
                versions::names(self.file, self.info, tag)?.map(|v| v.size)
            }
            _ => None,
        })
    }

    /// Calls `seen` with `st_name` of each symbol. False where the table can't be sized.
    pub(crate) fn each_symbol_name(&self, mut seen: impl FnMut(u64)) -> io::Result<bool> {
        let Some(symtab) = self.tag(elf::DT_SYMTAB) else {
            return Ok(true);
        };
        let Some(count) = self.symbol_count()? else {
            return Ok(false);
        };
        let size = self.format().symbol_size() as u64;
        let Some(offset) = self.info.offset_of(symtab, count * size) else {
            return Ok(false);
        };
        const BATCH: u64 = 4096;
        let mut done = 0;
        while done < count {
            let n = BATCH.min(count - done);
            let bytes = self
                .file
                .read_vec(offset + done * size, (n * size) as usize)?;
            for raw in bytes.chunks_exact(size as usize) {
                if let Some(name) = symbol_name(self.format(), raw) {
                    seen(name.into());
                }
            }
            done += n;
        }
        Ok(true)
    }
}

struct HashTable {
    symbols: u64,
    size: u64,
}
