//! Which symbols the relocations of a file ask for, and how.

use elf_edit::{Class, ElfInfo, Endianness, Format};
use object::elf;
use std::cell::Cell;
use std::cmp::Reverse;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Longer tables, in bytes, are malformed.
const MAX_TABLE: u64 = 256 << 20;
/// Uses that are kept before those of one symbol become one.
const MANY: usize = 1 << 16;
/// Symbols with a smaller number have a place each.
const LOW: u32 = 1 << 14;
/// Bytes of relocations that are read at a time.
const BATCH: u64 = 1 << 16;

/// How a symbol is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// By calls alone, which are bound when they are made, unless the file binds at its start.
    Call,
    /// Its address or value is wanted at the start.
    Address,
    /// The executable has a copy of a library's variable.
    Copy,
}

/// Whether the file binds all at its start.
pub(super) fn binds_now(info: &ElfInfo) -> bool {
    let value = |tag| info.dynamic.as_ref().and_then(|d| d.value(tag));
    let has = |tag, flag: u32| value(tag).unwrap_or(0) & u64::from(flag) != 0;
    value(elf::DT_BIND_NOW).is_some()
        || has(elf::DT_FLAGS, elf::DF_BIND_NOW)
        || has(elf::DT_FLAGS_1, elf::DF_1_NOW)
}

/// A table of relocations without those that name no symbol: file offsets, and the size of an entry.
#[derive(Debug)]
pub(super) struct RelocationTable {
    pub(super) start: u64,
    pub(super) end: u64,
    entry: u64,
    calls: bool,
}

