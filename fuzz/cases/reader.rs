//! The reader of headers: any bytes are read or refused.
use elf_edit::ElfInfo;

/// Takes one input.
pub fn run(data: &[u8]) {
    let _ = ElfInfo::read(data);
}
