//! Reads what the headers of an ELF file say, at a cost that does not grow with the file.
//!
//! Program headers, then PT_DYNAMIC, then just the strings that dynamic entries name: never
//! the whole `.dynstr`. Contents (strings in read-only data, device code) are not read here.

use crate::read::address::{offset_of, window};
use crate::read::codec::{FileHeader, Format, Section, Segment};
use crate::read::dynamic::{Dynamic, read_dynamic};
use crate::read::error::{ReadError, malformed};
use crate::read::notes::read_dlopen_notes;
use crate::read::platform::Platform;
use crate::read::read_at::ReadAt;
use crate::read::resolution_cache::{self, ResolutionCache};
use object::elf;

/// Larger tables are malformed: the largest real ones have some hundred entries.
const MAX_SEGMENTS: usize = 4096;
const MAX_SECTIONS: usize = 65_536;
/// Longest string (RUNPATH, SONAME, interpreter) that is read, in bytes.
const MAX_STRING: usize = 1 << 20;

/// Role of a file for the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ET_REL: an object file.
    Object,
    /// ET_CORE.
    Core,
    /// ET_EXEC or ET_DYN with neither interpreter nor dynamic section.
    StaticExecutable,
    /// ET_DYN with a dynamic section, but no interpreter, and with DF_1_PIE, or with DT_DEBUG and
    /// neither NEEDED nor SONAME.
    StaticPie,
    /// ET_EXEC with an interpreter.
    Executable,
    /// ET_DYN with an interpreter and DF_1_PIE, or with an interpreter and no SONAME.
    Pie,
    /// ET_DYN without interpreter, or with one and a SONAME (libc.so.6 can be run).
    SharedLibrary,
    /// Code stripped off, debug information only.
    SeparateDebug,
    /// Another `e_type`.
    Other,
}

impl Kind {
    /// The word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Object => "object file",
            Kind::Core => "core dump",
            Kind::StaticExecutable => "static executable",
            Kind::StaticPie => "static PIE",
            Kind::Executable => "executable",
            Kind::Pie => "PIE",
            Kind::SharedLibrary => "shared library",
            Kind::SeparateDebug => "separate debug file",
            Kind::Other => "other",
        }
    }
}

/// The headers of one file, decoded. Strings are bytes, since ELF requires no encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfInfo {
    /// The ELF header.
    pub header: FileHeader,
    /// Length of the file in bytes.
    pub size: u64,
    /// Program headers, in file order.
    pub segments: Vec<Segment>,
    /// Role of the file for the loader.
    pub kind: Kind,
    /// PT_INTERP, without its NUL.
    pub interpreter: Option<Vec<u8>>,
    /// The dynamic section, if there is one.
    pub dynamic: Option<Dynamic>,
    /// Contents of `.note.dlopen` notes: JSON, not parsed here.
    pub dlopen_notes: Vec<Vec<u8>>,
    /// Resolution caches of NixOS, not parsed here. ld.so reads the first.
    pub resolution_caches: Vec<ResolutionCache>,
}

impl ElfInfo {
    /// Whether PT_GNU_STACK is executable. A file without one gets its architecture's default.
    pub fn asks_for_executable_stack(&self) -> bool {
        let mut headers = self.segments.iter();
        let stack = headers.find(|p| p.p_type == elf::PT_GNU_STACK);
        stack.is_some_and(|p| p.flags & elf::PF_X != 0)
    }

    /// Reads the headers of `file`.
    pub fn read<R: ReadAt + ?Sized>(file: &R) -> Result<ElfInfo, ReadError> {
        let header = read_header(file)?;
        let segments = read_segments(file, &header)?;
        let interpreter = read_interpreter(file, &segments);
        let dynamic = read_dynamic(file, &header, &segments);
        // The section headers are at the end of the file, and no loader reads them. They are read
        // only where the dynamic section may be missing along with the code, as in separate debug
        // files.
        let separate_debug = match &dynamic {
            Ok(Some(dynamic)) if dynamic.is_whole() => false,
            Err(ReadError::Io(_)) => false,
            _ => is_separate_debug(file, &header)?,
        };
        // The program headers of such a file describe contents that were dropped.
        let (interpreter, dynamic) = if separate_debug {
            (None, None)
        } else {
            (interpreter?, dynamic?)
        };
        let (dlopen_notes, resolution_caches) = if separate_debug {
            (Vec::new(), Vec::new())
        } else {
            (
                read_dlopen_notes(file, &header, &segments)?,
                resolution_cache::read(file, &header, &segments)?,
            )
        };
        let kind = kind_of(
            &header,
            separate_debug,
            interpreter.is_some(),
            dynamic.as_ref(),
        );
        Ok(ElfInfo {
            header,
            size: file.len(),
            segments,
            kind,
            interpreter,
            dynamic,
            dlopen_notes,
            resolution_caches,
        })
    }

