//! Symbols of CUDA's interfaces that a file wants and defines.

use elf_edit::read_sections;
use elf_edit::tables::Tables;
use elf_edit::windows::{Region, windows};
use elf_edit::{ElfInfo, FileReader, ReadAt, ReadError};
use memchr::memmem;
use object::elf;
use std::collections::BTreeSet;
use std::io;

/// Symbol tables are read in parts of this many entries.
const BATCH: u64 = 4096;
/// Longest string table of symbols that is searched, in bytes.
const MAX_STRINGS: u64 = 64 << 20;
/// Prefix of the functions that register device code with the CUDA runtime.
pub(crate) const REGISTERS: &[u8] = b"__cudaRegister";

/// Prefixes of the symbols in a library's interface, followed by a capital letter.
const INTERFACES: [(&str, &str); 23] = [
    ("libcublas", "cublas"),
    ("libcublasLt", "cublasLt"),
    ("libcudart", "cuda"),
    ("libcudnn", "cudnn"),
    ("libcudss", "cudss"),
    ("libcufft", "cufft"),
    ("libcufile", "cuFile"),
    ("libcupti", "cupti"),
    ("libcurand", "curand"),
    ("libcusolver", "cusolver"),
    ("libcusparse", "cusparse"),
    ("libcusparseLt", "cusparseLt"),
    ("libcustatevec", "custatevec"),
    ("libcutensor", "cutensor"),
    ("libcutensornet", "cutensornet"),
    ("libnccl", "nccl"),
    ("libnvJitLink", "nvJitLink"),
    ("libnvJitLink", "__nvJitLink"),
    ("libnvcomp", "nvcomp"),
    ("libnvjpeg", "nvjpeg"),
    ("libnvjpeg2k", "nvjpeg2k"),
    ("libnvrtc", "nvrtc"),
    ("libnvtiff", "nvtiff"),
];

/// The prefixes of a library's interface, by the stem of its SONAME; none for most libraries.
pub(crate) fn prefixes_of(stem: &[u8]) -> Vec<&'static [u8]> {
    let own = INTERFACES
        .iter()
        .filter(|(library, _)| stem == library.as_bytes());
    own.map(|(_, prefix)| prefix.as_bytes()).collect()
}

/// `cublasCreate_v2` is of `cublas`, `cublas_helper` is the program's own.
pub(crate) fn is_of(symbol: &[u8], prefix: &[u8]) -> bool {
    let rest = symbol.strip_prefix(prefix);
    rest.and_then(<[u8]>::first)
        .is_some_and(u8::is_ascii_uppercase)
}

/// Symbols of one interface in a file's dynamic symbol table.
#[derive(Debug, Default)]
pub(crate) struct Interface {
    /// Imported symbols, without which loading fails.
    pub wanted: BTreeSet<Vec<u8>>,
    pub defined: BTreeSet<Vec<u8>>,
}

/// The dynamic string table, unless it is too large to be one.
pub(crate) fn strings(file: &FileReader, info: &ElfInfo) -> Result<Option<Vec<u8>>, ReadError> {
    match &info.dynamic {
        Some(dynamic) if dynamic.strsz <= MAX_STRINGS => {
            Ok(Some(file.read_vec(dynamic.strtab, dynamic.strsz as usize)?))
        }
        _ => Ok(None),
    }
}

/// Whether the dynamic string table may have one of these, by a search that keeps nothing of a long
/// table in memory.
fn may_have_names(file: &FileReader, info: &ElfInfo, prefixes: &[&[u8]]) -> io::Result<bool> {
    /// Bytes of a table that is read whole.
    const SHORT: u64 = 1 << 15;
    let Some(dynamic) = info.dynamic.as_ref().filter(|d| d.strsz > SHORT) else {
        return Ok(true);
    };
    let table = Region {
        start: dynamic.strtab,
        end: dynamic.strtab.saturating_add(dynamic.strsz),
    };
    if table.end > file.len() {
        return Ok(true);
    }
    let mut found = false;
    let finders: Vec<_> = prefixes.iter().map(memmem::Finder::new).collect();
    windows(file, table, |window| {
        found = found || finders.iter().any(|f| f.find(window.bytes).is_some());
    })?;
    Ok(found)
}

/// Reads the symbols of one file that begin with one of the prefixes.
pub(crate) fn of_interface(
    file: &FileReader,
    info: &ElfInfo,
    prefixes: &[&[u8]],
) -> Result<Interface, ReadError> {
    let mut found = Interface::default();
    // Nearly every file is done here.
    if !may_have_names(file, info, prefixes)? {
        return Ok(found);
    }
    let Some(strings) = strings(file, info)? else {
        return Ok(found);
    };
    let names: BTreeSet<u32> = prefixes
        .iter()
        .flat_map(|prefix| memmem::find_iter(&strings, prefix))
        .filter_map(|at| u32::try_from(at).ok())
        .collect();
    if names.is_empty() {
        return Ok(found);
    }
    let sections = read_sections(file, &info.header).unwrap_or_default();
    let tables = Tables {
        file,
        info,
        sections: &sections,
    };
    let format = info.format();
    let size = format.symbol_size() as u64;
    let symtab = info.dynamic.as_ref().and_then(|d| d.value(elf::DT_SYMTAB));
    let (Some(symtab), Some(count)) = (symtab, tables.symbol_count()?) else {
        return Ok(found);
    };
    let Some(offset) = info.offset_of(symtab, count * size) else {
        return Ok(found);
    };
    // st_info and st_shndx come before st_value in 64-bit symbols and last in 32-bit ones (gABI).
    let (info_at, section_at) = if size == 24 { (4, 6) } else { (12, 14) };
    let mut done = 0;
    while done < count {
        let part = BATCH.min(count - done);
        let bytes = file.read_vec(offset + done * size, (part * size) as usize)?;
        for symbol in bytes.chunks_exact(size as usize) {
            let Some(name) = format.u32(symbol, 0).filter(|name| names.contains(name)) else {
                continue;
            };
            let text = &strings[name as usize..];
            let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
            let defined = format.u16(symbol, section_at) != Some(elf::SHN_UNDEF);
            let weak = symbol[info_at] >> 4 == elf::STB_WEAK;
            if defined {
                found.defined.insert(text[..end].to_vec());
            } else if !weak {
                found.wanted.insert(text[..end].to_vec());
            }
        }
        done += part;
    }
    Ok(found)
}
