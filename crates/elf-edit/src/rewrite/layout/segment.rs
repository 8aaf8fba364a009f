//! The segment of ours: where it goes and what moves into it.
//!
//! It is one PT_LOAD that starts with the string table (llvm-strip takes a PT_INTERP at the
//! same offset for the parent of the PT_LOAD). The program header table stays where it is and
//! grows in place; what stands in its way moves into the segment, if it may move.

use super::obstacles::{check_alone, in_the_way, own_segment};
use super::state::{Load, Move, Spot};
use super::{Job, layout};
use crate::read::codec::Segment;
use crate::read::headers::ElfInfo;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::{Extent, movable};
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
    /// What is in it already and stays where it is.
    pub stays: Vec<Extent>,
    /// The dynamic section, if it is in the segment.
    pub dynamic: Option<Spot>,
    /// The program header table, where it can't grow in place.
    pub phdrs: Option<Spot>,
    /// Whether strip tools still find the program header table: it is where it was, and some
    /// PT_LOAD maps it.
    pub strip_safe: bool,
    /// Where the section header table goes, if it is in the way of the program headers.
    pub section_table: Option<u64>,
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

/// From so many bytes on, what moves with the string table gets `SLACK` bytes before it.
const LARGE: u64 = 64 << 10;
const SLACK: u64 = 4 << 10;

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
) -> Result<u64, RewriteError> {
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
pub fn plan<R: ReadAt + ?Sized>(job: &Job<'_, R>) -> Result<Plan, RewriteError> {
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
    // Ours starts with the string table; one of another tool's is left for a new place.
    let extends = own.is_some_and(|i| {
        let s = &facts.segments[i];
        s.offset == dynamic.strtab && end_of(s) == facts.size
    });
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
    let mut section_table = None;
    let new_headers = usize::from(own.is_none()) + usize::from(job.new_stack_header().is_some());
    let added = new_headers.saturating_sub(job.spare_headers());
    if added > 0 && !table_in_own {
        match in_the_way(job, &extents, old_table, added)? {
            Some(cleared) => {
                section_table = cleared.section_table;
                let new = cleared.moving.iter().filter(|e| !moving.contains(e));
                let new: Vec<Extent> = new.copied().collect();
                moving.extend(new);
            }
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
    let bulk: u64 = moving.iter().map(|e| e.len).sum();
    match moving.first() {
        // Room is left from the last time: what stands behind it can stay.
        Some(first) if extends && first.offset >= cursor.at => cursor.at = first.offset,
        // What is large shall not move again each time that a string grows.
        Some(_) if bulk >= LARGE => cursor.at += SLACK,
        _ => {}
    }
    let mut moves = Vec::new();
    let mut stays = Vec::new();
    for extent in moving {
        let len = new_len(job, &extent);
        let to = cursor.take(len, extent.align, extent.vaddr);
        if to.offset == extent.offset && !job.changes(&extent) {
            stays.push(extent);
        } else {
            moves.push(Move { extent, to });
        }
    }
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
    let phdrs = phdrs_move.then(|| {
        cursor.at = cursor.at.max(first_offset_for_table(job, own));
        cursor.take(table_len, word, 0)
    });
    let end = cursor.at;
    let plan = Plan {
        offset,
        vaddr,
        end,
        own,
        extends,
        strtab,
        moves,
        stays,
        dynamic,
        phdrs,
        strip_safe: phdrs.is_none() && maps(facts, old_table.offset, table_len),
        section_table,
        align,
    };
    if facts.format().word_size() == 4 && vaddr + (end - offset) > u64::from(u32::MAX) {
        return layout("no address space is left behind the last PT_LOAD");
    }
    Ok(plan)
}

/// Lowest offset at which a program header table of a library is found where it is mapped.
/// Without PT_PHDR, ld.so takes the first PT_LOAD whose last page holds the table's offset, even
/// if the segment ends before it and the rest of that page is zeroed for `.bss`
/// (`_dl_map_segments` in glibc).
pub fn first_offset_for_table<R: ReadAt + ?Sized>(job: &Job<'_, R>, own: Option<usize>) -> u64 {
    let loads = job.facts().segments.iter().enumerate();
    loads
        .filter(|(index, s)| s.p_type == elf::PT_LOAD && Some(*index) != own)
        .map(|(_, s)| {
            end_of(s)
                .min(job.facts().size)
                .next_multiple_of(job.page_size)
        })
        .max()
        .unwrap_or(0)
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

/// Whether a PT_LOAD holds these bytes of the file.
pub fn maps(facts: &ElfInfo, offset: u64, len: u64) -> bool {
    let mut loads = facts.segments.iter().filter(|s| s.p_type == elf::PT_LOAD);
    loads.any(|s| s.holds_offset(offset, len))
}

/// Offset of the first byte behind a segment.
pub fn end_of(segment: &Segment) -> u64 {
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
