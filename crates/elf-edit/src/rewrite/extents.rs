//! Movable parts of a file: those that are reached through program headers or dynamic tags alone,
//! never those that code addresses relative to itself.

use crate::read::address::offset_of;
use crate::read::codec::{Section, Segment};
use crate::read::read_at::ReadAt;
use crate::read::tables::{DT_MIPS_XHASH, Tables};
use object::elf;
use std::io;

/// Dynamic tags whose tables nothing but the tag reaches.
pub(super) const MOVABLE_TAGS: [i64; 7] = [
    elf::DT_HASH,
    elf::DT_GNU_HASH,
    elf::DT_SYMTAB,
    elf::DT_VERSYM,
    elf::DT_VERNEED,
    elf::DT_VERDEF,
    DT_MIPS_XHASH,
];

/// Largest table that is read whole to be moved, in bytes.
const MAX_EXTENT: u64 = 1 << 28;

/// A stretch of the file that can move as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Extent {
    /// Offset in the file.
    pub offset: u64,
    pub vaddr: u64,
    pub len: u64,
    /// Alignment that it needs.
    pub align: u64,
}

impl Extent {
    /// First byte of the file behind it.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.len
    }

    /// Whether file bytes `start..end` touch it.
    pub(super) fn overlaps(&self, start: u64, end: u64) -> bool {
        self.offset < end && start < self.end()
    }

    /// Whether the address range lies in it.
    pub(super) fn holds_vaddr(&self, vaddr: u64, len: u64) -> bool {
        vaddr >= self.vaddr
            && vaddr
                .checked_add(len)
                .is_some_and(|end| end <= self.vaddr + self.len)
    }
}

/// Program headers, other than PT_LOAD, that move with the contents that they describe.
pub(super) fn moves_with_contents(segment: &Segment) -> bool {
    matches!(
        segment.p_type,
        elf::PT_INTERP | elf::PT_NOTE | elf::PT_GNU_PROPERTY
    ) && segment.filesz > 0
}

/// All movable stretches of a file, by offset, overlapping ones joined. What claims more than the
/// file has, or more than fits into memory with ease, is none.
pub(super) fn movable<R: ReadAt + ?Sized>(tables: &Tables<'_, R>) -> io::Result<Vec<Extent>> {
    let info = tables.info;
    let word = info.format().word_size() as u64;
    let loads = info.segments.iter().filter(|s| s.p_type == elf::PT_LOAD);
    let loads: Vec<Segment> = loads.cloned().collect();
    let mut found = Vec::new();
    for segment in info.segments.iter().filter(|s| moves_with_contents(s)) {
        if offset_of(&loads, segment.vaddr, segment.filesz) == Some(segment.offset) {
            found.push(Extent {
                offset: segment.offset,
                vaddr: segment.vaddr,
                len: segment.filesz,
                align: segment.align.clamp(1, 4096),
            });
        }
    }
    for tag in MOVABLE_TAGS {
        let Some(vaddr) = info.dynamic.as_ref().and_then(|d| d.value(tag)) else {
            continue;
        };
        let Some(len) = tables.size_of(tag)?.filter(|&len| len > 0) else {
            continue;
        };
        if let Some(offset) = info.offset_of(vaddr, len) {
            found.push(Extent {
                offset,
                vaddr,
                len,
                align: word,
            });
        }
    }
    found.retain(|extent: &Extent| {
        let end = extent.offset.checked_add(extent.len);
        extent.len <= MAX_EXTENT && end.is_some_and(|end| end <= info.size)
    });
    found.sort_unstable();
    let mut joined: Vec<Extent> = Vec::new();
    for extent in found {
        match joined.last_mut() {
            Some(last) if extent.offset < last.end() => {
                last.len = last.len.max(extent.end() - last.offset);
                last.align = last.align.max(extent.align);
            }
            _ => joined.push(extent),
        }
    }
    align_as_sections(&mut joined, tables.sections);
    Ok(joined)
}

/// Raises the alignment of each extent to that of the sections in it. Both may be many: a file can
/// have 65,535 program headers and more sections.
fn align_as_sections(extents: &mut [Extent], sections: &[Section]) {
    let mut by_address: Vec<usize> = (0..extents.len()).collect();
    by_address.sort_unstable_by_key(|&index| extents[index].vaddr);
    for section in sections {
        let behind = by_address.partition_point(|&index| extents[index].vaddr <= section.addr);
        let Some(before) = behind.checked_sub(1) else {
            continue;
        };
        let extent = &mut extents[by_address[before]];
        if inside(section, extent) {
            extent.align = extent.align.max(section.addralign);
        }
    }
    for extent in extents {
        extent.align = extent.align.clamp(1, 4096).next_power_of_two();
    }
}

/// Whether a section's contents lie inside the extent.
pub(super) fn inside(section: &Section, extent: &Extent) -> bool {
    occupies(section)
        && section.flags & u64::from(elf::SHF_ALLOC) != 0
        && extent.holds_vaddr(section.addr, section.size)
        && section.offset >= extent.offset
}

/// Whether a section has bytes in the file.
pub(super) fn occupies(section: &Section) -> bool {
    section.sh_type != elf::SHT_NOBITS && section.sh_type != elf::SHT_NULL && section.size > 0
}
