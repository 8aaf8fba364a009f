//! The bytes of headers, the dynamic section and tables in a given layout.

use super::super::context::{LayoutContext, refuse};
use super::super::model::{AppendedSegment, Layout, Location};
use crate::Dyn;
use crate::read::codec::{FileHeader, Segment};
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::{Extent, MOVABLE_TAGS, moves_with_contents};
use object::elf;

/// Tables that keep their place, but may get other contents by way of the journal.
const EDITED_TAGS: [i64; 3] = [elf::DT_RELA, elf::DT_REL, elf::DT_JMPREL];

pub(super) fn dynamic_section<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    layout: &Layout,
) -> Vec<u8> {
    let format = context.info().format();
    let Some(location) = layout.dynamic else {
        return Vec::new();
    };
    let mut out = Vec::with_capacity(location.len as usize);
    let mut segments = context.info().segments.iter();
    let old = segments.find(|s| s.p_type == elf::PT_DYNAMIC);
    let entry_size = format.dyn_size() as u64;
    for (index, entry) in context.target.entries.iter().enumerate() {
        let value = match (context.entry_strings[index], entry.tag) {
            (Some(string), _) => layout.string_value(string),
            (None, elf::DT_STRTAB) => layout.strtab.map_or(entry.value, |s| s.vaddr),
            (None, elf::DT_STRSZ) => layout.strtab.map_or(entry.value, |s| s.len),
            (None, elf::DT_MIPS_RLD_MAP_REL) => {
                // Relative to the entry itself, which may have moved.
                let was = entry.old_index.unwrap_or(index) as u64 * entry_size;
                let was = old.map_or(location.vaddr, |s| s.vaddr).wrapping_add(was);
                let is = location.vaddr.wrapping_add(index as u64 * entry_size);
                entry.value.wrapping_add(was).wrapping_sub(is)
            }
            (None, tag) if MOVABLE_TAGS.contains(&tag) || EDITED_TAGS.contains(&tag) => {
                layout.address(entry.value)
            }
            (None, _) => entry.value,
        };
        let tag = entry.tag;
        Dyn { tag, value }.encode(format, &mut out);
    }
    out.resize(out.len().max(location.len as usize), 0);
    out
}

/// The program header table.
pub(super) fn program_headers<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    layout: &Layout,
) -> Vec<u8> {
    let format = context.info().format();
    let segments = segments(context, layout);
    let mut out = Vec::with_capacity(segments.len() * format.segment_size());
    for segment in segments {
        segment.encode(format, &mut out);
    }
    out
}

fn segments<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>, layout: &Layout) -> Vec<Segment> {
    let mut segments = context.info().segments.clone();
    for segment in &mut segments {
        match segment.p_type {
            _ if context.cache.as_ref().is_some_and(|c| c.drops(segment)) => *segment = null(),
            elf::PT_DYNAMIC => {
                if let Some(location) = layout.dynamic {
                    put(segment, location);
                }
            }
            elf::PT_GNU_STACK => {
                if let Some(executable) = context.target.executable_stack {
                    segment.flags &= !elf::PF_X;
                    segment.flags |= if executable { elf::PF_X } else { 0 };
                }
            }
            _ if moves_with_contents(segment) => follow(context, layout, segment),
            _ => {}
        }
    }
    if let Some(index) = layout.read_only {
        segments[index].flags &= !elf::PF_W;
    }
    if let Some(grown) = layout.grown {
        segments[grown.index].filesz = grown.len;
        segments[grown.index].memsz = grown.len;
    }
    if let Some(appended) = &layout.segment {
        let load = load(appended);
        match appended.existing {
            Some(index) => segments[index] = load,
            None => {
                remove_spare(context, &mut segments);
                insert(&mut segments, load);
            }
        }
    }
    if let Some(stack) = context.new_stack_header() {
        remove_spare(context, &mut segments);
        segments.push(stack);
    }
    if let Some(note) = layout.cache {
        remove_spare(context, &mut segments);
        segments.push(note_header(note));
    }
    for segment in segments.iter_mut().filter(|s| s.p_type == elf::PT_PHDR) {
        put(segment, layout.phdrs);
    }
    segments
}

