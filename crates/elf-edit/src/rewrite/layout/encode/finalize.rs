//! Writes to ranges that no journal uses: strings, extents that stay or move inside of a growing
//! segment, the dynamic section, the program header table. No removed or moved string stays behind.

use super::super::context::LayoutContext;
use super::super::model::{AppendedSegment, Layout};
use super::bytes;
use super::image::Image;
use crate::read::codec::Segment;
use crate::read::dynamic::Dynamic;
use crate::read::read_at::ReadAt;
use crate::read::strings::Strings;
use crate::read::versions;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::moves_with_contents;
use crate::rewrite::patch::{Patch, Step};
use crate::rewrite::target::names_string;
use object::elf;
use std::ops::Range;

/// The writes that bring everything but section headers from the layout `old` to `new`, while the
/// journal is in use.
pub(super) fn steps<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    old: &Layout,
    new: &Layout,
) -> Result<Vec<Step>, RewriteError> {
    let info = context.info();
    let mut patch = Patch::default();
    let first_new = new.first_new(old.end);
    if let Some(dynamic) = &info.dynamic {
        if new.strtab.is_some_and(|s| s.offset >= first_new) {
            let parts = left_behind(context, dynamic)?;
            clear(context, dynamic, parts, &mut patch)?;
        } else {
            for (at, bytes) in context.free_contents() {
                patch.write(dynamic.strtab + at, bytes);
            }
        }
    }
    for range in vacated_extents(context, new) {
        patch.write(range.start, vec![0; (range.end - range.start) as usize]);
    }
    for (offset, len) in context.cache.iter().flat_map(|c| c.cleared()) {
        patch.write(offset, vec![0; len as usize]);
    }
    if let Some(range) = vacated(old, new) {
        patch.write(range.start, vec![0; (range.end - range.start) as usize]);
    }
    match new.segment.as_ref().filter(|s| s.offset < old.end) {
        Some(segment) => grow(context, segment, new, &mut patch)?,
        None => {
            for m in new.moves.iter().filter(|m| m.to.offset < first_new) {
                patch.write(m.to.offset, bytes::extent(context, new, &m.extent)?);
            }
        }
    }
    if let Some(location) = new.dynamic.filter(|l| l.offset < first_new) {
        patch.write(location.offset, bytes::dynamic_section(context, new));
    }
    if new.phdrs.offset < first_new {
        patch.write(new.phdrs.offset, bytes::program_headers(context, new));
    }
    Ok(patch.steps)
}

/// Where an interpreter was that changes or moves, so that its path is gone, and notes that move,
/// so that the program header table can grow into that place. Ranges of the contents that a header
/// moves with, whatever offset the header itself names; each byte once, as many headers may
/// describe the same contents.
fn vacated_extents<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    new: &Layout,
) -> Vec<Range<u64>> {
    let moved = |s: &Segment| {
        let mut moves = new.moves.iter();
        let m = moves
            .find(|m| m.extent.offset != m.to.offset && m.extent.holds_vaddr(s.vaddr, s.filesz))?;
        let start = m.extent.offset + (s.vaddr - m.extent.vaddr);
        Some(start..start + s.filesz)
    };
    let segments = context.info().segments.iter();
    let mut ranges: Vec<Range<u64>> = segments
        .filter(|s| moves_with_contents(s))
        .filter_map(moved)
        .collect();
    ranges.extend(context.interpreter_extent().map(|e| e.offset..e.end()));
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, range| {
        let joins = next.start <= range.end;
        if joins {
            range.end = range.end.max(next.end);
        }
        joins
    });
    ranges
}

/// The dynamic section that made room for the program header table: cleared, so that the table can
/// grow again. Where it moved for another reason, code that uses `_DYNAMIC` still reads it. Tables
/// that made room keep their remains, which a program that has the library mapped may read.
fn vacated(old: &Layout, new: &Layout) -> Option<Range<u64>> {
    let (from, to) = old.dynamic.zip(new.dynamic)?;
    let grows = new.phdrs.offset == old.phdrs.offset;
    let blocks = grows && from.offset < new.phdrs.end() && from.end() > old.phdrs.end();
    (blocks && from.offset != to.offset).then_some(from.offset..from.end())
}

/// Ranges to clear in a string table that has moved away: each string that an edit can remove
/// from the new one. No later edit would find it here.
fn left_behind<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    dynamic: &Dynamic,
) -> Result<Vec<Range<u64>>, RewriteError> {
    let named = dynamic.entries.iter().filter(|d| names_string(d.tag));
    let mut starts: Vec<u64> = named.map(|d| d.value).collect();
    if let Some(names) = versions::names(context.tables.file, context.info(), elf::DT_VERNEED)? {
        starts.extend(names.files.iter().map(|f| f.1));
    }
    starts.sort_unstable();
    starts.dedup();
    let mut texts = context.free.clone();
    let mut strings = Strings::new(context.tables.file, dynamic.strtab, dynamic.strsz);
    let mut done = 0;
    for at in starts.into_iter().filter(|&at| at < dynamic.strsz) {
        // The tail of another string has gone with it.
        if at < done {
            continue;
        }
        if let Some(text) = strings.get(at)? {
            done = at + text.len() as u64;
            texts.push(at..done);
        }
    }
    Ok(texts)
}

/// Parts at most this many bytes apart are cleared by one write.
const NEAR: u64 = 256;

/// Clears parts of a string table that nothing uses.
fn clear<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    dynamic: &Dynamic,
    mut parts: Vec<Range<u64>>,
    patch: &mut Patch,
) -> Result<(), RewriteError> {
    parts.sort_unstable_by_key(|part| part.start);
    for near in parts.chunk_by(|a, b| b.start <= a.end + NEAR) {
        let start = near.iter().map(|part| part.start).min().unwrap_or(0);
        let end = near.iter().map(|part| part.end).max().unwrap_or(0);
        let offset = dynamic.strtab + start;
        let file = context.tables.file;
        let mut bytes = file.read_vec(offset, (end - start) as usize)?;
        for part in near {
            bytes[(part.start - start) as usize..(part.end - start) as usize].fill(0);
        }
        patch.write(offset, bytes);
    }
    Ok(())
}

/// Writes everything behind the string table in a segment that grows where it is.
fn grow<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    segment: &AppendedSegment,
    new: &Layout,
    patch: &mut Patch,
) -> Result<(), RewriteError> {
    let old_end = context.info().dynamic.as_ref().map_or(0, |d| d.strsz);
    let start = segment.offset + old_end;
    let mut image = Image::new(start, segment.end);
    for string in &context.strings {
        // A string may begin in a free part at the old end and reach past it.
        let skip = old_end.saturating_sub(string.at) as usize;
        if let Some(rest) = string.text.get(skip..)
            && string.at + string.text.len() as u64 > old_end
        {
            image.put(segment.offset + string.at + skip as u64, rest);
        }
    }
    for m in &new.moves {
        let bytes = bytes::extent(context, new, &m.extent)?;
        if m.to.offset >= start {
            image.put(m.to.offset, &bytes);
        } else {
            patch.write(m.to.offset, bytes);
        }
    }
    if let (Some(location), Some(note)) = (new.cache, context.new_note()) {
        image.put(location.offset, note);
    }
    // The ranges between unmoved extents keep none of their old contents.
    let mut from = start;
    for unmoved in segment.unmoved.iter().filter(|e| e.offset >= start) {
        patch.write(from, image.slice(from, unmoved.offset));
        from = unmoved.end();
    }
    patch.write(from, image.slice(from, segment.end));
    Ok(())
}
