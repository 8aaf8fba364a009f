//! Paths where nothing is, each asked for once: a tree may lack one library in ten thousand files,
//! and all of them ask for it in the same places.

use crate::loader::Cache;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes, roughly, of the paths that are remembered.
const MAX_KNOWN: usize = 4 << 20;

/// The paths of one run.
pub(super) struct Absent(Cache<Box<[u8]>, ()>);

impl Default for Absent {
    fn default() -> Absent {
        Absent(Cache::new(MAX_KNOWN))
    }
}

impl Absent {
    /// That of the path itself, if it is a link.
    pub(super) fn metadata(&self, path: &Path) -> Option<Metadata> {
        let key = path.as_os_str().as_bytes();
        if self.0.get(key).is_some() {
            return None;
        }
        let metadata = fs::symlink_metadata(path).ok();
        if metadata.is_none() {
            self.0.insert(key.into(), (), key.len() + 64);
        }
        metadata
    }

    /// Whether there is a file, once links are followed.
    pub(super) fn exists(&self, path: &Path) -> bool {
        match self.metadata(path) {
            Some(link) if link.is_symlink() => path.exists(),
            Some(_) => true,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_stays_so_for_one_run() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("gone", at("dangling")).unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        let absent = Absent::default();
        for (name, exists, is_there) in [
            ("file", true, true),
            ("link", true, true),
            ("dangling", false, true),
            ("none", false, false),
        ] {
            assert_eq!(absent.exists(&at(name)), exists, "{name}");
            assert_eq!(absent.metadata(&at(name)).is_some(), is_there, "{name}");
        }
        fs::write(at("none"), "").unwrap();
        assert!(!absent.exists(&at("none")));
    }
}
