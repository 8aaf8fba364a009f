//! Section headers follow what moved, so that strip and debuggers keep working.

use super::super::codec::Section;
use super::super::extents::{inside, occupies};
use super::super::patch::Patch;
use super::super::read_at::ReadAt;
use super::segment::Plan;
use super::state::{Spot, State};
use super::{Job, PlaceError};
use object::elf;

/// Writes the section headers that change.
pub fn write<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    plan: Option<&Plan>,
    fin: &State,
    patch: &mut Patch,
) -> Result<(), PlaceError> {
    let facts = job.facts();
    let size = facts.format().section_size();
    let mut table = Vec::new();
    for section in job.sections() {
        moved_section(job, plan, fin, section).encode(facts.format(), &mut table);
    }
    if table.is_empty() {
        return Ok(());
    }
    let old = job.tables.file.read_vec(facts.header.shoff, table.len())?;
    let changed = |(a, b): (&[u8], &[u8])| a != b;
    let pairs = || old.chunks_exact(size).zip(table.chunks_exact(size));
    if let (Some(first), Some(last)) = (pairs().position(changed), pairs().rposition(changed)) {
        let offset = facts.header.shoff + (first * size) as u64;
        patch.write(offset, table[first * size..(last + 1) * size].to_vec());
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
