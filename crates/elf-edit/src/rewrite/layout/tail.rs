//! Data behind the ELF file, which some programs read from their own file: by an absolute offset
//! (pkg), from the place where the ELF file ends by its section headers (AppImage), or from the end
//! of the file (Bun, Deno, nexe, PyInstaller).
//!
//! Data appended behind such data hides it from readers of the last kind, and data inserted before
//! it from the others. So it keeps its place, and a copy of it becomes the new end of the file,
//! behind the appended segment. A later rewrite finds both, and moves only the copy.

use super::address::end_of;
use super::context::{LayoutContext, refuse};
use super::model::TailCopy;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::occupies;
use object::elf;
use std::io;

/// Longest tail that is copied, in bytes: 1 GiB.
const MAX_TAIL: u64 = 1 << 30;

/// Bytes compared at a time.
const WINDOW: usize = 1 << 18;

/// Data between the end of the ELF file and the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub offset: u64,
    pub len: u64,
}

/// The data behind an ELF file that a reader may look for from the end of the file. Zeros are
/// padding. The image of an AppImage is found by section headers, which keep their place.
pub(super) fn find<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>) -> io::Result<Option<Tail>> {
    let info = context.info();
    let format = info.format();
    let table =
        |offset: u64, count: usize, size: usize| offset.saturating_add((count * size) as u64);
    let headers = [
        table(
            info.header.phoff,
            info.segments.len(),
            format.segment_size(),
        ),
        table(
            info.header.shoff,
            context.sections().len(),
            format.section_size(),
        ),
    ];
    // All other members of a PT_NULL are undefined.
    let segments = info.segments.iter().filter(|s| s.p_type != elf::PT_NULL);
    let segments = segments.map(end_of);
    let sections = context.sections().iter().filter(|s| occupies(s));
    let sections = sections.map(|s| s.offset.saturating_add(s.size));
    let offset = segments.chain(sections).chain(headers).max().unwrap_or(0);
    // Section headers that can't be read leave the end of the ELF file unknown.
    let unknown = info.header.shoff != 0 && context.sections().is_empty();
    if offset >= info.size || unknown || is_app_image(context)? {
        return Ok(None);
    }
    let tail = Tail {
        offset,
        len: info.size - offset,
    };
    let is_padding = is_zero(context, tail)?;
    Ok((!is_padding).then_some(tail))
}

/// The copy that a tail needs behind a segment at `start`, whose end before the copy is `end`. The
/// copy begins at the same place in 16 bytes as the tail, in case its reader counts on it.
pub(super) fn copy_behind<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    start: u64,
    end: u64,
) -> Result<Option<TailCopy>, RewriteError> {
    let Some(tail) = context.tail else {
        return Ok(None);
    };
    if tail.len > MAX_TAIL {
        return refuse(format!(
            "{} bytes of data follow the ELF file at offset {:#x}, and a program may look for them \
             at the end of its file; up to {MAX_TAIL} bytes are copied there",
            tail.len, tail.offset
        ));
    }
    // Where the segment grows, its data has a copy already, and the tail itself is before it.
    let from = if start < tail.offset {
        start - tail.len
    } else {
        tail.offset
    };
    let to = end + (from % 16 + 16 - end % 16) % 16;
    let len = tail.len;
    Ok(Some(TailCopy { from, to, len }))
}

/// Whether the tail behind a segment `start..end` is the copy that a rewrite made: the same bytes
/// precede the segment.
pub(super) fn is_copy<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    start: u64,
    end: u64,
) -> io::Result<bool> {
    let Some(tail) = context.tail.filter(|t| t.offset == end && t.len <= start) else {
        return Ok(false);
    };
    let (mut first, mut second) = (vec![0; WINDOW], vec![0; WINDOW]);
    let mut at = 0;
    while at < tail.len {
        let len = (tail.len - at).min(WINDOW as u64) as usize;
        let file = context.tables.file;
        file.read_exact_at(start - tail.len + at, &mut first[..len])?;
        file.read_exact_at(tail.offset + at, &mut second[..len])?;
        if first[..len] != second[..len] {
            return Ok(false);
        }
        at += len as u64;
    }
    Ok(true)
}

/// The magic number of an AppImage, of type 1 or 2, in the padding of `e_ident`.
pub(super) fn is_app_image<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>) -> io::Result<bool> {
    let magic = context.tables.file.read_vec(8, 3)?;
    Ok(magic == *b"AI\x01" || magic == *b"AI\x02")
}

fn is_zero<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>, tail: Tail) -> io::Result<bool> {
    let mut bytes = vec![0; WINDOW.min(tail.len as usize)];
    let mut at = 0;
    // A hole of any length must not cost its length.
    while at < tail.len.min(MAX_TAIL) {
        let len = (tail.len - at).min(WINDOW as u64) as usize;
        context
            .tables
            .file
            .read_exact_at(tail.offset + at, &mut bytes[..len])?;
        if bytes[..len].iter().any(|&b| b != 0) {
            return Ok(false);
        }
        at += len as u64;
    }
    Ok(tail.len <= MAX_TAIL)
}
