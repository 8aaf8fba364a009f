//! From what shall change to a list of writes. This is what the project exists for: see
//! `docs/rewriting.md` for the layout and for why each prefix of the list is a valid file.
//!
//! Nothing to change gives no patch. One write inside one page is made directly (`direct`).
//! Anything else goes through a journal behind the end of the file (`journal`): the new state
//! is written there, switched to by one write of the ELF header, copied home, and cut off.

mod direct;
mod journal;
mod sections;
mod segment;
mod state;

use super::codec::Section;
use super::dynamic::Dynamic;
use super::extents::Extent;
use super::facts::{ElfFacts, ReadError, read_sections};
use super::patch::Patch;
use super::read_at::ReadAt;
use super::strtab::{Room, free_parts};
use super::tables::Tables;
use super::target::{Refusal, Target, names_string};
use object::elf;
use std::io;
use std::ops::Range;

/// Why no patch could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The file can't take the edit.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<io::Error> for PlaceError {
    fn from(error: io::Error) -> PlaceError {
        PlaceError::Read(ReadError::Io(error))
    }
}

/// A refusal for a reason that lies in the file's layout.
fn layout<T>(why: impl Into<String>) -> Result<T, PlaceError> {
    Err(Refusal::Layout(why.into()).into())
}

/// Finds room for `target` in a file. `None` where nothing changes.
pub fn place<R: ReadAt + ?Sized>(
    file: &R,
    facts: &ElfFacts,
    target: &Target,
    page_size: Option<u64>,
) -> Result<Option<Patch>, PlaceError> {
    if target.interpreter.is_none() && !target.changes_dynamic(facts) {
        return Ok(None);
    }
    // A table of section headers that can't be read can't be kept up to date: as if stripped.
    let sections = match read_sections(file, &facts.header) {
        Err(ReadError::Io(e)) => return Err(ReadError::Io(e).into()),
        other => other.unwrap_or_default(),
    };
    let job = Job::new(
        Tables {
            file,
            facts,
            sections: &sections,
        },
        target,
        page_size,
    )?;
    if !job.needs_segment()
        && let Some(patch) = direct::place(&job)?
    {
        return Ok(Some(patch));
    }
    let segment = if job.needs_segment() {
        Some(segment::plan(&job)?)
    } else {
        None
    };
    journal::place(&job, segment.as_ref()).map(Some)
}

/// A string that goes into the string table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NewString {
    /// Offset in the table.
    at: u64,
    /// The string, without its NUL.
    text: Vec<u8>,
}

/// A `vn_file` of `.gnu.version_r` that names another string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NewVersionFile {
    /// Offset of the field in the table.
    field: u64,
    /// Which of the new strings.
    string: usize,
}

/// One file's edits, with all strings given their places in the table.
struct Job<'a, R: ?Sized> {
    tables: Tables<'a, R>,
    target: &'a Target,
    page_size: u64,
    /// Parts of the old string table that nothing names any more.
    free: Vec<Range<u64>>,
    /// Length of the string table afterwards, in bytes.
    strsz: u64,
    strings: Vec<NewString>,
    /// For each target entry, which of `strings` it names.
    entry_strings: Vec<Option<usize>>,
    version_files: Vec<NewVersionFile>,
}

