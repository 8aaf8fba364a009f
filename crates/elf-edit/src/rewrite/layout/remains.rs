//! What an earlier rewrite left of tables that made room for the program header table. Their bytes
//! are not cleared, because a program that has the library mapped may still read them.

use super::context::LayoutContext;
use crate::read::read_at::ReadAt;
use crate::rewrite::extents::{Extent, occupies};
use std::io;
use std::ops::Range;

/// Bytes of the moved tables that are searched.
const MAX_MOVED: u64 = 1 << 20;

/// The remains in a range right behind the program header table. The same bytes are in the appended
/// segment, where tables keep their order and distances.
pub(super) fn find<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    extents: &[Extent],
    existing: Option<usize>,
    range: Range<u64>,
) -> io::Result<Option<(u64, u64)>> {
    let (info, file) = (context.info(), context.tables.file);
    let strings = info.dynamic.as_ref().map(|d| d.strtab);
    // Ours starts with the string table.
    let segment = existing.map(|index| &info.segments[index]);
    let Some(segment) = segment.filter(|s| Some(s.offset) == strings) else {
        return Ok(None);
    };
    let sections = context.sections().iter().filter(|s| occupies(s));
    let starts = sections.map(|s| s.offset);
    let starts = starts.chain(extents.iter().map(|e| e.offset));
    let next = starts.filter(|&offset| offset >= range.start).min();
    let end = next.map_or(range.start, |next| next.min(range.end).min(info.size));
    let mut gap = file.read_vec(range.start, end.saturating_sub(range.start) as usize)?;
    gap.truncate(gap.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1));
    let in_segment = |e: &&Extent| segment.holds_offset(e.offset, e.len);
    let mut moved = extents.iter().filter(in_segment);
    let (Some(first), false) = (moved.next(), gap.is_empty()) else {
        return Ok(None);
    };
    let moved_end = moved.next_back().unwrap_or(first).end();
    let len = (moved_end - first.offset).min(MAX_MOVED);
    let moved = file.read_vec(first.offset, len as usize)?;
    let is_rest = memchr::memmem::find(&moved, &gap).is_some();
    Ok(is_rest.then_some((range.start, range.start + gap.len() as u64)))
}
