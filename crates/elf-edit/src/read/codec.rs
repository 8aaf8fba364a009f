//! The fixed-size structures of the gABI, for either class and byte order, in one shape.
//!
//! Decoding goes through `object`'s low-level types; encoding is here because `object` has no
//! in-place writer. Encoding a decoded structure gives the same bytes.

#![expect(
    clippy::useless_conversion,
    reason = "the macro reads fields of either class; those of Elf64 are u64 already"
)]

use crate::read::format::Record;
pub use crate::read::format::{Class, Endianness, Format};
use object::elf;
use object::pod;
use object::read::elf as raw;
use object::read::elf::{
    Dyn as _, FileHeader as _, ProgramHeader as _, SectionHeader as _, Sym as _,
};

/// Runs `$body` with `$Header` bound to `object`'s header type of the class.
macro_rules! by_class {
    ($class:expr, $Header:ident => $body:expr) => {
        match $class {
            Class::Elf32 => {
                type $Header = elf::FileHeader32<Endianness>;
                $body
            }
            Class::Elf64 => {
                type $Header = elf::FileHeader64<Endianness>;
                $body
            }
        }
    };
}

impl Format {
    /// Size of the ELF header in bytes.
    pub fn header_size(self) -> usize {
        by_class!(self.class, H => size_of::<H>())
    }

    /// Size of a program header in bytes.
    pub fn segment_size(self) -> usize {
        by_class!(self.class, H => size_of::<<H as raw::FileHeader>::ProgramHeader>())
    }

    /// Size of a section header in bytes.
    pub fn section_size(self) -> usize {
        by_class!(self.class, H => size_of::<<H as raw::FileHeader>::SectionHeader>())
    }

    /// Size of a dynamic entry in bytes.
    pub fn dyn_size(self) -> usize {
        by_class!(self.class, H => size_of::<<H as raw::FileHeader>::Dyn>())
    }

    /// Size of a symbol in bytes.
    pub fn symbol_size(self) -> usize {
        by_class!(self.class, H => size_of::<<H as raw::FileHeader>::Sym>())
    }

    /// Size of an address in bytes.
    pub fn word_size(self) -> usize {
        match self.class {
            Class::Elf32 => 4,
            Class::Elf64 => 8,
        }
    }
}

/// `Elf32_Ehdr` or `Elf64_Ehdr`: the ELF header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Class and byte order.
    pub format: Format,
    /// `EI_OSABI`
    pub os_abi: u8,
    /// `EI_ABIVERSION`
    pub abi_version: u8,
    /// `e_type`
    pub e_type: u16,
    /// `e_machine`
    pub machine: u16,
    /// `e_flags`
    pub flags: u32,
    /// `e_entry`
    pub entry: u64,
    /// `e_phoff`
    pub phoff: u64,
    /// `e_shoff`
    pub shoff: u64,
    /// `e_phentsize`
    pub phentsize: u16,
    /// `e_phnum`
    pub phnum: u16,
    /// `e_shentsize`
    pub shentsize: u16,
    /// `e_shnum`
    pub shnum: u16,
    /// `e_shstrndx`
    pub shstrndx: u16,
}

impl FileHeader {
    /// The class and byte order that `e_ident` names, `None` unless this is an ELF file of a known
    /// format.
    pub fn format_of(ident: &[u8]) -> Option<Format> {
        if ident.len() < 16 || ident[..4] != elf::ELFMAG {
            return None;
        }
        let class = match ident[4] {
            elf::ELFCLASS32 => Class::Elf32,
            elf::ELFCLASS64 => Class::Elf64,
            _ => return None,
        };
        let endian = match ident[5] {
            elf::ELFDATA2LSB => Endianness::Little,
            elf::ELFDATA2MSB => Endianness::Big,
            _ => return None,
        };
        Some(Format { class, endian })
    }

