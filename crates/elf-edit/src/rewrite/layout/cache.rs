//! The resolution cache: the note that goes, the note that comes, and its section.
//!
//! A new note is in the appended segment, with a PT_NOTE of its own. No loader reads its section
//! header, but strip tools keep no bytes of a segment that no section has. A table of section
//! headers that has to grow, and the table of their names, are written behind the old end of the
//! file, before the segment, which can so grow where it is.

use super::context::{LayoutContext, NewTable};
use super::model::{Location, SectionArea};
use super::tail;
use crate::read::codec::{Section, Segment};
use crate::read::read_at::ReadAt;
use crate::read::resolution_cache::{self, OWNER, ResolutionCache, SECTION};
use crate::read::sections::MAX_NAME_TABLE;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::Extent;
use crate::rewrite::target::CacheTarget;
use object::elf;
use std::io;

/// Bytes of a note before its descriptor: header, owner and padding.
const HEAD: u64 = 20;

/// What happens to the resolution cache of a file.
pub(super) struct CacheEdit {
    /// Notes that go.
    pub old: Vec<ResolutionCache>,
    /// The whole note that comes.
    pub note: Option<Vec<u8>>,
    /// Indices of section headers that become SHT_NULL.
    dropped_sections: Vec<usize>,
    section: SectionEdit,
}

/// The section header of a new note.
enum SectionEdit {
    /// It gets none: there is no table, or something reads the table's place.
    None,
    /// One that is free takes it: its index, and the name's offset in the table of names.
    Reuse { index: usize, name: u32 },
    /// Both tables are written anew.
    Append {
        index: usize,
        name: u32,
        names: Vec<u8>,
        count: u16,
    },
}

impl CacheEdit {
    /// Whether a program header is that of a note that goes.
    pub(super) fn drops(&self, segment: &Segment) -> bool {
        segment.p_type == elf::PT_NOTE
            && self
                .old
                .iter()
                .any(|old| old.alone && old.offset == segment.offset)
    }

    /// Whether an extent is a note that goes, and nothing else.
    pub(super) fn is_dropped(&self, extent: &Extent) -> bool {
        let mut old = self.old.iter().filter(|old| old.alone);
        old.any(|old| old.offset == extent.offset && old.len >= extent.len)
    }

    /// The extent of a note that goes and shares its PT_NOTE with others, with harmless contents.
    fn blanked(
        &self,
        segments: &[Segment],
        file: &(impl ReadAt + ?Sized),
    ) -> io::Result<Vec<NewTable>> {
        let mut tables = Vec::new();
        for old in self.old.iter().filter(|old| !old.alone) {
            let segment = &segments[old.segment];
            let mut bytes = file.read_vec(old.offset, old.len as usize)?;
            // Its lengths stay, so that readers find the next note.
            bytes.iter_mut().skip(8).for_each(|byte| *byte = 0);
            tables.push(NewTable {
                extent: Extent {
                    offset: old.offset,
                    vaddr: segment.vaddr.wrapping_add(old.offset - segment.offset),
                    len: old.len,
                    align: 4,
                },
                bytes,
                strings: Vec::new(),
            });
        }
        Ok(tables)
    }

    /// Ranges to clear where the old notes are: (offset, length).
    pub(super) fn cleared(&self) -> impl Iterator<Item = (u64, u64)> {
        self.old
            .iter()
            .map(|old| match (old.alone, &old.description) {
                (true, Ok(_)) => (old.offset, old.len),
                // A note that lies about its length may lie about what is in it.
                (true, Err(_)) => (old.offset, old.len.min(HEAD)),
                (false, Ok(description)) => (old.offset + HEAD, description.len() as u64),
                (false, Err(_)) => (old.offset + 12, OWNER.len() as u64),
            })
    }

    /// Where grown tables go, from the end of the file on.
    pub(super) fn area(&self, size: u64, format: crate::Format) -> Option<SectionArea> {
        let SectionEdit::Append { names, count, .. } = &self.section else {
            return None;
        };
        let names_at = size.next_multiple_of(8);
        let table = (names_at + names.len() as u64).next_multiple_of(8);
        let len = u64::from(*count) * format.section_size() as u64;
        Some(SectionArea {
            names: Location {
                offset: names_at,
                vaddr: 0,
                len: names.len() as u64,
            },
            table,
            count: *count,
            end: table + len,
        })
    }

    /// The contents of a grown table of names.
    pub(super) fn names(&self) -> &[u8] {
        match &self.section {
            SectionEdit::Append { names, .. } => names,
            _ => &[],
        }
    }

