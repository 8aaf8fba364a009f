//! Makes the smallest dynamic ELF files that a loader accepts: no code, only the names of other
//! files. Tests use them for machines that have no compiler at hand, and the sample tree of
//! `cuda-fixup demo` consists of them.

pub use elf_edit::{Class, Endianness, Platform};
use elf_edit::{Dyn, FileHeader, Format, Section, Segment};
use object::elf;

/// The contents of a file.
#[derive(Clone, Debug)]
pub struct Minimal {
    /// The machine in its header.
    pub platform: Platform,
    /// PT_INTERP: makes it an executable.
    pub interpreter: Option<Vec<u8>>,
    /// DT_SONAME
    pub soname: Option<Vec<u8>>,
    /// DT_NEEDED, in order.
    pub needed: Vec<Vec<u8>>,
    /// DT_RUNPATH
    pub runpath: Option<Vec<u8>>,
}

/// A part of the file that has a section header.
struct Piece {
    name: &'static str,
    sh_type: u32,
    flags: u64,
    link: u32,
    entsize: usize,
    align: usize,
    bytes: Vec<u8>,
}

impl Minimal {
    /// A library with no name that needs nothing.
    pub fn new(platform: Platform) -> Minimal {
        Minimal {
            platform,
            interpreter: None,
            soname: None,
            needed: Vec::new(),
            runpath: None,
        }
    }

    /// The contents of the whole file.
    pub fn bytes(&self) -> Vec<u8> {
        let format = Format {
            class: self.platform.class,
            endian: self.platform.endian,
        };
        let segments = 3 + usize::from(self.interpreter.is_some());
        let mut pieces = self.pieces(format);
        let mut offsets = place(format, segments, &pieces);
        let [hash, dynsym, dynstr, dynamic] = [".hash", ".dynsym", ".dynstr", ".dynamic"]
            .map(|name| pieces.iter().position(|p| p.name == name).unwrap_or(0));
        // The sizes do not depend on the addresses, so a second round can fill these in.
        let strsz = pieces[dynstr].bytes.len();
        let entries = [
            (elf::DT_HASH, offsets[hash] as u64),
            (elf::DT_STRTAB, offsets[dynstr] as u64),
            (elf::DT_SYMTAB, offsets[dynsym] as u64),
            (elf::DT_STRSZ, strsz as u64),
            (elf::DT_SYMENT, format.symbol_size() as u64),
        ];
        let strings = self.strings();
        pieces[dynamic].bytes = dynamic_bytes(format, &strings.entries, &entries);
        offsets = place(format, segments, &pieces);
        self.assemble(format, &pieces, &offsets)
    }

    fn strings(&self) -> Strings {
        let mut strings = Strings {
            bytes: vec![0],
            entries: Vec::new(),
        };
        for name in &self.needed {
            strings.add(elf::DT_NEEDED, name);
        }
        if let Some(soname) = &self.soname {
            strings.add(elf::DT_SONAME, soname);
        }
        if let Some(runpath) = &self.runpath {
            strings.add(elf::DT_RUNPATH, runpath);
        }
        strings
    }

