//! PT_NOTE segments (gABI, "Note Section").

use crate::read::codec::{FileHeader, Format, Segment};
use crate::read::error::ReadError;
use crate::read::read_at::ReadAt;
use object::elf;
use serde_json::Value;
use std::{io, iter};

/// Limit for all PT_NOTEs of a file together, in bytes: many may point to the same contents.
pub(crate) const MAX_NOTE_BYTES: u64 = 1 << 20;

/// Note type of `.note.dlopen`, owner "FDO" (systemd's ELF_DLOPEN_METADATA).
pub const NT_FDO_DLOPEN: u32 = 0x407c_0c0a;

/// Most names in the `.note.dlopen` of one file: real ones have some dozens.
const MAX_DLOPEN_NAMES: usize = 4096;

/// One note of a PT_NOTE segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// The owner's name, with its NUL.
    pub owner: &'a [u8],
    /// `n_type`
    pub n_type: u32,
    /// The descriptor: the bytes behind the name.
    pub contents: &'a [u8],
}

/// Walks the notes of one PT_NOTE segment's bytes, up to the first that makes no sense.
pub fn notes(format: Format, bytes: &[u8], align: u64) -> impl Iterator<Item = Note<'_>> {
    let mut at = 0;
    iter::from_fn(move || {
        let (note, after) = note_at(format, bytes, align, at)?;
        at = after;
        Some(note)
    })
}

/// The note at `at`, and where the next one starts.
pub(crate) fn note_at(
    format: Format,
    bytes: &[u8],
    align: u64,
    at: usize,
) -> Option<(Note<'_>, usize)> {
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
pub(crate) fn read_dlopen_notes<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
    segments: &[Segment],
) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut found = Vec::new();
    let mut left = MAX_NOTE_BYTES;
    for segment in segments.iter().filter(|s| s.p_type == elf::PT_NOTE) {
        if segment.filesz == 0 || segment.filesz > left {
            continue;
        }
        left -= segment.filesz;
        // Notes are hints: unreadable ones are left out and are no error.
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

/// One entry of a `.note.dlopen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DlopenNote {
    /// Alternative sonames: one is enough. Never empty.
    pub names: Vec<Vec<u8>>,
    /// The feature that needs the library.
    pub feature: Option<String>,
    /// `required`, `recommended` or `suggested`.
    pub priority: Option<String>,
}

/// Parses the contents of a file's notes: JSON, a list of objects with a list `soname` each. Notes
/// are hints, so anything else is ignored.
pub fn parse_dlopen_notes(notes: &[Vec<u8>]) -> Vec<DlopenNote> {
    let mut found = Vec::new();
    let mut count = 0;
    for note in notes {
        // The descriptor may be padded with NULs.
        let json = note.split(|&byte| byte == 0).next().unwrap_or_default();
        let Ok(Value::Array(entries)) = serde_json::from_slice(json) else {
            continue;
        };
        for entry in entries {
            let names: Vec<Vec<u8>> = entry
                .get("soname")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|name| Some(name.as_str()?.as_bytes().to_vec()))
                .take(MAX_DLOPEN_NAMES - count)
                .collect();
            if names.is_empty() {
                continue;
            }
            count += names.len();
            let text = |key| Some(entry.get(key)?.as_str()?.to_owned());
            found.push(DlopenNote {
                names,
                feature: text("feature"),
                priority: text("priority"),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf_fixtures::{Minimal, Platform};

    #[test]
    fn dlopen_notes_give_alternatives_and_nonsense_gives_nothing() {
        let notes = [
            br#"[{"soname":["libx.so.2",3,"libx.so.1"],"feature":"x","priority":"required","more":1},{"soname":7}]"#
                .to_vec(),
            b"[{\"soname\":[\"liby.so\"]}]\0\0".to_vec(),
            b"not json".to_vec(),
            br#"[{"soname":[]},[1],null]"#.to_vec(),
        ];
        let found = parse_dlopen_notes(&notes);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].names, [&b"libx.so.2"[..], b"libx.so.1"]);
        assert_eq!(found[0].priority.as_deref(), Some("required"));
        assert_eq!(found[1].names, [b"liby.so"]);
        assert_eq!(found[1].feature, None);
    }

    #[test]
    fn many_segments_of_one_long_note_cost_no_memory() {
        let json = vec![b' '; 400_000];
        let mut note = Vec::new();
        for number in [4, json.len() as u32, NT_FDO_DLOPEN] {
            note.extend(number.to_le_bytes());
        }
        note.extend(b"FDO\0");
        note.extend(&json);
        let header = FileHeader::decode(&Minimal::new(Platform::X86_64).bytes()).unwrap();
        let segment = Segment {
            p_type: elf::PT_NOTE,
            flags: elf::PF_R,
            offset: 0,
            vaddr: 0,
            paddr: 0,
            filesz: note.len() as u64,
            memsz: note.len() as u64,
            align: 4,
        };
        let found = read_dlopen_notes(&note[..], &header, &vec![segment; 4096]).unwrap();
        assert_eq!(found, [json.clone(), json]);
    }

    #[test]
    fn a_flood_of_names_is_cut() {
        let one = br#"[{"soname":["a","b","c"]}]"#.to_vec();
        let found = parse_dlopen_notes(&vec![one; 10_000]);
        let names: usize = found.iter().map(|note| note.names.len()).sum();
        assert_eq!(names, MAX_DLOPEN_NAMES);
    }
}
