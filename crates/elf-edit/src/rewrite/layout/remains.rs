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
    Ok(are_remains(&gap, &moved).then_some((range.start, range.start + gap.len() as u64)))
}

/// Whether a gap has nothing but parts of what moved: the string of an interpreter between tables is
/// cleared, and then each part ends before zeroes. The program header table cuts the first one, the
/// end of the gap the last one: a part that is whole has eight bytes at least.
fn are_remains(gap: &[u8], moved: &[u8]) -> bool {
    const WHOLE: usize = 8;
    let mut at = 0;
    while let Some(zeroes) = gap[at..].iter().position(|&b| b != 0) {
        let is_first = at == 0 && zeroes == 0;
        at += zeroes;
        let rest = &gap[at..];
        let len = common(rest, moved);
        let whole = is_first || len >= WHOLE || len == rest.len();
        let ends = len > 0 && (rest[len - 1] == 0 || rest.get(len).is_none_or(|&b| b == 0));
        if !whole || !ends {
            return false;
        }
        at += len;
    }
    true
}

/// Length of the longest start of `rest` that `moved` has.
fn common(rest: &[u8], moved: &[u8]) -> usize {
    let (mut has, mut lacks) = (0, rest.len() + 1);
    while has + 1 < lacks {
        let middle = has.midpoint(lacks);
        match memchr::memmem::find(moved, &rest[..middle]) {
            Some(_) => has = middle,
            None => lacks = middle,
        }
    }
    has
}

#[cfg(test)]
mod tests {
    use super::are_remains;

    #[test]
    fn parts_of_what_moved_may_have_zeroes_between_them() {
        let moved = b"note of a file/lib/ld.so\0\0\0\0hash table";
        let are = |gap: &[u8]| are_remains(gap, moved);
        assert!(are(b"file/lib/ld.so\0\0\0\0hash"));
        assert!(are(b"of a file\0\0\0\0\0\0\0\0\0\0\0\0\0hash table"));
        // The head is below the program headers, the tail behind the gap.
        assert!(are(b"le\0\0\0\0\0\0\0ha"));
        assert!(are(b"\0\0\0\0\0\0\0hash ta"));
        assert!(are(b"\0\0\0"));
        // Other data, or too little to know.
        assert!(!are(b"file\0\0\0other data"));
        assert!(!are(b"of a file and more"));
        assert!(!are(b"\0\0table\0\0\0\0hash"));
    }
}
