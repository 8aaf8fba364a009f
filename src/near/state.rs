//! State of a file that has the name of a missing library, or almost.

use super::absent::Absent;
use super::bytes;
use crate::advice::NearState;
use elf_edit::{ElfInfo, FileReader, ReadAt};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// State of the file at a path; `None` if there is none, or no remedy for it.
pub(super) fn state(absent: &Absent, path: &Path, info: &ElfInfo) -> Option<NearState> {
    let link = absent.metadata(path)?;
    let Ok(file) = crate::scan::open(path, true) else {
        // Opening a FIFO would wait for a writer.
        let regular = fs::metadata(path).is_ok_and(|meta| meta.is_file());
        let denied = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        if regular && fs::File::open(path).is_err_and(denied) {
            return Some(NearState::Forbidden);
        }
        let target = link.is_symlink().then(|| fs::read_link(path).ok())??;
        return (!path.exists()).then(|| NearState::Dangling(bytes(&target)));
    };
    match ElfInfo::read(&file) {
        Ok(found) if found.platform().goes_with(info.platform()) => Some(NearState::Fits),
        Ok(found) => Some(NearState::OtherPlatform {
            is: found.platform().to_string(),
            wanted: info.platform().to_string(),
        }),
        Err(error) => Some(text_state(&file).unwrap_or(NearState::Unfit(error.to_string()))),
    }
}

fn text_state(file: &FileReader) -> Option<NearState> {
    let head = file.read_vec(0, file.len().min(512) as usize).ok()?;
    let has = |what: &[u8]| memchr::memmem::find(&head, what).is_some();
    if head.starts_with(b"version https://git-lfs.github.com/spec/") {
        Some(NearState::LfsPointer)
    } else if has(b"GNU ld script") || has(b"INPUT(") || has(b"GROUP (") || has(b"INPUT (") {
        Some(NearState::LinkerScript(library_of_script(&head)))
    } else {
        None
    }
}

/// The name of the first library with a version that a linker script has.
fn library_of_script(text: &[u8]) -> Option<Vec<u8>> {
    let mut words = text.split(|byte| b" \t\n()".contains(byte));
    let library = words.find(|word| memchr::memmem::find(word, b".so.").is_some())?;
    library
        .rsplit(|&byte| byte == b'/')
        .next()
        .map(<[u8]>::to_vec)
}

/// Another version of the library, by its SONAME if there is a file of that name.
pub(super) fn other_version(
    path: &Path,
    info: &ElfInfo,
    name: &[u8],
) -> Option<(PathBuf, NearState)> {
    let file = crate::scan::open(path, true).ok()?;
    let found = ElfInfo::read(&file).ok()?;
    if !found.platform().goes_with(info.platform()) {
        return None;
    }
    let soname = found.dynamic?.soname;
    if soname.as_deref() == Some(name) {
        // Beside the file of that name it is its target or a copy.
        let has_link = path.with_file_name(OsStr::from_bytes(name)).exists();
        return (!has_link).then(|| (path.to_owned(), NearState::OtherVersion(true)));
    }
    let by_soname = soname.map(|soname| path.with_file_name(OsStr::from_bytes(&soname)));
    let by_soname = by_soname.filter(|path| path.is_file());
    let path = by_soname.unwrap_or_else(|| path.to_owned());
    Some((path, NearState::OtherVersion(false)))
}
