//! Positioned reads of small windows. No memory map: a file truncated under a map kills the
//! process with SIGBUS.

use super::file_id::FileId;
use super::reads::{Read, still_hold};
use std::borrow::Borrow;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Mutex, PoisonError};

/// Bytes that can be read at any offset, by several threads at once.
pub trait ReadAt: Sync {
    /// The length in bytes.
    fn len(&self) -> u64;

    /// Whether there are no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset` on, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// [`ReadAt::read_exact_at`] for one-pass scans: bypasses the window cache.
    fn read_once_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(offset, buf)
    }

    /// Reads `len` bytes at `offset`. The caller bounds `len`.
    fn read_vec(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        // Checked before the allocation: a false size must not cost memory.
        if offset
            .checked_add(len as u64)
            .is_none_or(|end| end > self.len())
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut buf = vec![0; len];
        self.read_exact_at(offset, &mut buf)?;
        Ok(buf)
    }
}

impl ReadAt for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let slice = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buf.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(slice);
        Ok(())
    }
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(offset, buf)
    }

    fn read_once_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_once_at(offset, buf)
    }

    fn read_vec(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        (**self).read_vec(offset, len)
    }
}

/// A range of other bytes, read as a file: a member of an archive.
#[derive(Debug)]
pub struct SubReader<'a, R: ?Sized> {
    whole: &'a R,
    start: u64,
    len: u64,
}