    fn pieces(&self, format: Format) -> Vec<Piece> {
        let word = format.word_size();
        let alloc = u64::from(elf::SHF_ALLOC);
        let strings = self.strings();
        let piece = |name, sh_type, flags, entsize, align, bytes| Piece {
            name,
            sh_type,
            flags,
            link: 0,
            entsize,
            align,
            bytes,
        };
        let mut pieces = Vec::new();
        if let Some(interpreter) = &self.interpreter {
            let bytes = [interpreter.as_slice(), b"\0"].concat();
            pieces.push(piece(".interp", elf::SHT_PROGBITS, alloc, 0, 1, bytes));
        }
        // One bucket that is empty, one chain for the null symbol (gABI, "Hash Table").
        let hash = [1, 1, 0, 0]
            .iter()
            .flat_map(|n| format.number(*n, 4))
            .collect();
        let symbols = vec![0; format.symbol_size()];
        let entries = dynamic_bytes(format, &strings.entries, &[(elf::DT_NULL, 0); 5]);
        let names = b"\0.interp\0.hash\0.dynsym\0.dynstr\0.dynamic\0.shstrtab\0".to_vec();
        let first = pieces.len() as u32 + 1;
        pieces.push(piece(".hash", elf::SHT_HASH, alloc, 4, word, hash));
        pieces.push(piece(
            ".dynsym",
            elf::SHT_DYNSYM,
            alloc,
            format.symbol_size(),
            word,
            symbols,
        ));
        pieces.push(piece(
            ".dynstr",
            elf::SHT_STRTAB,
            alloc,
            0,
            1,
            strings.bytes,
        ));
        pieces.push(piece(
            ".dynamic",
            elf::SHT_DYNAMIC,
            alloc | u64::from(elf::SHF_WRITE),
            format.dyn_size(),
            word,
            entries,
        ));
        pieces.push(piece(".shstrtab", elf::SHT_STRTAB, 0, 0, 1, names));
        for piece in &mut pieces {
            piece.link = match piece.name {
                ".hash" => first + 1,
                ".dynsym" | ".dynamic" => first + 2,
                _ => 0,
            };
        }
        pieces
    }

    fn assemble(&self, format: Format, pieces: &[Piece], offsets: &[usize]) -> Vec<u8> {
        let end = pieces
            .iter()
            .zip(offsets)
            .map(|(piece, at)| at + piece.bytes.len())
            .max()
            .unwrap_or(0);
        let shoff = end.next_multiple_of(format.word_size());
        let mut out = self.headers(format, pieces, offsets, shoff, end);
        for (piece, &at) in pieces.iter().zip(offsets) {
            out.resize(at, 0);
            out.extend_from_slice(&piece.bytes);
        }
        out.resize(shoff, 0);
        Section::decode(format, &vec![0; format.section_size()])
            .into_iter()
            .chain(pieces.iter().zip(offsets).map(|(p, at)| p.section(*at)))
            .for_each(|section| section.encode(format, &mut out));
        out
    }

    fn headers(
        &self,
        format: Format,
        pieces: &[Piece],
        offsets: &[usize],
        shoff: usize,
        end: usize,
    ) -> Vec<u8> {
        let mut segments = vec![segment(elf::PT_LOAD, 0, end, 0x1000)];
        for (piece, &at) in pieces.iter().zip(offsets) {
            let p_type = match piece.name {
                ".interp" => elf::PT_INTERP,
                ".dynamic" => elf::PT_DYNAMIC,
                _ => continue,
            };
            segments.push(segment(p_type, at, piece.bytes.len(), piece.align));
        }
        segments.push(segment(elf::PT_GNU_STACK, 0, 0, 16));
        let header = FileHeader {
            format,
            os_abi: self.platform.os_abi,
            abi_version: 0,
            e_type: elf::ET_DYN,
            machine: self.platform.machine,
            flags: 0,
            entry: 0,
            phoff: format.header_size() as u64,
            shoff: shoff as u64,
            phentsize: format.segment_size() as u16,
            phnum: segments.len() as u16,
            shentsize: format.section_size() as u16,
            shnum: pieces.len() as u16 + 1,
            shstrndx: pieces.len() as u16,
        };
        let mut out = header.encode(&ident(format));
        for segment in segments {
            segment.encode(format, &mut out);
        }
        out
    }
}

impl Piece {
    fn section(&self, at: usize) -> Section {
        let names = "\0.interp\0.hash\0.dynsym\0.dynstr\0.dynamic\0.shstrtab\0";
        let allocated = self.flags & u64::from(elf::SHF_ALLOC) != 0;
        Section {
            name: names.find(self.name).unwrap_or(0) as u32,
            sh_type: self.sh_type,
            flags: self.flags,
            addr: if allocated { at as u64 } else { 0 },
            offset: at as u64,
            size: self.bytes.len() as u64,
            link: self.link,
            info: u32::from(self.sh_type == elf::SHT_DYNSYM),
            addralign: self.align as u64,
            entsize: self.entsize as u64,
        }
    }
}

