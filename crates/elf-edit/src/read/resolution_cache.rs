//! The resolution cache of NixOS: a note with the place of each needed library, which patchelf
//! 0.19 writes (`--build-resolution-cache`) and a patched glibc reads after LD_LIBRARY_PATH and
//! before the RUNPATH.
//!
//! Its descriptor is a sequence of pairs of NUL-terminated strings, a needed name and a list, with
//! one more NUL at the end. A list has elements separated by colons: `=PATH` for a library that was
//! found, `?DIRECTORY` for a directory that the loader still has to search.

use crate::read::codec::{FileHeader, Segment};
use crate::read::error::ReadError;
use crate::read::notes::{MAX_NOTE_BYTES, Note, note_at};
use crate::read::read_at::ReadAt;
use object::elf;
use std::fmt;
use std::io;

/// `n_type` of the note.
pub const NT_NIXOS_LD_CACHE: u32 = 0x63a8_6cb6;

/// The owner of the note, with its NUL.
pub const OWNER: &[u8] = b"NixOS\0";

/// The name of the note's section.
pub const SECTION: &[u8] = b".note.nixos.ldcache";

/// Length of the longest descriptor that is read: the note has to fit in what is read of PT_NOTEs.
pub const MAX_DESCRIPTION: usize = (MAX_NOTE_BYTES / 2) as usize;

/// Most notes of this kind that are looked at: a file has one.
const MAX_CACHES: usize = 64;

/// Most bytes at the start of a long PT_NOTE in which a note is recognized.
const HEAD: usize = 20;

/// One note of a file, where it is, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolutionCache {
    /// Index of its PT_NOTE.
    pub segment: usize,
    /// Offset of the note's header in the file.
    pub offset: u64,
    /// Length of the note with its padding, in bytes; of one that is cut short: what there is.
    pub len: u64,
    /// Whether its PT_NOTE holds nothing else.
    pub alone: bool,
    /// The descriptor, or why it can't be read.
    pub description: Result<Vec<u8>, Fault>,
}

/// What is wrong with a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The PT_NOTE ends before the note does.
    Cut,
    /// Longer than what is read of notes.
    TooLong,
    /// No NUL where a string must end.
    Unterminated,
    /// A list element that begins with neither `=` nor `?`.
    Element,
    /// A name without a list, an empty name, or bytes behind the end.
    Pairs,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Cut => "its PT_NOTE ends before the note does",
            Fault::TooLong => "it is longer than 1 MiB",
            Fault::Unterminated => "a string in it has no NUL at its end",
            Fault::Element => "an element of a list begins with neither = nor ?",
            Fault::Pairs => "it is no sequence of pairs with one NUL at the end",
        })
    }
}

/// One element of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// `=PATH`: the library.
    Found(&'a [u8]),
    /// `?DIRECTORY`: to be searched.
    Search(&'a [u8]),
}

/// A needed name with its list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheEntry<'a> {
    /// The needed name.
    pub name: &'a [u8],
    /// In the order of the search.
    pub elements: Vec<Element<'a>>,
}

/// Reads a descriptor.
pub fn parse(description: &[u8]) -> Result<Vec<CacheEntry<'_>>, Fault> {
    let mut entries = Vec::new();
    let mut rest = description;
    loop {
        let (name, after) = string(rest)?;
        if name.is_empty() {
            // Writers of notes by hand end even an empty sequence with two NULs.
            let fine = after.iter().all(|&byte| byte == 0) && after.len() < 4;
            return if fine { Ok(entries) } else { Err(Fault::Pairs) };
        }
        let (list, after) = string(after).map_err(|_| Fault::Pairs)?;
        let elements = list.split(|&byte| byte == b':').map(|element| {
            Ok(match element.split_first() {
                Some((b'=', path)) => Element::Found(path),
                Some((b'?', directory)) => Element::Search(directory),
                _ => return Err(Fault::Element),
            })
        });
        let elements = elements.collect::<Result<_, _>>()?;
        entries.push(CacheEntry { name, elements });
        rest = after;
    }
}

fn string(bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let end = memchr::memchr(0, bytes).ok_or(Fault::Unterminated)?;
    Ok((&bytes[..end], &bytes[end + 1..]))
}

/// The descriptor that says this. Names are in ascending order, as patchelf writes them.
pub fn encode<'a>(entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut description = Vec::new();
    for (name, list) in entries {
        for text in [name, list] {
            description.extend_from_slice(text);
            description.push(0);
        }
    }
    description.push(0);
    description
}

