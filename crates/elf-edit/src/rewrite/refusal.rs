//! Edits that a file can't take.

use crate::read::unfit::Unfit;

/// Why an edit can't be made to a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The edit needs a dynamic section.
    #[error("{0} needs a dynamic section, and this {1} has none")]
    NotDynamic(&'static str, &'static str),
    /// The edit needs PT_INTERP.
    #[error("has no interpreter (PT_INTERP) that could be set: it is a {0}")]
    NoInterpreter(&'static str),
    /// glibc's start-up code of a static PIE walks its own dynamic section and crashes.
    #[error(
        "is a static PIE: its start-up code crashes on any RUNPATH, and no loader would read it"
    )]
    StaticPie,
    /// Nothing else that a loader reads has a use in a static PIE.
    #[error("is a static PIE: no loader reads its dynamic section, so {0} would do nothing")]
    Unread(&'static str),
    /// A string with a NUL would end early.
    #[error("{0} holds a NUL byte")]
    NulInside(&'static str),
    /// Not an executable or shared library.
    #[error("is a {0}: only executables and shared libraries are rewritten")]
    Kind(&'static str),
    /// The file's own structure gives no way that is safe.
    #[error("can't be rewritten safely: {0}")]
    Layout(String),
    /// The file is of a kind whose dynamic section must stay as it is.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The file breaks the gABI where the edit builds on it.
    #[error("malformed ELF file: {0}")]
    Malformed(String),
}
