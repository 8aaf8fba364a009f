//! Why a file can't be read as ELF.

use std::io;

/// Why a file could not be read as ELF.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No ELF magic: most files of a tree.
    #[error("not an ELF file")]
    NotElf,
    /// ELF magic, but what follows breaks the gABI.
    #[error("malformed ELF file: {0}")]
    Malformed(String),
    /// The read itself failed.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// A malformed file, for this reason.
pub(crate) fn malformed<T>(what: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError::Malformed(what.into()))
}
