//! Opens regular files without ever waiting for a FIFO, and reads the headers of ELF files.

use super::Skip;
use elf_edit::{
    ElfInfo, FileId, FileLock, FileReader, Kind, LockError, Patience, ReadAt, ReadError,
};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Why a file is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// Not wanted: counted, and reported only where the user named it.
    Skip(Skip),
    /// ELF magic, but malformed: a fault, unless the caller turns it into [`Skip::Malformed`].
    Malformed(String),
    /// Any other fault, which is reported.
    Problem(String),
}

impl FileError {
    /// A message for someone who named the file.
    pub(super) fn expected_elf(self) -> String {
        match self {
            FileError::Skip(skip) => {
                format!("expected a dynamic ELF file, found: {}", skip.found())
            }
            FileError::Malformed(what) | FileError::Problem(what) => what,
        }
    }
}

/// Opens a regular file for reading. Never blocks on a FIFO that has taken the file's place.
pub(crate) fn open(path: &Path, follow_link: bool) -> Result<FileReader, FileError> {
    reader(open_file(path, follow_link).map_err(unreadable)?)
}

/// The reader of an open file, if it is a regular one.
pub(super) fn reader(file: File) -> Result<FileReader, FileError> {
    // Checked before the first read, as other kinds of files may block or have no end.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(FileError::Skip(Skip::Special));
    }
    FileReader::with_metadata(file, metadata).map_err(unreadable)
}

/// [`open`] for a file that is to be rewritten: waits for its lock before the first read. `None`
/// where another process holds it, and `patience` has an end.
pub(crate) fn open_locked(
    path: &Path,
    patience: Patience,
    waits: &(dyn Fn(&Path) + Sync),
) -> Result<Option<(FileLock, FileReader)>, FileError> {
    loop {
        let file = open_file(path, false).map_err(unreadable)?;
        let lock = match FileLock::take(&file, patience, &|| waits(path)) {
            Ok(lock) => lock,
            Err(LockError::Held { .. }) if patience.give_up_after.is_zero() => return Ok(None),
            Err(error) => return Err(FileError::Problem(error.to_string())),
        };
        // Not before the wait: the holder may have written to it.
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(FileError::Skip(Skip::Special));
        }
        // The holder may have replaced it by a copy. That it has one name left doesn't prove that
        // this is the one: it may have had others.
        let replaced = FileId::at(path).is_ok_and(|now| now != FileId::from(&metadata));
        if !replaced {
            let reader = FileReader::with_metadata(file, metadata).map_err(unreadable)?;
            return Ok(Some((lock, reader.recorded())));
        }
    }
}

/// Waits until no process rewrites the file, and keeps others away. `None` where that takes too
/// long.
pub(super) fn settled(path: &Path, follow_link: bool) -> Option<(File, FileLock)> {
    let file = open_file(path, follow_link).ok()?;
    let lock = FileLock::take(&file, Patience::default(), &|| ()).ok()?;
    Some((file, lock))
}

/// With these no open of a FIFO, a tape or a terminal has an effect.
pub(super) const FLAGS: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);

fn open_file(path: &Path, follow_link: bool) -> io::Result<File> {
    let mut flags = FLAGS;
    if !follow_link {
        flags |= OFlags::NOFOLLOW;
    }
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}

/// Reads the whole of a small file that the user names: a FIFO, too (`<(command)` of a shell), but
/// never one that no process writes to, and of a device without an end no more than `most` bytes.
pub(crate) fn read_small(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_file(path, true)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // The open doesn't wait for a process that writes to a FIFO; reading waits for what it writes.
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags.difference(OFlags::NONBLOCK))?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let what = format!("expected at most {most} bytes, found more");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    if kind.is_fifo() && bytes.is_empty() {
        let what = "a FIFO to which no process writes";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(bytes)
}

/// [`read_small`] for text.
pub(crate) fn read_small_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read_small(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "expected UTF-8 text"))
}

pub(super) fn unreadable(error: io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::Skip(Skip::Vanished),
        _ => FileError::Problem(format!("cannot be read: {}", elf_edit::reason(&error))),
    }
}

/// Reads the headers of a file that the loader may load: dynamic, not a separate debug file.
pub fn dynamic_info(file: &FileReader) -> Result<ElfInfo, FileError> {
    let skip = |skip| Err(FileError::Skip(skip));
    let info = match ElfInfo::read(file) {
        Ok(info) => info,
        Err(ReadError::NotElf) if file.is_empty() => return skip(Skip::Empty),
        Err(ReadError::NotElf) if file.head().starts_with(b"!<arch>\n") => {
            return skip(Skip::Archive);
        }
        Err(ReadError::NotElf) => return skip(Skip::NotElf),
        Err(error @ ReadError::Malformed(_)) => {
            return Err(FileError::Malformed(error.to_string()));
        }
        Err(error @ ReadError::Io(_)) => return Err(FileError::Problem(error.to_string())),
    };
    match info.kind {
        Kind::Object => skip(Skip::ObjectFile),
        Kind::Core => skip(Skip::CoreDump),
        Kind::StaticExecutable | Kind::StaticPie => skip(Skip::Static),
        Kind::SeparateDebug => skip(Skip::SeparateDebug),
        Kind::Other => skip(Skip::Other),
        // ET_EXEC that names no interpreter is never loaded by one.
        Kind::Executable if info.interpreter.is_none() => skip(Skip::Static),
        Kind::Executable | Kind::Pie | Kind::SharedLibrary if info.dynamic.is_none() => {
            skip(Skip::Static)
        }
        Kind::Executable | Kind::Pie | Kind::SharedLibrary => Ok(info),
    }
}
