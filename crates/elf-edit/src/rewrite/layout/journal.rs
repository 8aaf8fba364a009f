//! The general way: the new state is complete behind the end of the file before one write of
//! the ELF header switches to it. Then what is no longer used is brought up to date, a second
//! write of the ELF header switches to that, and the journal is cut off.
//!
//! In the journal's state one writable PT_LOAD holds it all: the program header table too,
//! because the kernel (from 5.18) hands its address to ld.so, which must find it mapped.

use super::finalize::{self, Image};
use super::in_place::home_state;
use super::segment::{Plan, address_for, first_offset_for_table};
use super::state::{Load, Move, Spot, State};
use super::{Job, layout, sections};
use crate::read::codec::Segment;
use crate::read::dynamic::Dynamic;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::Extent;
use crate::rewrite::patch::{Patch, Step};
use object::elf;

/// Longest string table that is copied into the journal, in bytes, so that every reader finds
/// the new strings in it.
const MAX_COPY: u64 = 1 << 20;

/// Makes the patch. `plan` is where the segment goes, if one is needed.
pub fn place<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    plan: Option<&Plan>,
) -> Result<Patch, RewriteError> {
    let fin = final_state(job, plan);
    let mut journal = Journal::new(job, plan)?;
    let temp = journal.lay_out(&fin)?;
    let mut patch = Patch {
        steps: Vec::new(),
        strip_safe: plan.is_none_or(|p| p.strip_safe),
    };
    journal.write(&fin, &temp, &mut patch)?;
    patch.write(0, temp.header_bytes(job)?);
    finalize::write(job, plan, &fin, &mut patch)?;
    sections::write(job, plan, &fin, &mut patch)?;
    let header = fin.header_bytes(job)?;
    patch.write(0, header);
    patch.steps.push(Step::Truncate {
        len: plan.map_or(job.facts().size, |p| p.end),
    });
    Ok(patch)
}

/// Whether the segment is new in the file, so that what is in it has no old contents to mind.
pub fn fresh(plan: Option<&Plan>) -> Option<&Plan> {
    plan.filter(|p| !p.extends)
}

/// The state that the file shall end in.
fn final_state<R: ReadAt + ?Sized>(job: &Job<'_, R>, plan: Option<&Plan>) -> State {
    let mut state = home_state(job);
    if let Some(plan) = plan {
        state.strtab = Some(plan.strtab);
        state.moves = plan.moves.clone();
        state.dynamic = plan.dynamic.or(state.dynamic);
        state.phdrs = plan.phdrs.unwrap_or(state.phdrs);
        state.section_table = plan.section_table.unwrap_or(state.section_table);
        state.load = plan.load(plan.end, plan.dynamic.is_some() && dynamic_is_writable(job));
    }
    // Extents that stay but get other contents.
    if let Some(extent) = job.interpreter_extent().filter(|e| !has(&state.moves, e)) {
        let len = job
            .interpreter_bytes()
            .map_or(extent.len, |b| b.len() as u64);
        let to = Spot {
            offset: extent.offset,
            vaddr: extent.vaddr,
            len,
        };
        state.moves.push(Move { extent, to });
    }
    for table in &job.changed_tables {
        let extent = table.extent;
        if !has(&state.moves, &extent) {
            let to = Spot {
                offset: extent.offset,
                vaddr: extent.vaddr,
                len: extent.len,
            };
            state.moves.push(Move { extent, to });
        }
    }
    state
}

/// ld.so writes to the dynamic section only where PT_DYNAMIC says that it may.
pub fn dynamic_is_writable<R: ReadAt + ?Sized>(job: &Job<'_, R>) -> bool {
    let mut segments = job.facts().segments.iter();
    segments.any(|s| s.p_type == elf::PT_DYNAMIC && s.flags & elf::PF_W != 0)
}

fn has(moves: &[Move], extent: &Extent) -> bool {
    moves
        .iter()
        .any(|m| m.extent.holds_vaddr(extent.vaddr, extent.len))
}

/// The space behind the end of the file.
struct Journal<'a, 'b, R: ?Sized> {
    job: &'a Job<'b, R>,
    plan: Option<&'a Plan>,
    /// Start of the PT_LOAD that maps the journal: offset and address.
    base: (u64, u64),
    /// First byte that the journal itself may use.
    start: u64,
    cursor: u64,
    /// Where each new string stands in the journal, if it does.
    strings: Vec<Option<u64>>,
    /// A copy of the string table with the new strings, where the table stays in place.
    table: Option<Spot>,
}

impl<'a, 'b, R: ReadAt + ?Sized> Journal<'a, 'b, R> {
    fn new(job: &'a Job<'b, R>, plan: Option<&'a Plan>) -> Result<Self, RewriteError> {
        let size = job.facts().size;
        let start = plan.map_or(size, |p| p.end.max(size)).next_multiple_of(8);
        let base = match plan {
            Some(p) => (p.offset, p.vaddr),
            None => (start, address_for(job, start, None)?),
        };
        Ok(Journal {
            job,
            plan,
            base,
            start,
            cursor: start,
            strings: Vec::new(),
            table: None,
        })
    }

    fn take(&mut self, len: u64, align: u64) -> Spot {
        let offset = self.cursor.next_multiple_of(align.clamp(1, 4096));
        self.cursor = offset + len;
        Spot {
            offset,
            vaddr: self.base.1 + (offset - self.base.0),
            len,
        }
    }

