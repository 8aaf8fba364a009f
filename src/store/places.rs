//! The meaning of an offset in a file: which string of an ELF file's headers, or which section.

use elf_edit::sections::read_names;
use elf_edit::windows::Region;
use elf_edit::{Dynamic, ElfInfo, FileReader, read_sections};
use object::elf;

/// Sections that are looked at: an object of C++ templates has some ten thousand.
const MAX_SECTIONS: usize = 4096;
/// Strings or sections that overlap: tails of strings share their bytes.
const MAX_OVERLAPS: usize = 8;

/// How a file refers to a store path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UseKind {
    /// PT_INTERP
    Interpreter,
    /// This entry of DT_RUNPATH or DT_RPATH.
    Runpath(Vec<u8>),
    /// This DT_NEEDED.
    Needed(Vec<u8>),
    /// The resolution cache.
    ResolutionCache,
    /// The target of a symbolic link.
    Link,
    /// Any other bytes; in an ELF file, with the section's name, which may be empty.
    Text(Option<Vec<u8>>),
    /// The name of the file.
    Name,
}

/// The strings of one file's headers, and its sections.
#[derive(Debug, Default)]
pub(super) struct Places {
    is_elf: bool,
    /// By offset, as `sections` are.
    strings: Vec<(Region, UseKind)>,
    sections: Vec<(Region, Vec<u8>)>,
}

impl Places {
    /// A file with malformed headers is one without.
    pub(super) fn read(file: &FileReader) -> Places {
        let Ok(info) = ElfInfo::read(file) else {
            return Places::default();
        };
        let mut places = Places {
            is_elf: true,
            ..Places::default()
        };
        for segment in &info.segments {
            if segment.p_type == elf::PT_INTERP {
                places.add(segment.offset, segment.filesz, UseKind::Interpreter);
            }
        }
        for cache in &info.resolution_caches {
            places.add(cache.offset, cache.len, UseKind::ResolutionCache);
        }
        if let Some(dynamic) = &info.dynamic {
            places.add_dynamic(dynamic);
        }
        let sections = read_sections(file, &info.header).unwrap_or_default();
        let names = read_names(file, &info.header, &sections).unwrap_or_default();
        for (section, name) in sections.iter().zip(names).take(MAX_SECTIONS) {
            if section.sh_type != elf::SHT_NOBITS && section.size > 0 {
                places
                    .sections
                    .push((range(section.offset, section.size), name));
            }
        }
        places.strings.sort();
        places.sections.sort();
        places
    }

    fn add(&mut self, start: u64, length: u64, kind: UseKind) {
        self.strings.push((range(start, length), kind));
    }

    fn add_dynamic(&mut self, dynamic: &Dynamic) {
        let mut needed = dynamic.needed.iter();
        for entry in &dynamic.entries {
            let start = dynamic.strtab.saturating_add(entry.value);
            let list = match entry.tag {
                elf::DT_RUNPATH => dynamic.runpath.as_deref(),
                elf::DT_RPATH => dynamic.rpath.as_deref(),
                elf::DT_NEEDED => {
                    if let Some(name) = needed.next() {
                        let kind = UseKind::Needed(name.clone());
                        self.add(start, name.len() as u64, kind);
                    }
                    None
                }
                _ => None,
            };
            let mut at = start;
            for text in list.into_iter().flat_map(|list| list.split(|&b| b == b':')) {
                self.add(at, text.len() as u64, UseKind::Runpath(text.to_vec()));
                at = at.saturating_add(text.len() as u64 + 1);
            }
        }
    }

    /// The use that the bytes at `offset` are.
    pub(super) fn kind(&self, offset: u64) -> UseKind {
        if let Some(kind) = containing(&self.strings, offset) {
            return kind.clone();
        }
        let section = containing(&self.sections, offset).cloned();
        UseKind::Text(self.is_elf.then(|| section.unwrap_or_default()))
    }
}

/// The last of `parts` that begins at or before an offset and has it; a few overlap.
fn containing<T>(parts: &[(Region, T)], offset: u64) -> Option<&T> {
    let behind = parts.partition_point(|(region, _)| region.start <= offset);
    let before = parts[..behind].iter().rev().take(MAX_OVERLAPS);
    let mut has = before.filter(|(region, _)| offset < region.end);
    has.next().map(|(_, part)| part)
}

fn range(start: u64, length: u64) -> Region {
    Region {
        start,
        end: start.saturating_add(length),
    }
}
