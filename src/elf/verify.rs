//! A second, independent reader (goblin) looks at what a patch makes of a file. Both readers
//! must agree with each other and with what was asked for.

use super::entries::texts;
use super::facts::ElfFacts;
use super::read_at::ReadAt;
use super::target::{Target, names_string};
use goblin::container::{Container, Ctx};
use goblin::elf::dynamic::Dyn;
use goblin::elf::{Elf, ProgramHeader, program_header};
use object::elf;
use std::io;

/// What a check found wrong.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// The result could not be read at all.
    #[error("the result can't be read back: {0}")]
    Unreadable(String),
    /// The result says something else than was asked for.
    #[error("{what} would be {found}, expected {expected}")]
    Wrong {
        /// What was compared.
        what: &'static str,
        /// What the result says.
        found: String,
        /// What was asked for.
        expected: String,
    },
}

impl From<io::Error> for Mismatch {
    fn from(error: io::Error) -> Mismatch {
        Mismatch::Unreadable(error.to_string())
    }
}

impl From<goblin::error::Error> for Mismatch {
    fn from(error: goblin::error::Error) -> Mismatch {
        Mismatch::Unreadable(error.to_string())
    }
}

/// The loader's view of a file: interpreter, then each dynamic entry that names a string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    interpreter: Option<Vec<u8>>,
    strings: Vec<(i64, Vec<u8>)>,
}

impl View {
    /// What a file shall say once it is as `target` has it. `file` is as it was before.
    pub(super) fn expected<R: ReadAt + ?Sized>(
        file: &R,
        before: &ElfFacts,
        target: &Target,
    ) -> io::Result<View> {
        let mut view = View {
            interpreter: target
                .interpreter
                .clone()
                .or_else(|| before.interpreter.clone()),
            strings: Vec::with_capacity(before.needed().len() + 2),
        };
        let end = before.dynamic.as_ref().map_or(0, |d| d.strtab + d.strsz);
        let start = before.dynamic.as_ref().map_or(0, |d| d.strtab);
        for entry in target.entries.iter().filter(|e| names_string(e.tag)) {
            let text = match &entry.string {
                Some(text) => text.clone(),
                None => string_at(file, start + entry.value, end)?,
            };
            view.strings.push((entry.tag, text));
        }
        Ok(view)
    }
}

/// Compares what `file` would say with what is expected, by both readers.
pub fn verify<R: ReadAt + ?Sized>(
    file: &R,
    before: &ElfFacts,
    expected: &View,
) -> Result<(), Mismatch> {
    read_back(file, expected)?;
    let facts = ElfFacts::read(file).map_err(|e| Mismatch::Unreadable(e.to_string()))?;
    // A fault that the file had before is not ours.
    if check_loads(before).is_ok() {
        check_loads(&facts)?;
    }
    let known = View {
        interpreter: expected.interpreter.clone(),
        strings: expected
            .strings
            .iter()
            .filter(|(tag, _)| read_by_facts(*tag))
            .cloned()
            .collect(),
    };
    compare(&by_facts(&facts), &known)
}

/// Compares what a file says, once it has been written, with what is expected, by the second
/// reader.
pub fn read_back<R: ReadAt + ?Sized>(file: &R, expected: &View) -> Result<(), Mismatch> {
    compare(&by_goblin(file)?, expected)
}

