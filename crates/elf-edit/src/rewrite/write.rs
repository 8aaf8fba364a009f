//! Applies a patch to a file: in place, undoing every write if one fails, or in a copy that is
//! renamed over it.

use crate::read::read_at::{FileReader, ReadAt, Stamp};
use crate::rewrite::attributes::{attribute, copy_metadata, set_attribute};
use crate::rewrite::copy::copy_contents;
use crate::rewrite::error::RewriteError;
use crate::rewrite::options::RewriteOptions;
use crate::rewrite::patch::{Patch, Patched, Step};
use crate::rewrite::refusal::Refusal;
use crate::rewrite::verify::Mismatch;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file operations of a write. A trait so that tests can stop or fail at any write.
pub trait Disk {
    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads exactly `bytes.len()` bytes at `offset`.
    fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Makes the file that long, as ftruncate(2) does.
    fn set_len(&self, len: u64) -> io::Result<()>;
}

impl Disk for File {
    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        FileExt::read_exact_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }
}

/// Prefix that identifies leftover temporary files.
const TEMPORARY: &str = concat!(".", env!("CARGO_PKG_NAME"), "-");

/// Buffer for `Step::Copy`, in bytes.
const COPY: usize = 256 * 1024;

/// Runs the steps on the file that `before` was read from. If one fails, restores the overwritten
/// bytes, last write first, so that each state on the way back is one of those on the way there.
pub fn run_steps(
    disk: &dyn Disk,
    before: &dyn ReadAt,
    steps: &[Step],
) -> Result<Undo, RewriteError> {
    let mut undo = Undo {
        old_len: before.len(),
        overwritten: Vec::new(),
        bytes: Vec::new(),
    };
    for (done, step) in steps.iter().enumerate() {
        if let Err(error) = run_step(disk, before, &steps[..done], step, &mut undo) {
            let what = match step {
                Step::Truncate { .. } => "cut off the journal",
                _ => "write",
            };
            return Err(match undo.take_back(disk) {
                Ok(()) => RewriteError::Write {
                    what: what.to_owned(),
                    error,
                },
                Err(undo) => RewriteError::Stuck { error, undo },
            });
        }
    }
    Ok(undo)
}

fn run_step(
    disk: &dyn Disk,
    before: &dyn ReadAt,
    done: &[Step],
    step: &Step,
    undo: &mut Undo,
) -> io::Result<()> {
    match step {
        Step::Write { offset, bytes } => {
            let end = (offset + bytes.len() as u64).min(undo.old_len);
            if *offset < end {
                undo.keep(disk, before, done, *offset..end)?;
            }
            disk.write_all_at(*offset, bytes)
        }
        Step::Copy { from, to, len } => {
            let mut buffer = vec![0; COPY.min(*len as usize)];
            let mut done = 0;
            while done < *len {
                let n = (*len - done).min(buffer.len() as u64) as usize;
                disk.read_exact_at(from + done, &mut buffer[..n])?;
                disk.write_all_at(to + done, &buffer[..n])?;
                done += n as u64;
            }
            Ok(())
        }
        Step::Truncate { len } => disk.set_len(*len),
    }
}

/// The overwritten bytes of a file.
#[derive(Debug)]
pub struct Undo {
    old_len: u64,
    /// Offset of each stretch in the file, and where it begins in `bytes`.
    overwritten: Vec<(u64, usize)>,
    /// One stretch behind the other, up to the end.
    bytes: Vec<u8>,
}

impl Undo {
    /// Saves the bytes of a range that the next step overwrites, `done` being the steps so far.
    fn keep(
        &mut self,
        disk: &dyn Disk,
        before: &dyn ReadAt,
        done: &[Step],
        range: Range<u64>,
    ) -> io::Result<()> {
        let (kept, len) = (self.bytes.len(), (range.end - range.start) as usize);
        let touches = |step: &&Step| {
            let (start, len) = step.range();
            start < range.end && range.start < start + len
        };
        match done.iter().rev().find(touches) {
            // The ELF header, the second time.
            Some(Step::Write { offset, bytes }) if *offset == range.start && bytes.len() >= len => {
                self.bytes.extend_from_slice(&bytes[..len]);
            }
            last => {
                self.bytes.resize(kept + len, 0);
                let old = &mut self.bytes[kept..];
                let read = match last {
                    Some(_) => disk.read_exact_at(range.start, old),
                    None => before.read_exact_at(range.start, old),
                };
                if let Err(error) = read {
                    self.bytes.truncate(kept);
                    return Err(error);
                }
            }
        }
        self.overwritten.push((range.start, kept));
        Ok(())
    }

    /// The overwritten bytes, the last first, with their offsets in the file.
    fn stretches(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut end = self.bytes.len();
        self.overwritten.iter().rev().map(move |&(offset, start)| {
            let bytes = &self.bytes[start..end];
            end = start;
            (offset, bytes)
        })
    }

    /// Writes the old bytes and restores the old length.
    pub fn take_back(&self, disk: &dyn Disk) -> io::Result<()> {
        for (offset, bytes) in self.stretches() {
            disk.write_all_at(offset, bytes)?;
        }
        disk.set_len(self.old_len)
    }
}

/// Checks a file that has been written.
pub(crate) type Check<'a> = &'a dyn Fn(&FileReader<&File>) -> Result<(), Mismatch>;

