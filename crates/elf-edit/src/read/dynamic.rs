//! The dynamic section: its entries, and just the strings that they name.

use crate::read::address::{offset_of, window};
use crate::read::codec::{Dyn, FileHeader, Segment};
use crate::read::error::{ReadError, malformed};
use crate::read::read_at::ReadAt;
use crate::read::strings::Strings;
use object::elf;

/// A larger PT_DYNAMIC is malformed: the largest real ones have some hundred entries.
const MAX_DYNAMIC_BYTES: u64 = 1 << 20;
/// All strings of one dynamic section together: many entries may name one long string.
const MAX_STRINGS_BYTES: usize = 4 << 20;

/// The dynamic section and the strings that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// `p_filesz` of PT_DYNAMIC, in bytes.
    pub size: u64,
    /// All entries before the first DT_NULL.
    pub entries: Vec<Dyn>,
    /// How many entries fit into PT_DYNAMIC, the terminating DT_NULL among them.
    pub capacity: usize,
    /// File offset of DT_STRTAB.
    pub strtab: u64,
    /// DT_STRSZ in bytes.
    pub strsz: u64,
    /// DT_NEEDED, in order.
    pub needed: Vec<Vec<u8>>,
    /// DT_SONAME
    pub soname: Option<Vec<u8>>,
    /// DT_RUNPATH
    pub runpath: Option<Vec<u8>>,
    /// DT_RPATH
    pub rpath: Option<Vec<u8>>,
    /// DT_FLAGS
    pub flags: u64,
    /// DT_FLAGS_1
    pub flags_1: u64,
}

impl Dynamic {
    /// Whether it has the tags that the gABI requires, which random bytes would not.
    pub(crate) fn is_whole(&self) -> bool {
        let mandatory = [
            elf::DT_STRTAB,
            elf::DT_STRSZ,
            elf::DT_SYMTAB,
            elf::DT_SYMENT,
        ];
        self.entries.len() < self.capacity && mandatory.iter().all(|&tag| self.value(tag).is_some())
    }

    /// The value of the last entry with this tag, as ld.so takes it.
    pub fn value(&self, tag: i64) -> Option<u64> {
        self.entries
            .iter()
            .rev()
            .find(|d| d.tag == tag)
            .map(|d| d.value)
    }
}

/// Reads PT_DYNAMIC, if there is one.
pub(crate) fn read_dynamic<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
    segments: &[Segment],
) -> Result<Option<Dynamic>, ReadError> {
    let Some(segment) = segments.iter().find(|s| s.p_type == elf::PT_DYNAMIC) else {
        return Ok(None);
    };
    if segment.filesz == 0 {
        return Ok(None);
    }
    if segment.filesz > MAX_DYNAMIC_BYTES {
        return malformed(format!("PT_DYNAMIC is {} bytes long", segment.filesz));
    }
    let format = header.format;
    let bytes = window(file, segment.offset, segment.filesz as usize, "PT_DYNAMIC")?;
    let decoded = bytes
        .chunks_exact(format.dyn_size())
        .filter_map(|raw| Dyn::decode(format, raw))
        .take_while(|d| d.tag != elf::DT_NULL);
    let mut entries = Vec::with_capacity(bytes.len() / format.dyn_size());
    entries.extend(decoded);
    let mut dynamic = Dynamic {
        offset: segment.offset,
        size: segment.filesz,
        capacity: bytes.len() / format.dyn_size(),
        entries,
        ..Dynamic::default()
    };
    dynamic.flags = dynamic.value(elf::DT_FLAGS).unwrap_or(0);
    dynamic.flags_1 = dynamic.value(elf::DT_FLAGS_1).unwrap_or(0);
    read_strings(file, segments, &mut dynamic)?;
    Ok(Some(dynamic))
}

fn read_strings<R: ReadAt + ?Sized>(
    file: &R,
    segments: &[Segment],
    dynamic: &mut Dynamic,
) -> Result<(), ReadError> {
    let Some(vaddr) = dynamic.value(elf::DT_STRTAB) else {
        return Ok(());
    };
    let size = dynamic.value(elf::DT_STRSZ).unwrap_or(0);
    // A prelinked or rewritten file may carry DT_STRSZ past its segment; the start must lie in one.
    let Some(strtab) = offset_of(segments, vaddr, 1) else {
        return malformed(format!("DT_STRTAB {vaddr:#x} lies in no PT_LOAD"));
    };
    if strtab.checked_add(size).is_none_or(|end| end > file.len()) {
        return malformed(format!(
            "the dynamic string table (offset {strtab:#x}, {size} bytes) ends past the end of the file"
        ));
    }
    dynamic.strtab = strtab;
    dynamic.strsz = size;
    let mut strings = Strings::new(file, strtab, size);
    let mut total = 0;
    for index in 0..dynamic.entries.len() {
        let Dyn { tag, value } = dynamic.entries[index];
        let named = [
            elf::DT_NEEDED,
            elf::DT_SONAME,
            elf::DT_RUNPATH,
            elf::DT_RPATH,
        ];
        if !named.contains(&tag) {
            continue;
        }
        let string = named_string(&mut strings, dynamic, Dyn { tag, value })?.to_vec();
        total += string.len();
        if total > MAX_STRINGS_BYTES {
            return malformed(format!(
                "dynamic entries name more than {MAX_STRINGS_BYTES} bytes of strings"
            ));
        }
        match tag {
            elf::DT_NEEDED => dynamic.needed.push(string),
            elf::DT_SONAME => dynamic.soname = Some(string),
            elf::DT_RUNPATH => dynamic.runpath = Some(string),
            _ => dynamic.rpath = Some(string),
        }
    }
    Ok(())
}

/// The string that a dynamic entry, or a record of a table that it points to, names.
pub(crate) fn named_string<'s, R: ReadAt + ?Sized>(
    strings: &'s mut Strings<'_, R>,
    dynamic: &Dynamic,
    Dyn { tag, value }: Dyn,
) -> Result<&'s [u8], ReadError> {
    match strings.get(value)? {
        Some(string) => Ok(string),
        None if value >= dynamic.strsz => malformed(format!(
            "string table index out of bounds: dynamic entry {tag:#x} names string {value:#x} of \
             {:#x} bytes",
            dynamic.strsz
        )),
        None => malformed(format!(
            "the string at {value:#x} of the string table has no end"
        )),
    }
}
