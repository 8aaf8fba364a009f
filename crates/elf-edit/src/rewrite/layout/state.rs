//! Where everything stands in one state of the file, and the bytes that say so.

use super::Job;
use crate::read::codec::{FileHeader, Segment};
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::{Extent, MOVABLE_TAGS, moves_with_contents};
use object::elf;

/// Tables that stay where they are but may get other contents, by way of the journal.
const EDITED_TAGS: [i64; 3] = [elf::DT_RELA, elf::DT_REL, elf::DT_JMPREL];

/// A place in the file and in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Offset in the file.
    pub offset: u64,
    /// Address.
    pub vaddr: u64,
    /// Length in bytes.
    pub len: u64,
}

/// An extent and where it stands in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where it stood before the rewrite.
    pub extent: Extent,
    /// Where it stands now. A changed interpreter may have another length.
    pub to: Spot,
}

/// What happens to the table of PT_LOADs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// As it was.
    Unchanged,
    /// One more, behind the last.
    Insert(Segment),
    /// The one at this index is another now.
    Replace(usize, Segment),
}

/// One state: the journal's, or the final one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The string table: all that DT_STRSZ tells of it.
    pub strtab: Option<Spot>,
    /// For each new string, its value in dynamic entries.
    pub string_values: Vec<u64>,
    /// Extents that stand elsewhere or have other contents.
    pub moves: Vec<Move>,
    /// The dynamic section.
    pub dynamic: Option<Spot>,
    /// The program header table; its length follows from its entries.
    pub phdrs: Spot,
    /// The section header table: its offset.
    pub section_table: u64,
    /// PT_LOADs.
    pub load: Load,
}

impl State {
    /// Where an address of the old file is in this state.
    pub fn address(&self, vaddr: u64) -> u64 {
        match self.moves.iter().find(|m| m.extent.holds_vaddr(vaddr, 1)) {
            Some(m) => m.to.vaddr.wrapping_add(vaddr - m.extent.vaddr),
            None => vaddr,
        }
    }

    /// The bytes of the dynamic section.
    pub fn dynamic_bytes<R: ReadAt + ?Sized>(&self, job: &Job<'_, R>) -> Vec<u8> {
        let format = job.facts().format();
        let Some(spot) = self.dynamic else {
            return Vec::new();
        };
        let mut out = Vec::with_capacity(spot.len as usize);
        let old = job
            .facts()
            .segments
            .iter()
            .find(|s| s.p_type == elf::PT_DYNAMIC);
        let entry_size = format.dyn_size() as u64;
        for (index, entry) in job.target.entries.iter().enumerate() {
            let value = match (job.entry_strings[index], entry.tag) {
                (Some(string), _) => self.string_values[string],
                (None, elf::DT_STRTAB) => self.strtab.map_or(entry.value, |s| s.vaddr),
                (None, elf::DT_STRSZ) => self.strtab.map_or(entry.value, |s| s.len),
                (None, elf::DT_MIPS_RLD_MAP_REL) => {
                    // Relative to the entry itself, which may have moved.
                    let was = entry.old_index.unwrap_or(index) as u64 * entry_size;
                    let was = old.map_or(spot.vaddr, |s| s.vaddr).wrapping_add(was);
                    let is = spot.vaddr.wrapping_add(index as u64 * entry_size);
                    entry.value.wrapping_add(was).wrapping_sub(is)
                }
                (None, tag) if MOVABLE_TAGS.contains(&tag) || EDITED_TAGS.contains(&tag) => {
                    self.address(entry.value)
                }
                (None, _) => entry.value,
            };
            crate::Dyn {
                tag: entry.tag,
                value,
            }
            .encode(format, &mut out);
        }
        out.resize(out.len().max(spot.len as usize), 0);
        out
    }

    /// The program headers.
    pub fn segments<R: ReadAt + ?Sized>(&self, job: &Job<'_, R>) -> Vec<Segment> {
        let mut segments = job.facts().segments.clone();
        for segment in &mut segments {
            match segment.p_type {
                elf::PT_DYNAMIC => {
                    if let Some(spot) = self.dynamic {
                        put(segment, spot);
                    }
                }
                elf::PT_GNU_STACK => {
                    if let Some(executable) = job.target.executable_stack {
                        segment.flags &= !elf::PF_X;
                        segment.flags |= if executable { elf::PF_X } else { 0 };
                    }
                }
                _ if moves_with_contents(segment) => {
                    let moved = self
                        .moves
                        .iter()
                        .find(|m| m.extent.holds_vaddr(segment.vaddr, segment.filesz));
                    if let Some(m) = moved {
                        let at = segment.vaddr - m.extent.vaddr;
                        let is_interp =
                            segment.p_type == elf::PT_INTERP && job.target.interpreter.is_some();
                        let len = if is_interp { m.to.len } else { segment.filesz };
                        let (offset, vaddr) = (m.to.offset + at, m.to.vaddr + at);
                        put(segment, Spot { offset, vaddr, len });
                    }
                }
                _ => {}
            }
        }
        match &self.load {
            Load::Unchanged => {}
            Load::Replace(index, load) => segments[*index] = load.clone(),
            Load::Insert(load) => {
                take_spare(job, &mut segments);
                insert(&mut segments, load.clone());
            }
        }
        if let Some(stack) = job.new_stack_header() {
            take_spare(job, &mut segments);
            segments.push(stack);
        }
        let size = (segments.len() * job.facts().format().segment_size()) as u64;
        for segment in segments.iter_mut().filter(|s| s.p_type == elf::PT_PHDR) {
            put(
                segment,
                Spot {
                    len: size,
                    ..self.phdrs
                },
            );
        }
        segments
    }

