//! Free addresses and offsets for appended data.

use super::context::{LayoutContext, refuse};
use crate::read::codec::Segment;
use crate::read::headers::ElfInfo;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use object::elf;

/// Unused addresses before the appended segment, in bytes. eu-elflint confuses the size of a
/// relocation's symbol with the size of the relocated field, and reports a read-only segment close
/// behind the data as a text relocation. Addresses cost nothing.
const CLEARANCE: u64 = 1 << 20;

/// First address behind all PT_LOADs but one, rounded up to a page, then at the same place in a
/// page as `offset`: so the file needs no padding.
pub(super) fn address_for<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    offset: u64,
    except: Option<usize>,
) -> Result<u64, RewriteError> {
    let loads = context.info().segments.iter().enumerate();
    let mut end = 0u64;
    for (index, s) in loads.filter(|(_, s)| s.p_type == elf::PT_LOAD) {
        if Some(index) != except {
            match s.vaddr.checked_add(s.memsz) {
                Some(stop) => end = end.max(stop),
                None => return refuse("a PT_LOAD ends past the address space"),
            }
        }
    }
    let start = end.checked_add(CLEARANCE);
    match start.and_then(|start| start.checked_next_multiple_of(context.page_size)) {
        Some(start) => Ok(start + offset % context.page_size),
        None => no_address_space(),
    }
}

/// Refuses a segment that ends past the address space of the file's class.
pub(super) fn check_address_space<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    vaddr: u64,
    len: u64,
) -> Result<(), RewriteError> {
    let most = match context.info().format().word_size() {
        4 => u64::from(u32::MAX),
        _ => u64::MAX,
    };
    match vaddr.checked_add(len) {
        Some(end) if end <= most => Ok(()),
        _ => no_address_space(),
    }
}

fn no_address_space<T>() -> Result<T, RewriteError> {
    refuse("no address space is left behind the last PT_LOAD")
}

/// Lowest offset at which a program header table of a library is found where it is mapped.
/// Without PT_PHDR, ld.so takes the first PT_LOAD whose last page holds the table's offset, even
/// if the segment ends before it and the rest of that page is zeroed for `.bss`
/// (`_dl_map_segments` in glibc).
pub(super) fn first_offset_for_table<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    appended: Option<usize>,
) -> u64 {
    let info = context.info();
    let loads = info.segments.iter().enumerate();
    loads
        .filter(|(index, s)| s.p_type == elf::PT_LOAD && Some(*index) != appended)
        .map(|(_, s)| end_of(s).min(info.size).next_multiple_of(context.page_size))
        .max()
        .unwrap_or(0)
}

/// Whether a PT_LOAD holds these bytes of the file.
pub(super) fn maps(info: &ElfInfo, offset: u64, len: u64) -> bool {
    let mut loads = info.segments.iter().filter(|s| s.p_type == elf::PT_LOAD);
    loads.any(|s| s.holds_offset(offset, len))
}

/// Offset of the first byte behind a segment.
pub(super) fn end_of(segment: &Segment) -> u64 {
    segment.offset.saturating_add(segment.filesz)
}

/// The address of the program header table, 0 where no segment maps it.
pub(super) fn address_of_table(info: &ElfInfo) -> u64 {
    let phoff = info.header.phoff;
    match info.segments.iter().find(|s| s.p_type == elf::PT_PHDR) {
        Some(s) => s.vaddr,
        None => info
            .segments
            .iter()
            .find(|s| s.p_type == elf::PT_LOAD && s.holds_offset(phoff, 1))
            .map_or(0, |s| s.vaddr.wrapping_add(phoff - s.offset)),
    }
}