impl<'a, R: ReadAt + ?Sized> Job<'a, R> {
    fn new(
        tables: Tables<'a, R>,
        target: &'a Target,
        page_size: Option<u64>,
    ) -> Result<Job<'a, R>, PlaceError> {
        let facts = tables.facts;
        let mut job = Job {
            page_size: page_size.unwrap_or_else(|| max_page_size(facts.header.machine)),
            tables,
            target,
            free: Vec::new(),
            strsz: 0,
            strings: Vec::new(),
            entry_strings: vec![None; target.entries.len()],
            version_files: Vec::new(),
        };
        if let Some(dynamic) = &facts.dynamic {
            job.place_strings(dynamic)?;
        }
        Ok(job)
    }

    fn facts(&self) -> &'a ElfFacts {
        self.tables.facts
    }

    fn sections(&self) -> &'a [Section] {
        self.tables.sections
    }

    fn place_strings(&mut self, dynamic: &Dynamic) -> Result<(), PlaceError> {
        if dynamic.value(elf::DT_STRTAB).is_none()
            && self.target.entries.iter().any(|e| e.string.is_some())
        {
            return layout("the dynamic section has no DT_STRTAB");
        }
        let renamed = self.renamed_version_files(dynamic)?;
        let mut dropped = self.target.dropped.clone();
        dropped.extend(renamed.iter().map(|r| r.1));
        dropped.sort_unstable();
        dropped.dedup();
        let still_used: Vec<u64> = self
            .target
            .entries
            .iter()
            .filter(|e| e.string.is_none() && names_string(e.tag))
            .map(|e| e.value)
            .collect();
        let moved: Vec<u64> = renamed.iter().map(|r| r.0).collect();
        self.free = free_parts(&self.tables, &dropped, &still_used, &moved)?;
        let mut room = Room::new(self.free.clone(), dynamic.strsz);
        for (index, entry) in self.target.entries.iter().enumerate() {
            let Some(text) = &entry.string else { continue };
            let string = match self.strings.iter().position(|s| &s.text == text) {
                Some(there) => there,
                None if text.is_empty() && self.starts_with_nul(dynamic)? => {
                    self.strings.push(NewString {
                        at: 0,
                        text: Vec::new(),
                    });
                    self.strings.len() - 1
                }
                None => {
                    let prefer = entry.old_index.map(|i| dynamic.entries[i].value);
                    let at = room.take(text.len() as u64, prefer);
                    self.strings.push(NewString {
                        at,
                        text: text.clone(),
                    });
                    self.strings.len() - 1
                }
            };
            self.entry_strings[index] = Some(string);
        }
        for (field, _, to) in renamed {
            if let Some(string) = self.strings.iter().position(|s| s.text == to) {
                self.version_files.push(NewVersionFile { field, string });
            }
        }
        self.strsz = room.size;
        Ok(())
    }

    /// Whether the table's first string is the empty one, as the gABI has it.
    fn starts_with_nul(&self, dynamic: &Dynamic) -> io::Result<bool> {
        Ok(dynamic.strsz > 0 && self.tables.file.read_vec(dynamic.strtab, 1)? == [0])
    }

    /// `vn_file` fields of libraries that get another name: (field, old string, new name).
    fn renamed_version_files(
        &self,
        dynamic: &Dynamic,
    ) -> Result<Vec<(u64, u64, Vec<u8>)>, PlaceError> {
        if self.target.renamed_needed.is_empty() {
            return Ok(Vec::new());
        }
        let Some(names) = self.tables.version_names(elf::DT_VERNEED)? else {
            return layout("its table of needed symbol versions makes no sense");
        };
        let mut renamed = Vec::new();
        for (field, at) in names.files {
            for (from, to) in &self.target.renamed_needed {
                let end = at + from.len() as u64 + 1;
                if end > dynamic.strsz {
                    continue;
                }
                let text = self
                    .tables
                    .file
                    .read_vec(dynamic.strtab + at, from.len() + 1)?;
                if text.split_last() == Some((&0, from.as_slice())) {
                    renamed.push((field, at, to.clone()));
                    break;
                }
            }
        }
        Ok(renamed)
    }

    /// Whether the string table outgrows its place.
    fn strings_grow(&self) -> bool {
        self.facts()
            .dynamic
            .as_ref()
            .is_some_and(|d| self.strsz > d.strsz)
    }

    /// Whether the dynamic section outgrows its place.
    fn dynamic_grows(&self) -> bool {
        self.facts()
            .dynamic
            .as_ref()
            .is_some_and(|d| self.target.entries.len() + 1 > d.capacity)
    }

    /// Whether the interpreter outgrows its place.
    fn interpreter_grows(&self) -> bool {
        let old = self
            .facts()
            .segments
            .iter()
            .find(|s| s.p_type == elf::PT_INTERP);
        match (&self.target.interpreter, old) {
            (Some(new), Some(old)) => new.len() as u64 + 1 > old.filesz,
            _ => false,
        }
    }

    /// Whether something outgrows its place, so that there must be a segment of ours.
    fn needs_segment(&self) -> bool {
        self.strings_grow() || self.dynamic_grows() || self.interpreter_grows()
    }

    /// Contents of the string table's free parts afterwards: nothing that was dropped stays.
    fn cleared(&self) -> Vec<(u64, Vec<u8>)> {
        self.free
            .iter()
            .map(|r| (r.start, vec![0; (r.end - r.start) as usize]))
            .collect()
    }

    /// PT_INTERP's bytes afterwards, if they change.
    fn interpreter_bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = self.target.interpreter.clone()?;
        bytes.push(0);
        Some(bytes)
    }

    /// The extent of PT_INTERP, if the interpreter changes.
    fn interpreter_extent(&self) -> Option<Extent> {
        self.target.interpreter.as_ref()?;
        let s = self
            .facts()
            .segments
            .iter()
            .find(|s| s.p_type == elf::PT_INTERP)?;
        Some(Extent {
            offset: s.offset,
            vaddr: s.vaddr,
            len: s.filesz,
            align: 1,
        })
    }
}

/// Largest page size that a kernel for this machine may have, in bytes: what linkers call
/// the maximum page size.
pub fn max_page_size(machine: u16) -> u64 {
    match machine {
        elf::EM_386 | elf::EM_X86_64 | elf::EM_IAMCU | elf::EM_RISCV | elf::EM_S390 => 0x1000,
        elf::EM_SPARCV9 => 0x10_0000,
        _ => 0x1_0000,
    }
}
