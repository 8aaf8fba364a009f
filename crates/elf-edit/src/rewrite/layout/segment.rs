//! The planner for edits that outgrow their place: an appended segment.
//!
//! It is one PT_LOAD that starts with the string table (llvm-strip takes a PT_INTERP at the same
//! offset for the parent of the PT_LOAD). The program header table keeps its place and grows;
//! contents in its way move into the segment, if they may move.

use super::address::{address_for, check_address_space, end_of, first_offset_for_table, maps};
use super::context::{LayoutContext, refuse};
use super::current::{add_new_contents, current};
use super::model::{AppendedSegment, Layout, Location, Move, SectionArea};
use super::obstacles::{Obstacles, appended_segment, check_alone, in_the_way};
use super::tail::{copy_behind, is_copy};
use crate::read::codec::Segment;
use crate::read::dynamic::Dynamic;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::{Extent, movable};
use object::elf;

/// From this size in bytes on, the contents that move with the string table get `SLACK` bytes
/// before it.
const LARGE: u64 = 64 << 10;
const SLACK: u64 = 4 << 10;

/// Plans the segment and everything in it.
pub(super) fn plan<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
) -> Result<Layout, RewriteError> {
    let info = context.info();
    let Some(dynamic) = &info.dynamic else {
        return refuse("it has no dynamic section, and its interpreter has no room to grow");
    };
    let mut layout = current(context);
    let extents = movable(&context.tables)?;
    let existing = appended_segment(context, &extents)?;
    let area = context.section_area();
    let mut segment = place_segment(context, dynamic, existing, area)?;
    let grows = segment.offset < info.size;
    let moving = make_room(context, &extents, existing, &mut layout)?;
    if moving.phdrs_move {
        check_cache(context, existing)?;
    }

    let mut cursor = Cursor {
        at: segment.offset,
        offset: segment.offset,
        vaddr: segment.vaddr,
    };
    let strtab = cursor.alloc(context.strsz, 1, segment.vaddr);
    layout.strtab = Some(strtab);
    layout.strings = context.strings_in(strtab);
    let bulk: u64 = moving.extents.iter().map(|e| e.len).sum();
    match moving.extents.first() {
        // The last rewrite left room: the contents behind it can stay.
        Some(first) if grows && first.offset >= cursor.at => cursor.at = first.offset,
        // Large tables should not move again each time that a string grows.
        Some(_) if bulk >= LARGE => cursor.at += SLACK,
        _ => {}
    }
    for extent in &moving.extents {
        place(context, *extent, &mut cursor, &mut segment, &mut layout);
    }
    let word = info.format().word_size() as u64;
    let in_segment =
        existing.is_some_and(|i| info.segments[i].holds_offset(dynamic.offset, dynamic.size));
    if in_segment || moving.dynamic || context.dynamic_grows() {
        layout.dynamic = Some(cursor.alloc(dynamic_len(context, dynamic), word, 0));
        segment.writable = context.dynamic_is_writable();
    }
    if let Some(note) = context.new_note() {
        layout.cache = Some(cursor.alloc(note.len() as u64, 4, 0));
    }
    layout.phdrs.len = context.table_len(usize::from(existing.is_none()));
    layout.strip_safe = !moving.phdrs_move && strip_finds_table(context, existing, &layout);
    if layout.dynamic.is_some_and(|to| to.offset != dynamic.offset) && !in_segment {
        layout.read_only = only_dynamic_is_written(context, dynamic);
    }
    if moving.phdrs_move {
        cursor.at = cursor.at.max(first_offset_for_table(context, existing));
        layout.phdrs = cursor.alloc(layout.phdrs.len, word, 0);
    }
    if let Some(area) = area {
        layout.section_table = area.table;
        layout.section_area = Some(area);
    }
    layout.tail = copy_behind(context, segment.offset, cursor.at)?;
    segment.end = layout.tail.map_or(cursor.at, |tail| tail.to);
    check_address_space(context, segment.vaddr, segment.end - segment.offset)?;
    layout.end = segment.end + layout.tail.map_or(0, |tail| tail.len);
    layout.segment = Some(segment);
    add_new_contents(context, &mut layout);
    Ok(layout)
}