    /// Decodes the header at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Option<FileHeader> {
        let format = Self::format_of(bytes)?;
        let e = format.endian;
        by_class!(format.class, H => {
            let (h, _) = pod::from_bytes::<H>(bytes).ok()?;
            Some(FileHeader {
                format,
                os_abi: h.e_ident().os_abi,
                abi_version: h.e_ident().abi_version,
                e_type: h.e_type(e),
                machine: h.e_machine(e),
                flags: h.e_flags(e),
                entry: h.e_entry(e).into(),
                phoff: h.e_phoff(e).into(),
                shoff: h.e_shoff(e).into(),
                phentsize: h.e_phentsize(e),
                phnum: h.e_phnum(e),
                shentsize: h.e_shentsize(e),
                shnum: h.e_shnum(e),
                shstrndx: h.e_shstrndx(e),
            })
        })
    }

    /// The header's bytes. Fields that are not decoded (`e_ident` padding, `e_version`, `e_ehsize`)
    /// come from `original`, the header's bytes in the file.
    pub fn encode(&self, original: &[u8]) -> Vec<u8> {
        let w = self.format.word_size();
        let mut out = Record::new(self.format);
        let mut ident = [0; 16];
        if let Some(bytes) = original.get(..16) {
            ident.copy_from_slice(bytes);
        }
        ident[7] = self.os_abi;
        ident[8] = self.abi_version;
        out.put_bytes(&ident);
        out.put(self.e_type.into(), 2);
        out.put(self.machine.into(), 2);
        out.put_bytes(original.get(20..24).unwrap_or(&[0; 4]));
        out.put(self.entry, w);
        out.put(self.phoff, w);
        out.put(self.shoff, w);
        out.put(self.flags.into(), 4);
        let ehsize = out.bytes().len();
        out.put_bytes(original.get(ehsize..ehsize + 2).unwrap_or(&[0; 2]));
        for value in [
            self.phentsize,
            self.phnum,
            self.shentsize,
            self.shnum,
            self.shstrndx,
        ] {
            out.put(value.into(), 2);
        }
        out.bytes().to_vec()
    }
}

/// A program header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// `p_type`
    pub p_type: u32,
    /// `p_flags`
    pub flags: u32,
    /// `p_offset`
    pub offset: u64,
    /// `p_vaddr`
    pub vaddr: u64,
    /// `p_paddr`
    pub paddr: u64,
    /// `p_filesz`
    pub filesz: u64,
    /// `p_memsz`
    pub memsz: u64,
    /// `p_align`
    pub align: u64,
}

impl Segment {
    /// Decodes the program header at the start of `bytes`.
    pub fn decode(format: Format, bytes: &[u8]) -> Option<Segment> {
        let e = format.endian;
        by_class!(format.class, H => {
            let (p, _) = pod::from_bytes::<<H as raw::FileHeader>::ProgramHeader>(bytes).ok()?;
            Some(Segment {
                p_type: p.p_type(e),
                flags: p.p_flags(e),
                offset: p.p_offset(e).into(),
                vaddr: p.p_vaddr(e).into(),
                paddr: p.p_paddr(e).into(),
                filesz: p.p_filesz(e).into(),
                memsz: p.p_memsz(e).into(),
                align: p.p_align(e).into(),
            })
        })
    }

    /// Appends the program header's bytes to `out`.
    pub fn encode(&self, format: Format, out: &mut Vec<u8>) {
        let w = format.word_size();
        let mut record = Record::new(format);
        record.put(self.p_type.into(), 4);
        if format.class == Class::Elf64 {
            record.put(self.flags.into(), 4);
        }
        for value in [self.offset, self.vaddr, self.paddr, self.filesz, self.memsz] {
            record.put(value, w);
        }
        if format.class == Class::Elf32 {
            record.put(self.flags.into(), 4);
        }
        record.put(self.align, w);
        out.extend_from_slice(record.bytes());
    }

    /// Whether the file bytes `offset..offset + len` lie inside this segment.
    pub fn holds_offset(&self, offset: u64, len: u64) -> bool {
        within(self.offset, self.filesz, offset, len)
    }

    /// Whether the addresses `vaddr..vaddr + len` lie in the part of this segment that the file backs.
    pub fn holds_vaddr(&self, vaddr: u64, len: u64) -> bool {
        within(self.vaddr, self.filesz, vaddr, len)
    }
}

/// Whether `start..start + len` lies in `base..base + size`, with no overflow.
fn within(base: u64, size: u64, start: u64, len: u64) -> bool {
    match (base.checked_add(size), start.checked_add(len)) {
        (Some(end), Some(stop)) => start >= base && stop <= end,
        _ => false,
    }
}

/// A section header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// `sh_name`, an offset into the section name string table
    pub name: u32,
    /// `sh_type`
    pub sh_type: u32,
    /// `sh_flags`
    pub flags: u64,
    /// `sh_addr`
    pub addr: u64,
    /// `sh_offset`
    pub offset: u64,
    /// `sh_size`
    pub size: u64,
    /// `sh_link`
    pub link: u32,
    /// `sh_info`
    pub info: u32,
    /// `sh_addralign`
    pub addralign: u64,
    /// `sh_entsize`
    pub entsize: u64,
}

