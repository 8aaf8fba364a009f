//! Input of every planner and encoder: the file before the rewrite, the edits, and the new strings
//! with their offsets in the string table.

use super::cache::CacheEdit;
use super::model::{Location, SectionArea};
use super::tail::Tail;
use crate::Kind;
use crate::read::codec::{Section, Segment};
use crate::read::headers::ElfInfo;
use crate::read::read_at::ReadAt;
use crate::read::tables::Tables;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::Extent;
use crate::rewrite::refusal::Refusal;
use crate::rewrite::strtab::StringTableAllocator;
use crate::rewrite::target::Target;
use object::elf;
use std::ops::Range;

/// Longest table whose contents are edited, in bytes.
pub(super) const MAX_TABLE: u64 = 1 << 28;

/// Refuses a file for a reason that lies in its layout.
pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, RewriteError> {
    Err(Refusal::Layout(why.into()).into())
}

/// A string that goes into the string table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewString {
    /// Offset in the table.
    pub at: u64,
    /// The string, without its NUL.
    pub text: Vec<u8>,
}

/// A table that keeps its length and gets other contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewTable {
    pub extent: Extent,
    pub bytes: Vec<u8>,
    /// Fields of 32 bits that name one of the new strings: (offset in the table, string).
    pub strings: Vec<(usize, usize)>,
}

/// The edits of one file, with an offset in the string table for each new string.
pub(super) struct LayoutContext<'a, R: ?Sized> {
    /// The file before the rewrite.
    pub tables: Tables<'a, R>,
    /// The requested result.
    pub target: &'a Target,
    /// Alignment of an appended segment.
    pub page_size: u64,
    /// Parts of the old string table that nothing names any more.
    pub free: Vec<Range<u64>>,
    /// Length of the string table afterwards, in bytes.
    pub strsz: u64,
    /// Strings that are new in the table.
    pub strings: Vec<NewString>,
    /// For each target entry, the index of its string in `strings`.
    pub entry_strings: Vec<Option<usize>>,
    /// Tables that get other contents.
    pub changed_tables: Vec<NewTable>,
    /// Data behind the ELF file.
    pub tail: Option<Tail>,
    /// What happens to the resolution cache.
    pub cache: Option<CacheEdit>,
}

