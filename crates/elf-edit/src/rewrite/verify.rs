//! Checks the result of a patch with a second, independent reader (goblin). Both readers must agree
//! with each other and with the requested result.

use crate::read::error::reason;
use crate::read::headers::ElfInfo;
use crate::read::notes::MAX_NOTE_BYTES;
use crate::read::read_at::ReadAt;
use crate::read::resolution_cache::{NT_NIXOS_LD_CACHE, OWNER};
use crate::read::strings::Strings;
use crate::rewrite::entries::texts;
use crate::rewrite::target::{CacheTarget, Target, names_string};
use goblin::container::{Container, Ctx};
use goblin::elf::dynamic::Dyn;
use goblin::elf::note::NoteDataIterator;
use goblin::elf::{Elf, ProgramHeader, program_header};
use object::elf;
use std::io;

/// A failed check.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// The result could not be read at all.
    #[error("the result can't be read back: {0}")]
    Unreadable(String),
    /// The result differs from the request.
    #[error("{what} would be {found}, expected {expected}")]
    Wrong {
        /// The part of the file that differs, for a message.
        what: &'static str,
        /// The value in the result.
        found: String,
        /// The requested value.
        expected: String,
    },
}

impl From<io::Error> for Mismatch {
    fn from(error: io::Error) -> Mismatch {
        Mismatch::Unreadable(reason(&error))
    }
}

impl From<goblin::error::Error> for Mismatch {
    fn from(error: goblin::error::Error) -> Mismatch {
        Mismatch::Unreadable(error.to_string())
    }
}

/// All strings of one view together, in bytes: many entries may name one long string.
const MAX_TEXTS: usize = 16 << 20;

/// The loader's view of a file: interpreter, resolution cache, then each dynamic entry that names a
/// string.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    interpreter: Option<Vec<u8>>,
    /// The descriptor of the first resolution cache, where edits change it.
    cache: Option<Option<Vec<u8>>>,
    /// The tag of each entry, and where its string ends in `texts`.
    entries: Vec<(i64, usize)>,
    /// One string behind the other: a rewrite has three views of some ten strings.
    texts: Vec<u8>,
}