impl Section {
    /// Decodes the section header at the start of `bytes`.
    pub fn decode(format: Format, bytes: &[u8]) -> Option<Section> {
        let e = format.endian;
        by_class!(format.class, H => {
            let (s, _) = pod::from_bytes::<<H as raw::FileHeader>::SectionHeader>(bytes).ok()?;
            Some(Section {
                name: s.sh_name(e),
                sh_type: s.sh_type(e),
                flags: s.sh_flags(e).into(),
                addr: s.sh_addr(e).into(),
                offset: s.sh_offset(e).into(),
                size: s.sh_size(e).into(),
                link: s.sh_link(e),
                info: s.sh_info(e),
                addralign: s.sh_addralign(e).into(),
                entsize: s.sh_entsize(e).into(),
            })
        })
    }

    /// Appends the section header's bytes to `out`.
    pub fn encode(&self, format: Format, out: &mut Vec<u8>) {
        let w = format.word_size();
        let mut record = Record::new(format);
        record.put(self.name.into(), 4);
        record.put(self.sh_type.into(), 4);
        for value in [self.flags, self.addr, self.offset, self.size] {
            record.put(value, w);
        }
        record.put(self.link.into(), 4);
        record.put(self.info.into(), 4);
        record.put(self.addralign, w);
        record.put(self.entsize, w);
        out.extend_from_slice(record.bytes());
    }
}

/// An entry of the dynamic section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dyn {
    /// `d_tag`
    pub tag: i64,
    /// `d_un`, a value or an address
    pub value: u64,
}

impl Dyn {
    /// Decodes the dynamic entry at the start of `bytes`.
    pub fn decode(format: Format, bytes: &[u8]) -> Option<Dyn> {
        let e = format.endian;
        by_class!(format.class, H => {
            let (d, _) = pod::from_bytes::<<H as raw::FileHeader>::Dyn>(bytes).ok()?;
            Some(Dyn { tag: d.d_tag(e).into(), value: d.d_val(e).into() })
        })
    }

    /// Appends the entry's bytes to `out`.
    pub fn encode(self, format: Format, out: &mut Vec<u8>) {
        let mut record = Record::new(format);
        record.put(self.tag as u64, format.word_size());
        record.put(self.value, format.word_size());
        out.extend_from_slice(record.bytes());
    }
}

/// `st_name` of the symbol at the start of `bytes`: an offset into the string table.
pub(crate) fn symbol_name(format: Format, bytes: &[u8]) -> Option<u32> {
    let e = format.endian;
    by_class!(format.class, H => {
        let (s, _) = pod::from_bytes::<<H as raw::FileHeader>::Sym>(bytes).ok()?;
        Some(s.st_name(e))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [Format; 4] = [
        Format {
            class: Class::Elf32,
            endian: Endianness::Little,
        },
        Format {
            class: Class::Elf32,
            endian: Endianness::Big,
        },
        Format {
            class: Class::Elf64,
            endian: Endianness::Little,
        },
        Format {
            class: Class::Elf64,
            endian: Endianness::Big,
        },
    ];

    /// Bytes that all differ, so that a swapped field shows.
    fn counting(len: usize) -> Vec<u8> {
        (1..=len as u8).collect()
    }

    #[test]
    fn encode_gives_back_what_was_decoded() {
        for f in FORMATS {
            let bytes = counting(f.segment_size());
            let mut out = Vec::new();
            Segment::decode(f, &bytes).unwrap().encode(f, &mut out);
            assert_eq!(out, bytes, "{f:?} program header");

            let bytes = counting(f.section_size());
            let mut out = Vec::new();
            Section::decode(f, &bytes).unwrap().encode(f, &mut out);
            assert_eq!(out, bytes, "{f:?} section header");

            let bytes = counting(f.dyn_size());
            let mut out = Vec::new();
            Dyn::decode(f, &bytes).unwrap().encode(f, &mut out);
            assert_eq!(out, bytes, "{f:?} dynamic entry");

            let mut bytes = counting(f.header_size());
            bytes[..4].copy_from_slice(&elf::ELFMAG);
            bytes[4] = if f.class == Class::Elf32 { 1 } else { 2 };
            bytes[5] = if f.endian == Endianness::Little { 1 } else { 2 };
            assert_eq!(
                FileHeader::decode(&bytes).unwrap().encode(&bytes),
                bytes,
                "{f:?} header"
            );
        }
    }

    #[test]
    fn short_input_decodes_to_nothing() {
        for f in FORMATS {
            assert_eq!(Segment::decode(f, &counting(f.segment_size() - 1)), None);
            assert_eq!(Dyn::decode(f, &[]), None);
        }
        assert_eq!(FileHeader::decode(b"\x7fELF"), None);
    }
}
