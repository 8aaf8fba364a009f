//! Positioned reads of small windows. No memory map: a file truncated under a map kills the
//! process with SIGBUS.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Bytes that can be read at any offset, by several threads at once.
pub trait ReadAt: Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there are no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset` on, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Reads `len` bytes at `offset`. The caller bounds `len`.
    fn read_vec(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        // Asked before anything is allocated: a lying size must cost nothing.
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

/// A part of other bytes, read as if it were all there is: a member of an archive.
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
}

/// Size of the first window, which holds the headers of nearly every file.
const HEAD: usize = 4096;

/// Tells one state of one file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Device and inode.
    pub inode: (u64, u64),
    /// Length in bytes.
    pub len: u64,
    /// Time of the last change of the contents: seconds, nanoseconds.
    pub modified: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Stamp {
        Stamp {
            inode: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// An open file whose first page is read once.
#[derive(Debug)]
pub struct FileReader {
    file: File,
    metadata: Metadata,
    head: Vec<u8>,
}

impl FileReader {
    /// Takes an open regular file and reads its first page.
    pub fn new(file: File) -> io::Result<FileReader> {
        let metadata = file.metadata()?;
        FileReader::with_metadata(file, metadata)
    }

    /// [`FileReader::new`] for who has asked for the file's metadata already.
    pub fn with_metadata(file: File, metadata: Metadata) -> io::Result<FileReader> {
        let mut head = vec![0; HEAD];
        // Most files of a tree are smaller: one read, none to find the end.
        let wanted = usize::try_from(metadata.len()).map_or(HEAD, |len| len.min(HEAD));
        let mut filled = 0;
        while filled < wanted {
            match file.read_at(&mut head[filled..], filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        head.truncate(filled);
        Ok(FileReader {
            file,
            metadata,
            head,
        })
    }

    /// The first page of the file, or all of a smaller file.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// What `fstat` said when the file was opened.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The state of the file when it was opened.
    pub fn stamp(&self) -> Stamp {
        Stamp::from(&self.metadata)
    }
}

impl ReadAt for FileReader {
    fn len(&self) -> u64 {
        self.metadata.len()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if self.head.read_exact_at(offset, buf).is_ok() {
            return Ok(());
        }
        self.file.read_exact_at(buf, offset)
    }
}
