//! Reads what the rules need of a file, and asks them.

use super::{Check, Finding, Options, RULES, Subject, TextFile};
use crate::contents;
use crate::cuda::device_code;
use crate::cuda::linkage::Cudart;
use crate::elf::facts::read_sections;
use crate::elf::tables::Tables;
use crate::elf::{ElfFacts, FileReader, ReadAt, ReadError};
use crate::loader::Loader;
use memchr::memmem;
use object::elf;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// Text files larger than this are no configuration.
const MAX_TEXT: u64 = 1 << 20;
/// Names of files that builds read.
const TEXT_NAMES: [&str; 8] = ["pc", "cmake", "la", "sh", "profile", "cfg", "conf", "prf"];
/// Symbol tables are read in parts of this many entries.
const BATCH: u64 = 4096;
/// Longest string table of symbols that is searched, in bytes.
const MAX_STRINGS: u64 = 64 << 20;
const REGISTERS: &[u8] = b"__cudaRegister";

/// What the rules found in one file.
pub type Looked = Vec<Finding>;

/// Asks all rules for ELF files. `path` is absolute, `shown` is how the user names the file.
pub fn elf(
    shown: &Path,
    path: &Path,
    file: &FileReader,
    facts: &ElfFacts,
    loader: &Loader,
    options: &Options,
) -> Result<Looked, ReadError> {
    let contents = contents::read(file, facts)?;
    let code = device_code::read_elf(file, &facts.header)?;
    let resolution = loader.resolve(path, file, facts, &contents.sonames)?;
    let registers = registers(file, facts)?;
    let subject = Subject {
        path,
        facts,
        contents: &contents,
        cudart: &Cudart::new(facts, contents.static_cudart.as_ref()),
        device_code: &code,
        resolution: &resolution,
        registers: &registers,
        options,
    };
    Ok(ask(shown, |check, say| {
        if let Check::Elf(check) = check {
            check(&subject, say);
        }
    }))
}

/// Asks all rules for text files, if this is one that builds read.
pub fn text_file(shown: &Path, file: &FileReader) -> io::Result<Looked> {
    let named = shown.extension().and_then(|e| e.to_str());
    if !named.is_some_and(|e| TEXT_NAMES.contains(&e)) || file.len() > MAX_TEXT {
        return Ok(Vec::new());
    }
    let bytes = file.read_vec(0, file.len() as usize)?;
    if bytes.contains(&0) {
        return Ok(Vec::new());
    }
    let text = TextFile { bytes: &bytes };
    Ok(ask(shown, |check, say| {
        if let Check::Text(check) = check {
            check(&text, say);
        }
    }))
}

fn ask(shown: &Path, run: impl Fn(&Check, &mut dyn FnMut(String))) -> Looked {
    let mut found = Vec::new();
    for (at, rule) in RULES.iter().enumerate() {
        run(&rule.check, &mut |message| {
            found.push(Finding {
                path: shown.to_owned(),
                rule: at,
                message,
            });
        });
    }
    found
}

/// Undefined symbols `__cudaRegister…` without a version: with one, the library is named.
fn registers(file: &FileReader, facts: &ElfFacts) -> Result<Vec<Vec<u8>>, ReadError> {
    let Some(dynamic) = &facts.dynamic else {
        return Ok(Vec::new());
    };
    if dynamic.strsz > MAX_STRINGS {
        return Ok(Vec::new());
    }
    let strings = file.read_vec(dynamic.strtab, dynamic.strsz as usize)?;
    // Nearly every file is done here.
    let names: BTreeSet<u32> = memmem::find_iter(&strings, REGISTERS)
        .filter_map(|at| u32::try_from(at).ok())
        .collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let sections = read_sections(file, &facts.header).unwrap_or_default();
    let tables = Tables {
        file,
        facts,
        sections: &sections,
    };
    let format = facts.format();
    let size = format.symbol_size() as u64;
    let (Some(symtab), Some(count)) = (dynamic.value(elf::DT_SYMTAB), tables.symbol_count()?)
    else {
        return Ok(Vec::new());
    };
    let Some(offset) = facts.offset_of(symtab, count * size) else {
        return Ok(Vec::new());
    };
    // st_shndx stands before st_value in 64-bit symbols and last in 32-bit ones (gABI).
    let section_at = if size == 24 { 6 } else { 14 };
    let mut found = BTreeSet::new();
    let mut done = 0;
    while done < count {
        let part = BATCH.min(count - done);
        let bytes = file.read_vec(offset + done * size, (part * size) as usize)?;
        for symbol in bytes.chunks_exact(size as usize) {
            let name = format.u32(symbol, 0).filter(|name| names.contains(name));
            let undefined = format.u16(symbol, section_at) == Some(elf::SHN_UNDEF);
            if let Some(name) = name.filter(|_| undefined) {
                let text = &strings[name as usize..];
                let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
                found.insert(text[..end].to_vec());
            }
        }
        done += part;
    }
    Ok(found.into_iter().collect())
}
