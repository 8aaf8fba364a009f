//! The notes of a PT_NOTE segment, and the JSON in those of `.note.dlopen`.
use elf_edit::Endianness;
use elf_edit::notes::{notes, parse_dlopen_notes};
use elf_edit::{Class, Format};

/// Takes one input.
pub fn run(data: &[u8]) {
    for endian in [Endianness::Little, Endianness::Big] {
        let format = Format {
            class: Class::Elf64,
            endian,
        };
        for align in [4, 8] {
            let contents: Vec<Vec<u8>> = notes(format, data, align)
                .map(|note| note.contents.to_vec())
                .collect();
            parse_dlopen_notes(&contents);
        }
    }
    parse_dlopen_notes(&[data.to_vec()]);
}
