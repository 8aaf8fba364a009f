//! Which symbols the relocations of a file ask for, and how.

use elf_edit::{Class, ElfInfo, Endianness, FileReader, ReadAt};
use object::elf;
use std::collections::BTreeMap;

/// Longer tables, in bytes, are malformed.
const MAX_TABLE: u64 = 256 << 20;
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

/// A table of relocations: file offsets, and the size of an entry.
struct RelocationTable {
    start: u64,
    end: u64,
    entry: u64,
    calls: bool,
}

/// Symbols with the strongest use of each. `None` where a table can't be read, and for machines
/// whose relocations are of other kinds.
pub(super) fn uses(file: &FileReader, info: &ElfInfo) -> Option<BTreeMap<u32, Use>> {
    // Symbols of the global offset table have no relocations there.
    if info.header.machine == elf::EM_MIPS {
        return None;
    }
    let mut found = BTreeMap::new();
    for table in tables(info)? {
        read(file, info, &table, |symbol, used| {
            let entry = found.entry(symbol).or_insert(used);
            *entry = (*entry).max(used);
        })?;
    }
    Some(found)
}

fn tables(info: &ElfInfo) -> Option<Vec<RelocationTable>> {
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

fn read(
    file: &FileReader,
    info: &ElfInfo,
    table: &RelocationTable,
    mut see: impl FnMut(u32, Use),
) -> Option<()> {
    let format = info.format();
    let copy = copy_type(info.header.machine);
    let mut at = table.start;
    let mut bytes = vec![0; BATCH as usize];
    while at + table.entry <= table.end {
        let part = (BATCH / table.entry).min((table.end - at) / table.entry) * table.entry;
        let bytes = &mut bytes[..part as usize];
        file.read_once_at(at, bytes).ok()?;
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
                see(symbol, used);
            }
        }
        at += part;
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
