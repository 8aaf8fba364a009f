//! Symbol versions that a file requires of libraries (DT_VERNEED) and that a library defines
//! (DT_VERDEF). Layouts: LSB Core, "Symbol Versioning"; they are the same in either class.

use crate::read::codec::Dyn;
use crate::read::codec::Format;
use crate::read::dynamic::{Dynamic, named_string};
use crate::read::error::ReadError;
use crate::read::headers::ElfInfo;
use crate::read::read_at::ReadAt;
use crate::read::strings::Strings;
use object::elf;
use std::io;

/// Limits of records and of bytes of names; a larger table is malformed. glibc's own libc.so.6
/// defines some forty versions.
const MAX_RECORDS: usize = 16_384;
const MAX_NAME_BYTES: usize = 1 << 20;
/// Bytes read at a time.
const WINDOW: u64 = 4096;

/// One version by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `GLIBC_2.38`
    pub name: Vec<u8>,
    /// `vna_hash` or `vd_hash`: the loader compares it before the name.
    pub hash: u32,
    /// `vna_other` or `vd_ndx`, without the bit that hides it: DT_VERSYM has it for each symbol.
    pub index: u16,
    /// VER_FLG_WEAK: the loader only warns when it is not there.
    pub weak: bool,
}

/// The versions that a file wants of one library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `vn_file`: the library, by the name in DT_NEEDED.
    pub file: Vec<u8>,
    /// Its versions, in file order.
    pub versions: Vec<Version>,
}

/// Offsets of the fields in a table's records: a record for each library or version, each with a
/// chain of smaller ones for its names.
struct RecordLayout {
    tag: i64,
    count_tag: i64,
    /// Size of a record, and its fields for the number of names, the first name, the next record.
    size: usize,
    count: usize,
    aux: usize,
    next: usize,
    /// Size of a name's record, and its fields for the string and the next name.
    aux_size: usize,
    name: usize,
    aux_next: usize,
}

/// Elf_Verneed: vn_version, vn_cnt (16 bits), vn_file, vn_aux, vn_next (32 bits).
/// Elf_Vernaux: vna_hash (32), vna_flags, vna_other (16), vna_name, vna_next (32).
const NEEDS: RecordLayout = RecordLayout {
    tag: elf::DT_VERNEED,
    count_tag: elf::DT_VERNEEDNUM,
    size: 16,
    count: 2,
    aux: 8,
    next: 12,
    aux_size: 16,
    name: 8,
    aux_next: 12,
};

/// Elf_Verdef: vd_version, vd_flags, vd_ndx, vd_cnt (16), vd_hash, vd_aux, vd_next (32).
/// Elf_Verdaux: vda_name, vda_next (32). The first names the version, others its parents.
const DEFINITIONS: RecordLayout = RecordLayout {
    tag: elf::DT_VERDEF,
    count_tag: elf::DT_VERDEFNUM,
    size: 20,
    count: 6,
    aux: 12,
    next: 16,
    aux_size: 8,
    name: 0,
    aux_next: 4,
};

/// `vn_file` in Elf_Verneed.
const FILE: usize = 4;

/// The longest record, an Elf_Verdef; shorter ones have zeroes behind them.
type RawRecord = [u8; 20];

/// The versions that DT_VERNEED requires; empty without it.
pub fn wanted<R: ReadAt + ?Sized>(file: &R, info: &ElfInfo) -> Result<Vec<Wanted>, ReadError> {
    let Some(mut table) = VersionTable::new(file, info, &NEEDS)? else {
        return Ok(Vec::new());
    };
    let mut found: Vec<Wanted> = Vec::new();
    table.walk(
        u64::MAX,
        |count| count,
        |table, level, _, record| {
            match (level, found.last_mut()) {
                (Level::Name, Some(library)) => library.versions.push(Version {
                    hash: u32_at(table.format, record, 0),
                    index: u16_at(table.format, record, 6) & elf::VERSYM_VERSION,
                    weak: u16_at(table.format, record, 4) & elf::VER_FLG_WEAK != 0,
                    name: table.string(u32_at(table.format, record, NEEDS.name))?,
                }),
                _ => found.push(Wanted {
                    file: table.string(u32_at(table.format, record, FILE))?,
                    versions: Vec::new(),
                }),
            }
            Ok(())
        },
    )?;
    Ok(found)
}

