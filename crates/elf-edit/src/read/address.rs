//! From addresses and promises of headers to bytes of the file.

use crate::read::codec::Segment;
use crate::read::error::{ReadError, malformed};
use crate::read::read_at::ReadAt;
use object::elf;
use std::io;

/// Smallest page of any Linux, in bytes.
pub(crate) const PAGE: u64 = 0x1000;

/// File offset of an address, if a PT_LOAD backs it with `len` bytes of the file; or if the page
/// does that such a segment ends in. Kernels map whole pages, and patchelf 0.17.2 left string tables
/// of non-PIE programs there.
pub(crate) fn offset_of(segments: &[Segment], vaddr: u64, len: u64) -> Option<u64> {
    let mut loads = segments.iter().filter(|s| s.p_type == elf::PT_LOAD);
    let load = loads.clone().find(|s| s.holds_vaddr(vaddr, len));
    let load = load.or_else(|| loads.find(|s| last_page_holds(s, segments, vaddr, len)))?;
    load.offset.checked_add(vaddr - load.vaddr)
}

/// Whether an address range is behind the end of a PT_LOAD, but in its last page, and belongs to no
/// other one. Behind a segment with memory that the file doesn't back, the page is zeroed.
fn last_page_holds(load: &Segment, segments: &[Segment], vaddr: u64, len: u64) -> bool {
    let range = || {
        let end = load.vaddr.checked_add(load.filesz)?;
        let page_end = end.checked_next_multiple_of(PAGE)?;
        Some((end, page_end, vaddr.checked_add(len)?))
    };
    let Some((end, page_end, range_end)) = range() else {
        return false;
    };
    let in_page = load.filesz > 0
        && load.filesz == load.memsz
        && vaddr >= load.vaddr
        && range_end > end
        && range_end <= page_end;
    let mut others = segments
        .iter()
        .filter(|s| s.p_type == elf::PT_LOAD && *s != load);
    in_page
        && others.all(|s| {
            let start = s.vaddr - s.vaddr % PAGE;
            range_end <= start || vaddr >= s.vaddr.saturating_add(s.memsz)
        })
}

/// Reads a window that headers promise: past the end of the file is a malformed file.
pub(crate) fn window<R: ReadAt + ?Sized>(
    file: &R,
    offset: u64,
    len: usize,
    what: &str,
) -> Result<Vec<u8>, ReadError> {
    match file.read_vec(offset, len) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => malformed(format!(
            "{what} at offset {offset:#x}, {len} bytes long, ends past the end of the file ({:#x})",
            file.len()
        )),
        other => Ok(other?),
    }
}