    /// Class and byte order.
    pub fn format(&self) -> Format {
        self.header.format
    }

    /// The platform that the file was built for.
    pub fn platform(&self) -> Platform {
        Platform::of(&self.header)
    }

    /// DT_NEEDED, empty where there is no dynamic section.
    pub fn needed(&self) -> &[Vec<u8>] {
        self.dynamic.as_ref().map_or(&[], |d| &d.needed)
    }

    /// DT_RUNPATH, else DT_RPATH: what patchelf prints as the rpath.
    pub fn runpath_or_rpath(&self) -> Option<&[u8]> {
        let d = self.dynamic.as_ref()?;
        d.runpath.as_deref().or(d.rpath.as_deref())
    }

    /// File offset of an address, if a PT_LOAD backs it with `len` bytes of the file.
    pub fn offset_of(&self, vaddr: u64, len: u64) -> Option<u64> {
        offset_of(&self.segments, vaddr, len)
    }
}

fn read_header<R: ReadAt + ?Sized>(file: &R) -> Result<FileHeader, ReadError> {
    let have = file.len().min(64) as usize;
    let mut bytes = [0; 64];
    let bytes = &mut bytes[..have];
    file.read_exact_at(0, bytes)?;
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err(ReadError::NotElf);
    }
    if bytes.len() < 16 {
        return malformed(format!("ends inside e_ident, after {have} bytes"));
    }
    if FileHeader::format_of(bytes).is_none() {
        return malformed(format!(
            "unknown class {} or byte order {}",
            bytes[4], bytes[5]
        ));
    }
    match FileHeader::decode(bytes) {
        Some(h) => Ok(h),
        None => malformed(format!("ends inside the ELF header, after {have} bytes")),
    }
}

/// Reads all program headers.
pub fn read_segments<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
) -> Result<Vec<Segment>, ReadError> {
    let count = usize::from(header.phnum);
    if count == 0 || header.phoff == 0 {
        return Ok(Vec::new());
    }
    let size = header.format.segment_size();
    if usize::from(header.phentsize) != size {
        return malformed(format!(
            "e_phentsize is {}, expected {size}",
            header.phentsize
        ));
    }
    let len = count * size;
    let end = header.phoff.checked_add(len as u64);
    if end.is_none_or(|end| end > file.len()) {
        return malformed(format!(
            "program header table out of bounds: {count} headers at offset {:#x} of {:#x} bytes",
            header.phoff,
            file.len()
        ));
    }
    if count > MAX_SEGMENTS {
        return malformed(format!("{count} program headers, more than {MAX_SEGMENTS}"));
    }
    let table = window(file, header.phoff, len, "program header table")?;
    let mut segments = Vec::with_capacity(count);
    let raw = table.chunks_exact(size);
    segments.extend(raw.filter_map(|raw| Segment::decode(header.format, raw)));
    Ok(segments)
}

/// Reads all section headers; none where the file has no table.
pub fn read_sections<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
) -> Result<Vec<Section>, ReadError> {
    let table = section_table(file, header)?;
    let mut found = Vec::with_capacity(table.len() / header.format.section_size());
    found.extend(sections(&table, header.format));
    Ok(found)
}

fn sections(table: &[u8], format: Format) -> impl Iterator<Item = Section> {
    table
        .chunks_exact(format.section_size())
        .filter_map(move |raw| Section::decode(format, raw))
}

fn section_table<R: ReadAt + ?Sized>(file: &R, header: &FileHeader) -> Result<Vec<u8>, ReadError> {
    if header.shoff == 0 {
        return Ok(Vec::new());
    }
    let size = header.format.section_size();
    if usize::from(header.shentsize) != size {
        return malformed(format!(
            "e_shentsize is {}, expected {size}",
            header.shentsize
        ));
    }
    let mut count = usize::from(header.shnum);
    if count == 0 {
        // Extended numbering: the real count is sh_size of section 0 (gABI).
        let first = window(file, header.shoff, size, "section header table")?;
        count = Section::decode(header.format, &first).map_or(0, |s| s.size as usize);
    }
    if count > MAX_SECTIONS {
        return malformed(format!("{count} section headers, more than {MAX_SECTIONS}"));
    }
    window(file, header.shoff, count * size, "section header table")
}

