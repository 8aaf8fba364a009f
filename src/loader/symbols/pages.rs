//! Small reads all over a file. Short tables are read at once; of long ones each page that is
//! reached, once.

use elf_edit::{ReadAt, read_up_to};
use foldhash::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

const PAGE: u64 = 4096;
/// Tables that are no further apart than [`MAX_GAP`] are read at once, up to this many bytes.
const MAX_REGION: u64 = 1 << 17;
const MAX_GAP: u64 = 1 << 12;
/// Pages that all files of the process may keep, short tables left out: 16 MiB.
const MAX_PAGES: usize = 1 << 12;
/// Longest name, in bytes, that is read.
const MAX_STRING: usize = 1 << 16;

static KEPT: AtomicUsize = AtomicUsize::new(0);

/// Where a table of a file is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) start: u64,
    /// Its region and the place in it, where it was read at once.
    region: Option<(usize, usize)>,
}

/// A file and the pages that were read of it.
#[derive(Debug)]
pub(super) struct Pages {
    /// `None` where all tables were read at once: thousands of files can't be open.
    file: Option<File>,
    len: u64,
    /// Short tables, with the offset of each: a look at them takes no lock.
    regions: Vec<(u64, Vec<u8>)>,
    pages: Mutex<HashMap<u64, Box<[u8]>>>,
}

impl Pages {
    /// `tables` are the ranges that are read, in any order.
    pub(super) fn new(file: &File, len: u64, mut tables: Vec<Range<u64>>) -> Pages {
        tables.sort_by_key(|table| table.start);
        let mut whole = true;
        let mut regions: Vec<Range<u64>> = Vec::new();
        for table in tables {
            let end = table.end.min(len);
            match regions.last_mut() {
                Some(last)
                    if end.saturating_sub(last.start) <= MAX_REGION
                        && table.start.saturating_sub(last.end) <= MAX_GAP =>
                {
                    last.end = last.end.max(end);
                }
                _ if end.saturating_sub(table.start) <= MAX_REGION => {
                    regions.push(table.start..end);
                }
                _ => whole = false,
            }
        }
        let read = |region: Range<u64>| {
            let len = region.end.checked_sub(region.start)? as usize;
            let bytes = read_up_to(file, region.start, len).ok()?;
            (bytes.len() == len).then_some((region.start, bytes))
        };
        let read: Vec<_> = regions.into_iter().map(read).collect();
        whole &= read.iter().all(Option::is_some);
        let mut pages = Pages {
            file: None,
            len,
            regions: read.into_iter().flatten().collect(),
            pages: Mutex::default(),
        };
        if !whole {
            pages.keep_open(file);
        }
        pages
    }

    /// Lets other ranges be read too.
    pub(super) fn keep_open(&mut self, file: &File) {
        if self.file.is_none() {
            self.file = file.try_clone().ok();
        }
    }

    /// Whether the file is kept open.
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// The bytes from `at` to the end of a table that was read at once.
    fn in_region(&self, at: u64) -> Option<&[u8]> {
        let mut regions = self.regions.iter();
        regions.find_map(|(start, bytes)| {
            let from = usize::try_from(at.checked_sub(*start)?).ok()?;
            bytes.get(from..).filter(|rest| !rest.is_empty())
        })
    }

    /// The table that begins at `start`, found once for many looks at it.
    pub(super) fn table(&self, start: u64) -> Table {
        let regions = self.regions.iter().enumerate();
        let parts = regions.filter_map(|(number, (at, bytes))| {
            let from = usize::try_from(start.checked_sub(*at)?).ok()?;
            Some((bytes.len().checked_sub(from)?, number, from))
        });
        // Where regions overlap, one may hold only the beginning of the table.
        let longest = parts.max_by_key(|(len, ..)| *len);
        Table {
            start,
            region: longest.map(|(_, number, from)| (number, from)),
        }
    }

    /// The bytes from the beginning of a table on that were read at once: all of it, a part, none.
    pub(super) fn kept(&self, table: &Table) -> &[u8] {
        let kept = |(number, from): (usize, usize)| self.regions.get(number)?.1.get(from..);
        table.region.and_then(kept).unwrap_or_default()
    }

    /// `len` bytes at `at`, where they are of a table that was read at once.
    pub(super) fn part(&self, at: u64, len: u64) -> Option<&[u8]> {
        self.in_region(at)?.get(..usize::try_from(len).ok()?)
    }

