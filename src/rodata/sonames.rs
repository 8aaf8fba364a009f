//! Finds strings that look like sonames: `lib[A-Za-z0-9_+.-]+\.so(\.[0-9]+)*`, ended by a NUL; as
//! strings of their own also those without `lib`. In 282 ELF files of 46 wheels these were 12 names
//! beside the files' own, all of them plugins that libnvshmem_host opens.
//!
//! Strings without a NUL behind them (Rust's and Go's) are not found: where those end is not
//! written down in the data.

use elf_edit::windows::Window;
use memchr::memmem;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Longest file name in Linux, in bytes.
const NAME_MAX: usize = 255;

/// A soname that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundSoname {
    /// First offset in the file, of a complete string if there is one.
    pub offset: u64,
    /// A complete string, not just the tail of a longer one.
    pub whole: bool,
}

/// Of `.so`; `.shm` of a CUDA runtime is found with it, in one search for both.
static DOT_S: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b".s"));

/// Collects sonames from windows.
pub(super) struct Finder {
    found: BTreeMap<Vec<u8>, FoundSoname>,
    most: usize,
    truncated: bool,
}

impl Finder {
    /// Keeps at most `most` names.
    pub(super) fn new(most: usize) -> Finder {
        Finder {
            found: BTreeMap::new(),
            most,
            truncated: false,
        }
    }

    /// Looks through one window. `other` gets each place of `.sh`.
    pub(super) fn look(&mut self, window: Window<'_>, mut other: impl FnMut(usize)) {
        for dot in DOT_S.find_iter(window.bytes) {
            match window.bytes.get(dot + 2) {
                Some(b'o') => {}
                Some(b'h') => {
                    other(dot);
                    continue;
                }
                _ => continue,
            }
            let Some((name, whole)) = soname_at(window, dot) else {
                continue;
            };
            let bytes = &window.bytes[name.clone()];
            if let Some(known) = self.found.get_mut(bytes) {
                if whole && !known.whole {
                    let offset = window.offset + name.start as u64;
                    *known = FoundSoname { offset, whole };
                }
            } else if self.found.len() < self.most {
                let offset = window.offset + name.start as u64;
                self.found
                    .insert(bytes.to_vec(), FoundSoname { offset, whole });
            } else {
                self.truncated = true;
            }
        }
    }

    /// Whether names were left out.
    pub(super) fn truncated(&self) -> bool {
        self.truncated
    }

    /// All names, sorted.
    pub(super) fn found(self) -> BTreeMap<Vec<u8>, FoundSoname> {
        self.found
    }
}

/// The soname whose `.so` is at `dot`, and whether it is a whole string.
fn soname_at(window: Window<'_>, dot: usize) -> Option<(std::ops::Range<usize>, bool)> {
    let bytes = window.bytes;
    let mut end = dot + 3;
    loop {
        match bytes.get(end)? {
            0 => break,
            b'.' => {
                let digits = bytes[end + 1..]
                    .iter()
                    .take(NAME_MAX)
                    .take_while(|b| b.is_ascii_digit())
                    .count();
                if digits == 0 {
                    return None;
                }
                end += 1 + digits;
            }
            _ => return None,
        }
    }
    let earliest = dot.saturating_sub(NAME_MAX + 1);
    let start = bytes[earliest..dot]
        .iter()
        .rposition(|&b| !is_name_byte(b))
        .map_or(earliest, |before| earliest + before + 1);
    let stem = &bytes[start..dot];
    let is_lib = stem.starts_with(b"lib");
    if end - start > NAME_MAX || (is_lib && stem.len() == 3) {
        return None;
    }
    let whole = match start.checked_sub(1) {
        Some(before) => bytes[before] == 0,
        // The byte before it is not in this window; unless the region begins here, the window
        // before contained this name as a whole.
        None if window.first => true,
        None => return None,
    };
    // A name without `lib` is one only as a string of its own: as the end of another string it is
    // part of a path or of a sentence.
    let counts = is_lib || (whole && is_plugin_name(stem));
    counts.then_some((start..end, whole))
}