/// The whole note: header, owner, descriptor and padding.
pub(crate) fn note(header: &FileHeader, description: &[u8]) -> Vec<u8> {
    let mut note = Vec::with_capacity(description.len() + 24);
    for number in [
        OWNER.len() as u64,
        description.len() as u64,
        NT_NIXOS_LD_CACHE.into(),
    ] {
        note.extend(header.format.number(number, 4));
    }
    note.extend_from_slice(OWNER);
    note.resize(note.len().next_multiple_of(4), 0);
    note.extend_from_slice(description);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// All notes of this kind in a file, in file order.
pub(crate) fn read<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
    segments: &[Segment],
) -> Result<Vec<ResolutionCache>, ReadError> {
    let mut found = Vec::new();
    let mut left = MAX_NOTE_BYTES;
    let all = segments.iter().enumerate();
    for (index, segment) in all.filter(|(_, s)| s.p_type == elf::PT_NOTE) {
        if segment.offset >= file.len() {
            continue;
        }
        let there = segment.filesz.min(file.len() - segment.offset);
        let too_long = there > left;
        let len = if too_long {
            there.min(HEAD as u64)
        } else {
            there
        };
        left -= len.min(left);
        let bytes = match file.read_vec(segment.offset, len as usize) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(e) => return Err(e.into()),
        };
        let mut at = 0;
        while found.len() < MAX_CACHES {
            let (note, next) = match note_at(header.format, &bytes, segment.align, at) {
                Some((note, next)) => (Some(note), next),
                None => (None, bytes.len()),
            };
            if let Some(description) = described(header, &bytes[at..], note, too_long) {
                let len = if too_long {
                    there
                } else {
                    next.min(bytes.len()) as u64
                } - at as u64;
                found.push(ResolutionCache {
                    segment: index,
                    offset: segment.offset + at as u64,
                    len,
                    alone: at == 0 && (too_long || next >= bytes.len()),
                    description,
                });
            }
            at = next;
            if at >= bytes.len() {
                break;
            }
        }
    }
    Ok(found)
}

/// The descriptor of the note at the start of `bytes`, if it is one of ours.
fn described(
    header: &FileHeader,
    bytes: &[u8],
    note: Option<Note<'_>>,
    too_long: bool,
) -> Option<Result<Vec<u8>, Fault>> {
    if let Some(note) = note {
        let is_ours = note.n_type == NT_NIXOS_LD_CACHE && note.owner == OWNER;
        return is_ours.then(|| Ok(note.contents.to_vec()));
    }
    let owner_len = header.format.u32(bytes, 0)?;
    let n_type = header.format.u32(bytes, 8)?;
    let is_ours = owner_len as usize == OWNER.len()
        && n_type == NT_NIXOS_LD_CACHE
        && bytes.get(12..12 + OWNER.len()) == Some(OWNER);
    let fault = if too_long { Fault::TooLong } else { Fault::Cut };
    is_ours.then_some(Err(fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf_fixtures::{Minimal, Platform};

    fn header() -> FileHeader {
        FileHeader::decode(&Minimal::new(Platform::X86_64).bytes()).unwrap()
    }

    fn segment(filesz: u64) -> Segment {
        Segment {
            p_type: elf::PT_NOTE,
            flags: elf::PF_R,
            offset: 0,
            vaddr: 0,
            paddr: 0,
            filesz,
            memsz: filesz,
            align: 4,
        }
    }

    fn only(bytes: &[u8]) -> ResolutionCache {
        let found = read(bytes, &header(), &[segment(bytes.len() as u64)]).unwrap();
        assert_eq!(found.len(), 1);
        found[0].clone()
    }

    #[test]
    fn what_is_written_is_read() {
        let description = encode([
            (&b"liba.so"[..], &b"?$ORIGIN:=/a/liba.so:?"[..]),
            (b"libb.so", b"=/b/libb.so"),
        ]);
        let note = note(&header(), &description);
        let cache = only(&note);
        assert!(cache.alone);
        assert_eq!((cache.offset, cache.len), (0, note.len() as u64));
        assert_eq!(cache.description.as_deref(), Ok(&description[..]));
        let entries = parse(&description).unwrap();
        assert_eq!(
            entries[0].elements,
            [
                Element::Search(b"$ORIGIN"),
                Element::Found(b"/a/liba.so"),
                Element::Search(b""),
            ]
        );
        assert_eq!(entries[1].name, b"libb.so");
    }

    #[test]
    fn a_note_that_lies_is_a_fault() {
        assert_eq!(parse(b"\0\0"), Ok(Vec::new()));
        for (description, fault) in [
            (&b""[..], Fault::Unterminated),
            (b"liba.so", Fault::Unterminated),
            (b"liba.so\0", Fault::Pairs),
            (b"liba.so\0=/a", Fault::Pairs),
            (b"liba.so\0=/a\0", Fault::Unterminated),
            (b"liba.so\0/a\0\0", Fault::Element),
            (b"liba.so\0\0\0", Fault::Element),
            (b"\0\0\0\0\0", Fault::Pairs),
            (b"\0liba.so\0", Fault::Pairs),
        ] {
            let found = parse(description);
            assert_eq!(found, Err(fault), "{}", description.escape_ascii());
        }
    }

    #[test]
    fn a_note_that_is_cut_or_huge_is_known_and_not_read() {
        let mut bytes = note(&header(), &encode([(&b"liba.so"[..], &b"=/a/liba.so"[..])]));
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(only(&bytes).description, Err(Fault::Cut));
        bytes[4..8].copy_from_slice(&(4u32 << 20).to_le_bytes());
        bytes.resize(20 + (4 << 20), 0);
        let cache = only(&bytes);
        assert_eq!(cache.description, Err(Fault::TooLong));
        assert_eq!(cache.len, bytes.len() as u64);
        for len in 0..24 {
            let _ = read(&bytes[..len], &header(), &[segment(100)]).unwrap();
        }
        let many = read(&bytes[..], &header(), &vec![segment(20); 4096]).unwrap();
        assert_eq!(many.len(), MAX_CACHES);
    }
}
