//! The allocator of the dynamic string table: which bytes are free once strings have been dropped,
//! and where new strings go.
//!
//! Linkers share tails ("libm.so" inside "xlibm.so"), so a byte is free only when no name that
//! is still used starts at or before it inside the same string.

use crate::read::headers::ElfInfo;
use crate::read::read_at::ReadAt;
use crate::read::tables::Tables;
use crate::read::versions;
use object::elf;
use std::io;
use std::ops::Range;

/// Longest unbroken text around a dropped string that is looked at.
const MAX_TEXT: u64 = 1 << 20;

/// References to strings that stay, besides those of symbols and versions in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct StillNamed<'a> {
    /// Strings that dynamic entries keep.
    pub entries: &'a [u64],
    /// `vn_file` fields that get another name: offsets in `.gnu.version_r`.
    pub renamed_files: &'a [u64],
    /// `st_name` of symbols that get another name, sorted.
    pub renamed_symbols: &'a [u64],
}

/// Parts of the table that no name uses after the edits, in order, each without the NUL that
/// other strings may end in. Offsets are relative to the table.
pub(super) fn free_parts<R: ReadAt + ?Sized>(
    tables: &Tables<'_, R>,
    dropped: &[u64],
    named: &StillNamed<'_>,
) -> io::Result<Vec<Range<u64>>> {
    let mut texts = Vec::new();
    for &at in dropped {
        if let Some(text) = text_around(tables.file, tables.info, at)? {
            texts.push((text.start, at, text.end));
        }
    }
    texts.sort_unstable();
    texts.dedup();
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let Some(used) = used_inside(tables, &texts, named)? else {
        // The number of symbols is unknown: every byte may be a part of a name.
        return Ok(Vec::new());
    };
    let mut free: Vec<Range<u64>> = Vec::new();
    for (start, at, end) in texts {
        let first_use = used.iter().copied().find(|&u| (start..end).contains(&u));
        let part = match first_use {
            Some(u) if u <= at => continue,
            Some(u) => at..u,
            None => at..end,
        };
        match free.last_mut() {
            // Two dropped names inside one text: the earlier one holds the later one.
            Some(last) if last.end >= part.start => last.end = last.end.max(part.end),
            _ => free.push(part),
        }
    }
    Ok(free)
}

/// The unbroken text that holds `at`: from behind the NUL before it to its own NUL.
fn text_around<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
    at: u64,
) -> io::Result<Option<Range<u64>>> {
    let Some(dynamic) = info.dynamic.as_ref().filter(|d| at < d.strsz) else {
        return Ok(None);
    };
    let mut reach = 4096;
    loop {
        let from = at.saturating_sub(reach);
        let to = at.saturating_add(reach).min(dynamic.strsz);
        let bytes = file.read_vec(dynamic.strtab + from, (to - from) as usize)?;
        let (before, after) = bytes.split_at((at - from) as usize);
        let start = match before.iter().rposition(|&b| b == 0) {
            Some(nul) => Some(from + nul as u64 + 1),
            None if from == 0 => Some(0),
            None => None,
        };
        let end = after
            .iter()
            .position(|&b| b == 0)
            .map(|nul| at + nul as u64);
        match (start, end) {
            (Some(start), Some(end)) => return Ok(Some(start..end)),
            _ if reach >= MAX_TEXT => return Ok(None),
            _ => reach *= 8,
        }
    }
}

/// Offsets in use inside any of `texts`, sorted. `None` where the symbols can't be counted.
fn used_inside<R: ReadAt + ?Sized>(
    tables: &Tables<'_, R>,
    texts: &[(u64, u64, u64)],
    named: &StillNamed<'_>,
) -> io::Result<Option<Vec<u64>>> {
    let mut used = Vec::new();
    let mut note = |offset: u64| {
        // An offset at the NUL of a text is an empty name: it keeps no byte of it.
        if texts
            .iter()
            .any(|&(start, _, end)| (start..end).contains(&offset))
        {
            used.push(offset);
        }
    };
    named.entries.iter().copied().for_each(&mut note);
    for tag in [elf::DT_VERNEED, elf::DT_VERDEF] {
        let Some(names) = versions::names(tables.file, tables.info, tag)? else {
            return Ok(None);
        };
        names.versions.iter().copied().for_each(&mut note);
        if tag == elf::DT_VERNEED {
            let stay = names
                .files
                .iter()
                .filter(|f| !named.renamed_files.contains(&f.0));
            stay.map(|f| f.1).for_each(&mut note);
        }
    }
    let symbol = |offset: u64| {
        if named.renamed_symbols.binary_search(&offset).is_err() {
            note(offset);
        }
    };
    if !tables.each_symbol_name(symbol)? {
        return Ok(None);
    }
    used.sort_unstable();
    used.dedup();
    Ok(Some(used))
}

/// Allocates strings in the table: in its free list first, then at its end, which grows.
#[derive(Debug)]
pub(super) struct StringTableAllocator {
    free: Vec<Range<u64>>,
    /// Length of the table, the growth so far included.
    pub size: u64,
}

impl StringTableAllocator {
    /// An allocator for a table of `size` bytes with these free parts.
    pub(super) fn new(free: Vec<Range<u64>>, size: u64) -> StringTableAllocator {
        StringTableAllocator { free, size }
    }

    /// The offset of room for `len` bytes and a NUL. `prefer` is the string that the new one replaces: it
    /// goes there if it fits, so that the entry keeps its value.
    pub(super) fn alloc(&mut self, len: u64, prefer: Option<u64>) -> u64 {
        // The NUL behind a free part stays where it is, so `len` bytes are enough.
        let fits = |r: &Range<u64>| r.end - r.start >= len;
        let preferred = self
            .free
            .iter()
            .position(|r| Some(r.start) == prefer && fits(r));
        if let Some(i) = preferred.or_else(|| self.free.iter().position(fits)) {
            let Range { start, end } = self.free[i];
            // The first byte of the rest is the NUL of this string.
            if start + len + 1 < end {
                self.free[i].start = start + len + 1;
            } else {
                self.free.remove(i);
            }
            return start;
        }
        // A free part at the very end of the table grows with it.
        if let Some(last) = self.free.last()
            && last.end + 1 == self.size
        {
            let start = last.start;
            self.free.pop();
            self.size = start + len + 1;
            return start;
        }
        let start = self.size;
        self.size += len + 1;
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_goes_over_the_one_it_replaces_if_it_fits() {
        let mut table = StringTableAllocator::new(vec![10..20, 30..50], 100);
        assert_eq!(table.alloc(15, Some(30)), 30);
        assert_eq!(table.alloc(10, None), 10);
        assert_eq!(table.alloc(3, None), 46);
        assert_eq!(table.alloc(1, None), 100);
        assert_eq!(table.size, 102);
    }

    #[test]
    fn a_free_part_that_is_used_up_does_not_grow() {
        let mut table = StringTableAllocator::new(std::iter::once(90..99).collect(), 100);
        assert_eq!(table.alloc(9, None), 90);
        assert_eq!(table.alloc(1, None), 100);
    }

    #[test]
    fn the_last_string_grows_in_place() {
        let mut table = StringTableAllocator::new(std::iter::once(80..99).collect(), 100);
        assert_eq!(table.alloc(40, Some(80)), 80);
        assert_eq!(table.size, 121);
    }
}
