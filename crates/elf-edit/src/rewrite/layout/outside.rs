//! Contents behind the end of a PT_LOAD, but in its last page. Kernels map whole pages, so such a
//! program runs; strip tools tear it apart. patchelf 0.17.2 leaves programs that are no PIE so. The
//! PT_LOAD grows to hold what it maps.

use crate::read::address::PAGE;
use crate::read::codec::{Section, Segment};
use crate::read::headers::ElfInfo;
use crate::rewrite::extents::{moves_with_contents, occupies};
use object::elf;

/// Bytes of the file with their address.
struct Content {
    offset: u64,
    vaddr: u64,
    len: u64,
}

/// The headers with a PT_LOAD that holds all contents of its last page. `None` where each does.
pub(super) fn cover(info: &ElfInfo, sections: &[Section]) -> Option<ElfInfo> {
    let headers = info
        .segments
        .iter()
        .filter(|s| moves_with_contents(s) || s.p_type == elf::PT_DYNAMIC);
    let headers = headers.map(|s| Content {
        offset: s.offset,
        vaddr: s.vaddr,
        len: s.filesz,
    });
    let strings = info.dynamic.as_ref().and_then(|d| {
        Some(Content {
            offset: d.strtab,
            vaddr: d.value(elf::DT_STRTAB)?,
            len: d.strsz,
        })
    });
    let mut named: Vec<Content> = headers.chain(strings).collect();
    for (index, load) in info.segments.iter().enumerate() {
        let grows = load.p_type == elf::PT_LOAD && load.filesz == load.memsz && load.filesz > 0;
        let Some(end) = grows.then(|| end_of_page(info, index)).flatten() else {
            continue;
        };
        let reaches = |content: &Content| {
            let behind = content.vaddr.checked_sub(load.vaddr)?;
            let reach = behind.checked_add(content.len)?;
            let belongs = load.offset.checked_add(behind) == Some(content.offset);
            (belongs && reach > load.filesz && reach <= end).then_some(reach)
        };
        if !named.iter().any(|content| reaches(content).is_some()) {
            continue;
        }
        named.extend(contents(sections));
        let len = named.iter().filter_map(reaches).max()?;
        let mut covered = info.clone();
        covered.segments[index].filesz = len;
        covered.segments[index].memsz = len;
        // No tool leaves two.
        return Some(covered);
    }
    None
}

/// The sections that are loaded.
fn contents(sections: &[Section]) -> impl Iterator<Item = Content> {
    let alloc = u64::from(elf::SHF_ALLOC);
    let loaded = sections
        .iter()
        .filter(move |s| s.flags & alloc != 0 && occupies(s));
    loaded.map(|s| Content {
        offset: s.offset,
        vaddr: s.addr,
        len: s.size,
    })
}

/// Bytes from the start of a PT_LOAD to the end of its last page, if no other one has a part of that
/// page or of the file there.
fn end_of_page(info: &ElfInfo, index: usize) -> Option<u64> {
    let load = &info.segments[index];
    let page_end = load
        .vaddr
        .checked_add(load.filesz)?
        .checked_next_multiple_of(PAGE)?;
    let len = page_end - load.vaddr;
    let file_end = load.offset.checked_add(len)?;
    let mut others = info.segments.iter().enumerate();
    let free = others.all(|(other, s)| {
        let touches = |s: &Segment| {
            let in_memory = s.vaddr < page_end && s.vaddr.saturating_add(s.memsz) > load.vaddr;
            let in_file = s.filesz > 0
                && s.offset < file_end
                && s.offset.saturating_add(s.filesz) > load.offset;
            in_memory || in_file
        };
        other == index || s.p_type != elf::PT_LOAD || !touches(s)
    });
    free.then_some(len.min(info.size.saturating_sub(load.offset)))
}
