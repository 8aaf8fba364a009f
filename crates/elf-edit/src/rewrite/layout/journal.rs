//! The planner of the state in between: all new contents are behind the end of the file, so that
//! one write of the ELF header switches from the old meaning to the new one.
//!
//! One writable PT_LOAD holds the whole journal, the program header table too: the kernel (from
//! 5.18) passes its address to ld.so, which must find it mapped.

use super::address::{address_for, check_address_space, first_offset_for_table};
use super::context::LayoutContext;
use super::model::{AppendedSegment, Layout, Location};
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;

/// Longest string table that is copied into the journal, in bytes, so that every reader finds
/// the new strings in it.
const MAX_COPY: u64 = 1 << 20;

/// Plans the journal of a rewrite that ends in the layout `new`.
pub(super) fn plan<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    new: &Layout,
) -> Result<Layout, RewriteError> {
    let size = context.info().size;
    let start = new.end.max(size).next_multiple_of(8);
    let base = match &new.segment {
        Some(segment) => segment.clone(),
        None => AppendedSegment {
            offset: start,
            vaddr: address_for(context, start, None)?,
            end: start,
            align: context.page_size,
            writable: true,
            existing: None,
            unmoved: Vec::new(),
        },
    };
    // A segment that is new in the file has its final contents from the start.
    let first_new = new.first_new(size);
    let mut cursor = Cursor {
        base: &base,
        at: start,
    };
    let mut journal = new.clone();
    if first_new == u64::MAX
        && !context.strings.is_empty()
        && let Some(table) = new.strtab
    {
        place_strings(context, new, table, &mut cursor, &mut journal);
    }
    for m in &mut journal.moves {
        if m.to.offset < first_new {
            m.to = cursor.alloc(m.to.len, m.extent.align.max(8));
        }
    }
    if let Some(dynamic) = &mut journal.dynamic {
        *dynamic = cursor.alloc(dynamic.len, 8);
    }
    let appended = new.segment.as_ref().and_then(|s| s.existing);
    if let Some(note) = journal.cache.as_mut().filter(|n| n.offset < first_new) {
        *note = cursor.alloc(note.len, 4);
    }
    cursor.at = cursor.at.max(first_offset_for_table(context, appended));
    let table_len = context.table_len(usize::from(base.existing.is_none()));
    journal.phdrs = cursor.alloc(table_len, 8);
    let end = cursor.at;
    check_address_space(context, base.vaddr, end - base.offset)?;
    journal.segment = Some(AppendedSegment {
        end,
        writable: true,
        ..base
    });
    journal.end = end;
    Ok(journal)
}

/// Plans for the new strings where the string table keeps its place: with a copy of the table in
/// the journal; or alone, in a string table that reaches up to them where an appended segment
/// holds both. Otherwise they are outside of the table: ld.so adds `d_val` to DT_STRTAB and checks
/// no more.
fn place_strings<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    new: &Layout,
    table: Location,
    cursor: &mut Cursor<'_>,
    journal: &mut Layout,
) {
    if new.segment.is_none() && table.len <= MAX_COPY {
        let copy = cursor.alloc(table.len, 1);
        journal.strtab = Some(copy);
        journal.strings = context.strings_in(copy);
        return;
    }
    for string in &mut journal.strings {
        *string = cursor.alloc(string.len, 1);
    }
    if new.segment.is_some() {
        journal.strtab = Some(Location {
            len: cursor.at - table.offset,
            ..table
        });
    }
}

/// Allocates locations in the journal, one behind the other.
struct Cursor<'a> {
    base: &'a AppendedSegment,
    at: u64,
}

impl Cursor<'_> {
    fn alloc(&mut self, len: u64, align: u64) -> Location {
        let offset = self.at.next_multiple_of(align.clamp(1, 4096));
        self.at = offset + len;
        Location {
            offset,
            vaddr: self.base.vaddr.wrapping_add(offset - self.base.offset),
            len,
        }
    }
}
