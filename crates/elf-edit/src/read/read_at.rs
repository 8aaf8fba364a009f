//! Positioned reads of small windows. No memory map: a file truncated under a map kills the
//! process with SIGBUS.

use super::file_id::FileId;
use std::borrow::Borrow;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

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
/// Longer reads, in bytes, are not cached: such a table is rarely read twice in a row.
const LONGEST_KEPT: usize = 1 << 15;
/// Windows kept of one file, so at most 256 KiB and a little.
const KEPT: usize = 8;

/// The longest step of a file's time stamps: a tick of the kernel's clock is 10 ms at most.
const LONGEST_TICK: Duration = Duration::from_millis(20);

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
/// read again and again. It does not see what another process writes meanwhile; compare
/// [`FileReader::stamp`] before a write.
#[derive(Debug)]
pub struct FileReader<F = File> {
    file: F,
    metadata: Metadata,
    /// When the first byte was read.
    since: SystemTime,
    head: Vec<u8>,
    windows: Mutex<Windows>,
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

    fn keep(&mut self, start: u64, bytes: Vec<u8>) {
        if self.kept.len() < KEPT {
            self.kept.push((start, bytes));
        } else {
            self.kept[self.oldest] = (start, bytes);
            self.oldest = (self.oldest + 1) % KEPT;
        }
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
        let since = SystemTime::now();
        // Most files of a tree are smaller: one read, none to find the end.
        let wanted = usize::try_from(metadata.len()).map_or(HEAD, |len| len.min(HEAD));
        let head = read_up_to(file.borrow(), 0, wanted)?;
        Ok(FileReader {
            file,
            metadata,
            since,
            head,
            windows: Mutex::default(),
        })
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

    /// Whether the headers that were read are still there, after a look at the file that found
    /// the same stamp. Time stamps have steps: a write right after the read of a file that had
    /// just been written may leave them as they were, so the bytes themselves are compared then.
    pub(crate) fn reads_the_same(&self) -> io::Result<bool> {
        let settled = self.metadata.modified()? + LONGEST_TICK < self.since;
        if settled {
            return Ok(true);
        }
        // A thread that panicked left the list whole.
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = windows.kept.iter().map(|(start, bytes)| (*start, bytes));
        for (start, bytes) in kept.chain([(0, &self.head)]) {
            if read_up_to(self.file(), start, bytes.len())? != *bytes {
                return Ok(false);
            }
        }
        Ok(true)
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
        let stop = end.next_multiple_of(BLOCK).min(self.len());
        let window = read_up_to(self.file(), start, (stop - start) as usize)?;
        let Some(bytes) = part(&window, start, offset, len) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let result = seen(bytes);
        windows.keep(start, window);
        Ok(result)
    }
}

impl<F: Borrow<File> + Sync> ReadAt for FileReader<F> {
    fn len(&self) -> u64 {
        self.metadata.len()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if buf.len() > LONGEST_KEPT {
            return self.file().read_exact_at(buf, offset);
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
        Ok(bytes)
    }
}

/// The `len` bytes at `offset`, where `bytes` begins at offset `start`.
fn part(bytes: &[u8], start: u64, offset: u64, len: usize) -> Option<&[u8]> {
    let from = usize::try_from(offset.checked_sub(start)?).ok()?;
    bytes.get(from..from.checked_add(len)?)
}

/// Reads `len` bytes, or fewer at the end of the file, without clearing the memory first.
fn read_up_to(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
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
}
