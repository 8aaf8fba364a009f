//! The versions that the symbols of one file have.

use elf_edit::versions::Version;

/// What the version indices of DT_VERSYM name, by index.
#[derive(Debug, Default)]
pub(super) struct Versions(Vec<Version>);

impl Versions {
    /// Of two versions with one index, the last one counts. 0 and 1 are for symbols without a
    /// version; the file's own name has 1.
    pub(super) fn new(all: impl Iterator<Item = Version>) -> Versions {
        let mut all: Vec<Version> = all.filter(|version| version.index > 1).collect();
        all.reverse();
        all.sort_by_key(|version| version.index);
        all.dedup_by_key(|version| version.index);
        Versions(all)
    }

    pub(super) fn place(&self, index: u16) -> Option<usize> {
        // Linkers number them from 2 on.
        let usual = usize::from(index).checked_sub(2)?;
        if self.0.get(usual).is_some_and(|v| v.index == index) {
            return Some(usual);
        }
        self.0.binary_search_by_key(&index, |v| v.index).ok()
    }

    pub(super) fn get(&self, index: u16) -> Option<&Version> {
        self.0.get(self.place(index)?)
    }

    pub(super) fn at(&self, place: usize) -> Option<&Version> {
        self.0.get(place)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