/// Refuses a resolution cache for which the program header table of a MIPS file would have to move:
/// QEMU and kernels before 5.18 would not start the program, for the sake of an optimization. Other
/// machines' programs start, and the layout reports that they are less safe than before.
fn check_cache<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    existing: Option<usize>,
) -> Result<(), RewriteError> {
    let info = context.info();
    let has_moved = existing.is_some_and(|i| info.segments[i].holds_offset(info.header.phoff, 1));
    if info.header.machine != elf::EM_MIPS || has_moved || context.new_note().is_none() {
        return Ok(());
    }
    refuse("the program header of a resolution cache has no room behind the ELF header")
}

/// Offset of the segment: its old place if it is at the end of the file, otherwise `cursor`'s.
fn place_segment<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    dynamic: &Dynamic,
    existing: Option<usize>,
    area: Option<SectionArea>,
) -> Result<AppendedSegment, RewriteError> {
    let info = context.info();
    // Ours starts with the string table; another tool's segment stays, and a new one is added.
    let mut growing = existing
        .map(|i| &info.segments[i])
        .filter(|s| s.offset == dynamic.strtab && area.is_none());
    if let Some(s) = growing
        && end_of(s) != info.size
        && !is_copy(context, s.offset, end_of(s))?
    {
        growing = None;
    }
    let end = area.map_or(info.size, |area| area.end);
    let (offset, vaddr, align) = match growing {
        Some(s) => (s.offset, s.vaddr, s.align),
        None => (end, address_for(context, end, existing)?, context.page_size),
    };
    Ok(AppendedSegment {
        offset,
        vaddr,
        end: offset,
        align,
        writable: false,
        existing,
        unmoved: Vec::new(),
    })
}

/// Places an extent in the segment, where it may be already.
fn place<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    extent: Extent,
    cursor: &mut Cursor,
    segment: &mut AppendedSegment,
    layout: &mut Layout,
) {
    let to = cursor.alloc(new_len(context, &extent), extent.align, extent.vaddr);
    if to.offset == extent.offset && !context.changes(&extent) {
        segment.unmoved.push(extent);
    } else {
        layout.moves.push(Move { extent, to });
    }
}

/// Whether strip tools keep a program header table that stays where it is. They write it right
/// behind the ELF header, so it can grow at no other place.
fn strip_finds_table<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    existing: Option<usize>,
    layout: &Layout,
) -> bool {
    let info = context.info();
    let grows = context.added_headers(usize::from(existing.is_none())) > 0;
    let behind_header = layout.phdrs.offset == info.format().header_size() as u64;
    let is_mapped = layout.grown.is_some() || maps(info, layout.phdrs.offset, layout.phdrs.len);
    is_mapped && (behind_header || !grows)
}

/// The PT_LOAD of a dynamic section that moves away, if nothing else in it is written to.
fn only_dynamic_is_written<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    dynamic: &Dynamic,
) -> Option<usize> {
    let mut loads = context.info().segments.iter().enumerate();
    let holds = |s: &Segment| {
        s.p_type == elf::PT_LOAD && s.holds_offset(dynamic.offset, 1) && s.filesz == s.memsz
    };
    let (index, load) = loads.find(|(_, s)| holds(s))?;
    let written = context.sections().iter().any(|s| {
        s.flags & u64::from(elf::SHF_WRITE) != 0
            && s.sh_type != elf::SHT_DYNAMIC
            && s.addr < load.vaddr.saturating_add(load.memsz)
            && s.addr.saturating_add(s.size) > load.vaddr
    });
    (!written && !context.sections().is_empty()).then_some(index)
}

/// Contents that move into the segment.
struct Moving {
    extents: Vec<Extent>,
    /// Whether the program header table moves, too.
    phdrs_move: bool,
    /// Whether the dynamic section moves because it is in the way of that table.
    dynamic: bool,
}

