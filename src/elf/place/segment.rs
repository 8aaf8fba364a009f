//! The segment of ours: where it goes and what moves into it.
//!
//! It is one PT_LOAD that starts with the string table (llvm-strip takes a PT_INTERP at the
//! same offset for the parent of the PT_LOAD). The program header table stays where it is and
//! grows in place; what stands in its way moves into the segment, if it may move.

use super::super::codec::Segment;
use super::super::extents::{Extent, inside, movable, occupies};
use super::super::read_at::ReadAt;
use super::state::{Load, Move, Spot};
use super::{Job, PlaceError, layout};
use object::elf;

/// Where the segment is and what is in it, once all is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Offset of the segment in the file.
    pub offset: u64,
    /// Its address.
    pub vaddr: u64,
    /// Offset of its end.
    pub end: u64,
    /// Index of the PT_LOAD that it has already, from an earlier rewrite.
    pub own: Option<usize>,
    /// Whether the segment stays where it is, at the end of the file, and only grows.
    pub extends: bool,
    /// The string table.
    pub strtab: Spot,
    /// What else moves into it, or moves about in it.
    pub moves: Vec<Move>,
    /// The dynamic section, if it is in the segment.
    pub dynamic: Option<Spot>,
    /// The program header table, where it can't grow in place. Not strip-safe.
    pub phdrs: Option<Spot>,
    /// Its alignment.
    pub align: u64,
}

impl Plan {
    /// The PT_LOAD, up to file offset `end`.
    pub fn load(&self, end: u64, writable: bool) -> Load {
        let flags = if writable {
            elf::PF_R | elf::PF_W
        } else {
            elf::PF_R
        };
        let len = end - self.offset;
        let load = Segment {
            p_type: elf::PT_LOAD,
            flags,
            offset: self.offset,
            vaddr: self.vaddr,
            paddr: self.vaddr,
            filesz: len,
            memsz: len,
            align: self.align,
        };
        match self.own {
            Some(index) => Load::Replace(index, load),
            None => Load::Insert(load),
        }
    }
}

/// Unused addresses before the segment, in bytes. eu-elflint takes the size of a relocation's
/// symbol for the size of what is relocated, and calls a read-only segment close behind the
/// data a text relocation. Addresses cost nothing.
const CLEARANCE: u64 = 1 << 20;

/// First address behind all PT_LOADs but one, rounded up to a page, then on the same place in
/// a page as `offset`: so the file needs no padding.
pub fn address_for<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    offset: u64,
    except: Option<usize>,
) -> Result<u64, PlaceError> {
    let loads = job.facts().segments.iter().enumerate();
    let mut end = 0u64;
    for (index, s) in loads.filter(|(_, s)| s.p_type == elf::PT_LOAD) {
        if Some(index) != except {
            match s.vaddr.checked_add(s.memsz) {
                Some(stop) => end = end.max(stop),
                None => return layout("a PT_LOAD ends past the address space"),
            }
        }
    }
    let start = end.checked_add(CLEARANCE);
    match start.and_then(|start| start.checked_next_multiple_of(job.page_size)) {
        Some(start) => Ok(start + offset % job.page_size),
        None => layout("no address space is left behind the last PT_LOAD"),
    }
}

