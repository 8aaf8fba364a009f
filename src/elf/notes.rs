//! PT_NOTE segments (gABI, "Note Section").

use super::codec::{FileHeader, Format, Segment};
use super::facts::ReadError;
use super::read_at::ReadAt;
use object::elf;
use std::io;

/// Longest PT_NOTE that is read, in bytes.
const MAX_NOTE_BYTES: u64 = 1 << 20;

/// Note type of `.note.dlopen`, owner "FDO" (systemd's ELF_DLOPEN_METADATA).
pub const NT_FDO_DLOPEN: u32 = 0x407c_0c0a;

/// One note of a PT_NOTE segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// The owner's name, with its NUL.
    pub owner: &'a [u8],
    /// `n_type`
    pub n_type: u32,
    /// The descriptor.
    pub contents: &'a [u8],
}

/// Walks the notes of one PT_NOTE segment's bytes, up to the first that makes no sense.
pub fn notes(format: Format, bytes: &[u8], align: u64) -> Vec<Note<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((note, after)) = note_at(format, bytes, align, at) {
        found.push(note);
        at = after;
    }
    found
}

/// The note at `at`, and where the next one starts.
fn note_at(format: Format, bytes: &[u8], align: u64, at: usize) -> Option<(Note<'_>, usize)> {
    // The gABI pads to 8 in 64-bit files; everybody pads to 4 but in PT_NOTEs aligned to 8.
    let padding = if align == 8 { 8 } else { 4 };
    let owner_len = format.u32(bytes, at)? as usize;
    let contents_len = format.u32(bytes, at.checked_add(4)?)? as usize;
    let n_type = format.u32(bytes, at.checked_add(8)?)?;
    let owner_at = at.checked_add(12)?;
    let owner_end = owner_at.checked_add(owner_len)?;
    let contents_at = owner_end.checked_next_multiple_of(padding)?;
    let end = contents_at.checked_add(contents_len)?;
    let note = Note {
        owner: bytes.get(owner_at..owner_end)?,
        n_type,
        contents: bytes.get(contents_at..end)?,
    };
    Some((note, end.checked_next_multiple_of(padding)?))
}

/// Contents of all `.note.dlopen` notes.
pub fn read_dlopen_notes<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
    segments: &[Segment],
) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut found = Vec::new();
    for segment in segments.iter().filter(|s| s.p_type == elf::PT_NOTE) {
        if segment.filesz == 0 || segment.filesz > MAX_NOTE_BYTES {
            continue;
        }
        // Notes are hints: what can't be read of them is left out, never an error.
        let bytes = match file.read_vec(segment.offset, segment.filesz as usize) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(e) => return Err(e.into()),
        };
        for note in notes(header.format, &bytes, segment.align) {
            if note.n_type == NT_FDO_DLOPEN && note.owner == b"FDO\0" {
                found.push(note.contents.to_vec());
            }
        }
    }
    Ok(found)
}