impl View {
    fn push(&mut self, tag: i64, string: &[u8]) -> io::Result<()> {
        if self.texts.len() + string.len() > MAX_TEXTS {
            let what = format!("dynamic entries name more than {MAX_TEXTS} bytes of strings");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        self.texts.extend_from_slice(string);
        self.entries.push((tag, self.texts.len()));
        Ok(())
    }

    fn strings(&self) -> impl Iterator<Item = (i64, &[u8])> + Clone {
        let mut start = 0;
        self.entries.iter().map(move |&(tag, end)| {
            let string = &self.texts[start..end];
            start = end;
            (tag, string)
        })
    }

    /// Headers of the file with `target` applied. `file` is unchanged.
    pub(super) fn expected<R: ReadAt + ?Sized>(
        file: &R,
        before: &ElfInfo,
        target: &Target,
    ) -> io::Result<View> {
        let mut view = View {
            interpreter: target
                .interpreter
                .clone()
                .or_else(|| before.interpreter.clone()),
            cache: target.resolution_cache.as_ref().map(|cache| match cache {
                CacheTarget::Removed => None,
                CacheTarget::Set(description) => Some(description.clone()),
            }),
            ..View::default()
        };
        let (start, size) = before
            .dynamic
            .as_ref()
            .map_or((0, 0), |d| (d.strtab, d.strsz));
        let mut old = Strings::new(file, start, size);
        for entry in target.entries.iter().filter(|e| names_string(e.tag)) {
            let text = match &entry.string {
                Some(text) => text,
                None => old.get(entry.value)?.ok_or(io::ErrorKind::UnexpectedEof)?,
            };
            view.push(entry.tag, text)?;
        }
        Ok(view)
    }
}

/// Compares the patched `file` with the expected headers, by both readers.
pub(crate) fn verify<R: ReadAt + ?Sized>(
    file: &R,
    before: &ElfInfo,
    expected: &View,
) -> Result<(), Mismatch> {
    read_back(file, expected)?;
    let info = ElfInfo::read(file).map_err(|e| Mismatch::Unreadable(e.to_string()))?;
    // A fault that the file had before is not ours.
    if check_loads(before).is_ok() {
        check_loads(&info)?;
    }
    let entries = info.dynamic.as_ref().map_or(&[][..], |d| &d.entries);
    let found = entries.iter().zip(texts(&info));
    let mut caches = info.resolution_caches.iter();
    compare_cache(
        caches
            .next()
            .map(|c| c.description.as_deref().unwrap_or_default()),
        expected,
    )?;
    compare(
        info.interpreter.as_deref(),
        found.filter_map(|(entry, text)| Some((entry.tag, text?))),
        expected,
        |tag| READ_BY_FACTS.contains(&tag),
    )
}

/// Compares a file, once it has been written, with the expected headers, by the second reader.
pub(crate) fn read_back<R: ReadAt + ?Sized>(file: &R, expected: &View) -> Result<(), Mismatch> {
    let found = by_goblin(file, expected.cache.is_some())?;
    let interpreter = found.interpreter.as_deref();
    compare_cache(found.cache.as_ref().and_then(Option::as_deref), expected)?;
    compare(interpreter, found.strings(), expected, |_| true)
}

/// Compares a reader's findings with the entries that it knows.
fn compare<'a>(
    interpreter: Option<&[u8]>,
    strings: impl Iterator<Item = (i64, &'a [u8])> + Clone,
    expected: &'a View,
    knows: impl Fn(i64) -> bool,
) -> Result<(), Mismatch> {
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    if interpreter != expected.interpreter.as_deref() {
        let text = |i: Option<&[u8]>| i.map_or("none".to_owned(), shown);
        return Err(Mismatch::Wrong {
            what: "the interpreter",
            found: text(interpreter),
            expected: text(expected.interpreter.as_deref()),
        });
    }
    let wanted = || expected.strings().filter(|(tag, _)| knows(*tag));
    if !strings.clone().eq(wanted()) {
        let text = |(tag, string): (i64, &[u8])| format!("{tag:#x} {}", shown(string));
        return Err(Mismatch::Wrong {
            what: "the dynamic section",
            found: strings.map(text).collect::<Vec<_>>().join(", "),
            expected: wanted().map(text).collect::<Vec<_>>().join(", "),
        });
    }
    Ok(())
}

/// Compares the descriptor of a resolution cache with what is expected.
fn compare_cache(found: Option<&[u8]>, expected: &View) -> Result<(), Mismatch> {
    let Some(wanted) = &expected.cache else {
        return Ok(());
    };
    if found == wanted.as_deref() {
        return Ok(());
    }
    let text =
        |cache: Option<&[u8]>| cache.map_or("none".to_owned(), |c| c.escape_ascii().to_string());
    Err(Mismatch::Wrong {
        what: "the resolution cache",
        found: text(found),
        expected: text(wanted.as_deref()),
    })
}

/// Tags of entries whose strings `ElfInfo` reads.
const READ_BY_FACTS: [i64; 4] = [
    elf::DT_NEEDED,
    elf::DT_SONAME,
    elf::DT_RUNPATH,
    elf::DT_RPATH,
];

/// Reads the same through goblin's low-level types, over small windows.
fn by_goblin<R: ReadAt + ?Sized>(file: &R, with_cache: bool) -> Result<View, Mismatch> {
    let head = file.read_vec(0, file.len().min(64) as usize)?;
    let header = Elf::parse_header(&head)?;
    let container = header.container()?;
    let ctx = Ctx::new(container, header.endianness()?);
    let table = file.read_vec(
        header.e_phoff,
        ProgramHeader::size(ctx) * usize::from(header.e_phnum),
    )?;
    let segments = ProgramHeader::parse(&table, 0, header.e_phnum.into(), ctx)?;
    let mut view = View {
        cache: with_cache.then(|| goblin_cache(file, &segments, ctx)),
        ..View::default()
    };
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
        .filter(|s| s.p_filesz > 0)
    else {
        return Ok(view);
    };
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
        load.p_offset.checked_add(vaddr - load.p_vaddr)
    });
    let size = value(elf::DT_STRSZ).unwrap_or(0);
    let mut strings = strtab.map(|strtab| Strings::new(file, strtab, size));
    for entry in &entries {
        // 32-bit tags come back zero-extended.
        let tag = entry.d_tag as i64;
        if names_string(tag) {
            let Some(strings) = &mut strings else {
                return Err(Mismatch::Unreadable("DT_STRTAB lies in no PT_LOAD".into()));
            };
            let Some(string) = strings.get(entry.d_val)? else {
                return Err(Mismatch::Unreadable(format!(
                    "dynamic entry {tag:#x} names string {:#x}, which does not end before \
                     DT_STRSZ ({size:#x})",
                    entry.d_val
                )));
            };
            view.push(tag, string)?;
        }
    }
    Ok(view)
}

/// The descriptor of the first resolution cache.
fn goblin_cache<R: ReadAt + ?Sized>(
    file: &R,
    segments: &[ProgramHeader],
    ctx: Ctx,
) -> Option<Vec<u8>> {
    let mut left = MAX_NOTE_BYTES;
    for segment in segments
        .iter()
        .filter(|s| s.p_type == program_header::PT_NOTE)
    {
        if segment.p_filesz > left {
            continue;
        }
        left -= segment.p_filesz;
        let Ok(data) = file.read_vec(segment.p_offset, segment.p_filesz as usize) else {
            continue;
        };
        let notes = NoteDataIterator {
            data: &data,
            size: data.len(),
            offset: 0,
            ctx: (if segment.p_align == 8 { 8 } else { 4 }, ctx),
        };
        // A note that makes no sense ends its PT_NOTE.
        for note in notes.map_while(Result::ok) {
            if note.n_type == NT_NIXOS_LD_CACHE
                && Some(note.name.as_bytes()) == OWNER.strip_suffix(b"\0")
            {
                return Some(note.desc.to_vec());
            }
        }
    }
    None
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

/// Requirements of the kernel and ld.so on PT_LOADs: in ascending order, disjoint, and offset and
/// address congruent modulo the page size.
fn check_loads(info: &ElfInfo) -> Result<(), Mismatch> {
    let mut end = 0u64;
    for load in info.segments.iter().filter(|s| s.p_type == elf::PT_LOAD) {
        let page = load.align.clamp(1, 0x1000);
        let fine = load.vaddr >= end
            && load.offset.saturating_add(load.filesz) <= info.size
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
