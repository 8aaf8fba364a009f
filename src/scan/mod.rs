//! Finds the ELF files of the given trees: one visit an inode, whatever names it has.
//!
//! `walk` lists, `visit` opens each regular file once and passes it to the caller, `walk_and_visit`
//! does both at once. Unwanted files are counted, not reported; a path that the user named and that
//! can't be handled is a problem. Links are followed only where the user named one.

mod skip;
mod visit;
mod walk;

pub use skip::Skip;
pub(crate) use skip::Skipped;
pub(crate) use visit::{FileError, Visited, open, open_locked, tree_order, walk_and_visit};
pub use visit::{Visit, dynamic_info, visit};
pub use walk::walk;
pub(crate) use walk::{Link, Root, Tree, Walk, Walked, absolute, root_of};

use std::path::PathBuf;

/// A path that could not be handled, for a message and exit 2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanProblem {
    pub path: PathBuf,
    /// The fault: the expected and the actual file.
    pub what: String,
}
