//! From what shall change to a list of writes. This is what the project exists for: see
//! `docs/rewriting.md` for the layout and for why each prefix of the list is a valid file.
//!
//! Nothing to change gives no patch. One write inside one page is made directly (`direct`).
//! Anything else goes through a journal behind the end of the file (`journal`): the new state
//! is written there, switched to by one write of the ELF header, copied home, and cut off.

mod finalize;
mod in_place;
mod journal;
mod obstacles;
mod sections;
mod segment;
mod state;
mod strings;
mod symbols;

use crate::Kind;
use crate::read::codec::{Section, Segment};
use crate::read::error::ReadError;
use crate::read::headers::{ElfInfo, read_sections};
use crate::read::read_at::ReadAt;
use crate::read::tables::Tables;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::Extent;
use crate::rewrite::patch::Patch;
use crate::rewrite::refusal::Refusal;
use crate::rewrite::target::Target;
use object::elf;
use std::ops::Range;

/// Longest table whose contents are edited, in bytes.
const MAX_TABLE: u64 = 1 << 28;

/// A refusal for a reason that lies in the file's layout.
fn layout<T>(why: impl Into<String>) -> Result<T, RewriteError> {
    Err(Refusal::Layout(why.into()).into())
}

/// Finds room for `target` in a file. `None` where nothing changes.
pub fn place<R: ReadAt + ?Sized>(
    file: &R,
    facts: &ElfInfo,
    target: &Target,
    page_size: Option<u64>,
) -> Result<Option<Patch>, RewriteError> {
    if target.is_reached(facts) {
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
        && let Some(patch) = in_place::place(&job)?
    {
        return Ok((!patch.steps.is_empty()).then_some(patch));
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

/// A table that keeps its length and gets other contents.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NewTable {
    /// Where it stands now.
    extent: Extent,
    /// Its contents afterwards.
    bytes: Vec<u8>,
    /// Fields of 32 bits that name one of the new strings: (offset in the table, string).
    strings: Vec<(usize, usize)>,
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
    changed_tables: Vec<NewTable>,
}

impl<'a, R: ReadAt + ?Sized> Job<'a, R> {
    fn new(
        tables: Tables<'a, R>,
        target: &'a Target,
        page_size: Option<u64>,
    ) -> Result<Job<'a, R>, RewriteError> {
        let facts = tables.facts;
        let mut job = Job {
            page_size: page_size.unwrap_or_else(|| max_page_size(facts.header.machine)),
            tables,
            target,
            free: Vec::new(),
            strsz: 0,
            strings: Vec::new(),
            entry_strings: vec![None; target.entries.len()],
            changed_tables: Vec::new(),
        };
        if let Some(dynamic) = &facts.dynamic {
            job.place_strings(dynamic)?;
        }
        Ok(job)
    }

    fn facts(&self) -> &'a ElfInfo {
        self.tables.facts
    }

    fn sections(&self) -> &'a [Section] {
        self.tables.sections
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
        self.strings_grow()
            || self.dynamic_grows()
            || self.interpreter_grows()
            || self.new_stack_header().is_some()
    }

    /// Whether an extent gets other contents.
    fn changes(&self, extent: &Extent) -> bool {
        let changed = self.changed_tables.iter().map(|t| t.extent);
        let mut changed = changed.chain(self.interpreter_extent());
        changed.any(|c| extent.holds_vaddr(c.vaddr, c.len))
    }

    /// A PT_GNU_STACK, where one must be added.
    fn new_stack_header(&self) -> Option<Segment> {
        let executable = self.target.executable_stack?;
        if self
            .facts()
            .segments
            .iter()
            .any(|s| s.p_type == elf::PT_GNU_STACK)
        {
            return None;
        }
        let flags = elf::PF_R | elf::PF_W | if executable { elf::PF_X } else { 0 };
        Some(Segment {
            p_type: elf::PT_GNU_STACK,
            flags,
            offset: 0,
            vaddr: 0,
            paddr: 0,
            filesz: 0,
            memsz: 0,
            align: 16,
        })
    }

    /// How many program headers there are to be used up by new ones: see `take_spare`.
    fn spare_headers(&self) -> usize {
        let segments = &self.facts().segments;
        segments.iter().filter(|s| self.is_spare(s)).count()
    }

    /// Whether another header may take the place of this one: a PT_NULL; or the PT_PHDR of a
    /// library, which lld and mold write. Loaders find the table of a library by its PT_LOAD,
    /// as GNU ld's libraries have no PT_PHDR; only a program is told its address by it.
    fn is_spare(&self, segment: &Segment) -> bool {
        let facts = self.facts();
        let library = facts.kind == Kind::SharedLibrary && facts.interpreter.is_none();
        segment.p_type == elf::PT_NULL || (segment.p_type == elf::PT_PHDR && library)
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
