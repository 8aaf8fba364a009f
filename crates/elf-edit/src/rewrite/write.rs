//! Applies a patch to a file: in place, undoing every write if one fails, or in a copy that is
//! renamed over it.

use crate::read::read_at::{FileReader, ReadAt};
use crate::rewrite::attributes::{attribute, copy_metadata, set_attribute};
use crate::rewrite::copy::copy_contents;
use crate::rewrite::error::RewriteError;
use crate::rewrite::options::RewriteOptions;
use crate::rewrite::patch::Patch;
use crate::rewrite::refusal::Refusal;
use crate::rewrite::steps::{Outcome, Written, run_steps};
use crate::rewrite::verify::Mismatch;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Prefix of the names of temporary files and directories, which identifies leftover ones.
pub const TEMPORARY_PREFIX: &str = concat!(".", env!("CARGO_PKG_NAME"), "-");

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
    if !reader.is_current(&file.metadata()?)? {
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
        Err(error) => {
            let written = Written {
                before: reader,
                steps: &patch.steps,
                last_failed: false,
            };
            return Err(match undo.take_back(&file, &written) {
                Ok(Outcome::TakenBack) => error,
                Ok(Outcome::Foreign) => RewriteError::Interfered(error.to_string()),
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
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(dir)
        .map_err(failed("make a copy beside it"))?;
    // The copy is locked, too, until all names lead to it. No other program has it open yet, and
    // where there are no locks, there was none on the file.
    let _ = rustix::fs::flock(
        copy.as_file(),
        rustix::fs::FlockOperation::NonBlockingLockExclusive,
    );
    copy_contents(reader.file(), copy.as_file(), patch).map_err(failed("copy it"))?;
    copy_metadata(reader.file(), copy.as_file())?;
    run_steps(copy.as_file(), reader, &patch.steps)?;
    check(&FileReader::new(copy.as_file())?)?;
    // A write clears the bits and attributes of a set-user-ID file.
    copy_metadata(reader.file(), copy.as_file())?;
    copy.as_file().sync_all().map_err(failed("sync the copy"))?;
    if !reader.is_current(&fs::metadata(first)?)? {
        return Err(RewriteError::Changed);
    }
    let len = copy.as_file().metadata()?.len();
    let _copy = copy
        .persist(first)
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
        .prefix(TEMPORARY_PREFIX)
        .tempdir_in(parent(name))?;
    let link = dir.path().join("link");
    fs::hard_link(file, &link)?;
    fs::rename(&link, name)
}
