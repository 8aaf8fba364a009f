//! The ELF header of a bare cubin, an ELF file of machine EM_CUDA.

use super::capability::Variant;
use elf_edit::read_sections;
use elf_edit::sections::read_names;
use elf_edit::{FileHeader, ReadAt, ReadError};
use memchr::memmem;

/// `e_machine` of a cubin.
pub(crate) const EM_CUDA: u16 = 190;
/// OS ABIs of cubins: until CUDA 12, and since CUDA 13.
const ABI_OLD: u8 = 0x33;
const ABI_NEW: u8 = 0x41;
/// Bit of `e_flags` for the letter `a`, in the old ABI.
const OLD_ARCHITECTURE_SPECIFIC: u32 = 0x800;
/// A larger note section is malformed: it holds a command line.
const MAX_NOTE: u64 = 64 << 10;

/// The architecture of a cubin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arch {
    /// 90 for sm_90
    pub number: u32,
    /// The letter. The `e_flags` of the new ABI have none; there it comes from ptxas' command line,
    /// in a note.
    pub variant: Variant,
}

/// The architecture in `header`, None for an unknown ABI.
pub(crate) fn arch<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
) -> Result<Option<Arch>, ReadError> {
    match header.os_abi {
        ABI_OLD => Ok(Some(Arch {
            number: header.flags & 0xff,
            variant: match header.flags & OLD_ARCHITECTURE_SPECIFIC {
                0 => Variant::Base,
                _ => Variant::Architecture,
            },
        })),
        ABI_NEW => {
            let number = header.flags >> 8 & 0xff;
            let variant = variant_of_note(file, header, number)?;
            Ok(Some(Arch { number, variant }))
        }
        _ => Ok(None),
    }
}

/// The letter behind `-arch sm_90` in `.note.nv.tkinfo`.
fn variant_of_note<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
    number: u32,
) -> Result<Variant, ReadError> {
    let sections = match read_sections(file, header) {
        Ok(sections) => sections,
        Err(ReadError::Io(e)) => return Err(e.into()),
        Err(_) => return Ok(Variant::Base),
    };
    let names = read_names(file, header, &sections)?;
    let note = sections
        .iter()
        .zip(&names)
        .find(|(s, name)| name[..] == *b".note.nv.tkinfo" && s.size <= MAX_NOTE);
    let Some((note, _)) = note else {
        return Ok(Variant::Base);
    };
    let Ok(bytes) = file.read_vec(note.offset, note.size as usize) else {
        return Ok(Variant::Base);
    };
    let flag = format!("-arch sm_{number}");
    let letter = memmem::find(&bytes, flag.as_bytes()).and_then(|at| bytes.get(at + flag.len()));
    Ok(match letter {
        Some(b'a') => Variant::Architecture,
        Some(b'f') => Variant::Family,
        _ => Variant::Base,
    })
}
