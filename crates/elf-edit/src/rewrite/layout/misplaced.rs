//! Headers of sections without contents (`.bss`) that name an address with contents. patchelf up to
//! 0.17.2 takes mold's `.bss` for contents, copies other bytes of the file to a new place for it, and
//! gives its header that address. The program uses the old one; strip tools break the file.

use super::context::LayoutContext;
use super::model::Layout;
use crate::read::codec::{Section, Segment};
use crate::read::read_at::ReadAt;
use object::elf;

/// Files with more sections without contents are left alone: each is compared with all segments.
const MAX_SECTIONS: usize = 64;

/// Ranges of the file at which such a header says that a section is.
pub(super) fn places<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>) -> Vec<(u64, u64)> {
    let misplaced = misplaced(context).into_iter();
    misplaced
        .map(|(_, s)| (s.offset, s.offset + s.size))
        .collect()
}

/// All such headers, by index.
fn misplaced<'a, R: ReadAt + ?Sized>(context: &LayoutContext<'a, R>) -> Vec<(usize, &'a Section)> {
    let flag = |s: &Section, flag: u32| s.flags & u64::from(flag) != 0;
    let is_bss = |s: &Section| {
        s.sh_type == elf::SHT_NOBITS
            && s.size > 0
            && flag(s, elf::SHF_ALLOC)
            && !flag(s, elf::SHF_TLS)
    };
    let sections = context.sections().iter().enumerate();
    let mut found: Vec<(usize, &Section)> = sections.filter(|(_, s)| is_bss(s)).collect();
    if found.len() > MAX_SECTIONS {
        return Vec::new();
    }
    let info = context.info();
    found.retain(|(_, s)| info.offset_of(s.addr, s.size) == Some(s.offset));
    found
}

/// The headers in `sections` that must change, by index, where the program header table grows over
/// such a place: each gets its old address again. None where one of the old addresses is not known.
pub(super) fn put_back<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    new: &Layout,
) -> Vec<(usize, Section)> {
    let misplaced = misplaced(context);
    let table = &new.phdrs;
    let blocks = |s: &Section| s.offset < table.end() && s.offset + s.size > table.offset;
    if !misplaced.iter().any(|(_, s)| blocks(s)) {
        return Vec::new();
    }
    let put_back = misplaced.iter().map(|(index, section)| {
        let mut section = (*section).clone();
        (section.addr, section.offset) = old_place(context, &section)?;
        section.addralign = section
            .addralign
            .min(1 << section.addr.trailing_zeros().min(12));
        Some((*index, section))
    });
    put_back.collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Address and offset of a section without contents: at the end of the only PT_LOAD that has as many
/// bytes in memory alone, some alignment apart.
fn old_place<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    section: &Section,
) -> Option<(u64, u64)> {
    const ALIGNMENT: u64 = 64;
    let fits = |s: &&Segment| {
        let rest = s.memsz.checked_sub(s.filesz);
        let rest = rest.and_then(|in_memory| in_memory.checked_sub(section.size));
        s.p_type == elf::PT_LOAD && rest.is_some_and(|rest| rest < ALIGNMENT)
    };
    let mut loads = context.info().segments.iter().filter(fits);
    let load = loads.next().filter(|_| loads.next().is_none())?;
    let addr = load.vaddr.checked_add(load.memsz - section.size)?;
    Some((addr, load.offset.checked_add(load.filesz)?))
}
