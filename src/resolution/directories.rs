//! Directories of a RUNPATH whose contents are known before the program runs.

use rustix::fs::{Access, access};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether a directory holds now what the program will find in it.
pub(super) fn is_fixed(directory: &[u8]) -> bool {
    let path = Path::new(OsStr::from_bytes(directory));
    directory.starts_with(b"/")
        && !directory.contains(&b'$')
        && path.is_dir()
        && access(path, Access::EXEC_OK).is_ok()
        && !has_hwcaps(directory)
}

/// Whether the processor decides which of its libraries are loaded.
pub(super) fn has_hwcaps(directory: &[u8]) -> bool {
    let path = Path::new(OsStr::from_bytes(directory));
    access(path.join("glibc-hwcaps"), Access::EXISTS).is_ok()
}