/// Plans the segment.
pub fn plan<R: ReadAt + ?Sized>(job: &Job<'_, R>) -> Result<Plan, PlaceError> {
    let facts = job.facts();
    let Some(dynamic) = &facts.dynamic else {
        return layout("it has no dynamic section, and its interpreter has no room to grow");
    };
    let extents = movable(&job.tables)?;
    let own = own_segment(job, &extents)?;
    let old_table = Spot {
        offset: facts.header.phoff,
        vaddr: vaddr_of_table(job),
        len: (facts.segments.len() * facts.format().segment_size()) as u64,
    };
    let table_in_own = own.is_some_and(|i| facts.segments[i].holds_offset(old_table.offset, 1));
    let extends = own.is_some_and(|i| end_of(&facts.segments[i]) == facts.size);
    let (offset, vaddr, align) = match own {
        Some(i) if extends => {
            let s = &facts.segments[i];
            (s.offset, s.vaddr, s.align)
        }
        _ => (
            facts.size,
            address_for(job, facts.size, own)?,
            job.page_size,
        ),
    };
    let mut moving: Vec<Extent> = match own {
        Some(i) => extents
            .iter()
            .copied()
            .filter(|e| facts.segments[i].holds_offset(e.offset, e.len))
            .collect(),
        None => Vec::new(),
    };
    let mut phdrs_move = table_in_own;
    let unused = facts
        .segments
        .iter()
        .filter(|s| s.p_type == elf::PT_NULL)
        .count();
    let new_headers = usize::from(own.is_none()) + usize::from(job.new_stack_header().is_some());
    let added = new_headers.saturating_sub(unused);
    if added > 0 && !table_in_own {
        match in_the_way(job, &extents, old_table, added)? {
            Some(blocking) => moving.extend(
                blocking
                    .iter()
                    .filter(|e| !moving.contains(e))
                    .collect::<Vec<_>>(),
            ),
            None => phdrs_move = true,
        }
    }
    if let Some(interp) = job.interpreter_extent().filter(|_| job.interpreter_grows())
        && !moving.iter().any(|e| e.offset == interp.offset)
    {
        moving.push(interp);
    }
    moving.sort_unstable();
    check_alone(job, &moving)?;

    let mut cursor = Cursor {
        at: offset,
        offset,
        vaddr,
    };
    let strtab = cursor.take(job.strsz, 1, vaddr);
    let moves = moving.iter().map(|&extent| {
        let len = new_len(job, &extent);
        Move {
            extent,
            to: cursor.take(len, extent.align, extent.vaddr),
        }
    });
    let moves = moves.collect();
    let word = facts.format().word_size() as u64;
    let dynamic_in_own =
        own.is_some_and(|i| facts.segments[i].holds_offset(dynamic.offset, dynamic.size));
    let entries = (job.target.entries.len() + 1).max(if job.dynamic_grows() {
        0
    } else {
        dynamic.capacity
    });
    let dynamic_len = (entries * facts.format().dyn_size()) as u64;
    let dynamic =
        (dynamic_in_own || job.dynamic_grows()).then(|| cursor.take(dynamic_len, word, 0));
    let count = facts.segments.len() + added;
    let table_len = (count * facts.format().segment_size()) as u64;
    let phdrs = phdrs_move.then(|| cursor.take(table_len, word, 0));
    let end = cursor.at;
    let plan = Plan {
        offset,
        vaddr,
        end,
        own,
        extends,
        strtab,
        moves,
        dynamic,
        phdrs,
        align,
    };
    if facts.format().word_size() == 4 && vaddr + (end - offset) > u64::from(u32::MAX) {
        return layout("no address space is left behind the last PT_LOAD");
    }
    Ok(plan)
}

/// Gives out places in the segment, one behind the other.
struct Cursor {
    at: u64,
    offset: u64,
    vaddr: u64,
}

impl Cursor {
    /// `len` bytes at an address that equals `like` modulo `align`.
    fn take(&mut self, len: u64, align: u64, like: u64) -> Spot {
        let here = self.vaddr + (self.at - self.offset);
        let pad = (like % align + align - here % align) % align;
        let offset = self.at + pad;
        self.at = offset + len;
        Spot {
            offset,
            vaddr: here + pad,
            len,
        }
    }
}

/// Length of an extent afterwards.
fn new_len<R: ReadAt + ?Sized>(job: &Job<'_, R>, extent: &Extent) -> u64 {
    match (job.interpreter_extent(), job.interpreter_bytes()) {
        (Some(interp), Some(bytes)) if interp.offset == extent.offset => bytes.len() as u64,
        _ => extent.len,
    }
}

fn end_of(segment: &Segment) -> u64 {
    segment.offset.saturating_add(segment.filesz)
}

/// The address of the program header table, 0 where nothing maps it.
pub fn vaddr_of_table<R: ReadAt + ?Sized>(job: &Job<'_, R>) -> u64 {
    let segments = &job.facts().segments;
    let phoff = job.facts().header.phoff;
    match segments.iter().find(|s| s.p_type == elf::PT_PHDR) {
        Some(s) => s.vaddr,
        None => segments
            .iter()
            .find(|s| s.p_type == elf::PT_LOAD && s.holds_offset(phoff, 1))
            .map_or(0, |s| s.vaddr + (phoff - s.offset)),
    }
}

