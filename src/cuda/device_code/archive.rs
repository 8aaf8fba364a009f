//! Device code in static archives (`ar(5)`): GNU's and BSD's long names, and GNU's thin archives,
//! whose members are files of their own.

use super::{DeviceCode, Place, open, read_image};
use elf_edit::{FileId, FileReader, ReadAt, ReadError, SubReader};
use std::collections::HashSet;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const THIN: &[u8; 8] = b"!<thin>\n";
const HEADER: usize = 60;
/// Longest member name that is read, in bytes.
const MAX_NAME: u64 = 4096;
/// An archive with more members is malformed: the largest real ones have some 10,000.
const MAX_MEMBERS: usize = 1 << 17;

/// An archive may list itself.
const NESTED: &str = "an archive in an archive, which is not looked into";

/// Whether a file that starts like this is an archive.
pub(super) fn is_archive(head: &[u8]) -> bool {
    head.starts_with(MAGIC) || head.starts_with(THIN)
}

/// Adds the contents of the members. Broken members are problems, not errors: the others are read.
pub(super) fn read(path: &Path, file: &FileReader, code: &mut DeviceCode) -> Result<(), ReadError> {
    let thin = file.head().starts_with(THIN);
    let mut names: Option<(u64, u64)> = None;
    let mut seen = HashSet::new();
    let mut at = MAGIC.len() as u64;
    for _ in 0..MAX_MEMBERS {
        if file.len().saturating_sub(at) < HEADER as u64 {
            if file.len() > at + 1 {
                let what = "an archive that ends inside a member's header".to_owned();
                code.problem(Place::default(), at, what);
            }
            return Ok(());
        }
        let header = file.read_vec(at, HEADER)?;
        let Some(member) = Member::decode(&header, at + HEADER as u64) else {
            let what = "what should be the header of an archive's member is none".to_owned();
            code.problem(Place::default(), at, what);
            return Ok(());
        };
        let inside = !thin || member.is_table();
        let Some(bytes) = SubReader::new(file, member.start, if inside { member.size } else { 0 })
        else {
            let what = format!(
                "a member of {} bytes, with {} left in the archive",
                member.size,
                file.len() - member.start
            );
            code.problem(Place::default(), at, what);
            return Ok(());
        };
        if member.raw_name == b"//" {
            names = Some((member.start, member.size));
        } else if !member.is_table() {
            let (name, skip) = member.name(file, names)?;
            if inside {
                let bytes = SubReader::new(&bytes, skip, member.size.saturating_sub(skip));
                if let Some(bytes) = bytes {
                    read_member(&bytes, name, member.start + skip, code)?;
                }
            } else {
                read_thin_member(path, name, at, &mut seen, code);
            }
        }
        at = member.start
            + if inside {
                member.size.next_multiple_of(2)
            } else {
                0
            };
    }
    code.truncated = true;
    Ok(())
}

struct Member {
    raw_name: Vec<u8>,
    start: u64,
    size: u64,
}

impl Member {
    fn decode(header: &[u8], start: u64) -> Option<Member> {
        let raw_name = header[..16].trim_ascii_end().to_vec();
        let size = str::from_utf8(header[48..58].trim_ascii_end()).ok()?;
        let size = size.parse().ok()?;
        (&header[58..60] == b"`\n").then_some(Member {
            raw_name,
            start,
            size,
        })
    }

    /// The symbol table or the table of long names.
    fn is_table(&self) -> bool {
        matches!(
            &self.raw_name[..],
            b"/" | b"//" | b"/SYM64/" | b"__.SYMDEF" | b"__.SYMDEF SORTED"
        )
    }

    /// The name, and the number of bytes of the contents that it takes (BSD's long names).
    fn name(&self, file: &FileReader, names: Option<(u64, u64)>) -> io::Result<(Vec<u8>, u64)> {
        let number = |digits: &[u8]| str::from_utf8(digits).ok()?.parse::<u64>().ok();
        if let Some(len) = self.raw_name.strip_prefix(b"#1/").and_then(number) {
            let stored = len.min(self.size).min(MAX_NAME);
            let mut name = file.read_vec(self.start, stored as usize)?;
            name.truncate(name.iter().position(|&b| b == 0).unwrap_or(name.len()));
            return Ok((name, len.min(self.size)));
        }
        if let (Some(at), Some((start, size))) =
            (self.raw_name.strip_prefix(b"/").and_then(number), names)
            && at < size
        {
            let mut name = file.read_vec(start + at, (size - at).min(MAX_NAME) as usize)?;
            name.truncate(name.iter().position(|&b| b == b'\n').unwrap_or(name.len()));
            if name.ends_with(b"/") {
                name.pop();
            }
            return Ok((name, 0));
        }
        let name = self.raw_name.strip_suffix(b"/").unwrap_or(&self.raw_name);
        Ok((name.to_vec(), 0))
    }
}

fn read_member<R: ReadAt + ?Sized>(
    bytes: &R,
    name: Vec<u8>,
    base: u64,
    code: &mut DeviceCode,
) -> Result<(), ReadError> {
    let place = Place {
        member: Some(name),
        ..Place::default()
    };
    let mut member = DeviceCode::default();
    let head = bytes.read_vec(0, bytes.len().min(MAGIC.len() as u64) as usize)?;
    match read_image(bytes, &place, &mut member) {
        Ok(false) if is_archive(&head) => member.problem(place, 0, NESTED.to_owned()),
        Ok(_) => {}
        Err(ReadError::Io(e)) if e.kind() != io::ErrorKind::UnexpectedEof => return Err(e.into()),
        Err(error) => member.problem(place, 0, error.to_string()),
    }
    code.add_member(member, base);
    Ok(())
}

/// Reads a member outside of the archive, by its path relative to the archive's directory. Each
/// file is read once, however often the archive lists it.
fn read_thin_member(
    path: &Path,
    name: Vec<u8>,
    at: u64,
    seen: &mut HashSet<FileId>,
    code: &mut DeviceCode,
) {
    let dir = path.parent().unwrap_or(Path::new(""));
    let file: PathBuf = dir.join(std::ffi::OsStr::from_bytes(&name));
    let place = Place {
        member: Some(name),
        file: Some(file.clone()),
        section: None,
    };
    let mut member = DeviceCode::default();
    let read = open(&file).map_err(ReadError::Io).and_then(|opened| {
        let known =
            !seen.insert(FileId::from(&opened)) || read_image(&opened, &place, &mut member)?;
        Ok(!known && is_archive(opened.head()))
    });
    match read {
        Ok(false) => code.add_member(member, 0),
        Ok(true) => code.problem(place, at, NESTED.to_owned()),
        Err(error) => code.problem(place, at, format!("a member of a thin archive: {error}")),
    }
}
