//! Section headers follow moved contents, so that strip tools and debuggers keep working.

use super::super::context::LayoutContext;
use super::super::misplaced;
use super::super::model::{Layout, Location};
use super::image::Image;
use crate::read::codec::Section;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::{inside, occupies};
use crate::rewrite::patch::{Patch, Step};
use object::elf;
use std::io;

/// The writes of section headers, and of symbols in sections, that differ in the layout `new`.
pub(super) fn steps<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    old: &Layout,
    new: &Layout,
) -> Result<Vec<Step>, RewriteError> {
    let format = context.info().format();
    let before = context.sections();
    let after = sections(context, new);
    let mut patch = Patch::default();
    let differs = |(a, b): (&Section, &Section)| a != b;
    let mut pairs = before.iter().zip(&after);
    let range = match pairs.clone().position(differs) {
        // Written already, before anything names it.
        _ if new.section_area.is_some() => 0..0,
        _ if new.section_table != old.section_table => 0..after.len(),
        Some(first) => first..pairs.rposition(differs).map_or(first, |last| last + 1),
        None => return Ok(patch.steps),
    };
    let mut table = Vec::with_capacity(range.len() * format.section_size());
    for section in &after[range.clone()] {
        section.encode(format, &mut table);
    }
    let offset = new.section_table + (range.start * format.section_size()) as u64;
    patch.write(offset, table);
    let by = |(after, before): (&Section, &Section)| match after.sh_type {
        elf::SHT_NULL => 0,
        _ => after.addr.wrapping_sub(before.addr),
    };
    let distances: Vec<u64> = after.iter().zip(before).map(by).collect();
    write_symbols(context, &distances, &mut patch)?;
    Ok(patch.steps)
}

/// All section headers in the layout `new`.
fn sections<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>, new: &Layout) -> Vec<Section> {
    let before = context.sections().iter();
    let mut after: Vec<Section> = before.map(|section| moved(context, new, section)).collect();
    for (index, section) in misplaced::put_back(context, new) {
        after[index] = section;
    }
    if let Some(cache) = &context.cache {
        cache.edit_sections(&mut after, new.cache);
    }
    if let Some(area) = new.section_area {
        let names = usize::from(context.info().header.shstrndx);
        after[names].offset = area.names.offset;
        after[names].size = area.names.len;
    }
    after
}

/// The write of section headers and names behind the old end of the file, where they grow.
pub(super) fn area<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    new: &Layout,
) -> Result<Vec<Step>, RewriteError> {
    let mut patch = Patch::default();
    if let (Some(area), Some(cache)) = (new.section_area, &context.cache) {
        let mut image = Image::new(context.info().size, area.end);
        image.put(area.names.offset, cache.names());
        let mut table = Vec::new();
        for section in sections(context, new) {
            section.encode(context.info().format(), &mut table);
        }
        image.put(area.table, &table);
        patch.write(image.start, image.bytes);
    }
    Ok(patch.steps)
}

/// Most symbols of `.symtab` that are looked at: the cost of a rewrite must not grow with the
/// file, and symbols of sections come first.
const MAX_SYMBOLS: u64 = 1 << 16;

/// Local symbols in a section that moved (its section symbol, `_DYNAMIC`) move too. No loader reads
/// them.
fn write_symbols<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    distances: &[u64],
    patch: &mut Patch,
) -> Result<(), RewriteError> {
    let format = context.info().format();
    let size = format.symbol_size() as u64;
    let (value_at, kind_at, index_at) = if format.word_size() == 8 {
        (8, 4, 6)
    } else {
        (4, 12, 14)
    };
    for section in context
        .sections()
        .iter()
        .filter(|s| s.sh_type == elf::SHT_SYMTAB)
    {
        let count = u64::from(section.info)
            .min(section.size / size)
            .min(MAX_SYMBOLS);
        let file = context.tables.file;
        let bytes = match file.read_vec(section.offset, (count * size) as usize) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => continue,
            other => other?,
        };
        for (number, raw) in bytes.chunks_exact(size as usize).enumerate() {
            // An offset in the thread's block, not an address: mold's `_TLS_MODULE_BASE_` names the
            // first section where there is no other.
            if raw[kind_at] & 0xf == elf::STT_TLS {
                continue;
            }
            let index = format.u16(raw, index_at).unwrap_or(0);
            let Some(&by) = distances.get(usize::from(index)).filter(|&&by| by != 0) else {
                continue;
            };
            let value = format.word(raw, value_at).unwrap_or(0).wrapping_add(by);
            let offset = section.offset + number as u64 * size + value_at as u64;
            patch.write(offset, format.number(value, format.word_size()));
        }
    }
    Ok(())
}

/// The header of a section in the layout `new`.
fn moved<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    new: &Layout,
    section: &Section,
) -> Section {
    let mut section = section.clone();
    if !occupies(&section) {
        return section;
    }
    let place = |section: &mut Section, location: Location| {
        section.addr = location.vaddr;
        section.offset = location.offset;
        section.size = location.len;
    };
    if let (Some(dynamic), Some(_)) = (&context.info().dynamic, &new.segment) {
        if section.sh_type == elf::SHT_STRTAB && section.offset == dynamic.strtab {
            if let Some(location) = new.strtab {
                place(&mut section, location);
            }
            return section;
        }
        if section.sh_type == elf::SHT_DYNAMIC
            && section.offset == dynamic.offset
            && let Some(location) = new.dynamic.filter(|l| new.in_segment(l))
        {
            place(&mut section, location);
            // As its segment: patchelf and lld disagree about it.
            if context.dynamic_is_writable() {
                section.flags |= u64::from(elf::SHF_WRITE);
            }
            return section;
        }
    }
    if let Some(m) = new.moves.iter().find(|m| inside(&section, &m.extent)) {
        let at = section.addr - m.extent.vaddr;
        let len = if m.to.len == m.extent.len {
            section.size
        } else {
            m.to.len
        };
        let location = Location {
            offset: m.to.offset + at,
            vaddr: m.to.vaddr + at,
            len,
        };
        place(&mut section, location);
    }
    section
}
