//! The headers of a library that the loader uses: a subset, kept for many files at once.

use super::search_log::Why;
use elf_edit::versions::{self, Version, Wanted};
use elf_edit::{Class, ElfInfo, FileHeader, FileId, FileReader, Kind, ReadAt, ReadError, reason};
use object::elf;
use std::fs::{File, Metadata};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What edits that are planned make of a file, for its loader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Planned {
    pub needed: Vec<Vec<u8>>,
    pub runpath: Option<Vec<u8>>,
    pub rpath: Option<Vec<u8>>,
    /// Libraries of DT_VERNEED that get another name: (from, to).
    pub renamed: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A file that could be loaded.
#[derive(Debug)]
pub struct Library {
    /// Identity of the file: the loader loads none twice.
    pub id: FileId,
    pub soname: Option<Vec<u8>>,
    pub needed: Vec<Vec<u8>>,
    pub runpath: Option<Vec<u8>>,
    pub rpath: Option<Vec<u8>>,
    pub flags_1: u64,
    /// DT_VERNEED, by library.
    pub wanted: Vec<Wanted>,
    pub(super) header: FileHeader,
    /// Why no other object can depend on it: no dynamic section, an executable.
    refusal: Option<&'static str>,
    defined: OnceLock<Option<Vec<Version>>>,
    has_definitions: bool,
    /// Whether a search has found it for another file.
    found: AtomicBool,
    /// Whether its string table has a name of the functions that register device code, as far as
    /// that was looked for.
    pub(super) names_registration: OnceLock<bool>,
}

impl Library {
    /// The loader's view of a file with these headers.
    pub(crate) fn new<R: ReadAt + ?Sized>(
        id: FileId,
        file: &R,
        info: &ElfInfo,
    ) -> Result<Library, ReadError> {
        let dynamic = info.dynamic.as_ref();
        let flags_1 = dynamic.map_or(0, |d| d.flags_1);
        Ok(Library {
            id,
            soname: dynamic.and_then(|d| d.soname.clone()),
            needed: info.needed().to_vec(),
            runpath: dynamic.and_then(|d| d.runpath.clone()),
            rpath: dynamic.and_then(|d| d.rpath.clone()),
            flags_1,
            wanted: versions::wanted(file, info)?,
            header: info.header.clone(),
            refusal: refusal(info, flags_1),
            defined: OnceLock::new(),
            has_definitions: dynamic.is_some_and(|d| d.value(elf::DT_VERDEF).is_some()),
            found: AtomicBool::new(false),
            names_registration: OnceLock::new(),
        })
    }

    /// The same file after these edits.
    pub(super) fn after(mut self, planned: &Planned) -> Library {
        self.needed.clone_from(&planned.needed);
        self.runpath.clone_from(&planned.runpath);
        self.rpath.clone_from(&planned.rpath);
        for wanted in &mut self.wanted {
            if let Some((_, to)) = planned
                .renamed
                .iter()
                .find(|(from, _)| *from == wanted.file)
            {
                wanted.file.clone_from(to);
            }
        }
        self
    }

    /// Whether DF_1_NODEFLIB keeps it from the default directories.
    pub fn no_default_lib(&self) -> bool {
        self.flags_1 & u64::from(elf::DF_1_NODEFLIB) != 0
    }

    /// Approximate size in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let wanted = self.wanted.iter().map(|w| 64 + w.versions.len() * 64);
        512 + self.needed.iter().map(|n| n.len() + 32).sum::<usize>()
            + self.runpath.as_ref().map_or(0, Vec::len)
            + self.rpath.as_ref().map_or(0, Vec::len)
            + wanted.sum::<usize>()
    }

    /// The versions that it defines, read on first use; `None` where it defines none, or where the
    /// file has become unreadable.
    pub(super) fn defined(&self, open: impl FnOnce() -> Option<File>) -> Option<&[Version]> {
        if !self.has_definitions {
            return None;
        }
        self.defined
            .get_or_init(|| {
                let file = FileReader::new(open()?).ok()?;
                let info = ElfInfo::read(&file).ok()?;
                versions::defined(&file, &info).ok()?
            })
            .as_deref()
    }

    /// Notes that a search has found it.
    pub(super) fn note_found(&self) {
        self.found.store(true, Ordering::Relaxed);
    }

    /// Whether a search has found it for another file: more of them are likely to load it.
    pub(super) fn is_found(&self) -> bool {
        self.found.load(Ordering::Relaxed)
    }

    /// Reads the versions that the file, which is open, defines.
    fn define(&self, file: &FileReader, info: &ElfInfo) {
        if self.has_definitions {
            let read = || versions::defined(file, info).ok()?;
            self.defined.get_or_init(read);
        }
    }

    /// Whether a program with the header `of` can load this file as a dependency: `Ok(Some)` gives
    /// the reason to search on, `Err` the reason to stop.
    pub(super) fn fits(&self, of: &FileHeader) -> Result<Option<Why>, Why> {
        if let Some(why) = header_fits(&self.header, of)? {
            return Ok(Some(why));
        }
        match self.refusal {
            Some(reason) => Err(Why::Broken(reason.into())),
            None => Ok(None),
        }
    }
}

