//! Section headers follow what moved, so that strip and debuggers keep working.

use super::Job;
use super::segment::Plan;
use super::state::{Spot, State};
use crate::read::codec::Section;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::{inside, occupies};
use crate::rewrite::patch::Patch;
use object::elf;
use std::io;

/// Writes the section headers that change.
pub fn write<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    plan: Option<&Plan>,
    fin: &State,
    patch: &mut Patch,
) -> Result<(), RewriteError> {
    let format = job.facts().format();
    let old = job.sections();
    let new: Vec<Section> = old
        .iter()
        .map(|section| moved_section(job, plan, fin, section))
        .collect();
    let differs = |(a, b): (&Section, &Section)| a != b;
    let mut changed = old.iter().zip(&new);
    let whole = fin.section_table != job.facts().header.shoff;
    let range = match changed.clone().position(differs) {
        _ if whole => 0..new.len(),
        Some(first) => first..changed.rposition(differs).map_or(first, |last| last + 1),
        None => return Ok(()),
    };
    let mut table = Vec::with_capacity(range.len() * format.section_size());
    for section in &new[range.clone()] {
        section.encode(format, &mut table);
    }
    let offset = fin.section_table + (range.start * format.section_size()) as u64;
    patch.write(offset, table);
    let by = |(new, old): (&Section, &Section)| new.addr.wrapping_sub(old.addr);
    let moved: Vec<u64> = new.iter().zip(old).map(by).collect();
    write_symbols(job, &moved, patch)
}

/// Most symbols of `.symtab` that are looked at: the cost of a rewrite must not grow with the
/// file, and symbols of sections come first.
const MAX_SYMBOLS: u64 = 1 << 16;

/// Local symbols that stand in a section that moved (its section symbol, `_DYNAMIC`) move too.
/// No loader reads them.
fn write_symbols<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    moved: &[u64],
    patch: &mut Patch,
) -> Result<(), RewriteError> {
    let format = job.facts().format();
    let size = format.symbol_size() as u64;
    let (value_at, index_at) = if format.word_size() == 8 {
        (8, 6)
    } else {
        (4, 14)
    };
    for section in job
        .sections()
        .iter()
        .filter(|s| s.sh_type == elf::SHT_SYMTAB)
    {
        let count = u64::from(section.info)
            .min(section.size / size)
            .min(MAX_SYMBOLS);
        let bytes = match job
            .tables
            .file
            .read_vec(section.offset, (count * size) as usize)
        {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => continue,
            other => other?,
        };
        for (number, raw) in bytes.chunks_exact(size as usize).enumerate() {
            let index = format.u16(raw, index_at).unwrap_or(0);
            let Some(&by) = moved.get(usize::from(index)).filter(|&&by| by != 0) else {
                continue;
            };
            let value = format.word(raw, value_at).unwrap_or(0).wrapping_add(by);
            let offset = section.offset + number as u64 * size + value_at as u64;
            patch.write(offset, format.number(value, format.word_size()));
        }
    }
    Ok(())
}

fn moved_section<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    plan: Option<&Plan>,
    fin: &State,
    section: &Section,
) -> Section {
    let mut section = section.clone();
    let facts = job.facts();
    if !occupies(&section) {
        return section;
    }
    let place = |section: &mut Section, spot: Spot| {
        section.addr = spot.vaddr;
        section.offset = spot.offset;
        section.size = spot.len;
    };
    if let (Some(dynamic), Some(plan)) = (&facts.dynamic, plan) {
        if section.sh_type == elf::SHT_STRTAB && section.offset == dynamic.strtab {
            place(
                &mut section,
                Spot {
                    len: job.strsz,
                    ..plan.strtab
                },
            );
            return section;
        }
        if section.sh_type == elf::SHT_DYNAMIC
            && section.offset == dynamic.offset
            && let Some(spot) = plan.dynamic
        {
            place(&mut section, spot);
            // As its segment: patchelf and lld disagree about it.
            if super::journal::dynamic_is_writable(job) {
                section.flags |= u64::from(elf::SHF_WRITE);
            }
            return section;
        }
    }
    if let Some(m) = fin.moves.iter().find(|m| inside(&section, &m.extent)) {
        let at = section.addr - m.extent.vaddr;
        let len = if m.to.len == m.extent.len {
            section.size
        } else {
            m.to.len
        };
        let spot = Spot {
            offset: m.to.offset + at,
            vaddr: m.to.vaddr + at,
            len,
        };
        place(&mut section, spot);
    }
    section
}