/// Chooses the contents that move into the segment, and makes room for the program header table.
/// The section header table moves on a little if it is in the way.
fn make_room<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    extents: &[Extent],
    existing: Option<usize>,
    layout: &mut Layout,
) -> Result<Moving, RewriteError> {
    let info = context.info();
    let segment = existing.map(|i| &info.segments[i]);
    let table_inside = segment.is_some_and(|s| s.holds_offset(layout.phdrs.offset, 1));
    let stays = |e: &&Extent| !context.cache.as_ref().is_some_and(|c| c.is_dropped(e));
    let inside = extents
        .iter()
        .filter(stays)
        .filter(|e| segment.is_some_and(|s| s.holds_offset(e.offset, e.len)));
    let mut moving = Moving {
        extents: inside.copied().collect(),
        phdrs_move: table_inside,
        dynamic: false,
    };
    let added = context.added_headers(usize::from(existing.is_none()));
    if added > 0 && !table_inside {
        match in_the_way(context, extents, existing, layout.phdrs, added)? {
            Some(obstacles) => {
                let ample = in_the_way(context, extents, existing, layout.phdrs, added + 1)?;
                let obstacles = with_spare_room(obstacles, ample);
                layout.grown = obstacles.grown;
                moving.dynamic = obstacles.dynamic;
                layout.section_table = obstacles.section_table.unwrap_or(layout.section_table);
                for extent in obstacles.extents.iter().filter(stays) {
                    if !moving.extents.contains(extent) {
                        moving.extents.push(*extent);
                    }
                }
            }
            None => moving.phdrs_move = true,
        }
    }
    if let Some(interpreter) = context
        .interpreter_extent()
        .filter(|_| context.interpreter_grows())
        && !moving
            .extents
            .iter()
            .any(|e| e.offset == interpreter.offset)
    {
        moving.extents.push(interpreter);
    }
    moving.extents.sort_unstable();
    check_alone(context, &moving.extents)?;
    Ok(moving)
}

/// The moves that leave room for another header, if they cost little: patchelf before 0.19 takes that
/// room in a library without looking at what is there.
fn with_spare_room(obstacles: Obstacles, ample: Option<Obstacles>) -> Obstacles {
    const LITTLE: u64 = 4096;
    let len = |of: &Obstacles| of.extents.iter().map(|e| e.len).sum::<u64>();
    let alike = |ample: &Obstacles| {
        let cost = len(ample).saturating_sub(len(&obstacles));
        cost <= LITTLE
            && ample.grown == obstacles.grown
            && ample.dynamic == obstacles.dynamic
            && ample.section_table == obstacles.section_table
    };
    match ample {
        Some(ample) if alike(&ample) => ample,
        _ => obstacles,
    }
}

/// Length of the dynamic section in the segment: it keeps its spare entries, if it has any.
fn dynamic_len<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>, dynamic: &Dynamic) -> u64 {
    let needed = context.target.entries.len() + 1;
    let entries = if context.dynamic_grows() {
        needed
    } else {
        needed.max(dynamic.capacity)
    };
    (entries * context.info().format().dyn_size()) as u64
}

/// Allocates locations in the segment, one behind the other. Whether they fit into the address space
/// is checked at the end.
struct Cursor {
    at: u64,
    offset: u64,
    vaddr: u64,
}

impl Cursor {
    /// `len` bytes at an address that equals `like` modulo `align`.
    fn alloc(&mut self, len: u64, align: u64, like: u64) -> Location {
        let here = self.vaddr.wrapping_add(self.at - self.offset);
        let pad = (like % align + align - here % align) % align;
        let offset = self.at + pad;
        self.at = offset + len;
        Location {
            offset,
            vaddr: here.wrapping_add(pad),
            len,
        }
    }
}

/// Length of an extent afterwards.
fn new_len<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>, extent: &Extent) -> u64 {
    match (context.interpreter_extent(), context.interpreter_bytes()) {
        (Some(interp), Some(bytes)) if interp.offset == extent.offset => bytes.len() as u64,
        _ => extent.len,
    }
}
