//! Obstacles to a layout: the segment that an earlier rewrite appended, and the contents that block
//! the program header table.

use super::address::{end_of, maps};
use super::context::{LayoutContext, refuse};
use super::misplaced;
use super::model::{GrownLoad, Location};
use super::remains;
use crate::read::codec::Segment;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::{Extent, inside, moves_with_contents, occupies};
use object::elf;

/// The PT_LOAD of an earlier rewrite, ours or another tool's: the last one, if all of its contents
/// can move. Data that follows it in the file (after a strip) doesn't matter.
pub(super) fn appended_segment<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    extents: &[Extent],
) -> Result<Option<usize>, RewriteError> {
    let info = context.info();
    let Some(dynamic) = &info.dynamic else {
        return Ok(None);
    };
    let Some(index) = info.segments.iter().rposition(|s| s.p_type == elf::PT_LOAD) else {
        return Ok(None);
    };
    let load = &info.segments[index];
    let highest = info
        .segments
        .iter()
        .filter(|s| s.p_type == elf::PT_LOAD)
        .all(|s| s.vaddr <= load.vaddr);
    if load.flags & elf::PF_X != 0
        || load.filesz != load.memsz
        || !highest
        || covered(&info.segments, load)
    {
        return Ok(None);
    }
    let mut known: Vec<(u64, u64)> = vec![(dynamic.strtab, dynamic.strtab + dynamic.strsz)];
    known.extend(extents.iter().map(|e| (e.offset, e.end())));
    known.push((dynamic.offset, dynamic.offset + dynamic.size));
    let table = info.header.phoff;
    let table_len = (info.segments.len() * info.format().segment_size()) as u64;
    known.push((table, table + table_len));
    // patchelf begins with the section headers.
    let section_headers = (context.sections().len() * info.format().section_size()) as u64;
    known.push((info.header.shoff, info.header.shoff + section_headers));
    let is_known = unused_but(context, load.offset, end_of(load), &mut known)?;
    let foreign = context.sections().iter().any(|s| {
        occupies(s)
            && s.offset < end_of(load)
            && s.offset.saturating_add(s.size) > load.offset
            && !(s.offset == dynamic.strtab && s.size <= dynamic.strsz)
            && s.offset != dynamic.offset
            && !extents.iter().any(|e| inside(s, e))
    });
    // With no section headers, zero bytes may be data; but no linker begins data with strings.
    let starts_with_strings = load.offset == dynamic.strtab;
    let has_proof = starts_with_strings || !context.sections().is_empty();
    Ok((is_known && !foreign && has_proof).then_some(index))
}

/// Whether a program header that does not move with its contents, such as PT_GNU_RELRO, covers a
/// part of this PT_LOAD.
fn covered(segments: &[Segment], load: &Segment) -> bool {
    let mut others = segments.iter().filter(|s| {
        let moves = matches!(s.p_type, elf::PT_LOAD | elf::PT_DYNAMIC | elf::PT_PHDR);
        // The size of PT_GNU_STACK is that of the stack, and covers no contents.
        let maps_nothing = matches!(s.p_type, elf::PT_NULL | elf::PT_GNU_STACK);
        !moves && !maps_nothing && !moves_with_contents(s) && s.memsz > 0
    });
    let end = load.vaddr.saturating_add(load.memsz);
    others.any(|s| s.vaddr < end && s.vaddr.saturating_add(s.memsz) > load.vaddr)
}

/// Whether no byte of `from..to` is used, those of the `known` ranges apart.
fn unused_but<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    from: u64,
    to: u64,
    known: &mut [(u64, u64)],
) -> Result<bool, RewriteError> {
    known.sort_unstable();
    let mut at = from;
    for &(start, end) in known.iter().chain(&[(to, to)]) {
        let gap_end = start.min(to);
        if gap_end > at {
            if gap_end - at > context.page_size {
                return Ok(false);
            }
            let gap = context.tables.file.read_vec(at, (gap_end - at) as usize)?;
            // patchelf overwrites moved contents with X or Z.
            if gap.iter().any(|b| ![0, b'X', b'Z'].contains(b)) {
                return Ok(false);
            }
        }
        at = at.max(end);
    }
    Ok(true)
}

/// The moves that make room for a longer program header table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacles {
    /// Contents that move into the segment.
    pub extents: Vec<Extent>,
    /// Whether the dynamic section moves into the segment, too.
    pub dynamic: bool,
    /// A PT_LOAD that grows, so that it maps the whole table.
    pub grown: Option<GrownLoad>,
    /// New offset of the section header table if it blocks the program headers: a little further
    /// on.
    pub section_table: Option<u64>,
}