/// The PT_LOAD of an earlier rewrite: the last one, starts at DT_STRTAB, and all that is in it
/// is known. What follows it in the file (after a strip) doesn't matter.
fn own_segment<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    extents: &[Extent],
) -> Result<Option<usize>, PlaceError> {
    let facts = job.facts();
    let Some(dynamic) = &facts.dynamic else {
        return Ok(None);
    };
    let Some(index) = facts
        .segments
        .iter()
        .rposition(|s| s.p_type == elf::PT_LOAD)
    else {
        return Ok(None);
    };
    let own = &facts.segments[index];
    let highest = facts
        .segments
        .iter()
        .filter(|s| s.p_type == elf::PT_LOAD)
        .all(|s| s.vaddr <= own.vaddr);
    if Some(own.vaddr) != dynamic.value(elf::DT_STRTAB)
        || own.offset != dynamic.strtab
        || own.flags & elf::PF_X != 0
        || own.filesz != own.memsz
        || own.filesz < dynamic.strsz
        || !highest
    {
        return Ok(None);
    }
    let mut known: Vec<(u64, u64)> = vec![(own.offset, own.offset + dynamic.strsz)];
    known.extend(extents.iter().map(|e| (e.offset, e.end())));
    known.push((dynamic.offset, dynamic.offset + dynamic.size));
    let table = facts.header.phoff;
    let table_len = (facts.segments.len() * facts.format().segment_size()) as u64;
    known.push((table, table + table_len));
    let is_known = unused_but(job, own.offset, end_of(own), &mut known)?;
    let foreign = job.sections().iter().any(|s| {
        occupies(s)
            && s.offset < end_of(own)
            && s.offset + s.size > own.offset
            && !(s.offset == own.offset && s.size <= dynamic.strsz)
            && s.offset != dynamic.offset
            && !extents.iter().any(|e| inside(s, e))
    });
    Ok((is_known && !foreign).then_some(index))
}

/// Whether no byte of `from..to` is used, those of the `known` ranges apart.
fn unused_but<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    from: u64,
    to: u64,
    known: &mut [(u64, u64)],
) -> Result<bool, PlaceError> {
    known.sort_unstable();
    let mut at = from;
    for &(start, end) in known.iter().chain(&[(to, to)]) {
        let gap_end = start.min(to);
        if gap_end > at {
            if gap_end - at > job.page_size {
                return Ok(false);
            }
            let gap = job.tables.file.read_vec(at, (gap_end - at) as usize)?;
            // patchelf fills what it has moved away with X or Z.
            if gap.iter().any(|b| ![0, b'X', b'Z'].contains(b)) {
                return Ok(false);
            }
        }
        at = at.max(end);
    }
    Ok(true)
}

/// What must move so that the program header table can grow by so many entries where it is. `None`
/// where something in its way must not move.
fn in_the_way<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    extents: &[Extent],
    table: Spot,
    added: usize,
) -> Result<Option<Vec<Extent>>, PlaceError> {
    let facts = job.facts();
    let start = table.offset + table.len;
    let end = start + (added * facts.format().segment_size()) as u64;
    if end > facts.size {
        return Ok(None);
    }
    let mapped = facts
        .segments
        .iter()
        .any(|s| s.p_type == elf::PT_LOAD && s.holds_offset(table.offset, end - table.offset));
    if facts.segments.iter().any(|s| s.p_type == elf::PT_PHDR) && !mapped {
        return Ok(None);
    }
    let moving: Vec<Extent> = extents
        .iter()
        .copied()
        .filter(|e| e.overlaps(start, end))
        .collect();
    let strtab = facts
        .dynamic
        .as_ref()
        .map_or((0, 0), |d| (d.strtab, d.strtab + d.strsz));
    let touches = |from: u64, len: u64| from < end && from.saturating_add(len) > start;
    let sections = job.sections();
    let section_in_way = sections
        .iter()
        .filter(|s| occupies(s) && touches(s.offset, s.size))
        .any(|s| {
            let is_strtab = s.offset == strtab.0 && s.size <= strtab.1 - strtab.0;
            !is_strtab && !moving.iter().any(|e| inside(s, e))
        });
    let section_table = (sections.len() * facts.format().section_size()) as u64;
    if section_in_way || (section_table > 0 && touches(facts.header.shoff, section_table)) {
        return Ok(None);
    }
    let mut known: Vec<(u64, u64)> = moving.iter().map(|e| (e.offset, e.end())).collect();
    known.push(strtab);
    if !unused_but(job, start, end, &mut known)? {
        return Ok(None);
    }
    // With no section headers, zero bytes may be data: only what moves, or padding, may go.
    let padding_only = {
        let covered: u64 = known
            .iter()
            .map(|&(a, b)| b.min(end).saturating_sub(a.max(start)))
            .sum();
        end - start - covered.min(end - start) < 16
    };
    Ok((!sections.is_empty() || padding_only).then_some(moving))
}

/// A section that only partly lies in what moves would be torn.
fn check_alone<R: ReadAt + ?Sized>(job: &Job<'_, R>, moving: &[Extent]) -> Result<(), PlaceError> {
    for extent in moving {
        let torn = job.sections().iter().find(|s| {
            occupies(s) && extent.overlaps(s.offset, s.offset + s.size) && !inside(s, extent)
        });
        if let Some(s) = torn {
            return layout(format!(
                "the section at offset {:#x} lies partly in what must move ({:#x}, {} bytes)",
                s.offset, extent.offset, extent.len
            ));
        }
    }
    Ok(())
}
