//! Searches a file for paths, in fixed windows.

use crate::escape::shown;
use elf_edit::ReadAt;
use regex::bytes::Regex;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes read at a time.
const WINDOW: usize = 1 << 20;

pub(super) struct Needles {
    pattern: Option<Regex>,
    /// As many bytes of a window are looked at again with the next one.
    overlap: usize,
}

/// The first path in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    path: PathBuf,
    offset: u64,
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", shown(&self.path), self.offset)
    }
}

impl Needles {
    /// Each path as written, and without links, as compilers often write it.
    pub(super) fn new<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> io::Result<Needles> {
        let mut texts: BTreeSet<Vec<u8>> = BTreeSet::new();
        for path in paths {
            let real = path.canonicalize();
            for path in [Some(path.clone()), real.ok()].into_iter().flatten() {
                let text = path.as_os_str().as_encoded_bytes();
                let text = text.strip_suffix(b"/").unwrap_or(text);
                if text.len() < 2 || text[0] != b'/' {
                    let what = format!("{}: is no path to search for", shown(&path));
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
                }
                texts.insert(text.to_vec());
            }
        }
        let overlap = texts.iter().map(Vec::len).max().unwrap_or(0);
        // Longest first: where one path is below another, the longer one is the answer.
        let mut texts: Vec<Vec<u8>> = texts.into_iter().collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let texts: Vec<String> = texts.iter().map(|text| escaped(text)).collect();
        let pattern = match texts.is_empty() {
            true => None,
            false => {
                Some(Regex::new(&format!("(?-u:{})", texts.join("|"))).map_err(io::Error::other)?)
            }
        };
        Ok(Needles { pattern, overlap })
    }

    /// Whether one of the paths, or something below it, is in these bytes.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.position(bytes, true).is_some()
    }

    /// The first one. `end`: nothing follows these bytes.
    fn position(&self, bytes: &[u8], end: bool) -> Option<std::ops::Range<usize>> {
        let mut at = 0;
        while let Some(found) = self.pattern.as_ref()?.find_at(bytes, at) {
            match bytes.get(found.end()) {
                // `/farm2` and `/farm-old` are not `/farm`.
                Some(byte) if byte.is_ascii_alphanumeric() || b"_-+~".contains(byte) => {
                    at = found.start() + 1;
                }
                // The next window contains it again, with the bytes behind it.
                None if !end => return None,
                _ => return Some(found.range()),
            }
        }
        None
    }

    /// The first path in a file.
    pub(super) fn first(&self, file: &(impl ReadAt + ?Sized)) -> io::Result<Option<Hit>> {
        let length = file.len();
        let mut window = Vec::new();
        let mut start = 0;
        while start < length {
            let size = (length - start).min((WINDOW + self.overlap) as u64) as usize;
            window.resize(size, 0);
            file.read_exact_at(start, &mut window)?;
            let end = start + size as u64 == length;
            if let Some(found) = self.position(&window, end) {
                let path = String::from_utf8_lossy(&window[found.clone()]).into_owned();
                return Ok(Some(Hit {
                    path: Path::new(&path).to_owned(),
                    offset: start + found.start as u64,
                }));
            }
            if end {
                break;
            }
            // One byte more than the longest path, for the byte that follows it.
            start += (size - self.overlap - 1).max(1) as u64;
        }
        Ok(None)
    }
}

/// Bytes as a pattern that matches them and nothing else.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!(r"\x{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles(paths: &[&str]) -> Needles {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        Needles::new(paths.iter()).unwrap()
    }

    #[test]
    fn whole_components_only() {
        let needles = needles(&["/no/farm", "/no/b(u)ild/"]);
        for yes in [
            "x/no/farm",
            "/no/farm/lib",
            "/no/farm:/lib",
            "/no/farm2/no/farm",
            "/no/b(u)ild.",
        ] {
            assert!(needles.is_in(yes.as_bytes()), "{yes}");
        }
        for no in ["/no/farm2", "/no/farm-old/lib", "/no/far", "/no/build", ""] {
            assert!(!needles.is_in(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn a_path_at_every_place_of_the_windows() {
        let needles = needles(&["/no/such/farm"]);
        for at in (WINDOW - 40..WINDOW + 40).chain([0, 3 * WINDOW]) {
            let mut bytes = vec![b'/'; at];
            bytes.extend(b"/no/such/farm");
            let hit = needles.first(&bytes[..]).unwrap().unwrap();
            assert_eq!(hit.offset, at as u64);
            bytes.extend(b"2/lib");
            assert_eq!(needles.first(&bytes[..]).unwrap(), None);
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in ["/", "relative", ""] {
            assert!(Needles::new([PathBuf::from(bad)].iter()).is_err(), "{bad}");
        }
        assert!(!Needles::new([].iter()).unwrap().is_in(b"/x"));
    }
}