fn compare(found: &View, expected: &View) -> Result<(), Mismatch> {
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    if found.interpreter != expected.interpreter {
        let text = |i: &Option<Vec<u8>>| i.as_deref().map_or("none".to_owned(), shown);
        return Err(Mismatch::Wrong {
            what: "the interpreter",
            found: text(&found.interpreter),
            expected: text(&expected.interpreter),
        });
    }
    if found.strings != expected.strings {
        let text = |strings: &[(i64, Vec<u8>)]| {
            strings
                .iter()
                .map(|(t, s)| format!("{t:#x} {}", shown(s)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        return Err(Mismatch::Wrong {
            what: "the dynamic section",
            found: text(&found.strings),
            expected: text(&expected.strings),
        });
    }
    Ok(())
}

/// Whether `ElfFacts` reads the string of such an entry.
fn read_by_facts(tag: i64) -> bool {
    [
        elf::DT_NEEDED,
        elf::DT_SONAME,
        elf::DT_RUNPATH,
        elf::DT_RPATH,
    ]
    .contains(&tag)
}

fn by_facts(facts: &ElfFacts) -> View {
    let mut view = View {
        interpreter: facts.interpreter.clone(),
        strings: Vec::new(),
    };
    let entries = facts.dynamic.as_ref().map_or(&[][..], |d| &d.entries);
    for (entry, text) in entries.iter().zip(texts(facts)) {
        view.strings.extend(text.map(|t| (entry.tag, t.to_vec())));
    }
    view
}

/// Reads the same through goblin's low-level types, over small windows.
fn by_goblin<R: ReadAt + ?Sized>(file: &R) -> Result<View, Mismatch> {
    let head = file.read_vec(0, file.len().min(64) as usize)?;
    let header = Elf::parse_header(&head)?;
    let container = header.container()?;
    let ctx = Ctx::new(container, header.endianness()?);
    let table = file.read_vec(
        header.e_phoff,
        ProgramHeader::size(ctx) * usize::from(header.e_phnum),
    )?;
    let segments = ProgramHeader::parse(&table, 0, header.e_phnum.into(), ctx)?;
    let mut view = View::default();
    if let Some(interp) = segments
        .iter()
        .find(|s| s.p_type == program_header::PT_INTERP)
        && interp.p_filesz > 0
    {
        let bytes = file.read_vec(interp.p_offset, interp.p_filesz as usize)?;
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        view.interpreter = Some(bytes[..end].to_vec());
    }
    let Some(dynamic) = segments
        .iter()
        .find(|s| s.p_type == program_header::PT_DYNAMIC)
    else {
        return Ok(view);
    };
    if dynamic.p_filesz == 0 {
        return Ok(view);
    }
    let bytes = file.read_vec(dynamic.p_offset, dynamic.p_filesz as usize)?;
    let entries = goblin_entries(&bytes, ctx)?;
    let value = |tag: i64| {
        entries
            .iter()
            .rev()
            .find(|d| d.d_tag as i64 == tag)
            .map(|d| d.d_val)
    };
    let strtab = value(elf::DT_STRTAB).and_then(|vaddr| {
        let load = segments.iter().find(|s| {
            s.p_type == program_header::PT_LOAD
                && vaddr >= s.p_vaddr
                && vaddr - s.p_vaddr < s.p_filesz
        })?;
        Some(load.p_offset + (vaddr - load.p_vaddr))
    });
    let size = value(elf::DT_STRSZ).unwrap_or(0);
    for entry in &entries {
        // 32-bit tags come back zero-extended.
        let tag = entry.d_tag as i64;
        if names_string(tag) {
            let Some(strtab) = strtab else {
                return Err(Mismatch::Unreadable("DT_STRTAB lies in no PT_LOAD".into()));
            };
            if entry.d_val >= size {
                return Err(Mismatch::Unreadable(format!(
                    "dynamic entry {tag:#x} names string {:#x}, past DT_STRSZ ({size:#x})",
                    entry.d_val
                )));
            }
            view.strings
                .push((tag, string_at(file, strtab + entry.d_val, strtab + size)?));
        }
    }
    Ok(view)
}

fn goblin_entries(bytes: &[u8], ctx: Ctx) -> Result<Vec<Dyn>, Mismatch> {
    use scroll::Pread;
    let size = match ctx.container {
        Container::Little => 8,
        Container::Big => 16,
    };
    let mut entries = Vec::with_capacity(bytes.len() / size);
    for raw in bytes.chunks_exact(size) {
        let entry: Dyn = raw.pread_with(0, ctx)?;
        if entry.d_tag == 0 {
            break;
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The string at an offset of the file, up to its NUL, at most up to `limit`.
pub fn string_at<R: ReadAt + ?Sized>(file: &R, offset: u64, limit: u64) -> io::Result<Vec<u8>> {
    let mut len = 512;
    loop {
        let want = limit.saturating_sub(offset).min(len);
        let bytes = file.read_vec(offset, want as usize)?;
        if let Some(end) = bytes.iter().position(|&b| b == 0) {
            return Ok(bytes[..end].to_vec());
        }
        if want < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        len *= 8;
    }
}

/// What the kernel and ld.so need of PT_LOADs: in ascending order, apart from each other, and
/// offset and address on the same place in a page.
fn check_loads(facts: &ElfFacts) -> Result<(), Mismatch> {
    let mut end = 0u64;
    for load in facts.segments.iter().filter(|s| s.p_type == elf::PT_LOAD) {
        let page = load.align.clamp(1, 0x1000);
        let fine = load.vaddr >= end
            && load.offset.saturating_add(load.filesz) <= facts.size
            && load.vaddr % page == load.offset % page;
        if !fine {
            return Err(Mismatch::Wrong {
                what: "a PT_LOAD",
                found: format!(
                    "offset {:#x}, address {:#x}, {} bytes of file",
                    load.offset, load.vaddr, load.filesz
                ),
                expected: format!("an address from {end:#x} on, inside the file"),
            });
        }
        end = load.vaddr.saturating_add(load.memsz);
    }
    Ok(())
}