/// Writes `patch`. Returns the new length in bytes.
pub(crate) fn write(
    names: &[PathBuf],
    reader: &FileReader,
    patch: &Patch,
    options: &RewriteOptions,
    check: Check<'_>,
) -> Result<u64, RewriteError> {
    let Some(first) = names.first() else {
        return Err(io::Error::from(io::ErrorKind::NotFound).into());
    };
    // A name outside the given trees (a pip cache, `cp -al`) must not change with ours.
    let links = reader.metadata().nlink();
    let leads_outside = links > names.len() as u64 && !options.keep_links;
    if patch.replaces && options.keep_links && links > names.len() as u64 {
        return Err(Refusal::Layout(
            "data follows the ELF file, so that a copy has to replace the file, and its other \
             names would keep the old one"
                .to_owned(),
        )
        .into());
    }
    if options.atomic || leads_outside || patch.replaces {
        write_copy(names, first, reader, patch, check)
    } else {
        write_in_place(first, reader, patch, check)
    }
}

pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> RewriteError {
    let what = what.into();
    move |error| match error.kind() {
        io::ErrorKind::ExecutableFileBusy => RewriteError::Busy,
        _ => RewriteError::Write { what, error },
    }
}

fn write_in_place(
    path: &Path,
    reader: &FileReader,
    patch: &Patch,
    check: Check<'_>,
) -> Result<u64, RewriteError> {
    let mode = reader.metadata().permissions();
    let file = open_for_writing(path, &mode).map_err(failed("open it for writing"))?;
    let now = file.metadata()?;
    let as_it_was = Stamp::from(&now) == reader.stamp()
        && now.permissions() == mode
        && now.nlink() == reader.metadata().nlink()
        && reader.reads_the_same()?;
    if !as_it_was {
        return Err(RewriteError::Changed);
    }
    // A write drops file capabilities, and set-user-ID bits where we are not root.
    let capability = attribute(&file, "security.capability")?;
    let undo = run_steps(&file, reader, &patch.steps)?;
    let checked = FileReader::new(&file)
        .map_err(RewriteError::from)
        .and_then(|written| {
            check(&written)
                .map(|()| written)
                .map_err(RewriteError::from)
        });
    let written = match checked {
        Ok(written) => written,
        // The file holds another process's bytes, so ours must not be restored.
        Err(_) if !is_as_written(&file, reader, &patch.steps)? => {
            return Err(RewriteError::Interfered);
        }
        Err(error) => {
            return Err(match undo.take_back(&file) {
                Ok(()) => error,
                Err(undo) => RewriteError::Stuck {
                    error: io::Error::other(error.to_string()),
                    undo,
                },
            });
        }
    };
    if written.metadata().permissions() != mode {
        file.set_permissions(mode)
            .map_err(failed("restore its mode"))?;
    }
    if let Some(value) = capability {
        set_attribute(&file, "security.capability", &value)
            .map_err(failed("restore its capabilities"))?;
    }
    Ok(written.len())
}

/// Whether all that the steps wrote, and nothing behind it, is in the file.
fn is_as_written(file: &File, before: &FileReader, steps: &[Step]) -> io::Result<bool> {
    let written = Patched::new(before, steps);
    if file.metadata()?.len() != written.len() {
        return Ok(false);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for step in steps {
        let (start, len) = step.range();
        let end = (start + len).min(written.len());
        for offset in (start..end).step_by(COPY) {
            let len = COPY.min((end - offset) as usize);
            ours.resize(len, 0);
            theirs.resize(len, 0);
            written.read_exact_at(offset, &mut ours)?;
            FileExt::read_exact_at(file, &mut theirs, offset)?;
            if ours != theirs {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn open_for_writing(path: &Path, mode: &fs::Permissions) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).write(true).open(path);
    match open() {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied && mode.mode() & 0o200 == 0 => {
            // Read-only for its owner: make it writable for as long as it takes to open it.
            let writable = fs::Permissions::from_mode(mode.mode() | 0o200);
            if fs::set_permissions(path, writable).is_err() {
                // The file of another user.
                return Err(e);
            }
            let opened = open();
            fs::set_permissions(path, mode.clone())?;
            opened
        }
        other => other,
    }
}

fn write_copy(
    names: &[PathBuf],
    first: &Path,
    reader: &FileReader,
    patch: &Patch,
    check: Check<'_>,
) -> Result<u64, RewriteError> {
    let dir = parent(first);
    let copy = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempfile_in(dir)
        .map_err(failed("make a copy beside it"))?;
    copy_contents(reader.file(), copy.as_file(), patch).map_err(failed("copy it"))?;
    copy_metadata(reader.file(), copy.as_file())?;
    run_steps(copy.as_file(), reader, &patch.steps)?;
    check(&FileReader::new(copy.as_file())?)?;
    // A write clears the bits and attributes of a set-user-ID file.
    copy_metadata(reader.file(), copy.as_file())?;
    copy.as_file().sync_all().map_err(failed("sync the copy"))?;
    if Stamp::from(&fs::metadata(first)?) != reader.stamp() || !reader.reads_the_same()? {
        return Err(RewriteError::Changed);
    }
    let len = copy.as_file().metadata()?.len();
    copy.persist(first)
        .map_err(|e| failed("rename the copy over it")(e.error))?;
    for name in &names[1..] {
        relink(first, name).map_err(failed(format!("link {} to the new file", name.display())))?;
    }
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(failed("sync its directory"))?;
    Ok(len)
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Replaces `name` by a hard link to `file`.
fn relink(file: &Path, name: &Path) -> io::Result<()> {
    let dir = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(parent(name))?;
    let link = dir.path().join("link");
    fs::hard_link(file, &link)?;
    fs::rename(&link, name)
}
