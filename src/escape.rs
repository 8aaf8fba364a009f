//! Text of results: file names and strings of hostile files, safe for a terminal and for JSON, and
//! numbers of things.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// Directories with the members of archives, and the names of those archives.
static ARCHIVES: RwLock<Vec<(Vec<u8>, Vec<u8>)>> = RwLock::new(Vec::new());
/// Whether there are any: most runs have none.
static HAS_ARCHIVES: AtomicBool = AtomicBool::new(false);

/// From now on, shows `ARCHIVE!path` for `path` in a directory.
pub(crate) fn show_as(directory: &[u8], archive: &[u8]) {
    let mut all = ARCHIVES.write().unwrap_or_else(PoisonError::into_inner);
    all.push((directory.to_vec(), archive.to_vec()));
    HAS_ARCHIVES.store(true, Ordering::Release);
}

/// Replaces the directories of archives by the archives' names.
fn with_archives(text: &[u8]) -> Cow<'_, [u8]> {
    let mut text = Cow::Borrowed(text);
    if !HAS_ARCHIVES.load(Ordering::Acquire) {
        return text;
    }
    let all = ARCHIVES.read().unwrap_or_else(PoisonError::into_inner);
    for (directory, archive) in all.iter() {
        while let Some(at) = memchr::memmem::find(&text, directory) {
            let end = at + directory.len();
            let rest = &text[end..];
            let rest = rest.strip_prefix(b"/").unwrap_or(rest);
            text = Cow::Owned([&text[..at], archive, b"!", rest].concat());
        }
    }
    text
}

/// Displays bytes as text: control characters and invalid UTF-8 as `\xNN`, a backslash as two, so
/// that no two names look the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a>(&'a [u8]);

/// A sentence that has such names in it already: only what a terminal must not get is escaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sentence<'a>(&'a str);

/// Shows a sentence.
pub(crate) fn sentence(text: &str) -> Sentence<'_> {
    Sentence(text)
}

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
        for chunk in with_archives(self.0).utf8_chunks() {
            // Usually nothing needs an escape: one write.
            let odd = |c: char| c.is_control() || c == '\\';
            if !chunk.valid().contains(odd) {
                f.write_str(chunk.valid())?;
            } else {
                escape_controls(chunk.valid(), "\\\\", f)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = with_archives(self.0.as_bytes());
        escape_controls(&String::from_utf8_lossy(&text), "\\", f)
    }
}

fn escape_controls(text: &str, backslash: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for c in text.chars() {
        if c == '\\' {
            f.write_str(backslash)?;
            continue;
        }
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

/// A number of things: `1 file`, `2 files`.
pub(crate) fn counted<N: fmt::Display + PartialEq + From<u8>>(
    number: N,
    one: &str,
    several: &str,
) -> String {
    let word = if number == N::from(1) { one } else { several };
    format!("{number} {word}")
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
        assert_eq!(sentence("a\\x0a \x1b").to_string(), r"a\x0a \x1b");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1_u64, "entry", "entries"), "1 entry");
        assert_eq!(counted(0_usize, "entry", "entries"), "0 entries");
    }

    #[test]
    fn no_two_names_look_the_same() {
        let names: [&[u8]; 5] = [b"a\n", b"a\\x0a", b"a\\\n", b"a\\\\x0a", b"a\xff"];
        let shown: Vec<String> = names
            .iter()
            .map(|name| Shown::from(*name).to_string())
            .collect();
        let mut different = shown.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), names.len(), "{shown:?}");
    }
}
