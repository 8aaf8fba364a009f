//! The contents of a copy that replaces a file, and the disk space for it.

use crate::rewrite::patch::Patch;
use std::fs::File;
use std::io;

/// By sharing extents, where the file system can, else by copying.
pub(super) fn copy_contents(mut from: &File, mut to: &File, patch: &Patch) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return check_space(to, patch.bytes_written());
    }
    check_space(to, from.metadata()?.len() + patch.bytes_written())?;
    io::Seek::rewind(&mut from)?;
    io::copy(&mut from, &mut to).map(|_| ())
}

/// Fails if the file system lacks space for this many more bytes, before any write.
fn check_space(file: &File, needed: u64) -> io::Result<()> {
    let system = rustix::fs::fstatvfs(file)?;
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    // Some file systems report no sizes.
    if system.f_blocks > 0 && free < needed {
        let what = format!("{needed} bytes are needed and {free} are free");
        return Err(io::Error::new(io::ErrorKind::StorageFull, what));
    }
    Ok(())
}
