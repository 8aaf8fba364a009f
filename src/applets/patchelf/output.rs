//! `--output`: writes the result to another file, which appears as a whole or not at all.

use crate::escape::shown;
use anyhow::Context;
use elf_edit::writes::{Patched, Step};
use elf_edit::{FileId, FileReader, ReadAt, TEMPORARY_PREFIX};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes that are copied at a time.
const WINDOW: u64 = 1 << 20;

/// Whether `path` names the file that is open in `reader`.
pub(super) fn is_same(path: &Path, reader: &FileReader) -> bool {
    FileId::at(path).is_ok_and(|id| id == FileId::from(reader))
}

/// Writes the file in `reader` as it is after `steps`.
pub(super) fn write(path: &Path, reader: &FileReader, steps: &[Step]) -> anyhow::Result<()> {
    let contents = Patched::new(reader, steps);
    let context = || format!("open: {}", shown(path));
    let (path, mode) = match fs::metadata(path) {
        // A device or a pipe receives the bytes directly.
        Ok(there) if !there.is_file() => {
            let out = OpenOptions::new().write(true).open(path);
            return copy(&contents, &mut out.with_context(context)?).with_context(context);
        }
        Ok(there) => (
            fs::canonicalize(path).with_context(context)?,
            Some(there.mode()),
        ),
        Err(_) => (target_of(path).with_context(context)?, None),
    };
    // An error of the temporary file would name that file.
    fs::metadata(parent(&path)).with_context(context)?;
    // 0777 less the umask, as patchelf has it for a new file.
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(Permissions::from_mode(0o777))
        .tempfile_in(parent(&path))
        .with_context(context)?;
    copy(&contents, file.as_file_mut()).with_context(context)?;
    if let Some(mode) = mode {
        let mode = Permissions::from_mode(mode & 0o7777);
        file.as_file().set_permissions(mode).with_context(context)?;
    }
    file.persist(&path).with_context(context)?;
    Ok(())
}

/// Links that the kernel follows before it gives up with ELOOP.
const MAX_LINKS: usize = 40;

/// The file that opening this name would create: at the end of a chain of links.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(link) => target = parent(&target).join(link),
            // No link, or not there: this is the name to create.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
                ) =>
            {
                return Ok(target);
            }
            Err(e) => return Err(e),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn copy(contents: &impl ReadAt, out: &mut File) -> io::Result<()> {
    let mut done = 0;
    while done < contents.len() {
        let len = WINDOW.min(contents.len() - done);
        out.write_all(&contents.read_vec(done, len as usize)?)?;
        done += len;
    }
    Ok(())
}