/// The versions that DT_VERDEF defines; `None` without it, which the loader accepts for any
/// version.
pub fn defined<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
) -> Result<Option<Vec<Version>>, ReadError> {
    let Some(mut table) = VersionTable::new(file, info, &DEFINITIONS)? else {
        return Ok(None);
    };
    let mut found: Vec<Version> = Vec::new();
    // The loader reads the first name, whatever the count says.
    table.walk(
        u64::MAX,
        |_| 1,
        |table, level, _, record| {
            match (level, found.last_mut()) {
                (Level::Name, Some(version)) => {
                    version.name = table.string(u32_at(table.format, record, DEFINITIONS.name))?;
                }
                _ => found.push(Version {
                    hash: u32_at(table.format, record, 8),
                    index: u16_at(table.format, record, 4) & elf::VERSYM_VERSION,
                    weak: u16_at(table.format, record, 2) & elf::VER_FLG_WEAK != 0,
                    name: Vec::new(),
                }),
            }
            Ok(())
        },
    )?;
    Ok(Some(found))
}

/// The strings that a version table names, for an edit of the table or of the strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VersionNames {
    /// `vn_file` of each Verneed: (offset of the field in the table, offset of the string).
    pub files: Vec<(u64, u64)>,
    /// Names of versions and of their parents: offsets of the strings.
    pub versions: Vec<u64>,
    /// Length of the table in bytes.
    pub size: u64,
}

