//! The ranges of a file that hold read-only data, and those that hold code.

use elf_edit::read_sections;
use elf_edit::sections::SectionNames;
use elf_edit::windows::Region;
use elf_edit::{ElfInfo, Kind, ReadAt, ReadError, Section};
use object::elf;
use std::io;

/// Sections that hold no strings of the program, whatever their size: device code, unwinding
/// tables, the interpreter's path.
const SKIPPED: [&[u8]; 6] = [
    b".nv_fatbin",
    b"__nv_relfatbin",
    b".eh_frame",
    b".eh_frame_hdr",
    b".gcc_except_table",
    b".interp",
];

/// Start of a fatbin container: magic, version 1, header size 16.
const CONTAINER: [u8; 8] = [0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0];

/// The read-only data of a file, in order and without overlaps.
///
/// Loaded sections of program data (SHT_PROGBITS) that are neither writable nor executable, where
/// there are section headers; else every PT_LOAD that isn't writable, code among it, as older
/// linkers put both into one. Never the dynamic string table: the names in it are NEEDED.
pub(crate) fn read_only_data<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
) -> Result<Vec<Region>, ReadError> {
    let mut regions = match by_sections(file, info)? {
        Some(regions) => regions,
        None => by_segments(info),
    };
    if let Some(dynamic) = &info.dynamic {
        regions = without(regions, range(dynamic.strtab, dynamic.strsz));
    }
    Ok(merged(regions, info.size))
}

/// The executable PT_LOADs, in order and without overlaps.
pub(crate) fn code(info: &ElfInfo) -> Vec<Region> {
    let regions = info
        .segments
        .iter()
        .filter(|s| s.p_type == elf::PT_LOAD && s.flags & elf::PF_X != 0)
        .map(|s| range(s.offset, s.filesz))
        .collect();
    merged(regions, info.size)
}

fn by_sections<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
) -> Result<Option<Vec<Region>>, ReadError> {
    // The loader reads no section headers: a broken table is as good as none.
    let sections = match read_sections(file, &info.header) {
        Ok(sections) if !sections.is_empty() => sections,
        Err(ReadError::Io(e)) => return Err(e.into()),
        _ => return Ok(None),
    };
    let names = SectionNames::read(file, &info.header, &sections)?;
    let unwanted = u64::from(elf::SHF_WRITE | elf::SHF_EXECINSTR);
    let mut regions = Vec::new();
    for section in &sections {
        if section.sh_type == elf::SHT_PROGBITS
            && section.flags & u64::from(elf::SHF_ALLOC) != 0
            && section.flags & unwanted == 0
            && !SKIPPED.contains(&names.of(section))
            && !starts_with_device_code(file, section)?
        {
            regions.push(range(section.offset, section.size));
        }
    }
    // Ignores tables that list no section of the program, as some packers leave them.
    let describes = sections
        .iter()
        .any(|s| s.sh_type == elf::SHT_PROGBITS && s.flags & u64::from(elf::SHF_ALLOC) != 0);
    let separate_debug = info.kind == Kind::SeparateDebug;
    Ok((describes || separate_debug).then_some(regions))
}

/// Libraries keep fatbins in sections of their own names too (`.cask_resource` of libcublasLt).
fn starts_with_device_code<R: ReadAt + ?Sized>(file: &R, section: &Section) -> io::Result<bool> {
    /// Smaller ones are cheaper to read than to ask about.
    const LARGE: u64 = 64 << 10;
    if section.size < LARGE {
        return Ok(false);
    }
    match file.read_vec(section.offset, CONTAINER.len()) {
        Ok(start) => Ok(start == CONTAINER),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

fn by_segments(info: &ElfInfo) -> Vec<Region> {
    info.segments
        .iter()
        .filter(|s| s.p_type == elf::PT_LOAD && s.flags & elf::PF_W == 0)
        .map(|s| range(s.offset, s.filesz))
        .collect()
}

fn range(start: u64, len: u64) -> Region {
    Region {
        start,
        end: start.saturating_add(len),
    }
}

/// `regions` without `hole`.
fn without(regions: Vec<Region>, hole: Region) -> Vec<Region> {
    if hole.start >= hole.end {
        return regions;
    }
    regions
        .into_iter()
        .flat_map(|r| {
            [
                Region {
                    start: r.start,
                    end: r.end.min(hole.start),
                },
                Region {
                    start: r.start.max(hole.end),
                    end: r.end,
                },
            ]
        })
        .collect()
}

/// Sorted, cut at the file's end, overlapping and touching ones joined: headers that lie a
/// thousand times over the same bytes cost one read of them.
fn merged(mut regions: Vec<Region>, size: u64) -> Vec<Region> {
    for region in &mut regions {
        region.end = region.end.min(size);
    }
    regions.retain(|r| r.start < r.end);
    regions.sort();
    let mut out: Vec<Region> = Vec::new();
    for region in regions {
        match out.last_mut() {
            Some(last) if region.start <= last.end => last.end = last.end.max(region.end),
            _ => out.push(region),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn r(start: u64, end: u64) -> Region {
        Region { start, end }
    }

    #[test]
    fn overlaps_are_joined_and_cut() {
        let lying = vec![r(50, u64::MAX), r(0, 10), r(5, 20), r(20, 30), r(200, 300)];
        assert_eq!(merged(lying, 100), [r(0, 30), r(50, 100)]);
    }

    #[test]
    fn a_hole_splits_a_region() {
        let left = merged(without(vec![r(0, 100), r(45, 60)], r(40, 50)), 1000);
        assert_eq!(left, [r(0, 40), r(50, 100)]);
        assert_eq!(without(vec![r(0, 9)], r(3, 3)), [r(0, 9)]);
    }
}