    /// Section headers without those of notes that go, with that of the one that comes.
    pub(super) fn edit_sections(&self, sections: &mut Vec<Section>, note: Option<Location>) {
        for &index in &self.dropped_sections {
            sections[index] = empty_section();
        }
        let (SectionEdit::Reuse { index, name } | SectionEdit::Append { index, name, .. }) =
            self.section
        else {
            return;
        };
        let Some(note) = note else { return };
        let section = Section {
            name,
            sh_type: elf::SHT_NOTE,
            flags: elf::SHF_ALLOC.into(),
            addr: note.vaddr,
            offset: note.offset,
            size: note.len,
            addralign: 4,
            ..empty_section()
        };
        match sections.get_mut(index) {
            Some(slot) => *slot = section,
            None => sections.push(section),
        }
    }
}

/// Plans the change of the resolution cache, if there is one.
pub(super) fn plan<R: ReadAt + ?Sized>(
    context: &mut LayoutContext<'_, R>,
) -> Result<(), RewriteError> {
    let Some(target) = &context.target.resolution_cache else {
        return Ok(());
    };
    let info = context.info();
    let old = info.resolution_caches.clone();
    let note = match target {
        CacheTarget::Removed => None,
        CacheTarget::Set(description) => Some(resolution_cache::note(&info.header, description)),
    };
    let (dropped_sections, section) = sections(context, &old, note.is_some())?;
    let edit = CacheEdit {
        old,
        note,
        dropped_sections,
        section,
    };
    let blanked = edit.blanked(&info.segments, context.tables.file)?;
    context.changed_tables.extend(blanked);
    context.cache = Some(edit);
    Ok(())
}

/// The section headers that go, and a place for a new one.
fn sections<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    old: &[ResolutionCache],
    wanted: bool,
) -> io::Result<(Vec<usize>, SectionEdit)> {
    let sections = context.sections();
    let mut names = names(context)?;
    let is_dropped = |s: &Section| {
        let of_note = old
            .iter()
            .any(|old| old.alone && s.sh_type == elf::SHT_NOTE && s.offset == old.offset);
        // The section of a note that shares its PT_NOTE keeps the bytes of a blank one.
        let shared = old.iter().any(|old| !old.alone && s.offset == old.offset);
        of_note || !shared && names.as_deref().is_some_and(|names| is_named(names, s))
    };
    let all = sections.iter().enumerate().skip(1);
    let dropped: Vec<usize> = all
        .clone()
        .filter(|(_, s)| is_dropped(s))
        .map(|(index, _)| index)
        .collect();
    let Some(names) = names.as_mut().filter(|_| wanted) else {
        return Ok((dropped, SectionEdit::None));
    };
    let mut free = all.filter(|(_, s)| s.sh_type == elf::SHT_NULL);
    let slot = dropped.first().copied().or_else(|| Some(free.next()?.0));
    let terminated = [&b"\0"[..], SECTION, b"\0"].concat();
    let known = memchr::memmem::find(names, &terminated).map(|at| at + 1);
    if let (Some(index), Some(name)) = (slot, known) {
        let name = name as u32;
        return Ok((dropped, SectionEdit::Reuse { index, name }));
    }
    let index = slot.unwrap_or(sections.len());
    let count = sections.len().max(index + 1);
    // Data behind the ELF file may be looked for by the end of the section headers.
    let must_stay = context.tail.is_some() || tail::is_app_image(context)?;
    let count = u16::try_from(count)
        .ok()
        .filter(|&n| n < elf::SHN_LORESERVE);
    let Some(count) = count.filter(|_| !must_stay) else {
        return Ok((dropped, SectionEdit::None));
    };
    let name = known.unwrap_or(names.len()) as u32;
    let mut names = std::mem::take(names);
    if known.is_none() {
        names.extend_from_slice(&terminated[1..]);
    }
    let section = SectionEdit::Append {
        index,
        name,
        names,
        count,
    };
    Ok((dropped, section))
}

/// The table of section names; `None` where there is none that can be read, or a loader reads it.
fn names<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>) -> io::Result<Option<Vec<u8>>> {
    let header = &context.info().header;
    let table = context.sections().get(usize::from(header.shstrndx));
    let fits = |s: &&Section| {
        s.sh_type == elf::SHT_STRTAB
            && s.flags & u64::from(elf::SHF_ALLOC) == 0
            && s.size <= MAX_NAME_TABLE
    };
    let Some(table) = table.filter(fits) else {
        return Ok(None);
    };
    if header.shnum == 0 || header.shstrndx == elf::SHN_XINDEX {
        return Ok(None);
    }
    match context
        .tables
        .file
        .read_vec(table.offset, table.size as usize)
    {
        Ok(names) if names.last() == Some(&0) => Ok(Some(names)),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}

fn is_named(names: &[u8], section: &Section) -> bool {
    let rest = names.get(section.name as usize..).unwrap_or_default();
    rest.strip_prefix(SECTION)
        .is_some_and(|rest| rest.first() == Some(&0))
}

fn empty_section() -> Section {
    Section {
        name: 0,
        sh_type: elf::SHT_NULL,
        flags: 0,
        addr: 0,
        offset: 0,
        size: 0,
        link: 0,
        info: 0,
        addralign: 0,
        entsize: 0,
    }
}