    /// How many program headers there are.
    pub fn phnum<R: ReadAt + ?Sized>(&self, job: &Job<'_, R>) -> usize {
        let added = usize::from(matches!(self.load, Load::Insert(_)))
            + usize::from(job.new_stack_header().is_some());
        job.facts().segments.len() + added.saturating_sub(job.spare_headers())
    }

    /// The bytes of the program header table.
    pub fn phdr_bytes<R: ReadAt + ?Sized>(&self, job: &Job<'_, R>) -> Vec<u8> {
        let format = job.facts().format();
        let segments = self.segments(job);
        let mut out = Vec::with_capacity(segments.len() * format.segment_size());
        for segment in segments {
            segment.encode(format, &mut out);
        }
        out
    }

    /// The bytes of the ELF header.
    pub fn header_bytes<R: ReadAt + ?Sized>(
        &self,
        job: &Job<'_, R>,
    ) -> Result<Vec<u8>, RewriteError> {
        let old = &job.facts().header;
        let count = self.phnum(job);
        let Ok(phnum) = u16::try_from(count) else {
            return super::layout(format!("{count} program headers do not fit into e_phnum"));
        };
        let header = FileHeader {
            os_abi: job.target.os_abi.unwrap_or(old.os_abi),
            phoff: self.phdrs.offset,
            phnum,
            shoff: self.section_table,
            ..old.clone()
        };
        let original = job.tables.file.read_vec(0, old.format.header_size())?;
        Ok(header.encode(&original))
    }

    /// The bytes of an extent in this state.
    pub fn extent_bytes<R: ReadAt + ?Sized>(
        &self,
        job: &Job<'_, R>,
        extent: &Extent,
    ) -> Result<Vec<u8>, RewriteError> {
        if job
            .interpreter_extent()
            .is_some_and(|i| i.offset == extent.offset)
            && let Some(bytes) = job.interpreter_bytes()
        {
            return Ok(bytes);
        }
        let mut bytes = job
            .tables
            .file
            .read_vec(extent.offset, extent.len as usize)?;
        for table in &job.changed_tables {
            if !extent.holds_vaddr(table.extent.vaddr, table.extent.len) {
                continue;
            }
            let start = (table.extent.vaddr - extent.vaddr) as usize;
            bytes[start..start + table.bytes.len()].copy_from_slice(&table.bytes);
            for &(field, string) in &table.strings {
                let Ok(value) = u32::try_from(self.string_values[string]) else {
                    return super::layout(
                        "a string would be too far from the string table for a field of 32 bits",
                    );
                };
                let Some(field) = bytes.get_mut(start + field..start + field + 4) else {
                    return super::layout("a table is shorter than what it holds");
                };
                field.copy_from_slice(&job.facts().format().number(value.into(), 4));
            }
        }
        Ok(bytes)
    }
}

fn put(segment: &mut Segment, spot: Spot) {
    segment.paddr = segment
        .paddr
        .wrapping_add(spot.vaddr.wrapping_sub(segment.vaddr));
    segment.offset = spot.offset;
    segment.vaddr = spot.vaddr;
    segment.filesz = spot.len;
    segment.memsz = spot.len;
}

/// What may go makes room for another header, PT_NULL first.
fn take_spare<R: ReadAt + ?Sized>(job: &Job<'_, R>, segments: &mut Vec<Segment>) {
    let null = segments.iter().rposition(|s| s.p_type == elf::PT_NULL);
    if let Some(spare) = null.or_else(|| segments.iter().position(|s| job.is_spare(s))) {
        segments.remove(spare);
    }
}

/// Behind the last PT_LOAD: they stand in ascending order of addresses (gABI).
fn insert(segments: &mut Vec<Segment>, load: Segment) {
    let last = segments.iter().rposition(|s| s.p_type == elf::PT_LOAD);
    segments.insert(last.map_or(segments.len(), |i| i + 1), load);
}
