//! The root directory whose system gets the advice: that of this machine, or of `--root`.

use crate::loader::host_path;
use elf_edit::{FileReader, ReadAt};
use std::path::{Path, PathBuf};

/// Bytes of a configuration file.
const MAX_TEXT: u64 = 1 << 20;

#[derive(Clone, Debug, Default)]
pub(super) struct Root(Option<PathBuf>);

impl Root {
    pub(super) fn new(root: Option<PathBuf>) -> Root {
        Root(root)
    }

    /// Whether it is the root of this machine.
    pub(super) fn is_here(&self) -> bool {
        self.0.is_none()
    }

    /// Where a path of that system is on this machine.
    pub(super) fn host(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        match &self.0 {
            None => path.to_owned(),
            // No path: a part of it can't be reached.
            Some(root) => host_path(root, path).unwrap_or_default(),
        }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.host(path).exists()
    }

    /// A small text file.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let file: FileReader = crate::scan::open(&self.host(path), true).ok()?;
        let bytes = file.read_vec(0, file.len().min(MAX_TEXT) as usize).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
