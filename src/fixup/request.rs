//! The request for a run, as plain data.

use super::{Libc, Relative};
use crate::plan::Policy;
use crate::resolution;
use elf_edit::{Platform, RewriteOptions};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// A request: edits and paths.
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
    /// Required platform of files; any for `None`.
    pub platform: Option<Platform>,
    /// Libraries that come with the libc.
    pub libc: Libc,
    pub policy: Policy,
    /// The only files that are planned for, each with a policy of its own; all of them with
    /// `policy`, where it is `None`.
    pub selected: Option<BTreeMap<PathBuf, Policy>>,
    /// What files get so that the loader need not search.
    pub resolution: resolution::Mode,
    /// When entries become relative to `$ORIGIN`.
    pub relative: Relative,
    /// The store of Nix.
    pub store: PathBuf,
    /// Malformed ELF files are skipped and counted, rather than reported.
    pub skip_malformed: bool,
    /// Unsuitable files among `paths` are skipped, rather than reported.
    pub skip_named: bool,
    /// A loader, a vDSO image or device code among `paths` is an error, with the reason, rather
    /// than passed over.
    pub refuse_unfit: bool,
    /// `libs` that are not there are no fault.
    pub skip_unreadable_libs: bool,
    /// Links among `paths` are skipped, rather than followed.
    pub skip_links: bool,
    /// The report is in the format of nixpkgs' auto-patchelf, so skipped files are listed in
    /// [`Summary::skipped_files`].
    pub structured_logs: bool,
    /// No interpreter is known, for this reason: files that have one fail.
    pub no_interpreter: Option<String>,
    /// Whether the report includes libraries that files may dlopen.
    pub report_dlopen: bool,
    pub dry_run: bool,
    pub rewrite: RewriteOptions,
    /// Counts while the run is under way.
    pub progress: Arc<FixupProgress>,
}

/// Progress of a run.
#[derive(Debug, Default)]
pub(crate) struct FixupProgress {
    /// Files that the first pass has read.
    pub read: AtomicUsize,
    /// ELF files of the second pass.
    pub files: AtomicUsize,
    /// Those that are done.
    pub done: AtomicUsize,
}