/// The strings that the table of DT_VERNEED or DT_VERDEF names. `None` if it is malformed.
pub(crate) fn names<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
    tag: i64,
) -> io::Result<Option<VersionNames>> {
    let layout = if tag == NEEDS.tag {
        &NEEDS
    } else {
        &DEFINITIONS
    };
    let mut names = VersionNames::default();
    let count = info
        .dynamic
        .as_ref()
        .and_then(|d| d.value(layout.count_tag));
    let result = match (VersionTable::new(file, info, layout), count) {
        (Ok(Some(mut table)), Some(count)) => table.walk(
            count,
            |count| count,
            |table, level, at, record| {
                let number = |field| u64::from(u32_at(table.format, record, field));
                let size = match level {
                    Level::Record => layout.size,
                    Level::Name => layout.aux_size,
                };
                names.size = names.size.max(at + size as u64);
                match level {
                    Level::Name => names.versions.push(number(layout.name)),
                    Level::Record if layout.tag == NEEDS.tag => {
                        names.files.push((at + FILE as u64, number(FILE)));
                    }
                    Level::Record => {}
                }
                Ok(())
            },
        ),
        (table, _) => table.map(|_| ()),
    };
    match result {
        Ok(()) => Ok(Some(names)),
        Err(ReadError::Io(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

fn u16_at(format: Format, record: &[u8], at: usize) -> u16 {
    format.u16(record, at).unwrap_or(0)
}

fn u32_at(format: Format, record: &[u8], at: usize) -> u32 {
    format.u32(record, at).unwrap_or(0)
}

/// Kind of a record.
#[derive(Clone, Copy)]
enum Level {
    /// A library that versions are wanted of, or a version that is defined.
    Record,
    /// One name of the record before it.
    Name,
}

/// A table of linked records behind one window, with a budget: records may point anywhere
/// forward, and to the same place over and over.
struct VersionTable<'a, R: ?Sized> {
    file: &'a R,
    format: Format,
    dynamic: &'a Dynamic,
    strings: Strings<'a, R>,
    layout: &'static RecordLayout,
    /// File offset of the table.
    start: u64,
    window: Vec<u8>,
    window_at: u64,
    records: usize,
    name_bytes: usize,
}

impl<'a, R: ReadAt + ?Sized> VersionTable<'a, R> {
    fn new(
        file: &'a R,
        info: &'a ElfInfo,
        layout: &'static RecordLayout,
    ) -> Result<Option<Self>, ReadError> {
        let tag = layout.tag;
        let Some(dynamic) = &info.dynamic else {
            return Ok(None);
        };
        let Some(vaddr) = dynamic.value(tag) else {
            return Ok(None);
        };
        let Some(start) = info.offset_of(vaddr, 1) else {
            return Err(ReadError::Malformed(format!(
                "dynamic entry {tag:#x} names address {vaddr:#x}, which lies in no PT_LOAD"
            )));
        };
        Ok(Some(VersionTable {
            file,
            format: info.format(),
            dynamic,
            strings: Strings::new(file, dynamic.strtab, dynamic.strsz),
            layout,
            start,
            window: Vec::new(),
            window_at: 0,
            records: 0,
            name_bytes: 0,
        }))
    }

    /// Calls back with each record and its names, and their offsets in the table: `most` records,
    /// and of each as many names as `names` computes from its count, unless the chain ends earlier.
    fn walk(
        &mut self,
        most: u64,
        names: impl Fn(u16) -> u16,
        mut see: impl FnMut(&mut Self, Level, u64, &RawRecord) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let (format, layout) = (self.format, self.layout);
        let mut at = 0;
        for _ in 0..most {
            let record = self.record(at, layout.size)?;
            see(self, Level::Record, at, &record)?;
            let mut aux = at + u64::from(u32_at(format, &record, layout.aux));
            for _ in 0..names(u16_at(format, &record, layout.count)) {
                let name = self.record(aux, layout.aux_size)?;
                see(self, Level::Name, aux, &name)?;
                match u32_at(format, &name, layout.aux_next) {
                    0 => break,
                    next => aux += u64::from(next),
                }
            }
            match u32_at(format, &record, layout.next) {
                0 => break,
                next => at += u64::from(next),
            }
        }
        Ok(())
    }

    fn record(&mut self, at: u64, size: usize) -> Result<RawRecord, ReadError> {
        self.records += 1;
        if self.records > MAX_RECORDS {
            return Err(self.malformed("has more records than any real file"));
        }
        if let Some(record) = self.in_window(at, size) {
            return Ok(record);
        }
        let len = self.file.len();
        let start = self.start.saturating_add(at);
        if start.checked_add(size as u64).is_none_or(|end| end > len) {
            return Err(self.malformed("ends past the end of the file"));
        }
        self.window = match self.file.read_vec(start, WINDOW.min(len - start) as usize) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.malformed("ends past the end of the file"));
            }
            other => other?,
        };
        self.window_at = at;
        self.in_window(at, size)
            .ok_or_else(|| self.malformed("cannot be read"))
    }

    fn in_window(&self, at: u64, size: usize) -> Option<RawRecord> {
        let from = usize::try_from(at.checked_sub(self.window_at)?).ok()?;
        let bytes = self.window.get(from..from.checked_add(size)?)?;
        let mut record = RawRecord::default();
        record.get_mut(..size)?.copy_from_slice(bytes);
        Some(record)
    }

    fn string(&mut self, at: u32) -> Result<Vec<u8>, ReadError> {
        let named = Dyn {
            tag: self.layout.tag,
            value: at.into(),
        };
        let string = named_string(&mut self.strings, self.dynamic, named)?.to_vec();
        self.name_bytes += string.len();
        if self.name_bytes > MAX_NAME_BYTES {
            return Err(self.malformed("names more bytes of strings than any real file"));
        }
        Ok(string)
    }

    fn malformed(&self, what: &str) -> ReadError {
        ReadError::Malformed(format!(
            "the table of dynamic entry {:#x} (symbol versions) {what}",
            self.layout.tag
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileReader;

    #[test]
    fn what_a_program_wants_its_libc_has() {
        let own = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let own = FileReader::new(own).unwrap();
        let info = ElfInfo::read(&own).unwrap();
        let wanted = wanted(&own, &info).unwrap();
        let Some(libc) = wanted.iter().find(|w| w.file == b"libc.so.6") else {
            // A static binary, or one on musl, which has no versions.
            assert!(wanted.is_empty());
            return;
        };
        assert!(libc.versions.iter().any(|v| v.name == b"GLIBC_2.2.5"
            || v.name == b"GLIBC_2.17"
            || v.name.starts_with(b"GLIBC_2.")));
        assert_eq!(defined(&own, &info).unwrap(), None);

        // The one that this process runs with.
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let path = maps.lines().find_map(|line| {
            let start = line.find('/')?;
            line.ends_with("/libc.so.6").then(|| &line[start..])
        });
        let path = path.unwrap();
        let file = FileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        let its_info = ElfInfo::read(&file).unwrap();
        let defined = defined(&file, &its_info).unwrap().unwrap();
        for version in &libc.versions {
            assert!(
                defined
                    .iter()
                    .any(|d| d.name == version.name && d.hash == version.hash)
            );
        }

        // An edit sees the same records, and those of the parents of versions too.
        let names = |file, info, tag| names(file, info, tag).unwrap().unwrap();
        let edited = names(&own, &info, elf::DT_VERNEED);
        let versions: usize = wanted.iter().map(|library| library.versions.len()).sum();
        assert_eq!(
            (edited.files.len(), edited.versions.len()),
            (wanted.len(), versions)
        );
        assert_eq!(edited.size, 16 * (wanted.len() + versions) as u64);
        let edited = names(&file, &its_info, elf::DT_VERDEF);
        assert!(edited.files.is_empty() && edited.versions.len() >= defined.len());
    }
}