/// The moves that make room for this many more program headers where the table is, given the
/// segment of an earlier rewrite. `None` if contents behind it must not move.
pub(super) fn in_the_way<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    extents: &[Extent],
    existing: Option<usize>,
    table: Location,
    added: usize,
) -> Result<Option<Obstacles>, RewriteError> {
    let info = context.info();
    let start = table.offset + table.len;
    let mut end = start + (added * info.format().segment_size()) as u64;
    // Strip tools lose a table that grows where no segment maps it.
    let mut grown = None;
    if !maps(info, table.offset, end - table.offset) {
        grown = growing_load(context, table, end);
        if grown.is_none() {
            return Ok(None);
        }
    }
    let sections = context.sections();
    let section_headers = (sections.len() * info.format().section_size()) as u64;
    let shoff = info.header.shoff;
    // Go's linker puts the section headers right behind the program headers.
    let headers_touch = section_headers > 0 && shoff < end && shoff + section_headers > start;
    let section_table = headers_touch.then(|| end.next_multiple_of(8));
    if let Some(moved) = section_table {
        end = moved + section_headers;
    }
    if end > info.size {
        return Ok(None);
    }
    let overlaps = |e: &&Extent| e.overlaps(start, end);
    let moving: Vec<Extent> = extents.iter().filter(overlaps).copied().collect();
    let (strtab, dynamic) = info.dynamic.as_ref().map_or(((0, 0), (0, 0)), |d| {
        (
            (d.strtab, d.strtab + d.strsz),
            (d.offset, d.offset + d.size),
        )
    });
    let dynamic_moves = dynamic.0 < end && dynamic.1 > start;
    let touches = |from: u64, len: u64| from < end && from.saturating_add(len) > start;
    let section_in_way = sections
        .iter()
        .filter(|s| occupies(s) && touches(s.offset, s.size))
        .any(|s| {
            let is = |(from, to): (u64, u64)| s.offset == from && s.size <= to - from;
            let moves = is(strtab) || dynamic_moves && is(dynamic);
            !moves && !moving.iter().any(|e| inside(s, e))
        });
    if section_in_way || (section_table.is_none() && touches(shoff, section_headers)) {
        return Ok(None);
    }
    let mut known = misplaced::places(context);
    known.extend(moving.iter().map(|e| (e.offset, e.end())));
    known.extend(dynamic_moves.then_some(dynamic));
    known.extend([strtab, (shoff, shoff + section_headers)]);
    known.extend(remains::find(context, extents, existing, start..end)?);
    if !unused_but(context, start, end, &mut known)? {
        return Ok(None);
    }
    // Without section headers, zero bytes may be data: only movable contents or padding may be
    // overwritten.
    let safe = !sections.is_empty() || only_padding_beside(&known, start, end);
    Ok(safe.then_some(Obstacles {
        extents: moving,
        dynamic: dynamic_moves,
        grown,
        section_table,
    }))
}

/// Whether the bytes of a range that are in no known part are too few to be data.
fn only_padding_beside(known: &[(u64, u64)], start: u64, end: u64) -> bool {
    let within = |&(a, b): &(u64, u64)| b.min(end).saturating_sub(a.max(start));
    let covered: u64 = known.iter().map(within).sum();
    end - start - covered.min(end - start) < 16
}

/// The PT_LOAD that holds the start of the program header table, if it can grow up to offset `end`:
/// Zig's linker ends it right behind the table. File and addresses must be free up to there, those
/// of the whole last page.
fn growing_load<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    table: Location,
    end: u64,
) -> Option<GrownLoad> {
    let info = context.info();
    let loads = || {
        let segments = info.segments.iter().enumerate();
        segments.filter(|(_, s)| s.p_type == elf::PT_LOAD)
    };
    let (index, load) = loads().find(|(_, s)| s.holds_offset(table.offset, table.len))?;
    if load.filesz != load.memsz {
        return None;
    }
    let len = end.checked_sub(load.offset)?;
    let page = context.page_size;
    let pages_end = load
        .vaddr
        .checked_add(len)?
        .checked_next_multiple_of(page)?;
    let taken = loads().filter(|(other, _)| *other != index).any(|(_, s)| {
        let in_file = s.filesz > 0 && s.offset < end && end_of(s) > end_of(load);
        let in_memory = s.vaddr >= load.vaddr && s.vaddr - s.vaddr % page < pages_end;
        in_file || in_memory
    });
    (!taken).then_some(GrownLoad { index, len })
}

/// A section that lies only partly in the moved range would be torn.
pub(super) fn check_alone<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    moving: &[Extent],
) -> Result<(), RewriteError> {
    for extent in moving {
        let torn = context.sections().iter().find(|s| {
            occupies(s)
                && extent.overlaps(s.offset, s.offset.saturating_add(s.size))
                && !inside(s, extent)
        });
        if let Some(s) = torn {
            return refuse(format!(
                "the section at offset {:#x} lies partly in what must move ({:#x}, {} bytes)",
                s.offset, extent.offset, extent.len
            ));
        }
    }
    Ok(())
}