/// Moves a header with the extent that holds its contents.
fn follow<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    layout: &Layout,
    segment: &mut Segment,
) {
    let mut moves = layout.moves.iter();
    let holds = |extent: &Extent| extent.holds_vaddr(segment.vaddr, segment.filesz);
    let Some(m) = moves.find(|m| holds(&m.extent)) else {
        return;
    };
    let at = segment.vaddr - m.extent.vaddr;
    let is_new = segment.p_type == elf::PT_INTERP && context.target.interpreter.is_some();
    let location = Location {
        offset: m.to.offset + at,
        vaddr: m.to.vaddr + at,
        len: if is_new { m.to.len } else { segment.filesz },
    };
    put(segment, location);
}

/// The PT_LOAD of the appended segment.
fn load(segment: &AppendedSegment) -> Segment {
    let len = segment.end - segment.offset;
    Segment {
        p_type: elf::PT_LOAD,
        flags: if segment.writable {
            elf::PF_R | elf::PF_W
        } else {
            elf::PF_R
        },
        offset: segment.offset,
        vaddr: segment.vaddr,
        paddr: segment.vaddr,
        filesz: len,
        memsz: len,
        align: segment.align,
    }
}

/// A program header that means nothing.
fn null() -> Segment {
    Segment {
        p_type: elf::PT_NULL,
        flags: 0,
        offset: 0,
        vaddr: 0,
        paddr: 0,
        filesz: 0,
        memsz: 0,
        align: 0,
    }
}

/// The PT_NOTE of a new resolution cache.
fn note_header(note: Location) -> Segment {
    Segment {
        p_type: elf::PT_NOTE,
        flags: elf::PF_R,
        offset: note.offset,
        vaddr: note.vaddr,
        paddr: note.vaddr,
        filesz: note.len,
        memsz: note.len,
        align: 4,
    }
}

fn put(segment: &mut Segment, location: Location) {
    let by = location.vaddr.wrapping_sub(segment.vaddr);
    segment.paddr = segment.paddr.wrapping_add(by);
    segment.offset = location.offset;
    segment.vaddr = location.vaddr;
    segment.filesz = location.len;
    segment.memsz = location.len;
}

/// Removes an expendable program header, PT_NULL first, for another one.
fn remove_spare<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>, segments: &mut Vec<Segment>) {
    let null = segments.iter().rposition(|s| s.p_type == elf::PT_NULL);
    if let Some(spare) = null.or_else(|| segments.iter().position(|s| context.is_spare(s))) {
        segments.remove(spare);
    }
}

/// Inserts behind the last PT_LOAD: they are in ascending order of addresses (gABI).
fn insert(segments: &mut Vec<Segment>, load: Segment) {
    let last = segments.iter().rposition(|s| s.p_type == elf::PT_LOAD);
    segments.insert(last.map_or(segments.len(), |i| i + 1), load);
}

pub(super) fn elf_header<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    layout: &Layout,
) -> Result<Vec<u8>, RewriteError> {
    let old = &context.info().header;
    let count = layout.phdrs.len / old.format.segment_size() as u64;
    let Ok(phnum) = u16::try_from(count) else {
        return refuse(format!("{count} program headers do not fit into e_phnum"));
    };
    let header = FileHeader {
        os_abi: context.target.os_abi.unwrap_or(old.os_abi),
        phoff: layout.phdrs.offset,
        phnum,
        shoff: layout.section_table,
        shnum: layout.section_area.map_or(old.shnum, |area| area.count),
        ..old.clone()
    };
    let original = context.tables.file.read_vec(0, old.format.header_size())?;
    Ok(header.encode(&original))
}

/// The contents of an extent.
pub(super) fn extent<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    layout: &Layout,
    extent: &Extent,
) -> Result<Vec<u8>, RewriteError> {
    if context
        .interpreter_extent()
        .is_some_and(|i| i.offset == extent.offset)
        && let Some(bytes) = context.interpreter_bytes()
    {
        return Ok(bytes);
    }
    let file = context.tables.file;
    let mut bytes = file.read_vec(extent.offset, extent.len as usize)?;
    for table in &context.changed_tables {
        if !extent.holds_vaddr(table.extent.vaddr, table.extent.len) {
            continue;
        }
        let start = (table.extent.vaddr - extent.vaddr) as usize;
        bytes[start..start + table.bytes.len()].copy_from_slice(&table.bytes);
        for &(field, string) in &table.strings {
            let Ok(value) = u32::try_from(layout.string_value(string)) else {
                return refuse(
                    "a string would be too far from the string table for a field of 32 bits",
                );
            };
            let Some(field) = bytes.get_mut(start + field..start + field + 4) else {
                return refuse("a table is shorter than what it holds");
            };
            field.copy_from_slice(&context.info().format().number(value.into(), 4));
        }
    }
    Ok(bytes)
}