fn read_interpreter<R: ReadAt + ?Sized>(
    file: &R,
    segments: &[Segment],
) -> Result<Option<Vec<u8>>, ReadError> {
    let Some(interp) = segments.iter().find(|s| s.p_type == elf::PT_INTERP) else {
        return Ok(None);
    };
    if interp.filesz == 0 {
        return Ok(None);
    }
    if interp.filesz > MAX_STRING as u64 {
        return malformed(format!("PT_INTERP is {} bytes long", interp.filesz));
    }
    let mut bytes = window(file, interp.offset, interp.filesz as usize, "PT_INTERP")?;
    if let Some(end) = bytes.iter().position(|&b| b == 0) {
        bytes.truncate(end);
    }
    Ok(Some(bytes))
}

/// `objcopy --only-keep-debug` keeps the section headers and drops the code behind them.
fn is_separate_debug<R: ReadAt + ?Sized>(file: &R, header: &FileHeader) -> Result<bool, ReadError> {
    if !matches!(header.e_type, elf::ET_EXEC | elf::ET_DYN) {
        return Ok(false);
    }
    // The loader doesn't use section headers, so a broken table is no reason to refuse the file.
    let table = match section_table(file, header) {
        Ok(table) => table,
        Err(ReadError::Io(e)) => return Err(e.into()),
        Err(_) => return Ok(false),
    };
    let mut code = sections(&table, header.format).filter(|s| {
        s.flags & u64::from(elf::SHF_EXECINSTR) != 0
            && s.flags & u64::from(elf::SHF_ALLOC) != 0
            && s.size > 0
    });
    let dropped = |s: Section| s.sh_type == elf::SHT_NOBITS;
    Ok(code.next().is_some_and(dropped) && code.all(dropped))
}

fn kind_of(
    header: &FileHeader,
    separate_debug: bool,
    has_interpreter: bool,
    dynamic: Option<&Dynamic>,
) -> Kind {
    let pie = dynamic.is_some_and(|d| d.flags_1 & u64::from(elf::DF_1_PIE) != 0);
    let soname = dynamic.is_some_and(|d| d.soname.is_some());
    // Linkers before DF_1_PIE: only programs have DT_DEBUG, and this one needs no loader.
    let static_program = header.entry != 0
        && dynamic.is_some_and(|d| {
            d.needed.is_empty() && d.soname.is_none() && d.value(elf::DT_DEBUG).is_some()
        });
    match header.e_type {
        _ if separate_debug => Kind::SeparateDebug,
        elf::ET_REL => Kind::Object,
        elf::ET_CORE => Kind::Core,
        elf::ET_EXEC if has_interpreter || dynamic.is_some() => Kind::Executable,
        elf::ET_EXEC => Kind::StaticExecutable,
        elf::ET_DYN if dynamic.is_none() => Kind::StaticExecutable,
        elf::ET_DYN if has_interpreter && (pie || !soname) => Kind::Pie,
        elf::ET_DYN if (pie || static_program) && !has_interpreter => Kind::StaticPie,
        elf::ET_DYN => Kind::SharedLibrary,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_test_binary_is_what_it_was_linked_as() {
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let info = ElfInfo::read(&crate::FileReader::new(file).unwrap()).unwrap();
        if cfg!(target_feature = "crt-static") {
            assert_eq!((&info.interpreter, info.needed().len()), (&None, 0));
            return;
        }
        assert_eq!(info.kind, Kind::Pie);
        assert!(info.interpreter.as_ref().unwrap().starts_with(b"/"));
        assert!(info.needed().iter().any(|n| n.starts_with(b"libc.so")));
    }

    #[test]
    fn text_is_not_elf_and_a_cut_header_is_malformed() {
        assert!(matches!(
            ElfInfo::read(&b"#!/bin/sh\n"[..]),
            Err(ReadError::NotElf)
        ));
        assert!(matches!(ElfInfo::read(&b""[..]), Err(ReadError::NotElf)));
        assert!(matches!(
            ElfInfo::read(&b"\x7fELF\x02\x01\x01"[..]),
            Err(ReadError::Malformed(_))
        ));
    }

    #[test]
    fn every_truncation_of_a_real_file_is_read_or_refused() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let rest = (4096..bytes.len()).step_by(bytes.len() / 300 + 1);
        for len in (0..4096).step_by(97).chain(rest) {
            let _ = ElfInfo::read(&bytes[..len]);
        }
    }
}
