//! What a file would do by its headers, where no loader here runs or loads it.

use crate::torture::edits::Meaning;
use crate::torture::process::run;
use crate::torture::target::{ANOTHER, ANSWER, EXTRA, unused};
use elf_edit::ElfInfo;
use object::elf;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Tables of relocations: the tags of their address and of their size.
const TABLES: [(i64, i64); 6] = [
    (elf::DT_REL, elf::DT_RELSZ),
    (elf::DT_RELA, elf::DT_RELASZ),
    (elf::DT_JMPREL, elf::DT_PLTRELSZ),
    (36, 35),                   // DT_RELR
    (0x6000_000f, 0x6000_0010), // DT_ANDROID_REL
    (0x6000_0011, 0x6000_0012), // DT_ANDROID_RELA
];

/// What the libraries would announce, the bytes of each table of relocations, and the names and
/// addresses of the first dynamic symbols. By program headers and dynamic tags alone.
pub fn as_loader(file: &Path, meaning: &Meaning) -> Result<Vec<String>, String> {
    let unused = unused();
    let mut lines = Vec::new();
    for needed in &meaning.needed {
        lines.push(match needed.as_str() {
            ANSWER => "answer 42".to_owned(),
            ANOTHER => "answer 43".to_owned(),
            EXTRA => "extra".to_owned(),
            name if name == unused => "unused".to_owned(),
            other => return Err(format!("needs {other}")),
        });
    }
    let bytes = fs::read(file).unwrap();
    let info = ElfInfo::read(&bytes[..]).map_err(|error| error.to_string())?;
    let value = |tag: i64| {
        let mut entries = info.dynamic.iter().flat_map(|dynamic| &dynamic.entries);
        entries
            .find(|entry| entry.tag == tag)
            .map(|entry| entry.value)
    };
    let mapped = |address: u64, size: u64| -> Result<&[u8], String> {
        let mut loads = info.segments.iter().filter(|s| s.p_type == elf::PT_LOAD);
        let load = loads.find(|s| s.vaddr <= address && address + size <= s.vaddr + s.filesz);
        let load = load.ok_or(format!("{address:#x} is not mapped"))?;
        let at = (load.offset + address - load.vaddr) as usize;
        Ok(&bytes[at..at + size as usize])
    };
    for (address, size) in TABLES {
        match (value(address), value(size)) {
            (None, None) => {}
            (Some(at), Some(size)) => {
                lines.push(format!("tag {address:#x}: {:x?}", mapped(at, size)?));
            }
            _ => return Err(format!("half of the pair of tag {address:#x}")),
        }
    }
    let [Some(symbols), Some(names)] = [elf::DT_SYMTAB, elf::DT_STRTAB].map(value) else {
        return Err("no symbols".to_owned());
    };
    let (size, address) = match info.format().segment_size() {
        32 => (16, 4..8),
        _ => (24, 8..16),
    };
    // The null symbol, and the undefined one that relocations name.
    for index in 0..2 {
        let symbol = mapped(symbols + index * size, size)?;
        let name = u32::from_le_bytes(symbol[..4].try_into().unwrap());
        let name = (0..).map(|at| mapped(names + u64::from(name) + at, 1).map(|byte| byte[0]));
        let name: Result<Vec<u8>, String> =
            name.take_while(|byte| !matches!(byte, Ok(0))).collect();
        let name = String::from_utf8_lossy(&name?).into_owned();
        lines.push(format!(
            "symbol {index}: {name} {:x?}",
            &symbol[address.clone()]
        ));
    }
    Ok(lines)
}

/// The relocations as llvm-readelf finds them by the section headers.
pub fn relocations(file: &Path) -> Result<Vec<String>, String> {
    let ran = run(Command::new("llvm-readelf").arg("-rW").arg(file));
    if !ran.ok || !ran.stderr.is_empty() {
        return Err(format!("llvm-readelf: {}: {}", ran.status, ran.stderr));
    }
    let lines = ran.stdout.lines();
    let numbered = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_hexdigit()));
    // From LLVM 18 on, the rows of DT_RELR end with a name of `.symtab`, which strip removes.
    let relr = |line: &str| {
        line.split_once("  ")
            .is_some_and(|(first, _)| first.ends_with(':'))
    };
    let without_name = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().take(3).collect();
        words.join(" ")
    };
    Ok(numbered
        .map(|line| {
            if relr(line) {
                without_name(line)
            } else {
                line.to_owned()
            }
        })
        .collect())
}
