//! Symbol versions: what a file wants of which library (DT_VERNEED), and what a library
//! has (DT_VERDEF). Layouts: LSB Core, "Symbol Versioning"; they are the same in either class.

use crate::read::codec::Dyn;
use crate::read::codec::Format;
use crate::read::dynamic::{Dynamic, named_string};
use crate::read::error::ReadError;
use crate::read::headers::ElfInfo;
use crate::read::read_at::ReadAt;
use crate::read::strings::Strings;
use object::elf;
use std::io;

/// More records, or more bytes of names, than this are taken for a lie: glibc's own libc.so.6
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

/// What DT_VERNEED asks for; empty where there is none.
pub fn wanted<R: ReadAt + ?Sized>(file: &R, info: &ElfInfo) -> Result<Vec<Wanted>, ReadError> {
    let Some(mut table) = Table::new(file, info, elf::DT_VERNEED)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        // Elf_Verneed: vn_version, vn_cnt (16 bits), vn_file, vn_aux, vn_next (32 bits).
        let record: [u8; 16] = table.record(at)?;
        let mut library = Wanted {
            file: table.string(u32_at(table.format, &record, 4))?,
            versions: Vec::new(),
        };
        let mut aux = at + u64::from(u32_at(table.format, &record, 8));
        for _ in 0..u16_at(table.format, &record, 2) {
            // Elf_Vernaux: vna_hash (32), vna_flags, vna_other (16), vna_name, vna_next (32).
            let record: [u8; 16] = table.record(aux)?;
            library.versions.push(Version {
                hash: u32_at(table.format, &record, 0),
                weak: u16_at(table.format, &record, 4) & elf::VER_FLG_WEAK != 0,
                name: table.string(u32_at(table.format, &record, 8))?,
            });
            let next = u32_at(table.format, &record, 12);
            if next == 0 {
                break;
            }
            aux += u64::from(next);
        }
        found.push(library);
        let next = u32_at(table.format, &record, 12);
        if next == 0 {
            return Ok(found);
        }
        at += u64::from(next);
    }
}

/// What DT_VERDEF defines; `None` where the file has none, which the loader takes for any version.
pub fn defined<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
) -> Result<Option<Vec<Version>>, ReadError> {
    let Some(mut table) = Table::new(file, info, elf::DT_VERDEF)? else {
        return Ok(None);
    };
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        // Elf_Verdef: vd_version, vd_flags, vd_ndx, vd_cnt (16), vd_hash, vd_aux, vd_next (32).
        let record: [u8; 20] = table.record(at)?;
        let aux = at + u64::from(u32_at(table.format, &record, 12));
        // Elf_Verdaux: vda_name, vda_next. The first names the version, others its parents.
        let name: [u8; 8] = table.record(aux)?;
        found.push(Version {
            hash: u32_at(table.format, &record, 8),
            weak: u16_at(table.format, &record, 2) & elf::VER_FLG_WEAK != 0,
            name: table.string(u32_at(table.format, &name, 0))?,
        });
        let next = u32_at(table.format, &record, 16);
        if next == 0 {
            return Ok(Some(found));
        }
        at += u64::from(next);
    }
}

fn u16_at(format: Format, record: &[u8], at: usize) -> u16 {
    format.u16(record, at).unwrap_or(0)
}

fn u32_at(format: Format, record: &[u8], at: usize) -> u32 {
    format.u32(record, at).unwrap_or(0)
}

/// A table of linked records behind one window, with a budget: records may point anywhere
/// forward, and to the same place over and over.
struct Table<'a, R: ?Sized> {
    file: &'a R,
    format: Format,
    dynamic: &'a Dynamic,
    strings: Strings<'a, R>,
    tag: i64,
    /// File offset of the table.
    start: u64,
    window: Vec<u8>,
    window_at: u64,
    records: usize,
    name_bytes: usize,
}

impl<'a, R: ReadAt + ?Sized> Table<'a, R> {
    fn new(file: &'a R, info: &'a ElfInfo, tag: i64) -> Result<Option<Self>, ReadError> {
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
        Ok(Some(Table {
            file,
            format: info.format(),
            dynamic,
            strings: Strings::new(file, dynamic.strtab, dynamic.strsz),
            tag,
            start,
            window: Vec::new(),
            window_at: 0,
            records: 0,
            name_bytes: 0,
        }))
    }

    fn record<const N: usize>(&mut self, at: u64) -> Result<[u8; N], ReadError> {
        self.records += 1;
        if self.records > MAX_RECORDS {
            return Err(self.malformed("has more records than any real file"));
        }
        if let Some(record) = self.in_window(at) {
            return Ok(record);
        }
        let len = self.file.len();
        let start = self.start.saturating_add(at);
        if start.checked_add(N as u64).is_none_or(|end| end > len) {
            return Err(self.malformed("ends past the end of the file"));
        }
        self.window = match self.file.read_vec(start, WINDOW.min(len - start) as usize) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.malformed("ends past the end of the file"));
            }
            other => other?,
        };
        self.window_at = at;
        self.in_window(at)
            .ok_or_else(|| self.malformed("cannot be read"))
    }

    fn in_window<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let from = usize::try_from(at.checked_sub(self.window_at)?).ok()?;
        self.window.get(from..from.checked_add(N)?)?.try_into().ok()
    }

    fn string(&mut self, at: u32) -> Result<Vec<u8>, ReadError> {
        let named = Dyn {
            tag: self.tag,
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
            self.tag
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
        let defined = defined(&file, &ElfInfo::read(&file).unwrap())
            .unwrap()
            .unwrap();
        for version in &libc.versions {
            assert!(
                defined
                    .iter()
                    .any(|d| d.name == version.name && d.hash == version.hash)
            );
        }
    }
}
