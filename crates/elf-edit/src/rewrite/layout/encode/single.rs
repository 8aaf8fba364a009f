//! Edits that one write inside one page makes.

use super::super::context::LayoutContext;
use super::super::model::Layout;
use super::bytes;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::patch::Patch;

/// A write inside one page of this size is all or nothing, whenever the process is killed.
const ATOMIC: u64 = 4096;

/// The writes that lead to `new`, a layout in which nothing moves, if one of them makes the whole
/// change. `None` if it takes a journal.
pub(crate) fn write<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    new: &Layout,
) -> Result<Option<Patch>, RewriteError> {
    if context.target.interpreter.is_some() || context.cache.is_some() {
        return Ok(None);
    }
    // Contents that the loader reads: each of these changes the file's meaning.
    let mut meaning = Vec::new();
    let mut compare = |offset, bytes: &[u8]| -> Result<(), RewriteError> {
        meaning.extend(difference(context, offset, bytes)?);
        Ok(())
    };
    compare(0, &bytes::elf_header(context, new)?)?;
    compare(new.phdrs.offset, &bytes::program_headers(context, new))?;
    for table in &context.changed_tables {
        let extent = bytes::extent(context, new, &table.extent)?;
        compare(table.extent.offset, &extent)?;
    }
    let mut strings = Vec::new();
    if let Some(dynamic) = &context.info().dynamic {
        compare(dynamic.offset, &bytes::dynamic_section(context, new))?;
        for (at, bytes) in &context.free_contents() {
            strings.extend(difference(context, dynamic.strtab + at, bytes)?);
        }
    }
    let mut patch = Patch {
        steps: Vec::new(),
        strip_safe: true,
        ..Patch::default()
    };
    match (meaning.as_slice(), strings.as_slice()) {
        ([], []) => {}
        // One entry names the new string at the old place: only the string is written.
        ([], [(offset, bytes)]) if in_one_page(*offset, bytes) => {
            patch.write(*offset, bytes.clone());
        }
        // The old string is cleared when nothing names it any more.
        ([(offset, bytes)], _) if context.strings.is_empty() && in_one_page(*offset, bytes) => {
            patch.write(*offset, bytes.clone());
            for (offset, bytes) in strings {
                patch.write(offset, bytes);
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(patch))
}

/// The part of `new` that differs from the file at `offset`.
fn difference<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    offset: u64,
    new: &[u8],
) -> Result<Option<(u64, Vec<u8>)>, RewriteError> {
    let old = context.tables.file.read_vec(offset, new.len())?;
    let mut pairs = old.iter().zip(new);
    let Some(first) = pairs.clone().position(|(a, b)| a != b) else {
        return Ok(None);
    };
    let last = pairs.rposition(|(a, b)| a != b).unwrap_or(first);
    Ok(Some((offset + first as u64, new[first..=last].to_vec())))
}

fn in_one_page(offset: u64, bytes: &[u8]) -> bool {
    offset / ATOMIC == (offset + bytes.len() as u64 - 1) / ATOMIC
}
