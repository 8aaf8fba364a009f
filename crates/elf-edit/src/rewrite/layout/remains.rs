//! What an earlier rewrite left of a table that made room for the program header table. Its bytes
//! are not cleared, because a program that has the library mapped may still read them.

use super::context::LayoutContext;
use crate::read::read_at::ReadAt;
use crate::rewrite::extents::{Extent, occupies};
use std::io;

/// Longest remains that are looked for, in bytes.
const MAX_REMAINS: u64 = 4096;

/// The remains at offset `start`, right behind the program header table: they end as a table in the
/// appended segment does.
pub(super) fn find<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    extents: &[Extent],
    existing: Option<usize>,
    start: u64,
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
    let next = starts.filter(|&offset| offset >= start).min();
    let len = next.map_or(0, |next| {
        (next.min(info.size).saturating_sub(start)).min(MAX_REMAINS)
    });
    let gap = without_zeros(file.read_vec(start, len as usize)?);
    if gap.is_empty() {
        return Ok(None);
    }
    for moved in extents
        .iter()
        .filter(|e| segment.holds_offset(e.offset, e.len))
    {
        let len = moved.len.min(MAX_REMAINS);
        let bytes = file.read_vec(moved.end() - len, len as usize)?;
        if without_zeros(bytes).ends_with(&gap) {
            return Ok(Some((start, start + gap.len() as u64)));
        }
    }
    Ok(None)
}

/// The bytes up to the last that is not zero.
fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes
        .iter()
        .rposition(|&b| b != 0)
        .map_or(0, |last| last + 1);
    bytes.truncate(end);
    bytes
}