/// Whether a name that doesn't begin with `lib` is that of a library: `nvshmem_bootstrap_uid.so.3`.
/// The kernel's and the loader's own names are never opened.
fn is_plugin_name(stem: &[u8]) -> bool {
    const NOT_OPENED: [&[u8]; 3] = [b"linux-vdso", b"linux-gate", b"ld-"];
    let starts = stem
        .first()
        .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    // Bytes before `lib` that happen to be letters: `4Blibmlx5.so`.
    let is_lib_with_garbage = memmem::find(stem, b"lib").is_some();
    starts
        && !is_lib_with_garbage
        && stem.len() >= 2
        && !NOT_OPENED.iter().any(|name| stem.starts_with(name))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'.' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf_edit::windows::{self, Region};

    fn find(bytes: &[u8]) -> Vec<(String, u64, bool)> {
        let mut finder = Finder::new(100);
        let region = Region {
            start: 0,
            end: bytes.len() as u64,
        };
        windows::windows(bytes, region, |w| finder.look(w, |_| ())).unwrap();
        finder
            .found()
            .into_iter()
            .map(|(n, f)| (String::from_utf8(n).unwrap(), f.offset, f.whole))
            .collect()
    }

    #[test]
    fn whole_strings_and_tails_are_told_apart() {
        assert_eq!(
            find(b"libcuda.so.1\0x\0libstdc++.so.6\0/opt/libfoo-1.2.so\0no libbar.so.1.2.3\0"),
            [
                ("libbar.so.1.2.3".into(), 52, false),
                ("libcuda.so.1".into(), 0, true),
                ("libfoo-1.2.so".into(), 35, false),
                ("libstdc++.so.6".into(), 15, true),
            ]
        );
        // Plugins of NVSHMEM, of Python, of others.
        assert_eq!(
            find(b"nvshmem_bootstrap_uid.so.3\0_ext.so\0/opt/foo.so\0"),
            [
                ("_ext.so".into(), 27, true),
                ("nvshmem_bootstrap_uid.so.3".into(), 0, true),
            ]
        );
        // Seen as a tail first, then whole.
        assert_eq!(
            find(b"/libfoo.so\0libfoo.so\0"),
            [("libfoo.so".into(), 11, true)]
        );
    }

    #[test]
    fn what_only_resembles_a_soname_is_not_one() {
        for text in [
            &b"lib.so\0"[..],
            b"libfoo.so",
            b"libfoo.so.\0",
            b"libfoo.so.1a\0",
            b"libfoo.source\0",
            b"libfoo.so:libbar\0",
            b"lib%s.so\0",
            b"x.so\0",
            b"4Blibmlx5.so\0",
            b"see foo.so\0",
            b"/opt/foo.so\0",
            b"-foo.so\0",
            b"linux-vdso.so.1\0",
            b"ld-linux-x86-64.so.2\0",
            b"%s.so\0",
            b".so\0",
            b"libfoo.so.1.\0",
        ] {
            assert_eq!(find(text), [], "{}", text.escape_ascii());
        }
        let long = [b"lib", &[b'a'; 250][..], b".so\0"].concat();
        assert_eq!(find(&long), []);
    }

    #[test]
    fn a_name_across_windows_is_found_once_and_whole() {
        for shift in 0..40 {
            let mut bytes = vec![0; (256 << 10) - 20 + shift];
            let at = bytes.len() as u64;
            bytes.extend_from_slice(b"libcuda.so.1\0");
            bytes.resize(bytes.len() + 3000, 0);
            assert_eq!(find(&bytes), [("libcuda.so.1".into(), at, true)], "{shift}");
        }
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let mut finder = Finder::new(3);
        let bytes: Vec<u8> = (0..50)
            .flat_map(|i| format!("lib{i}.so\0").into_bytes())
            .collect();
        let window = Window {
            bytes: &bytes,
            offset: 0,
            first: true,
        };
        finder.look(window, |_| ());
        assert!(finder.truncated());
        assert_eq!(finder.found().len(), 3);
    }
}