    /// Bytes of the tables that were read at once.
    pub(super) fn weight(&self) -> usize {
        self.regions.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Fills `buffer` from `at` on. `None` where the file ends before.
    pub(super) fn read(&self, at: u64, buffer: &mut [u8]) -> Option<()> {
        if let Some(bytes) = self.part(at, buffer.len() as u64) {
            buffer.copy_from_slice(bytes);
            return Some(());
        }
        let mut done = 0;
        while done < buffer.len() {
            let from = at.checked_add(done as u64)?;
            let rest = &mut buffer[done..];
            done += self.with_page(from, |bytes| {
                let len = bytes.len().min(rest.len());
                rest[..len].copy_from_slice(&bytes[..len]);
                len
            })?;
        }
        Some(())
    }

    /// Whether `text` and a NUL byte are at `at`.
    pub(super) fn is_string(&self, at: u64, text: &[u8]) -> Option<bool> {
        let mut done = 0;
        while done <= text.len() {
            let rest = &text[done..];
            let step = self.with_page(at.checked_add(done as u64)?, |bytes| {
                let len = bytes.len().min(rest.len());
                let same = bytes[..len] == rest[..len];
                match (same, bytes.get(len)) {
                    (false, _) => Err(false),
                    (true, Some(&end)) => Err(end == 0),
                    (true, None) => Ok(len),
                }
            })?;
            match step {
                Ok(len) => done += len,
                Err(answer) => return Some(answer),
            }
        }
        Some(false)
    }

    /// Adds the string at `at`, without its NUL byte, to `text`.
    pub(super) fn add_string(&self, at: u64, text: &mut Vec<u8>) -> Option<()> {
        let start = text.len();
        while text.len() - start < MAX_STRING {
            let from = at.checked_add((text.len() - start) as u64)?;
            let ended = self.with_page(from, |bytes| {
                let bytes = &bytes[..bytes.len().min(MAX_STRING)];
                let end = memchr::memchr(0, bytes);
                text.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
                end.is_some()
            })?;
            if ended {
                return Some(());
            }
        }
        None
    }

    /// Shows bytes from `at` on, at least one: to the end of their page, or of their table.
    fn with_page<T>(&self, at: u64, see: impl FnOnce(&[u8]) -> T) -> Option<T> {
        if let Some(bytes) = self.in_region(at) {
            return Some(see(bytes));
        }
        let (number, offset) = (at / PAGE, (at % PAGE) as usize);
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = pages.get(&number) {
            return Some(see(page.get(offset..).filter(|rest| !rest.is_empty())?));
        }
        let start = number * PAGE;
        let len = PAGE.min(self.len.checked_sub(start)?) as usize;
        let page = read_up_to(self.file.as_ref()?, start, len).ok()?;
        let page = (page.len() == len).then(|| page.into_boxed_slice())?;
        if KEPT.fetch_add(1, Ordering::Relaxed) >= MAX_PAGES {
            KEPT.fetch_sub(pages.len(), Ordering::Relaxed);
            pages.clear();
        }
        let page = pages.entry(number).or_insert(page);
        Some(see(page.get(offset..).filter(|rest| !rest.is_empty())?))
    }
}

/// The pages of a file that is open, and its other bytes.
#[derive(Debug)]
pub(super) struct OpenPages<'a> {
    pub(super) pages: &'a Pages,
    pub(super) file: &'a File,
}

impl ReadAt for OpenPages<'_> {
    fn len(&self) -> u64 {
        self.pages.len
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self.pages.part(offset, buffer.len() as u64) {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            None => self.file.read_exact_at(buffer, offset),
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let pages = self.pages.get_mut().unwrap_or_else(PoisonError::into_inner);
        KEPT.fetch_sub(pages.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_table_is_kept_whole_and_its_file_closed() {
        let bytes: Vec<u8> = (0..900_000_u32).map(|i| (i % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let pages = |tables| Pages::new(&file, bytes.len() as u64, tables);
        let kept = |pages: &Pages, start: u64, len: usize| {
            let table = pages.table(start);
            let kept = pages.kept(&table).get(..len).map(<[u8]>::to_vec);
            kept.is_some_and(|kept| kept == bytes[start as usize..][..len])
        };
        // The beginning of the second table is in the region of the first one too.
        let both = pages(vec![0..100_000, 99_000..220_000]);
        assert!(!both.is_open());
        assert!(kept(&both, 0, 100_000) && kept(&both, 99_000, 121_000));
        assert_eq!(both.read(300_000, &mut [0; 4]), None);
        // A table that is too long to be kept is read by pages.
        let long = pages(vec![10..500, 1000..400_000]);
        assert!(long.is_open());
        assert!(kept(&long, 10, 490) && !kept(&long, 1000, 1));
        let mut part = [0; 5000];
        long.read(350_000, &mut part).unwrap();
        assert_eq!(part[..], bytes[350_000..355_000]);
        // Far from each other, they are read one by one.
        let far = pages(vec![10..500, 600_000..600_100]);
        assert!(!far.is_open() && far.weight() < 1000);
        assert!(kept(&far, 600_000, 100));
    }
}