    /// Gives everything that is used in the journal's state its place.
    fn lay_out(&mut self, fin: &State) -> Result<State, RewriteError> {
        let mut temp = fin.clone();
        let stays = fresh(self.plan).is_none() && !self.job.strings.is_empty();
        if let Some(strtab) = fin.strtab.filter(|_| stays) {
            if self.plan.is_none() && strtab.len <= MAX_COPY {
                self.table = Some(self.take(strtab.len, 1));
                temp.strtab = self.table;
            } else {
                temp.strtab = Some(self.take_strings(strtab, &mut temp.string_values));
            }
        }
        let first_fresh = fresh(self.plan).map_or(u64::MAX, |p| p.offset);
        for m in temp.moves.iter_mut().filter(|m| m.to.offset < first_fresh) {
            m.to = self.take(m.to.len, m.extent.align.max(8));
        }
        if let Some(dynamic) = &mut temp.dynamic {
            *dynamic = self.take(dynamic.len, 8);
        }
        self.cursor = self.cursor.max(first_offset_for_table(
            self.job,
            self.plan.and_then(|p| p.own),
        ));
        // The load itself takes part in the number of program headers.
        temp.load = self.load(self.cursor);
        let table = temp.phnum(self.job) * self.job.facts().format().segment_size();
        temp.phdrs = self.take(table as u64, 8);
        temp.load = self.load(self.cursor);
        if self.job.facts().format().word_size() == 4
            && self.base.1 + (self.cursor - self.base.0) > u64::from(u32::MAX)
        {
            return layout("no address space is left behind the last PT_LOAD");
        }
        Ok(temp)
    }

    /// Places the new strings, and gives the string table that reaches up to them: in a segment
    /// of ours the journal follows it. Otherwise they stand outside of it: ld.so adds `d_val` to
    /// DT_STRTAB and asks for no more.
    fn take_strings(&mut self, strtab: Spot, values: &mut [u64]) -> Spot {
        for (string, value) in self.job.strings.iter().zip(values) {
            let spot = self.take(string.text.len() as u64 + 1, 1);
            *value = spot.vaddr.wrapping_sub(strtab.vaddr);
            self.strings.push(Some(spot.offset));
        }
        let len = match self.plan {
            Some(_) => self.cursor - strtab.offset,
            None => strtab.len,
        };
        Spot { len, ..strtab }
    }

    fn load(&self, end: u64) -> Load {
        match self.plan {
            Some(plan) => plan.load(end, true),
            None => Load::Insert(Segment {
                p_type: elf::PT_LOAD,
                flags: elf::PF_R | elf::PF_W,
                offset: self.base.0,
                vaddr: self.base.1,
                paddr: self.base.1,
                filesz: end - self.base.0,
                memsz: end - self.base.0,
                align: self.job.page_size,
            }),
        }
    }

    /// Writes the segment, if it is new, and the journal behind it.
    fn write(&self, fin: &State, temp: &State, patch: &mut Patch) -> Result<(), RewriteError> {
        let job = self.job;
        let mut from = self.start;
        let mut small = None;
        let table = fresh(self.plan).map(|p| p.strtab).or(self.table);
        if let (Some(table), Some(dynamic)) = (table, &job.facts().dynamic) {
            if dynamic.strsz <= SMALL {
                from = table.offset;
                small = Some((table, dynamic));
            } else {
                copy_strings(job, table.offset, dynamic, patch);
                from = table.offset + table.len;
            }
        }
        let mut image = Image {
            start: from,
            bytes: vec![0; (self.cursor - from) as usize],
        };
        if let Some((table, dynamic)) = small {
            let old = &mut image.bytes[..dynamic.strsz as usize];
            job.tables.file.read_exact_at(dynamic.strtab, old)?;
            for (at, bytes) in new_strings(job) {
                image.put(table.offset + at, &bytes);
            }
        }
        for (string, offset) in job.strings.iter().zip(&self.strings) {
            if let Some(offset) = offset {
                image.put(*offset, &string.text);
            }
        }
        for m in &temp.moves {
            image.put(m.to.offset, &temp.extent_bytes(job, &m.extent)?);
        }
        if let Some(spot) = temp.dynamic {
            image.put(spot.offset, &temp.dynamic_bytes(job));
        }
        image.put(temp.phdrs.offset, &temp.phdr_bytes(job));
        if let Some(plan) = fresh(self.plan) {
            if let Some(spot) = plan.dynamic {
                image.put(spot.offset, &fin.dynamic_bytes(job));
            }
            if let Some(spot) = plan.phdrs {
                image.put(spot.offset, &fin.phdr_bytes(job));
            }
        }
        patch.write(image.start, image.bytes);
        Ok(())
    }
}

/// A string table of up to so many bytes is copied by one write, together with what follows it.
const SMALL: u64 = 1 << 15;

/// The string table in another place: the old one copied, dropped strings cleared, new ones set.
fn copy_strings<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    to: u64,
    dynamic: &Dynamic,
    patch: &mut Patch,
) {
    patch.steps.push(Step::Copy {
        from: dynamic.strtab,
        to,
        len: dynamic.strsz,
    });
    for (at, bytes) in new_strings(job) {
        patch.write(to + at, bytes);
    }
}

/// What differs in the string table's new place: (offset in the table, bytes).
fn new_strings<R: ReadAt + ?Sized>(job: &Job<'_, R>) -> Vec<(u64, Vec<u8>)> {
    let mut texts = job.cleared();
    texts.extend(job.strings.iter().map(|string| {
        let mut bytes = string.text.clone();
        bytes.push(0);
        (string.at, bytes)
    }));
    texts
}