/// `open_verify` of glibc's elf/dl-load.c, as far as the ELF header goes.
pub(super) fn header_fits(found: &FileHeader, of: &FileHeader) -> Result<Option<Why>, Why> {
    if found.format.class != of.format.class {
        return Ok(Some(Why::OtherClass));
    }
    // The loader compares e_machine first, and reads it in its own byte order.
    let same_order = found.format.endian == of.format.endian;
    if !same_order && found.machine.swap_bytes() != of.machine {
        return Ok(Some(Why::OtherByteOrder));
    }
    if same_order && found.machine != of.machine {
        return Ok(Some(Why::OtherMachine(found.machine)));
    }
    if !same_order {
        return Err(Why::Broken("other byte order".into()));
    }
    if !matches!(found.os_abi, elf::ELFOSABI_NONE | elf::ELFOSABI_GNU) {
        return Err(Why::Broken(format!("OS ABI {}", found.os_abi)));
    }
    if !matches!(found.e_type, elf::ET_DYN | elf::ET_EXEC) {
        return Err(Why::Broken("neither shared library nor executable".into()));
    }
    Ok(None)
}

/// `_dl_map_object_from_fd` refuses these.
fn refusal(info: &ElfInfo, flags_1: u64) -> Option<&'static str> {
    if !info.segments.iter().any(|s| s.p_type == elf::PT_LOAD) {
        return Some("no loadable segments");
    }
    if info.dynamic.is_none() {
        return Some(match info.kind {
            Kind::SeparateDebug => "separate debug file",
            _ => "no dynamic section",
        });
    }
    if info.header.e_type == elf::ET_EXEC {
        return Some("an executable, no library");
    }
    (flags_1 & u64::from(elf::DF_1_PIE) != 0).then_some("a PIE, no library")
}

/// A file that was opened and can't be loaded.
#[derive(Clone, Debug)]
pub(super) struct Unfit {
    /// Its header, where it has one: another class or machine is looked past before the rest
    /// is judged.
    pub(super) header: Option<FileHeader>,
    pub(super) why: Why,
}

/// Reads the headers of an open file.
pub(super) fn read(file: File, meta: &Metadata, id: FileId) -> Result<Library, Unfit> {
    let unfit = |header, why| Err(Unfit { header, why });
    if !meta.is_file() {
        return unfit(None, Why::NotAFile);
    }
    let reader = match FileReader::new(file) {
        Ok(reader) => reader,
        Err(e) => return unfit(None, Why::Broken(reason(&e))),
    };
    let header = FileHeader::decode(reader.head());
    // glibc reads the header first of all, so a short text file is "too short".
    let smallest = match header.as_ref().map(|h| h.format.class) {
        Some(Class::Elf32) => 52,
        _ => 64,
    };
    if reader.len() < smallest {
        return unfit(None, Why::TooShort);
    }
    let read = ElfInfo::read(&reader).and_then(|info| {
        let library = Library::new(id, &reader, &info)?;
        // What loads it asks for these next, mostly; it is open now.
        library.define(&reader, &info);
        Ok(library)
    });
    read.map_err(|e| Unfit {
        header,
        why: match e {
            ReadError::NotElf => Why::NotElf,
            ReadError::Malformed(what) => Why::Broken(what),
            ReadError::Io(e) => Why::Broken(reason(&e)),
        },
    })
}
