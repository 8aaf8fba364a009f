//! Writes behind the end of the file: a new segment, and the journal. Nothing names them yet.

use super::super::context::LayoutContext;
use super::super::model::{Layout, Location};
use super::bytes;
use super::image::Image;
use crate::read::dynamic::Dynamic;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::patch::{Patch, Step};

/// A string table of up to this many bytes is copied by one write, together with the data behind
/// it.
const SMALL: u64 = 1 << 15;

/// The writes that append the segment, if it is new, and the journal.
pub(super) fn steps<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    old: &Layout,
    new: &Layout,
    journal: &Layout,
) -> Result<Vec<Step>, RewriteError> {
    let mut patch = Patch::default();
    let mut from = new.end.max(old.end).next_multiple_of(8);
    let mut small = None;
    let appended = journal.strtab.filter(|table| table.offset >= old.end);
    if let (Some(table), Some(dynamic)) = (appended, &context.info().dynamic) {
        if dynamic.strsz <= SMALL {
            from = table.offset;
            small = Some((table, dynamic));
        } else {
            copy_strings(context, dynamic, table, &mut patch);
            from = table.end();
        }
    }
    let mut image = Image::new(from, journal.end);
    if let Some((table, dynamic)) = small {
        let copy = &mut image.bytes[..dynamic.strsz as usize];
        context.tables.file.read_exact_at(dynamic.strtab, copy)?;
        for (at, bytes) in new_strings(context) {
            image.put(table.offset + at, &bytes);
        }
    }
    if appended.is_none() {
        for (string, location) in context.strings.iter().zip(&journal.strings) {
            // Strings that fill free parts of a table that stays are not in the journal.
            if location.offset >= from {
                image.put(location.offset, &string.text);
            }
        }
    }
    for m in &journal.moves {
        image.put(m.to.offset, &bytes::extent(context, journal, &m.extent)?);
    }
    put_note(context, journal, &mut image);
    if let Some(location) = journal.dynamic {
        image.put(location.offset, &bytes::dynamic_section(context, journal));
    }
    image.put(
        journal.phdrs.offset,
        &bytes::program_headers(context, journal),
    );
    // Contents of a new segment that the journal has other copies of.
    put_headers(context, new, new.first_new(old.end), &mut image);
    patch.write(image.start, image.bytes);
    Ok(patch.steps)
}

/// The writes of the segment alone, if it is new.
pub(super) fn segment<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    old: &Layout,
    new: &Layout,
) -> Result<Vec<Step>, RewriteError> {
    let mut patch = Patch::default();
    let first_new = new.first_new(old.end);
    let segment = new.segment.as_ref().filter(|s| s.offset == first_new);
    let (Some(segment), Some(table)) = (segment, new.strtab) else {
        return Ok(patch.steps);
    };
    if let Some(dynamic) = &context.info().dynamic {
        copy_strings(context, dynamic, table, &mut patch);
    }
    let mut image = Image::new(table.end(), segment.end);
    for m in new.moves.iter().filter(|m| m.to.offset >= first_new) {
        image.put(m.to.offset, &bytes::extent(context, new, &m.extent)?);
    }
    put_note(context, new, &mut image);
    put_headers(context, new, first_new, &mut image);
    patch.write(image.start, image.bytes);
    Ok(patch.steps)
}

/// The note of a new resolution cache.
fn put_note<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    layout: &Layout,
    image: &mut Image,
) {
    if let (Some(location), Some(note)) = (layout.cache, context.new_note()) {
        image.put(location.offset, note);
    }
}

/// Dynamic section and program header table, where a new segment holds them.
fn put_headers<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    new: &Layout,
    first_new: u64,
    image: &mut Image,
) {
    if let Some(location) = new.dynamic.filter(|l| l.offset >= first_new) {
        image.put(location.offset, &bytes::dynamic_section(context, new));
    }
    if new.phdrs.offset >= first_new {
        image.put(new.phdrs.offset, &bytes::program_headers(context, new));
    }
}

/// Copies the string table to another place, with its new strings.
fn copy_strings<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    dynamic: &Dynamic,
    to: Location,
    patch: &mut Patch,
) {
    patch.steps.push(Step::Copy {
        from: dynamic.strtab,
        to: to.offset,
        len: dynamic.strsz,
    });
    for (at, bytes) in new_strings(context) {
        patch.write(to.offset + at, bytes);
    }
}

/// Differences of a moved string table: (offset in the table, bytes). Dropped strings are cleared.
fn new_strings<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>) -> Vec<(u64, Vec<u8>)> {
    let mut texts = context.cleared();
    texts.extend(context.strings.iter().map(|string| {
        let mut bytes = string.text.clone();
        bytes.push(0);
        (string.at, bytes)
    }));
    texts
}
