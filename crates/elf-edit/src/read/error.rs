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
    without_errno(&error.to_string())
}

/// A message without the `(os error 2)` of the system errors in it.
pub fn without_errno(message: &str) -> String {
    let mut parts = message.split(" (os error ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((errno, rest)) if errno.bytes().all(|b| b.is_ascii_digit()) => text.push_str(rest),
            _ => {
                text.push_str(" (os error ");
                text.push_str(part);
            }
        }
    }
    text
}

/// A malformed file, for this reason.
pub(crate) fn malformed<T>(what: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError::Malformed(what.into()))
}

#[cfg(test)]
mod tests {
    use super::without_errno;

    #[test]
    fn numbers_of_errors_are_left_out() {
        assert_eq!(
            without_errno("x: No such file or directory (os error 2): y"),
            "x: No such file or directory: y"
        );
        assert_eq!(without_errno("a (os error b) c"), "a (os error b) c");
    }
}
