//! The reader of headers: any bytes are read or refused.
use cuda_fixup::elf::ElfFacts;

/// Takes one input.
pub fn run(data: &[u8]) {
    let _ = ElfFacts::read(data);
}