thread_local! {
    /// The buffer of the last relocations: these are read once and not kept.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Symbols in the order of the table, each with its strongest use. `None` where a table can't be
/// read.
pub(super) fn uses(
    file: &File,
    format: Format,
    machine: u16,
    tables: &[RelocationTable],
) -> Option<Vec<(u32, Use)>> {
    let mut found = Uses::default();
    let mut buffer = BUFFER.take();
    let read = read_all(file, format, machine, tables, &mut buffer, &mut found);
    BUFFER.set(buffer);
    read?;
    found.one_each();
    let low = found.low.into_iter().zip(0..);
    let mut all: Vec<_> = low
        .filter_map(|(used, symbol)| Some((symbol, used?)))
        .collect();
    all.append(&mut found.all);
    Some(all)
}

/// Uses of symbols. Symbols with a small number, nearly all that are imported, have a place each;
/// those of one of the others become one from time to time, since data of a large library names a
/// symbol in very many places.
#[derive(Default)]
struct Uses {
    /// By the symbol's number.
    low: Vec<Option<Use>>,
    all: Vec<(u32, Use)>,
    /// How many there were when they were last made one each.
    different: usize,
}

impl Uses {
    fn add(&mut self, symbol: u32, used: Use) {
        if symbol < LOW {
            let at = symbol as usize;
            if at >= self.low.len() {
                self.low.resize(at + 1, None);
            }
            // No use is less than any.
            self.low[at] = self.low[at].max(Some(used));
            return;
        }
        if self.all.last() == Some(&(symbol, used)) {
            return;
        }
        if self.all.len() >= MANY.max(2 * self.different) {
            self.one_each();
        }
        self.all.push((symbol, used));
    }

    /// Sorts them and keeps the strongest use of each symbol.
    fn one_each(&mut self) {
        self.all
            .sort_unstable_by_key(|&(symbol, used)| (symbol, Reverse(used)));
        self.all.dedup_by_key(|(symbol, _)| *symbol);
        self.different = self.all.len();
    }
}

/// The tables of a file. `None` where one is malformed, and for machines whose relocations are of
/// other kinds.
pub(super) fn tables(info: &ElfInfo) -> Option<Vec<RelocationTable>> {
    // Symbols of the global offset table have no relocations there.
    if info.header.machine == elf::EM_MIPS {
        return None;
    }
    let dynamic = info.dynamic.as_ref()?;
    let size = |with_addend: bool| match (info.format().class, with_addend) {
        (Class::Elf64, true) => 24,
        (Class::Elf64, false) => 16,
        (Class::Elf32, true) => 12,
        (Class::Elf32, false) => 8,
    };
    let list = |at, len, entry, calls| {
        let (Some(at), Some(len)) = (dynamic.value(at), dynamic.value(len)) else {
            return Some(None);
        };
        if len == 0 {
            return Some(None);
        }
        let start = info.offset_of(at, len).filter(|_| len <= MAX_TABLE)?;
        Some(Some(RelocationTable {
            start,
            end: start + len,
            entry,
            calls,
        }))
    };
    let plt_addend = dynamic.value(elf::DT_PLTREL) == Some(elf::DT_RELA as u64);
    let calls = list(elf::DT_JMPREL, elf::DT_PLTRELSZ, size(plt_addend), true)?;
    let others = [
        (elf::DT_RELA, elf::DT_RELASZ, elf::DT_RELACOUNT, size(true)),
        (elf::DT_REL, elf::DT_RELSZ, elf::DT_RELCOUNT, size(false)),
    ];
    let mut all = Vec::new();
    for (at, len, relative, entry) in others {
        let Some(mut table) = list(at, len, entry, false)? else {
            continue;
        };
        // Some linkers count the calls in.
        if let Some(calls) = &calls
            && (table.start..table.end).contains(&calls.start)
            && calls.end >= table.end
        {
            table.end = calls.start;
        }
        // Relative relocations come first and name no symbol.
        let relative = dynamic.value(relative).unwrap_or(0).saturating_mul(entry);
        table.start += relative.min(table.end - table.start);
        all.push(table);
    }
    all.extend(calls);
    Some(all)
}

fn read_all(
    file: &File,
    format: Format,
    machine: u16,
    tables: &[RelocationTable],
    buffer: &mut Vec<u8>,
    found: &mut Uses,
) -> Option<()> {
    let copy = copy_type(machine);
    // They are mostly next to each other, and short.
    let start = tables.iter().map(|table| table.start).min().unwrap_or(0);
    let end = tables.iter().map(|table| table.end).max().unwrap_or(0);
    if end.saturating_sub(start) <= BATCH {
        let bytes = fill(file, start, end - start, buffer)?;
        for table in tables {
            let part = (table.start - start) as usize..(table.end - start) as usize;
            add(format, copy, table, bytes.get(part)?, found)?;
        }
        return Some(());
    }
    for table in tables {
        let mut at = table.start;
        while at + table.entry <= table.end {
            let part = (BATCH / table.entry).min((table.end - at) / table.entry) * table.entry;
            let bytes = fill(file, at, part, buffer)?;
            add(format, copy, table, bytes, found)?;
            at += part;
        }
    }
    Some(())
}

/// Reads a part of a file into the beginning of a buffer that only grows.
fn fill<'a>(file: &File, start: u64, len: u64, buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let len = usize::try_from(len).ok()?;
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    let bytes = buffer.get_mut(..len)?;
    file.read_exact_at(bytes, start).ok()?;
    Some(bytes)
}

/// Adds the symbols of the relocations in a part of a table.
fn add(
    format: Format,
    copy: Option<u32>,
    table: &RelocationTable,
    bytes: &[u8],
    found: &mut Uses,
) -> Option<()> {
    for raw in bytes.chunks_exact(table.entry as usize) {
        let (symbol, kind) = match (format.class, format.endian) {
            (Class::Elf32, _) => {
                let info = format.u32(raw, 4)?;
                (info >> 8, info & 0xff)
            }
            (_, Endianness::Little) => (format.u32(raw, 12)?, format.u32(raw, 8)?),
            (_, Endianness::Big) => (format.u32(raw, 8)?, format.u32(raw, 12)?),
        };
        let used = match table.calls {
            true => Use::Call,
            false if Some(kind) == copy => Use::Copy,
            false => Use::Address,
        };
        if symbol != 0 {
            found.add(symbol, used);
        }
    }
    Some(())
}

/// The relocation that copies a variable.
fn copy_type(machine: u16) -> Option<u32> {
    match machine {
        elf::EM_X86_64 => Some(elf::R_X86_64_COPY),
        elf::EM_386 => Some(elf::R_386_COPY),
        elf::EM_AARCH64 => Some(elf::R_AARCH64_COPY),
        elf::EM_ARM => Some(elf::R_ARM_COPY),
        _ => None,
    }
}
