//! Strings of a table in the file, without reading the whole table: related names are often
//! adjacent.

use crate::read::read_at::ReadAt;
use std::ffi::CStr;
use std::io;
use std::ops::Range;

/// A string table behind one sliding window.
pub(crate) struct Strings<'a, R: ?Sized> {
    file: &'a R,
    /// Offset of the table in the file.
    table: u64,
    size: u64,
    window: Vec<u8>,
    /// Where the window begins in the table.
    start: u64,
}

impl<'a, R: ReadAt + ?Sized> Strings<'a, R> {
    /// A table of at most this many bytes is read whole: an allocation of that size is cheap.
    const WHOLE: u64 = 1024;
    /// Bytes of a longer table that are read first.
    const WINDOW: u64 = Self::WHOLE - Self::BEFORE;
    /// Bytes read before the string, since the next request may be for an earlier one.
    const BEFORE: u64 = 64;
    /// Limit of a string, in bytes.
    const LONGEST: u64 = 1 << 20;

    /// The table of `size` bytes at offset `table` of the file.
    pub(crate) fn new(file: &'a R, table: u64, size: u64) -> Self {
        Strings {
            file,
            table,
            size,
            window: Vec::new(),
            start: 0,
        }
    }

    /// The string at an offset of the table, without its NUL. `None` where the table ends before
    /// it does.
    pub(crate) fn get(&mut self, at: u64) -> io::Result<Option<&[u8]>> {
        if at >= self.size {
            return Ok(None);
        }
        let mut found = self.in_window(at);
        let mut want = Self::WINDOW;
        while found.is_none() {
            let (start, len) = if self.size <= Self::WHOLE {
                (0, self.size)
            } else {
                let start = at.saturating_sub(Self::BEFORE);
                (start, (want + Self::BEFORE).min(self.size - start))
            };
            let Some(offset) = self.table.checked_add(start) else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            // A false size must not cost memory.
            if offset
                .checked_add(len)
                .is_none_or(|end| end > self.file.len())
            {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.window.resize(len as usize, 0);
            self.file.read_exact_at(offset, &mut self.window)?;
            self.start = start;
            found = self.in_window(at);
            if start + len == self.size || want > Self::LONGEST {
                break;
            }
            want *= 8;
        }
        Ok(found.and_then(|range| self.window.get(range)))
    }

    fn in_window(&self, at: u64) -> Option<Range<usize>> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        // Not memchr: it asks the processor for its features first, which takes longer than reading a
        // file where a hypervisor answers.
        let text = CStr::from_bytes_until_nul(self.window.get(from..)?).ok()?;
        Some(from..from + text.count_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_of_short_and_long_tables() {
        for (count, long) in [(3, 10), (300, 40), (20, 5000), (2, 70_000)] {
            let mut table = vec![0];
            let mut strings = vec![(0, Vec::new())];
            for n in 0..count {
                let text = vec![b'a' + (n % 26) as u8; n + long];
                strings.push((table.len() as u64, text.clone()));
                table.extend(text);
                table.push(0);
            }
            let file = [b"before", &table[..], b"behind\0"].concat();
            let mut read = Strings::new(&file[..], 6, table.len() as u64);
            for (at, text) in strings.iter().chain(strings.iter().rev()) {
                assert_eq!(read.get(*at).unwrap(), Some(&text[..]), "{at}");
            }
            assert_eq!(read.get(table.len() as u64).unwrap(), None);
            // Without the last NUL the last string has no end.
            let mut cut = Strings::new(&file[..], 6, table.len() as u64 - 1);
            assert_eq!(cut.get(table.len() as u64 - 2).unwrap(), None);
        }
    }

    #[test]
    fn a_table_that_is_not_all_there_costs_no_memory() {
        let mut read = Strings::new(&b"abc"[..], 1, 1 << 60);
        assert!(read.get(1 << 40).is_err());
        let mut read = Strings::new(&b"abc"[..], u64::MAX, 1 << 60);
        assert!(read.get(5).is_err());
    }
}
