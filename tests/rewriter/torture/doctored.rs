//! Kinds that no linker makes as they are: made from linked files by hand.

use crate::torture::kinds::{Kind, Use};
use crate::torture::process::copy;
use elf_edit::{ElfInfo, Format, Segment};
use object::elf;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Every such kind, from those that linkers made.
pub fn all(dir: &Path, made: &[Kind]) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for name in ["gcc-pie", "gcc-nopie", "gcc-lib", "lld-pie", "lld-lib"] {
        let from = named(made, name);
        kinds.push(by_hand(dir, from, "no-sections", without_sections));
    }
    for name in ["gcc-pie", "gcc-nopie"] {
        let from = named(made, name);
        kinds.push(by_hand(dir, from, "table-in-padding", table_in_padding));
    }
    for name in ["gcc-lib", "mips-linux-gnu-lib"] {
        let from = named(made, name);
        kinds.push(by_hand(dir, from, "table-at-end", table_at_end));
    }
    for name in ["gcc-pie", "gcc-lib"] {
        let from = named(made, name);
        kinds.push(by_hand(dir, from, "over-4-gib", over_4_gib));
    }
    kinds
}

/// The kind of that name.
pub fn named<'a>(kinds: &'a [Kind], name: &str) -> &'a Kind {
    let found = kinds.iter().find(|kind| kind.name == name);
    found.unwrap_or_else(|| panic!("no kind {name}"))
}

/// A copy of a kind under another name.
pub fn variant(dir: &Path, from: &Kind, suffix: &str) -> Kind {
    let mut kind = from.clone();
    kind.name = format!("{}-{suffix}", from.name);
    kind.may_be_unsafe_to_strip = suffix.starts_with("table-");
    for (variant, file) in [
        ("with-runpath", &mut kind.with_runpath),
        ("bare", &mut kind.bare),
    ] {
        let copied = match kind.used_as {
            Use::Program => dir.join(variant).join(&kind.name),
            Use::Library => dir.join(variant).join(format!("lib{}.so", kind.name)),
        };
        copy(file, &copied);
        *file = copied;
    }
    kind
}

fn by_hand(dir: &Path, from: &Kind, suffix: &str, doctor: fn(&Path)) -> Kind {
    let kind = variant(dir, from, suffix);
    doctor(&kind.with_runpath);
    doctor(&kind.bare);
    kind
}

/// Reads the program headers, lets `change` have them, and writes what it leaves at the offset
/// that it gives.
fn move_table(file: &Path, change: impl FnOnce(&mut Vec<Segment>, &[u8]) -> u64) {
    let bytes = fs::read(file).unwrap();
    let info = ElfInfo::read(&bytes[..]).unwrap();
    let format = info.format();
    let mut segments = info.segments.clone();
    let offset = change(&mut segments, &bytes);
    let mut table = Vec::new();
    for segment in &segments {
        segment.encode(format, &mut table);
    }
    let mut header = info.header.clone();
    let old = header.phoff as usize;
    let old_size = usize::from(header.phnum) * format.segment_size();
    header.phoff = offset;
    header.phnum = segments.len() as u16;
    let out = OpenOptions::new().write(true).open(file).unwrap();
    // Nothing may find the old table by chance.
    out.write_all_at(&vec![0xee; old_size], old as u64).unwrap();
    out.write_all_at(&header.encode(&bytes), 0).unwrap();
    out.write_all_at(&table, offset).unwrap();
}

/// The table in the padding behind the first segment, which grows to cover it.
fn table_in_padding(file: &Path) {
    move_table(file, |segments, bytes| {
        let first = segments
            .iter()
            .position(|s| s.p_type == elf::PT_LOAD)
            .unwrap();
        let room = (segments.len() * 56) as u64;
        let end = segments[first].filesz;
        let at = end.next_multiple_of(16);
        assert!(
            bytes[end as usize..(at + room) as usize]
                .iter()
                .all(|b| *b == 0),
            "no padding behind the first segment"
        );
        segments[first].filesz = at + room;
        segments[first].memsz = at + room;
        for segment in segments.iter_mut().filter(|s| s.p_type == elf::PT_PHDR) {
            segment.offset = at;
            segment.vaddr = segments_base(bytes) + at;
            segment.paddr = segment.vaddr;
        }
        at
    });
}

/// Address of the first byte of the file.
fn segments_base(bytes: &[u8]) -> u64 {
    let info = ElfInfo::read(bytes).unwrap();
    let first = info.segments.iter().find(|s| s.p_type == elf::PT_LOAD);
    first.unwrap().vaddr
}

/// The table behind everything, in no segment: the loader reads it from the file.
fn table_at_end(file: &Path) {
    move_table(file, |segments, bytes| {
        segments.retain(|s| s.p_type != elf::PT_PHDR);
        (bytes.len() as u64).next_multiple_of(16)
    });
}

/// Neither section headers nor what lies behind the last segment.
fn without_sections(file: &Path) {
    let bytes = fs::read(file).unwrap();
    let info = ElfInfo::read(&bytes[..]).unwrap();
    let mut header = info.header.clone();
    header.shoff = 0;
    header.shnum = 0;
    header.shstrndx = 0;
    let ends = info.segments.iter().map(|s| s.offset + s.filesz);
    let out = OpenOptions::new().write(true).open(file).unwrap();
    out.write_all_at(&header.encode(&bytes), 0).unwrap();
    out.set_len(ends.max().unwrap()).unwrap();
}

/// The section headers more than 4 GiB into the file, behind a hole.
fn over_4_gib(file: &Path) {
    const FAR: u64 = (4 << 30) + (1 << 20);
    let bytes = fs::read(file).unwrap();
    let info = ElfInfo::read(&bytes[..]).unwrap();
    let mut header = info.header.clone();
    let size = usize::from(header.shnum) * Format::section_size(info.format());
    let table = &bytes[header.shoff as usize..][..size];
    header.shoff = FAR;
    let out = OpenOptions::new().write(true).open(file).unwrap();
    out.write_all_at(table, FAR).unwrap();
    out.write_all_at(&header.encode(&bytes), 0).unwrap();
}
