//! The file system as the rules query it.

use super::Libc;
use crate::plan::Libraries;
use crate::scan;
use crate::soname_index::Index;
use elf_edit::{FileHeader, Platform};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The index, the libc, and the file system itself.
#[derive(Debug)]
pub(crate) struct FileSystem {
    index: Index,
    libc: Libc,
}

impl FileSystem {
    /// Answers out of these.
    pub(crate) fn new(index: Index, libc: Libc) -> FileSystem {
        FileSystem { index, libc }
    }
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

impl Libraries for FileSystem {
    fn find(&self, name: &[u8], platform: Platform) -> Vec<Vec<u8>> {
        self.index
            .find(name, platform)
            .map(|directory| directory.as_os_str().as_bytes().to_vec())
            .collect()
    }

    fn in_libc(&self, name: &[u8], platform: Platform) -> bool {
        self.libc.has(name, platform)
    }

    fn elsewhere(&self, name: &[u8], platform: Platform) -> Option<(Platform, Vec<u8>)> {
        let (other, directory) = self.index.elsewhere(name, platform)?;
        Some((other, directory.as_os_str().as_bytes().to_vec()))
    }

    fn is_file(&self, file: &[u8]) -> bool {
        path(file).is_file()
    }

    fn is_directory(&self, directory: &[u8]) -> bool {
        path(directory).is_dir()
    }

    fn provides(&self, directory: &[u8], name: &[u8], platform: Platform) -> bool {
        let file = path(directory).join(path(name));
        // Only regular files are opened.
        if !file.is_file() {
            return false;
        }
        scan::open(&file, true)
            .ok()
            .and_then(|open| FileHeader::decode(open.head()))
            .is_some_and(|header| platform.goes_with(Platform::of(&header)))
    }
}
