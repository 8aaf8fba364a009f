//! Names of sections. The loader needs none of them; device code and lint do.

use crate::read::codec::{FileHeader, Section};
use crate::read::read_at::ReadAt;
use object::elf;
use std::io;

/// Larger name tables are malformed: real ones have some hundred bytes (objects of C++ templates,
/// with a section for each function, some hundred KB).
pub(crate) const MAX_NAME_TABLE: u64 = 8 << 20;
/// Longest name that is kept, in bytes.
const MAX_NAME: usize = 255;

/// The names of sections. An unreadable name is empty: section names are hints, and a file with a
/// broken table still runs.
#[derive(Debug)]
pub struct SectionNames(Vec<u8>);

impl SectionNames {
    /// Reads the table of the names of `sections`.
    pub fn read<R: ReadAt + ?Sized>(
        file: &R,
        header: &FileHeader,
        sections: &[Section],
    ) -> io::Result<SectionNames> {
        let mut index = u32::from(header.shstrndx);
        if header.shstrndx == elf::SHN_XINDEX {
            // Extended numbering: the real index is sh_link of section 0 (gABI).
            index = sections.first().map_or(0, |s| s.link);
        }
        let table = match sections.get(index as usize) {
            Some(s) if s.sh_type == elf::SHT_STRTAB && s.size <= MAX_NAME_TABLE => {
                match file.read_vec(s.offset, s.size as usize) {
                    Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Vec::new(),
                    other => other?,
                }
            }
            _ => Vec::new(),
        };
        Ok(SectionNames(table))
    }

    /// The name of one of the sections.
    pub fn of(&self, section: &Section) -> &[u8] {
        name_at(&self.0, section.name)
    }
}

/// The names of `sections`, in the same order.
pub fn read_names<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
    sections: &[Section],
) -> io::Result<Vec<Vec<u8>>> {
    let names = SectionNames::read(file, header, sections)?;
    Ok(sections.iter().map(|s| names.of(s).to_vec()).collect())
}

fn name_at(table: &[u8], at: u32) -> &[u8] {
    let tail = table.get(at as usize..).unwrap_or_default();
    let tail = &tail[..tail.len().min(MAX_NAME)];
    let end = tail.iter().position(|&b| b == 0).unwrap_or(0);
    &tail[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::headers::read_sections;

    #[test]
    fn own_test_binary_has_the_usual_sections() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let header = FileHeader::decode(&bytes).unwrap();
        let sections = read_sections(&bytes[..], &header).unwrap();
        let names = read_names(&bytes[..], &header, &sections).unwrap();
        for name in [&b".text"[..], b".rodata", b".dynsym"] {
            assert!(names.iter().any(|n| n == name), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn a_broken_table_gives_empty_names() {
        assert_eq!(name_at(b"abc\0def", 0), b"abc");
        assert_eq!(name_at(b"abc\0def", 4), b"");
        assert_eq!(name_at(b"abc\0def", u32::MAX), b"");
    }
}
