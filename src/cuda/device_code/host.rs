//! Device code in an ELF file of the host.

use super::{DeviceCode, Place};
use crate::cuda::fatbin::{FatbinRegion, FoundFatbins, scan};
use elf_edit::Format;
use elf_edit::sections::SectionNames;
use elf_edit::windows::Region;
use elf_edit::{FileHeader, ReadAt, ReadError, Section};
use elf_edit::{read_sections, read_segments};
use object::elf;
use std::io;

/// Sections that hold fatbins and nothing else: of linked code, and of relocatable device code.
const FATBIN_SECTIONS: [&[u8]; 2] = [b".nv_fatbin", b"__nv_relfatbin"];
/// Sections that hold tables for unwinding and linking and nothing else.
const TABLES: [&[u8]; 5] = [
    b".eh_frame",
    b".eh_frame_hdr",
    b".gcc_except_table",
    b".got",
    b".got.plt",
];
const WRAPPERS: &[u8] = b".nvFatBinSegment";
/// u32 magic, u32 version, two addresses.
const WRAPPER_SIZE: usize = 24;
const WRAPPER_MAGIC: u32 = 0x4662_43b1;
/// A section of more wrappers than this is not counted to its end.
const MAX_WRAPPER_BYTES: u64 = 4 << 20;

/// Reads the sections; in a file without sections, the segments. In the ranges `quiet` no fatbin
/// begins.
pub(super) fn read<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
    place: &Place,
    quiet: &[Region],
    code: &mut DeviceCode,
) -> Result<(), ReadError> {
    // The loader reads no section headers: a broken table is as good as none.
    let sections = match read_sections(file, header) {
        Ok(sections) => sections,
        Err(ReadError::Io(e)) => return Err(e.into()),
        Err(_) => Vec::new(),
    };
    let names = SectionNames::read(file, header, &sections)?;
    let named = sections.iter().map(|section| (section, names.of(section)));
    let mut regions: Vec<(FatbinRegion, Option<&[u8]>)> = named
        .filter_map(|(section, name)| Some((region(section, name)?, Some(name))))
        .collect();
    if regions.is_empty() {
        let data = read_segments(file, header)?.into_iter();
        let data = data.filter(|s| s.p_type == elf::PT_LOAD && s.flags & elf::PF_X == 0);
        regions.extend(data.map(|s| (whole(s.offset, s.filesz, false), None)));
    }
    regions.sort_by_key(|(region, _)| region.start);
    let is_quiet = |region: &FatbinRegion| {
        let end = region.end.min(file.len());
        let holds = |quiet: &Region| quiet.start <= region.start && end <= quiet.end;
        !region.only_fatbins && quiet.iter().any(holds)
    };
    let mut done = 0;
    for (mut region, section) in regions {
        // Headers that lie many times over the same bytes cost one read of them.
        region.start = region.start.max(done);
        done = done.max(region.end);
        if region.only_fatbins && region.end > file.len() {
            let what = format!(
                "a section of {} bytes, {} of which are in the file",
                region.end.saturating_sub(region.start),
                file.len().saturating_sub(region.start)
            );
            let place = Place {
                section: section.map(<[u8]>::to_vec),
                ..place.clone()
            };
            code.problem(place, region.start, what);
        }
        if section == Some(WRAPPERS) {
            count_wrappers(file, header.format, region, code)?;
            continue;
        }
        if is_quiet(&region) {
            continue;
        }
        let mut found = FoundFatbins::default();
        scan(file, region, &mut found)?;
        let place = Place {
            section: section.map(<[u8]>::to_vec),
            ..place.clone()
        };
        code.add(place, found);
    }
    Ok(())
}

/// The range of `section`, if it can hold device code: loaded data that isn't executed.
fn region(section: &Section, name: &[u8]) -> Option<FatbinRegion> {
    let only_fatbins = FATBIN_SECTIONS.contains(&name);
    let loaded = section.flags & u64::from(elf::SHF_ALLOC) != 0
        && section.flags & u64::from(elf::SHF_EXECINSTR) == 0;
    let data =
        section.sh_type == elf::SHT_PROGBITS && (loaded || only_fatbins) && !TABLES.contains(&name);
    data.then(|| whole(section.offset, section.size, only_fatbins))
}

fn whole(start: u64, size: u64, only_fatbins: bool) -> FatbinRegion {
    FatbinRegion {
        start,
        end: start.saturating_add(size),
        only_fatbins,
    }
}

fn count_wrappers<R: ReadAt + ?Sized>(
    file: &R,
    format: Format,
    region: FatbinRegion,
    code: &mut DeviceCode,
) -> io::Result<()> {
    let size = region.end.min(file.len()).saturating_sub(region.start);
    let bytes = file.read_vec(region.start, size.min(MAX_WRAPPER_BYTES) as usize)?;
    for wrapper in bytes.chunks_exact(WRAPPER_SIZE) {
        if format.u32(wrapper, 0) == Some(WRAPPER_MAGIC) {
            code.wrappers += 1;
            code.linked_wrappers += usize::from(format.u32(wrapper, 4) == Some(2));
        }
    }
    Ok(())
}
