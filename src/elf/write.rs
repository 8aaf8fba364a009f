//! Makes a patch of a file: in place, with every write taken back if one fails, or in a copy
//! that is renamed over it.

use super::patch::{Patch, Step};
use super::read_at::{FileReader, Stamp};
use super::rewrite::{RewriteError, RewriteOptions};
use super::verify::Mismatch;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What writing needs of a file. A trait so that tests can stop or fail it at any write.
pub trait Disk {
    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads exactly `bytes.len()` bytes at `offset`.
    fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Sets the length.
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

/// How the names of temporary files begin: whoever finds one left over knows whose it is.
const TEMPORARY: &str = concat!(".", env!("CARGO_PKG_NAME"), "-");

/// Buffer for `Step::Copy`, in bytes.
const COPY: usize = 256 * 1024;

/// Runs the steps. If one fails, what stood in the file before is put back, last write first:
/// each state on the way back is one of those on the way there.
pub fn run_steps(disk: &dyn Disk, old_len: u64, steps: &[Step]) -> Result<Undo, RewriteError> {
    let mut undo = Undo {
        old_len,
        overwritten: Vec::new(),
    };
    for step in steps {
        if let Err(error) = run_step(disk, old_len, step, &mut undo) {
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

fn run_step(disk: &dyn Disk, old_len: u64, step: &Step, undo: &mut Undo) -> io::Result<()> {
    match step {
        Step::Write { offset, bytes } => {
            let kept = (offset + bytes.len() as u64)
                .min(old_len)
                .saturating_sub(*offset) as usize;
            if kept > 0 {
                let mut old = vec![0; kept];
                disk.read_exact_at(*offset, &mut old)?;
                undo.overwritten.push((*offset, old));
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

/// What stood in the file before.
#[derive(Debug)]
pub struct Undo {
    old_len: u64,
    overwritten: Vec<(u64, Vec<u8>)>,
}

impl Undo {
    /// Puts it back.
    pub fn take_back(&self, disk: &dyn Disk) -> io::Result<()> {
        for (offset, bytes) in self.overwritten.iter().rev() {
            disk.write_all_at(*offset, bytes)?;
        }
        disk.set_len(self.old_len)
    }
}

/// Checks a file that has been written.
pub type Check<'a> = &'a dyn Fn(&FileReader) -> Result<(), Mismatch>;

/// Writes `patch`. Returns the new length in bytes.
pub fn write(
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
    let links = reader.file().metadata()?.nlink();
    let leads_outside = links > names.len() as u64 && !options.keep_links;
    if options.atomic || leads_outside {
        write_copy(names, first, reader, patch, check)
    } else {
        write_in_place(first, reader, patch, check)
    }
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> RewriteError {
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
    let metadata = reader.file().metadata()?;
    let mode = metadata.permissions();
    let open = || OpenOptions::new().read(true).write(true).open(path);
    let file = match open() {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied && mode.mode() & 0o200 == 0 => {
            // Read-only for its owner: writable for as long as it takes to open it.
            let writable = fs::Permissions::from_mode(mode.mode() | 0o200);
            match fs::set_permissions(path, writable) {
                Ok(()) => {
                    let opened = open();
                    fs::set_permissions(path, mode.clone())
                        .map_err(failed("make it read-only again"))?;
                    opened
                }
                // Somebody else's.
                Err(_) => Err(e),
            }
        }
        other => other,
    }
    .map_err(failed("open it for writing"))?;
    if Stamp::from(&file.metadata()?) != reader.stamp() {
        return Err(RewriteError::Changed);
    }
    // A write drops file capabilities, and set-user-ID bits where we are not root.
    let capability = attribute(&file, "security.capability")?;
    let undo = run_steps(&file, reader.stamp().len, &patch.steps)?;
    let outcome = FileReader::new(file.try_clone()?)
        .map_err(RewriteError::from)
        .and_then(|written| check(&written).map_err(RewriteError::from));
    if let Err(error) = outcome {
        return Err(match undo.take_back(&file) {
            Ok(()) => error,
            Err(undo) => RewriteError::Stuck {
                error: io::Error::other(error.to_string()),
                undo,
            },
        });
    }
    if file.metadata()?.permissions() != mode {
        file.set_permissions(mode)
            .map_err(failed("restore its mode"))?;
    }
    if let Some(value) = capability {
        set_attribute(&file, "security.capability", &value)
            .map_err(failed("restore its capabilities"))?;
    }
    Ok(file.metadata()?.len())
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
    copy_contents(reader.file(), copy.as_file()).map_err(failed("copy it"))?;
    copy_metadata(reader.file(), copy.as_file())?;
    run_steps(copy.as_file(), reader.stamp().len, &patch.steps)?;
    check(&FileReader::new(copy.as_file().try_clone()?)?)?;
    // A write dropped what only a set-user-ID file has.
    copy_metadata(reader.file(), copy.as_file())?;
    copy.as_file().sync_all().map_err(failed("sync the copy"))?;
    if Stamp::from(&fs::metadata(first)?) != reader.stamp() {
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

/// Makes `name` another name of `file`, in place of what it named before.
fn relink(file: &Path, name: &Path) -> io::Result<()> {
    let dir = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(parent(name))?;
    let link = dir.path().join("link");
    fs::hard_link(file, &link)?;
    fs::rename(&link, name)
}

/// By sharing extents, where the file system can, else by copying.
fn copy_contents(mut from: &File, mut to: &File) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    io::Seek::rewind(&mut from)?;
    io::copy(&mut from, &mut to).map(|_| ())
}

/// Owner, mode and extended attributes.
fn copy_metadata(from: &File, to: &File) -> Result<(), RewriteError> {
    let metadata = from.metadata()?;
    let now = to.metadata()?;
    if (now.uid(), now.gid()) != (metadata.uid(), metadata.gid()) {
        std::os::unix::fs::fchown(to, Some(metadata.uid()), Some(metadata.gid()))
            .map_err(failed("give the copy the same owner"))?;
    }
    to.set_permissions(metadata.permissions())
        .map_err(failed("give the copy the same mode"))?;
    for name in attribute_names(from)? {
        if let Some(value) = attribute(from, name.as_str())? {
            set_attribute(to, name.as_str(), &value)
                .map_err(failed(format!("give the copy the attribute {name}")))?;
        }
    }
    Ok(())
}

/// Longest list and value of extended attributes that Linux has (`XATTR_LIST_MAX`,
/// `XATTR_SIZE_MAX`, both 64 KiB).
const ATTRIBUTE_MAX: usize = 65_536;

fn attribute_names(file: &File) -> Result<Vec<String>, RewriteError> {
    let mut list = vec![0u8; ATTRIBUTE_MAX];
    match rustix::fs::flistxattr(file, &mut list) {
        Ok(len) => Ok(list[..len]
            .split(|&b| b == 0)
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()),
        Err(rustix::io::Errno::NOTSUP) => Ok(Vec::new()),
        Err(e) => Err(io::Error::from(e).into()),
    }
}

fn attribute(file: &File, name: &str) -> Result<Option<Vec<u8>>, RewriteError> {
    // Nearly no file has one: asked for before anything is allocated.
    match rustix::fs::fgetxattr_query(file, name) {
        Ok(_) => {}
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => return Ok(None),
        Err(e) => return Err(io::Error::from(e).into()),
    }
    let mut value = vec![0u8; ATTRIBUTE_MAX];
    match rustix::fs::fgetxattr(file, name, &mut value) {
        Ok(len) => {
            value.truncate(len);
            Ok(Some(value))
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(None),
        Err(e) => Err(io::Error::from(e).into()),
    }
}

fn set_attribute(file: &File, name: &str, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(
        file,
        name,
        value,
        rustix::fs::XattrFlags::empty(),
    )?)
}
