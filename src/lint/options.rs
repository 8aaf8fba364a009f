//! The user's options for the package, and facts about its files.

use super::context::Contexts;
use super::existing::Existing;
use crate::cuda::{Capability, CudaVersion};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The user's options for the package.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The CUDA that it is built with.
    pub cuda: Option<CudaVersion>,
    /// The newest CUDA that the driver runs.
    pub max_driver_cuda: Option<CudaVersion>,
    /// The GPUs to run on.
    pub capabilities: Vec<Capability>,
    /// Stores, the directories of packages: one directory, by all its names.
    pub stores: Vec<PathBuf>,
    /// The driver link, where it isn't the usual one of the file's machine.
    pub driver_link: Option<PathBuf>,
    /// All files are given a driver link on purpose.
    pub driver_link_everywhere: bool,
    /// Symlink farms of the build, there or not.
    pub farms: Vec<PathBuf>,
    /// Directories of nvcc's host compiler.
    pub host_compilers: Vec<PathBuf>,
    /// Where absolute paths begin, if not at this machine's root; free of links.
    pub root: Option<PathBuf>,
    /// The directories that are linted, free of links, as seen inside the root.
    pub trees: Vec<PathBuf>,
    /// The names of the files in them.
    pub names: Arc<BTreeSet<Vec<u8>>>,
    /// METADATA files of Python packages in them.
    pub metadata: Vec<PathBuf>,
    /// Maps files to their contexts.
    pub contexts: Contexts,
    /// Files that rules have asked for.
    pub existing: Existing,
}

impl Options {
    /// The file of this machine at a path inside the root.
    pub(crate) fn here(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// Whether there is a file at a path inside the root, as it was when it was first asked for.
    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.existing.has(&self.here(path))
    }

    /// The path inside the root of a file of this machine.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        let root = self.root.as_deref();
        match root.and_then(|root| path.strip_prefix(root).ok()) {
            Some(inside) => Path::new("/").join(inside),
            None => path.to_owned(),
        }
    }

    /// A path inside the root without links.
    pub(crate) fn real(&self, path: &Path) -> Option<PathBuf> {
        let real = self.here(path).canonicalize().ok()?;
        Some(self.inside(&real))
    }
}