struct Strings {
    bytes: Vec<u8>,
    entries: Vec<(i64, u64)>,
}

impl Strings {
    fn add(&mut self, tag: i64, text: &[u8]) {
        self.entries.push((tag, self.bytes.len() as u64));
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
    }
}

/// Offsets of the pieces, one behind the other after the headers.
fn place(format: Format, segments: usize, pieces: &[Piece]) -> Vec<usize> {
    let mut at = format.header_size() + segments * format.segment_size();
    pieces
        .iter()
        .map(|piece| {
            let here = at.next_multiple_of(piece.align);
            at = here + piece.bytes.len();
            here
        })
        .collect()
}

fn dynamic_bytes(format: Format, strings: &[(i64, u64)], rest: &[(i64, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    for &(tag, value) in strings.iter().chain(rest).chain(&[(elf::DT_NULL, 0)]) {
        Dyn { tag, value }.encode(format, &mut out);
    }
    out
}

fn segment(p_type: u32, at: usize, size: usize, align: usize) -> Segment {
    Segment {
        p_type,
        flags: elf::PF_R | elf::PF_W,
        offset: at as u64,
        vaddr: at as u64,
        paddr: at as u64,
        filesz: size as u64,
        memsz: size as u64,
        align: align as u64,
    }
}

/// The fields that `FileHeader::encode` copies from an original: magic, class, byte order,
/// versions and size.
fn ident(format: Format) -> Vec<u8> {
    let size = format.header_size();
    let mut out = vec![0; size];
    out[..4].copy_from_slice(&elf::ELFMAG);
    let (class, at) = match format.class {
        Class::Elf32 => (elf::ELFCLASS32, 40),
        Class::Elf64 => (elf::ELFCLASS64, 52),
    };
    out[4] = class;
    out[5] = match format.endian {
        Endianness::Little => elf::ELFDATA2LSB,
        Endianness::Big => elf::ELFDATA2MSB,
    };
    out[6] = elf::EV_CURRENT;
    out[20..24].copy_from_slice(&format.number(1, 4));
    out[at..at + 2].copy_from_slice(&format.number(size as u64, 2));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf_edit::{ElfInfo, Kind};

    #[test]
    fn headers_read_what_was_asked_for() {
        for (machine, class, endian) in [
            (elf::EM_X86_64, Class::Elf64, Endianness::Little),
            (elf::EM_386, Class::Elf32, Endianness::Little),
            (elf::EM_PPC, Class::Elf32, Endianness::Big),
            (elf::EM_S390, Class::Elf64, Endianness::Big),
        ] {
            let platform = Platform {
                machine,
                class,
                endian,
                os_abi: 0,
            };
            let mut wanted = Minimal::new(platform);
            wanted.needed = vec![b"liba.so.1".to_vec(), b"libb.so".to_vec()];
            wanted.runpath = Some(b"$ORIGIN:/x".to_vec());
            wanted.soname = Some(b"libme.so".to_vec());
            let info = ElfInfo::read(&wanted.bytes()[..]).unwrap();
            assert_eq!(info.kind, Kind::SharedLibrary);
            assert_eq!(info.platform(), platform);
            let dynamic = info.dynamic.unwrap();
            assert_eq!(dynamic.needed, wanted.needed);
            assert_eq!(dynamic.runpath, wanted.runpath);
            assert_eq!(dynamic.soname, wanted.soname);

            wanted.soname = None;
            wanted.interpreter = Some(b"/lib/ld.so".to_vec());
            let info = ElfInfo::read(&wanted.bytes()[..]).unwrap();
            assert_eq!(info.kind, Kind::Pie);
            assert_eq!(info.interpreter, wanted.interpreter);
        }
    }

    #[test]
    fn goblin_reads_it_too() {
        let mut wanted = Minimal::new(Platform::X86_64);
        wanted.needed = vec![b"libc.so.6".to_vec()];
        let bytes = wanted.bytes();
        let parsed = goblin::elf::Elf::parse(&bytes).unwrap();
        assert_eq!(parsed.libraries, ["libc.so.6"]);
    }
}
