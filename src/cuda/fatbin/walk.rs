//! Walks the entries of one container, header by header.

use super::entry::{FIXED, FatbinEntry, ImageKind, MAX_HEADER, Raw};
use super::window::Window;
use super::{CONTAINER_HEADER, CONTAINER_MAGIC};
use elf_edit::ReadAt;
use std::io;

/// Entries kept of one file. The largest real one, libcublasLt, has some 6,000.
const MAX_ENTRIES: usize = 1 << 17;
/// Problems kept of one file.
const MAX_PROBLEMS: usize = 100;

/// Something that breaks the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FatbinProblem {
    /// Offset in the file.
    pub offset: u64,
    /// The expected and the actual value.
    pub what: String,
}

/// All that was found in one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct FoundFatbins {
    /// Images, in file order; those of a concatenated entry behind it.
    pub entries: Vec<FatbinEntry>,
    pub containers: usize,
    /// Violations of the format.
    pub problems: Vec<FatbinProblem>,
    /// A limit was reached; the rest is missing.
    pub truncated: bool,
}

impl FoundFatbins {
    pub(super) fn problem(&mut self, offset: u64, what: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(FatbinProblem { offset, what });
        }
    }

    fn push(&mut self, entry: FatbinEntry) {
        if self.entries.len() < MAX_ENTRIES {
            self.entries.push(entry);
        } else {
            self.truncated = true;
        }
    }
}

/// Result of reading a container at `offset`.
pub(super) enum Container {
    /// No container's magic.
    None,
    /// The magic, and then something that can't be one: why.
    Bad(String),
    /// A container whose first entry is valid, or an empty one, with the offset of its end, from
    /// its header.
    Sound(u64),
}

/// Checks for a container at `offset` of a region that ends at `end`.
pub(super) fn look<R: ReadAt + ?Sized>(
    headers: &mut Window<'_, R>,
    offset: u64,
    end: u64,
) -> io::Result<Container> {
    let bytes = headers.get(offset, CONTAINER_HEADER as usize + FIXED)?;
    if !bytes.starts_with(&CONTAINER_MAGIC) {
        return Ok(Container::None);
    }
    if bytes.len() < CONTAINER_HEADER as usize {
        return Ok(Container::Bad(
            "a fatbin container that ends inside its header".to_owned(),
        ));
    }
    let mut size = [0; 8];
    size.copy_from_slice(&bytes[8..16]);
    let size = u64::from_le_bytes(size);
    if size == 0 {
        // nvcc 13.0 writes an empty one before PTX that is alone.
        return Ok(Container::Sound(offset + CONTAINER_HEADER));
    }
    let Some(raw) = Raw::new(&bytes[CONTAINER_HEADER as usize..]) else {
        return Ok(Container::Bad(
            "a fatbin container without a first entry".to_owned(),
        ));
    };
    if let Some(why) = wrong(&raw, size) {
        return Ok(Container::Bad(format!(
            "a fatbin container whose first entry {why}"
        )));
    }
    let first = offset + CONTAINER_HEADER;
    match first.checked_add(size) {
        Some(stop) if stop <= end => Ok(Container::Sound(stop)),
        _ => Ok(Container::Bad(format!(
            "a fatbin container of {size} bytes, {} more than there are",
            size.saturating_sub(end.saturating_sub(first))
        ))),
    }
}

/// Why an entry with `room` bytes before the container's end is invalid.
fn wrong(raw: &Raw<'_>, room: u64) -> Option<String> {
    let header = raw.header_size();
    if !(FIXED as u32..=MAX_HEADER).contains(&header) {
        return Some(format!("says that its header has {header} bytes"));
    }
    let needed = raw.payload_size().checked_add(header.into());
    if needed.is_none_or(|n| n > room) {
        return Some(format!(
            "says that its payload has {} bytes, with {} left in the container",
            raw.payload_size(),
            room.saturating_sub(header.into())
        ));
    }
    None
}

/// Collects the entries of the sound container at `offset` that stops at `stop`.
pub(super) fn entries<R: ReadAt + ?Sized>(
    headers: &mut Window<'_, R>,
    offset: u64,
    stop: u64,
    found: &mut FoundFatbins,
) -> io::Result<()> {
    found.containers += 1;
    let mut at = offset + CONTAINER_HEADER;
    while at < stop && !found.truncated {
        let room = stop - at;
        let fixed = headers.get(at, FIXED)?;
        let Some(raw) = Raw::new(fixed).filter(|_| room >= FIXED as u64) else {
            if fixed.iter().take(room as usize).any(|&b| b != 0) {
                found.problem(at, format!("{room} bytes of a fatbin that are no entry"));
            }
            return Ok(());
        };
        if let Some(why) = wrong(&raw, room) {
            found.problem(at, format!("a fatbin entry {why}"));
            return Ok(());
        }
        let (header, payload) = (raw.header_size(), raw.payload_size());
        let bytes = headers.get(at, header as usize)?;
        let Some(raw) = Raw::new(bytes) else {
            return Ok(());
        };
        let entry = raw.entry(at);
        let parts = match entry.kind {
            ImageKind::Concatenated => raw.parts(at),
            _ => Vec::new(),
        };
        if entry.kind == ImageKind::Concatenated && parts.len() != raw.part_count() {
            let what = format!(
                "a concatenated entry of {} images, {} of which have a header",
                raw.part_count(),
                parts.len()
            );
            found.problem(at, what);
        }
        if let Some(what) = misplaced(&entry, &parts) {
            found.problem(at, what);
        }
        if u64::from(entry.compressed_size) > entry.size {
            let what = format!(
                "a fatbin entry of {} bytes says that {} of them are compressed",
                entry.size, entry.compressed_size
            );
            found.problem(at, what);
        }
        found.push(entry);
        for part in parts {
            found.push(part);
        }
        at += u64::from(header) + payload;
    }
    Ok(())
}

/// The fault in the ranges of images in the decoded payload of a concatenated entry.
fn misplaced(entry: &FatbinEntry, parts: &[FatbinEntry]) -> Option<String> {
    let mut ranges: Vec<(u64, u64)> = parts
        .iter()
        .filter_map(|image| Some((image.part?.offset, image.size)))
        .collect();
    ranges.sort_unstable();
    let room = entry.image_size();
    let mut done = 0;
    for (start, size) in ranges {
        if start < done {
            return Some(format!(
                "a concatenated entry whose image at {start} begins inside the one before, which \
                 ends at {done}"
            ));
        }
        done = start.saturating_add(size);
        if done > room {
            return Some(format!(
                "a concatenated entry of {room} bytes whose image at {start} has {size} bytes"
            ));
        }
    }
    None
}