impl<'a, R: ReadAt + ?Sized> SubReader<'a, R> {
    /// `len` bytes of `whole` from `start` on, or None if they are not all there.
    pub fn new(whole: &'a R, start: u64, len: u64) -> Option<SubReader<'a, R>> {
        (start.checked_add(len)? <= whole.len()).then_some(SubReader { whole, start, len })
    }
}

impl<R: ReadAt + ?Sized> ReadAt for SubReader<'_, R> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match offset.checked_add(buf.len() as u64) {
            Some(end) if end <= self.len => self.whole.read_exact_at(self.start + offset, buf),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn read_once_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match offset.checked_add(buf.len() as u64) {
            Some(end) if end <= self.len => self.whole.read_once_at(self.start + offset, buf),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Size of the first window, which holds the headers of nearly every file.
const HEAD: usize = 4096;
/// Windows start and end at multiples of this many bytes.
const BLOCK: u64 = 4096;
/// A window that ends this many bytes before the end of the file, or fewer, goes on to it.
const LAST: u64 = 2 * BLOCK;
/// Longer reads, in bytes, are not cached: such a table is rarely read twice in a row.
const LONGEST_KEPT: usize = 1 << 15;
/// Windows kept of one file, so at most 320 KiB.
const KEPT: usize = 8;

/// A state of a file: differs after each write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The file.
    pub file: FileId,
    /// The length in bytes.
    pub len: u64,
    /// Time of the last change of the contents: seconds, nanoseconds.
    pub modified: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Stamp {
        Stamp {
            file: FileId::from(metadata),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// An open file with a cache of the windows around its headers, which decoding, layout and checks
/// read again and again. It does not see what another process writes meanwhile; a rewrite
/// checks for that before it writes.
#[derive(Debug)]
pub struct FileReader<F = File> {
    file: F,
    metadata: Metadata,
    head: Vec<u8>,
    windows: Mutex<Windows>,
    /// Ranges that were read and are not kept; `None` where nothing asks for them later.
    record: Option<Mutex<Vec<Read>>>,
}

/// Parts of the file behind its first page, the oldest one first.
#[derive(Debug, Default)]
struct Windows {
    kept: Vec<(u64, Vec<u8>)>,
    oldest: usize,
}

impl Windows {
    fn part(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let mut kept = self.kept.iter();
        kept.find_map(|(start, bytes)| part(bytes, *start, offset, len))
    }

    /// Keeps a window, and returns the one that had to go for it.
    fn keep(&mut self, start: u64, bytes: Vec<u8>) -> Option<(u64, Vec<u8>)> {
        if self.kept.len() < KEPT {
            self.kept.push((start, bytes));
            return None;
        }
        let gone = std::mem::replace(&mut self.kept[self.oldest], (start, bytes));
        self.oldest = (self.oldest + 1) % KEPT;
        Some(gone)
    }
}

impl<F: Borrow<File> + Sync> FileReader<F> {
    /// Takes an open regular file, or a reference to one, and reads its first page.
    pub fn new(file: F) -> io::Result<FileReader<F>> {
        let metadata = file.borrow().metadata()?;
        FileReader::with_metadata(file, metadata)
    }

    /// [`FileReader::new`] with the file's metadata, where the caller has it already.
    pub fn with_metadata(file: F, metadata: Metadata) -> io::Result<FileReader<F>> {
        // Most files of a tree are smaller: one read, none to find the end.
        let wanted = usize::try_from(metadata.len()).map_or(HEAD, |len| len.min(HEAD));
        let head = read_up_to(file.borrow(), 0, wanted)?;
        Ok(FileReader {
            file,
            metadata,
            head,
            windows: Mutex::default(),
            record: None,
        })
    }

    /// Records which ranges are read from now on, so that a rewrite can check all of them before
    /// its first write.
    pub fn recorded(mut self) -> FileReader<F> {
        self.record = Some(Mutex::default());
        self
    }

    /// Whether the file is as it was when it was opened and read: which file it is, its length,
    /// time of change and mode as `now` has them, and the bytes that were read, those of
    /// [`ReadAt::read_once_at`] left out.
    pub(crate) fn is_current(&self, now: &Metadata) -> io::Result<bool> {
        Ok(Stamp::from(now) == self.stamp()
            && now.permissions() == self.metadata.permissions()
            && now.nlink() == self.metadata.nlink()
            && self.holds_same_bytes()?)
    }

    fn holds_same_bytes(&self) -> io::Result<bool> {
        let mut reads = vec![Read::of(0, &self.head)];
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = windows.kept.iter();
        reads.extend(kept.map(|(start, bytes)| Read::of(*start, bytes)));
        drop(windows);
        if let Some(record) = &self.record {
            reads.extend_from_slice(&record.lock().unwrap_or_else(PoisonError::into_inner));
        }
        still_hold(reads, |start, len| read_up_to(self.file(), start, len))
    }

    fn record(&self, offset: u64, bytes: &[u8]) {
        if let Some(record) = &self.record {
            let mut reads = record.lock().unwrap_or_else(PoisonError::into_inner);
            reads.push(Read::of(offset, bytes));
        }
    }

    /// The first page of the file, or all of a smaller file.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The result of `fstat` when the file was opened.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The open file, without the cache.
    pub fn file(&self) -> &File {
        self.file.borrow()
    }

    /// The open file alone, without the windows that were read of it.
    pub fn into_file(self) -> F {
        self.file
    }

    /// The state of the file when it was opened.
    pub fn stamp(&self) -> Stamp {
        Stamp::from(&self.metadata)
    }
}

impl<F: Borrow<File> + Sync> FileReader<F> {
    /// Gives `seen` the bytes of a range that is short enough to be kept.
    fn with_bytes<T>(
        &self,
        offset: u64,
        len: usize,
        seen: impl FnOnce(&[u8]) -> T,
    ) -> io::Result<T> {
        if let Some(bytes) = part(&self.head, 0, offset, len) {
            return Ok(seen(bytes));
        }
        let end = match offset.checked_add(len as u64) {
            Some(end) if end <= self.len() => end,
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        // A thread that panicked left the list whole.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = windows.part(offset, len) {
            return Ok(seen(bytes));
        }
        let start = offset - offset % BLOCK;
        let stop = match end.next_multiple_of(BLOCK) {
            // The dynamic section of a small file is there, and its section headers are at the end.
            stop if self.len().saturating_sub(stop) <= LAST => self.len(),
            stop => stop,
        };
        let window = read_up_to(self.file(), start, (stop - start) as usize)?;
        let Some(bytes) = part(&window, start, offset, len) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let result = seen(bytes);
        if let Some((start, gone)) = windows.keep(start, window) {
            self.record(start, &gone);
        }
        Ok(result)
    }
}

impl<F: Borrow<File> + Sync> ReadAt for FileReader<F> {
    fn len(&self) -> u64 {
        self.metadata.len()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if buf.len() > LONGEST_KEPT {
            self.file().read_exact_at(buf, offset)?;
            self.record(offset, buf);
            return Ok(());
        }
        self.with_bytes(offset, buf.len(), |bytes| buf.copy_from_slice(bytes))
    }

    fn read_once_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file().read_exact_at(buf, offset)
    }

    fn read_vec(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        if len <= LONGEST_KEPT {
            return self.with_bytes(offset, len, <[u8]>::to_vec);
        }
        if offset
            .checked_add(len as u64)
            .is_none_or(|end| end > self.len())
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = read_up_to(self.file(), offset, len)?;
        if bytes.len() < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.record(offset, &bytes);
        Ok(bytes)
    }
}

/// The `len` bytes at `offset`, where `bytes` begins at offset `start`.
pub(super) fn part(bytes: &[u8], start: u64, offset: u64, len: usize) -> Option<&[u8]> {
    let from = usize::try_from(offset.checked_sub(start)?).ok()?;
    bytes.get(from..from.checked_add(len)?)
}

/// Reads `len` bytes at `offset`, or fewer at the end of the file, without clearing the memory
/// first. The caller bounds `len`.
pub fn read_up_to(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let at = offset + bytes.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), at) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    // The allocator may have reserved more than requested.
    bytes.truncate(len);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn every_read_gives_what_stands_there() {
        let bytes: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let reader = FileReader::new(file).unwrap();
        // More windows than are kept, some over the edge of a block, some too long to be kept.
        for step in [1, 4095, 4096, 9973, 39_999] {
            for offset in (0..bytes.len()).step_by(step.max(997)) {
                for len in [0, 1, 100, 5000, 40_000] {
                    let wanted = bytes.get(offset..offset + len);
                    let found = reader.read_vec(offset as u64, len);
                    match wanted {
                        Some(wanted) => assert_eq!(found.unwrap(), wanted),
                        None => assert!(found.is_err()),
                    }
                }
            }
        }
        assert!(reader.windows.lock().unwrap().kept.len() <= KEPT);
    }
    #[test]
    fn a_changed_byte_of_any_range_that_was_read_is_seen_with_the_times_restored() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; 400_000]).unwrap();
        let ranges = [(0, 64), (5000, 10), (120_000, 40_000), (300_000, 3)];
        for evicting in [false, true] {
            let reader = FileReader::new(file.reopen().unwrap()).unwrap().recorded();
            for (offset, len) in ranges {
                reader.read_vec(offset, len).unwrap();
            }
            for window in (0..KEPT).filter(|_| evicting) {
                reader.read_vec(200_000 + 8192 * window as u64, 1).unwrap();
            }
            let modified = file.as_file().metadata().unwrap().modified().unwrap();
            let put = |at, byte| {
                file.as_file().write_all_at(&[byte], at).unwrap();
                file.as_file().set_modified(modified).unwrap();
                let now = file.as_file().metadata().unwrap();
                reader.is_current(&now).unwrap()
            };
            for (offset, len) in ranges {
                assert!(!put(offset + len as u64 - 1, 8), "{offset}");
                assert!(put(offset + len as u64 - 1, 7), "{offset}");
            }
            // Never read.
            assert!(put(190_000, 8) && put(190_000, 7));
            file.as_file().set_len(400_001).unwrap();
            file.as_file().set_modified(modified).unwrap();
            assert!(
                !reader
                    .is_current(&file.as_file().metadata().unwrap())
                    .unwrap()
            );
            file.as_file().set_len(400_000).unwrap();
            file.as_file().set_modified(modified).unwrap();
        }
    }
}
