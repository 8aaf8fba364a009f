//! Finds the ELF files of the given trees: one visit an inode, whatever names it has.
//!
//! `visit` walks, opens each regular file once and passes it to the caller, all on the threads of
//! the current pool; `list` only lists. Unwanted files are counted, not reported; a path that the
//! user named and that can't be handled is a problem. Links are followed only where the user named
//! one. Results are sorted, so that they depend on neither threads nor the file system.

mod open;
mod order;
mod part;
mod skip;
mod visit;
mod walk;

pub use open::dynamic_info;
pub(crate) use open::{FileError, open, open_locked, read_small, read_small_text};
pub(crate) use order::tree_order;
pub use skip::Skip;
pub(crate) use skip::Skipped;
pub(crate) use visit::{EachFile, FileList, Visited, each_file, list, read_file, visit_listed};
pub use visit::{Visit, visit};
pub use walk::Walk;
pub(crate) use walk::{Link, Root, Walked, absolute, root_of};

use std::path::PathBuf;

/// A path that could not be handled, for a message and exit 2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanProblem {
    pub path: PathBuf,
    /// The fault: the expected and the actual file.
    pub what: String,
}