impl<'a, R: ReadAt + ?Sized> LayoutContext<'a, R> {
    /// A context with no new strings yet.
    pub(super) fn new(
        tables: Tables<'a, R>,
        target: &'a Target,
        page_size: Option<u64>,
    ) -> LayoutContext<'a, R> {
        LayoutContext {
            page_size: page_size.unwrap_or_else(|| max_page_size(tables.info.header.machine)),
            tables,
            target,
            free: Vec::new(),
            strsz: 0,
            strings: Vec::new(),
            entry_strings: vec![None; target.entries.len()],
            changed_tables: Vec::new(),
            tail: None,
            cache: None,
        }
    }

    /// The headers of the file before the rewrite.
    pub(super) fn info(&self) -> &'a ElfInfo {
        self.tables.info
    }

    pub(super) fn sections(&self) -> &'a [Section] {
        self.tables.sections
    }

    /// Whether the string table outgrows its place.
    fn strings_grow(&self) -> bool {
        let dynamic = self.info().dynamic.as_ref();
        dynamic.is_some_and(|d| self.strsz > d.strsz)
    }

    /// Whether the string table ends behind its PT_LOAD, where the page that both are in is mapped
    /// all the same. Not every reader knows that, so it moves.
    fn strings_are_outside(&self) -> bool {
        let Some(dynamic) = &self.info().dynamic else {
            return false;
        };
        let vaddr = dynamic.value(elf::DT_STRTAB);
        let mut loads = self.info().segments.iter();
        vaddr.is_some_and(|vaddr| {
            !loads.any(|s| s.p_type == elf::PT_LOAD && s.holds_vaddr(vaddr, dynamic.strsz.max(1)))
        })
    }

    /// Whether the dynamic section outgrows its place.
    pub(super) fn dynamic_grows(&self) -> bool {
        let dynamic = self.info().dynamic.as_ref();
        dynamic.is_some_and(|d| self.target.entries.len() + 1 > d.capacity)
    }

    /// Whether the interpreter outgrows its place.
    pub(super) fn interpreter_grows(&self) -> bool {
        let bytes = self.interpreter_bytes();
        let extent = self.interpreter_extent();
        bytes
            .zip(extent)
            .is_some_and(|(bytes, extent)| bytes.len() as u64 > extent.len)
    }

    /// Whether something outgrows its place, so that there must be an appended segment.
    pub(super) fn needs_segment(&self) -> bool {
        self.strings_grow()
            || self.strings_are_outside()
            || self.dynamic_grows()
            || self.interpreter_grows()
            || self.new_stack_header().is_some()
            || self.new_note().is_some()
    }

    /// The note of a new resolution cache.
    pub(super) fn new_note(&self) -> Option<&[u8]> {
        self.cache.as_ref()?.note.as_deref()
    }

    /// Where section headers and names go that a new note makes grow.
    pub(super) fn section_area(&self) -> Option<SectionArea> {
        let (info, cache) = (self.info(), self.cache.as_ref()?);
        cache.area(info.size, info.format())
    }

    /// Whether an extent gets other contents.
    pub(super) fn changes(&self, extent: &Extent) -> bool {
        let changed = self.changed_tables.iter().map(|t| t.extent);
        let mut changed = changed.chain(self.interpreter_extent());
        changed.any(|c| extent.holds_vaddr(c.vaddr, c.len))
    }

    /// A PT_GNU_STACK, where one must be added.
    pub(super) fn new_stack_header(&self) -> Option<Segment> {
        let executable = self.target.executable_stack?;
        let mut segments = self.info().segments.iter();
        if segments.any(|s| s.p_type == elf::PT_GNU_STACK) {
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

    /// Whether another header may replace this one: a PT_NULL; that of a removed note; or the PT_PHDR of a library, which
    /// lld and mold write. Loaders find the table of a library by its PT_LOAD, as GNU ld's
    /// libraries have no PT_PHDR; only a program gets its address by it.
    pub(super) fn is_spare(&self, segment: &Segment) -> bool {
        let info = self.info();
        let library = info.kind == Kind::SharedLibrary && info.interpreter.is_none();
        let dropped = self.cache.as_ref().is_some_and(|c| c.drops(segment));
        dropped || segment.p_type == elf::PT_NULL || (segment.p_type == elf::PT_PHDR && library)
    }

    /// Number of program headers to add, given the number of new PT_LOADs.
    pub(super) fn added_headers(&self, new_loads: usize) -> usize {
        let segments = &self.info().segments;
        let spare = segments.iter().filter(|s| self.is_spare(s)).count();
        let new = new_loads
            + usize::from(self.new_stack_header().is_some())
            + usize::from(self.new_note().is_some());
        new.saturating_sub(spare)
    }

    /// Length of the program header table with this many new PT_LOADs, in bytes.
    pub(super) fn table_len(&self, new_loads: usize) -> u64 {
        let info = self.info();
        let count = info.segments.len() + self.added_headers(new_loads);
        (count * info.format().segment_size()) as u64
    }

    /// Whether PT_DYNAMIC is writable: ld.so writes to the dynamic section only then.
    pub(super) fn dynamic_is_writable(&self) -> bool {
        let mut segments = self.info().segments.iter();
        segments.any(|s| s.p_type == elf::PT_DYNAMIC && s.flags & elf::PF_W != 0)
    }

    /// The location of each new string in a string table at `table`.
    pub(super) fn strings_in(&self, table: Location) -> Vec<Location> {
        let strings = self.strings.iter();
        strings
            .map(|string| Location {
                offset: table.offset + string.at,
                vaddr: table.vaddr.wrapping_add(string.at),
                len: string.text.len() as u64 + 1,
            })
            .collect()
    }

    /// The index of a new string: one that is new already, or one that gets room in the table.
    pub(super) fn new_string(
        &mut self,
        text: &[u8],
        table: &mut StringTableAllocator,
        prefer: Option<u64>,
    ) -> usize {
        if let Some(there) = self.strings.iter().position(|s| s.text == text) {
            return there;
        }
        let at = table.alloc(text.len() as u64, prefer);
        self.strings.push(NewString {
            at,
            text: text.to_vec(),
        });
        self.strings.len() - 1
    }

    /// The table that a dynamic tag points to, as it is.
    pub(super) fn table(&self, tag: i64) -> Result<NewTable, RewriteError> {
        let vaddr = self.info().dynamic.as_ref().and_then(|d| d.value(tag));
        let len = self.tables.size_of(tag)?.filter(|&len| len <= MAX_TABLE);
        let place = vaddr.zip(len).and_then(|(vaddr, len)| {
            let offset = self.info().offset_of(vaddr, len)?;
            Some(Extent {
                offset,
                vaddr,
                len,
                align: 8,
            })
        });
        let Some(extent) = place else {
            return refuse(format!(
                "the table of dynamic tag {tag:#x} can't be found or sized"
            ));
        };
        let file = self.tables.file;
        let bytes = file.read_vec(extent.offset, extent.len as usize)?;
        Ok(NewTable {
            extent,
            bytes,
            strings: Vec::new(),
        })
    }

    /// Zeros for the string table's free parts: (offset in the table, bytes).
    pub(super) fn cleared(&self) -> Vec<(u64, Vec<u8>)> {
        self.free
            .iter()
            .map(|r| (r.start, vec![0; (r.end - r.start) as usize]))
            .collect()
    }

    /// Contents of the string table's free parts afterwards: new strings, and zeros.
    pub(super) fn free_contents(&self) -> Vec<(u64, Vec<u8>)> {
        let mut parts = self.cleared();
        for string in &self.strings {
            for (start, bytes) in &mut parts {
                let end = *start + bytes.len() as u64;
                if (*start..end).contains(&string.at) {
                    let at = (string.at - *start) as usize;
                    // A string that grows past the table's old end takes the NUL there, and
                    // leaves the rest to the caller.
                    if string.text.len() > bytes.len() - at {
                        bytes.push(0);
                    }
                    let len = string.text.len().min(bytes.len() - at);
                    bytes[at..at + len].copy_from_slice(&string.text[..len]);
                }
            }
        }
        parts
    }

    /// PT_INTERP's bytes afterwards, if they change.
    pub(super) fn interpreter_bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = self.target.interpreter.clone()?;
        bytes.push(0);
        Some(bytes)
    }

    /// The extent of PT_INTERP, if the interpreter changes.
    pub(super) fn interpreter_extent(&self) -> Option<Extent> {
        self.target.interpreter.as_ref()?;
        let mut segments = self.info().segments.iter();
        let s = segments.find(|s| s.p_type == elf::PT_INTERP)?;
        Some(Extent {
            offset: s.offset,
            vaddr: s.vaddr,
            len: s.filesz,
            align: 1,
        })
    }
}

/// Largest page size that a kernel for this machine may have, in bytes: the maximum page size of
/// linkers.
fn max_page_size(machine: u16) -> u64 {
    match machine {
        elf::EM_386 | elf::EM_X86_64 | elf::EM_IAMCU | elf::EM_RISCV | elf::EM_S390 => 0x1000,
        elf::EM_SPARCV9 => 0x10_0000,
        _ => 0x1_0000,
    }
}
