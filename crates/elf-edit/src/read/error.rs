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
    #[error("cannot be read: {}", reason(.0))]
    Io(#[from] io::Error),
}

/// Text of a system error, without Rust's `(os error 2)`, which doesn't help a user.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error ").unwrap_or(text.len());
    text[..end].to_owned()
}

/// A malformed file, for this reason.
pub(crate) fn malformed<T>(what: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError::Malformed(what.into()))
}
