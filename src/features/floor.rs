//! The oldest C and C++ libraries that a file runs with, by the versions of symbols that it needs.

use crate::redist::version;
use elf_edit::versions::{self, Wanted};
use elf_edit::{ElfInfo, FileReader, ReadError};
use serde::Serialize;
use std::cmp::Ordering;

/// The newest version that is needed of each; `None`: none is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Floor {
    /// `2.34` of GLIBC_2.34
    pub glibc: Option<String>,
    /// `3.4.30` of GLIBCXX_3.4.30: libstdc++
    pub glibcxx: Option<String>,
    /// `1.3.13` of CXXABI_1.3.13: libstdc++, too
    pub cxxabi: Option<String>,
}

/// Versions of glibc that name a feature, and the release that introduced it.
const FEATURES: [(&str, &str); 1] = [("GLIBC_ABI_DT_RELR", "2.36")];

impl Floor {
    /// From DT_VERNEED of a file.
    pub(super) fn read(file: &FileReader, info: &ElfInfo) -> Result<Floor, ReadError> {
        Ok(Floor::of(&versions::wanted(file, info)?))
    }

    fn of(wanted: &[Wanted]) -> Floor {
        let mut floor = Floor::default();
        let all = wanted.iter().flat_map(|library| &library.versions);
        // A file loads without a weak one.
        for version in all.filter(|version| !version.weak) {
            let Ok(name) = str::from_utf8(&version.name) else {
                continue;
            };
            let feature = FEATURES.iter().find(|(feature, _)| *feature == name);
            match (feature, name.split_once('_')) {
                (Some((_, release)), _) => raise(&mut floor.glibc, release),
                (None, Some(("GLIBC", number))) => raise(&mut floor.glibc, number),
                (None, Some(("GLIBCXX", number))) => raise(&mut floor.glibcxx, number),
                (None, Some(("CXXABI", number))) => raise(&mut floor.cxxabi, number),
                _ => {}
            }
        }
        floor
    }

    /// The higher of both.
    pub(super) fn raise(&mut self, other: &Floor) {
        let pairs = [
            (&mut self.glibc, &other.glibc),
            (&mut self.glibcxx, &other.glibcxx),
            (&mut self.cxxabi, &other.cxxabi),
        ];
        for (own, other) in pairs {
            if let Some(other) = other {
                raise(own, other);
            }
        }
    }
}

/// `number` is a version, or a word such as PRIVATE.
fn raise(floor: &mut Option<String>, number: &str) {
    let is_version = number.starts_with(|c: char| c.is_ascii_digit());
    let higher = |old: &String| version::compare(number, old) == Ordering::Greater;
    if is_version && floor.as_ref().is_none_or(higher) {
        *floor = Some(number.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf_edit::versions::Version;

    fn floor(names: &[&str]) -> (Option<String>, Option<String>, Option<String>) {
        let versions = names.iter().map(|name| Version {
            name: name.trim_end_matches('?').into(),
            hash: 0,
            index: 2,
            weak: name.ends_with('?'),
        });
        let wanted = Wanted {
            file: b"libc.so.6".to_vec(),
            versions: versions.collect(),
        };
        let Floor {
            glibc,
            glibcxx,
            cxxabi,
        } = Floor::of(&[wanted]);
        (glibc, glibcxx, cxxabi)
    }

    #[test]
    fn numbers_compare_as_numbers_and_words_are_none() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            floor(&["GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.17", "GLIBC_PRIVATE"]),
            (some("2.34"), None, None)
        );
        assert_eq!(
            floor(&[
                "GLIBCXX_3.4.9",
                "GLIBCXX_3.4.30",
                "CXXABI_1.3.13",
                "CXXABI_TM_1"
            ]),
            (None, some("3.4.30"), some("1.3.13"))
        );
        // Packed relative relocations need 2.36, whatever functions are used.
        assert_eq!(floor(&["GLIBC_2.2.5", "GLIBC_ABI_DT_RELR"]).0, some("2.36"));
        assert_eq!(
            floor(&["GLIBC_2.2.5", "GLIBC_2.38?", "libfoo_1.0"]).0,
            some("2.2.5")
        );
        assert_eq!(floor(&[]), (None, None, None));
    }
}
