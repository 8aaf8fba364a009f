//! File names and strings of hostile files, safe for a terminal and for JSON.

use std::fmt;

/// Displays bytes as text: control characters and invalid UTF-8 as `\xNN`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a>(&'a [u8]);

/// Shows a path or a string of a file.
pub(crate) fn shown<T: AsRef<std::ffi::OsStr> + ?Sized>(text: &T) -> Shown<'_> {
    Shown(text.as_ref().as_encoded_bytes())
}

impl<'a> From<&'a [u8]> for Shown<'a> {
    fn from(bytes: &'a [u8]) -> Shown<'a> {
        Shown(bytes)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            // Usually nothing needs an escape: one write.
            if !chunk.valid().contains(char::is_control) {
                f.write_str(chunk.valid())?;
            } else {
                escape_controls(chunk.valid(), f)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

fn escape_controls(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for c in text.chars() {
        if !c.is_control() {
            write!(f, "{c}")?;
            continue;
        }
        let mut utf8 = [0; 4];
        for byte in c.encode_utf8(&mut utf8).bytes() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_bad_utf8_lose_their_teeth() {
        let hostile = b"lib\x1b[31mred\xff\xc2\x9b.so \xc3\xa9";
        assert_eq!(
            Shown::from(&hostile[..]).to_string(),
            r"lib\x1b[31mred\xff\xc2\x9b.so é"
        );
    }
}
