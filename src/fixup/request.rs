//! What a run is asked to do, as plain data.

use super::{Libc, Relative};
use crate::plan::Policy;
use elf_edit::{Platform, RewriteOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// What to do, and where.
#[derive(Clone, Debug, Default)]
pub(crate) struct FixupRequest {
    /// Trees and files to fix.
    pub paths: Vec<PathBuf>,
    /// Whether subdirectories of `paths` count.
    pub recurse: bool,
    /// Whether libraries of `paths` themselves are found.
    pub index_own: bool,
    /// Directories and files whose libraries are found.
    pub libs: Vec<PathBuf>,
    /// What files must be built for; any, where it is `None`.
    pub platform: Option<Platform>,
    /// Which names come with the libc.
    pub libc: Libc,
    pub policy: Policy,
    /// When entries become relative to `$ORIGIN`.
    pub relative: Relative,
    /// The store of Nix.
    pub store: PathBuf,
    /// A malformed ELF file is passed over and counted, rather than told.
    pub skip_malformed: bool,
    /// A file among `paths` that is no ELF file to fix is passed over, rather than told.
    pub skip_named: bool,
    /// `libs` that are not there are no fault.
    pub skip_unreadable_libs: bool,
    /// A link among `paths` is passed over, rather than followed.
    pub skip_links: bool,
    /// Each event is printed as nixpkgs' auto-patchelf prints it, so files that are passed over are
    /// listed in [`Summary::skipped_files`].
    pub structured_logs: bool,
    /// No interpreter is known, for this reason: files that have one fail.
    pub no_interpreter: Option<String>,
    /// Whether somebody reads what files may dlopen.
    pub tell_dlopen: bool,
    pub dry_run: bool,
    pub rewrite: RewriteOptions,
    /// Counts while the run is under way.
    pub progress: Arc<FixupProgress>,
}

/// How far a run is.
#[derive(Debug, Default)]
pub(crate) struct FixupProgress {
    /// Files that the first pass has read.
    pub read: AtomicUsize,
    /// ELF files of the second pass.
    pub files: AtomicUsize,
    /// Those that are done.
    pub done: AtomicUsize,
}
