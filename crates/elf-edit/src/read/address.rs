//! From addresses and promises of headers to bytes of the file.

use crate::read::codec::Segment;
use crate::read::error::{ReadError, malformed};
use crate::read::read_at::ReadAt;
use object::elf;
use std::io;

/// File offset of an address, if a PT_LOAD backs it with `len` bytes of the file.
pub(crate) fn offset_of(segments: &[Segment], vaddr: u64, len: u64) -> Option<u64> {
    segments
        .iter()
        .find(|s| s.p_type == elf::PT_LOAD && s.holds_vaddr(vaddr, len))
        .and_then(|s| s.offset.checked_add(vaddr - s.vaddr))
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
