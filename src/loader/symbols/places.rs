//! Where the tables of symbols are in a file.

use elf_edit::ElfInfo;
use object::elf;
use std::ops::Range;

/// What is known of the end of the last table.
pub(super) enum End {
    Known,
    /// It is that of DT_GNU_HASH.
    Hash,
    Unknown,
}

/// The tables in which symbols are looked up, each to the next one at most.
pub(super) fn short_tables(info: &ElfInfo) -> (Vec<Range<u64>>, End) {
    /// Bytes that are read of a table behind which there is no other, and of a table of versions:
    /// these are decoded in windows of this size.
    const PART: u64 = 4096;
    let Some(dynamic) = &info.dynamic else {
        return (Vec::new(), End::Unknown);
    };
    let start = |tag: i64| info.offset_of(dynamic.value(tag)?, 1);
    // Of two hash tables, a loader reads this one.
    let hash = match dynamic.value(elf::DT_GNU_HASH) {
        Some(_) => elf::DT_GNU_HASH,
        None => elf::DT_HASH,
    };
    let looked_up = [hash, elf::DT_SYMTAB, elf::DT_VERSYM];
    let versions = [elf::DT_VERNEED, elf::DT_VERDEF];
    let others = [
        elf::DT_HASH,
        elf::DT_RELA,
        elf::DT_REL,
        elf::DT_RELR,
        elf::DT_JMPREL,
    ];
    let all = looked_up.iter().chain(&versions).chain(&others);
    let mut starts: Vec<u64> = all.filter_map(|&tag| start(tag)).collect();
    starts.push(dynamic.strtab);
    let end = |start: u64| starts.iter().copied().filter(|&next| next > start).min();
    let count = |tag, size| Some((end(start(tag)?)? - start(tag)?) / size);
    let counts = [
        count(elf::DT_SYMTAB, info.format().symbol_size() as u64),
        count(elf::DT_VERSYM, 2),
    ];
    let symbols = counts.into_iter().flatten().min();
    let mut tables = Vec::new();
    tables.push(dynamic.strtab..dynamic.strtab.saturating_add(dynamic.strsz));
    let mut last = End::Known;
    for tag in looked_up {
        let Some(start) = start(tag) else {
            continue;
        };
        let end = end(start).unwrap_or_else(|| {
            last = match tag {
                elf::DT_GNU_HASH => End::Hash,
                _ => End::Unknown,
            };
            // A chain's number, a bucket and two bytes of the Bloom filter for each symbol.
            start.saturating_add(PART.max(symbols.unwrap_or(0).saturating_mul(10)))
        });
        tables.push(start..end);
    }
    for start in versions.into_iter().filter_map(start) {
        let part = start.saturating_add(PART);
        tables.push(start..end(start).map_or(part, |end| end.max(part)));
    }
    (tables, last)
}
