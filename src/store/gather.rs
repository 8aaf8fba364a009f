//! Brings the references of many files together, in bounded memory and by no order of arrival.

use super::hashes::{Found, Hash, Needles};
use super::places::UseKind;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Paths that are not in the store: those with the first hashes are kept.
const MAX_ABSENT: usize = 1000;
/// Uses of one path that are kept: the first ones by file.
const MAX_USES: usize = 1000;

/// A map that keeps the first keys. One that doesn't fit is among no first ones later either.
fn keep_first<K: Ord, V>(map: &mut BTreeMap<K, V>, most: usize) -> bool {
    let full = map.len() > most;
    if full {
        map.pop_last();
    }
    full
}

/// The references of one file.
#[derive(Debug, Default)]
pub(super) struct FileReferences {
    present: BTreeMap<(usize, UseKind), u64>,
    absent: BTreeMap<Hash, (Vec<u8>, BTreeMap<UseKind, u64>)>,
    more_absent: bool,
}

impl FileReferences {
    pub(super) fn is_empty(&self) -> bool {
        self.present.is_empty() && self.absent.is_empty()
    }

    /// Adds the references in a short string.
    pub(super) fn look(&mut self, needles: &Needles, bytes: &[u8], kind: UseKind) {
        needles.find(bytes, 0, bytes.len(), |_, found| {
            self.add(found, kind.clone());
        });
    }

    pub(super) fn add(&mut self, found: Found<'_>, kind: UseKind) {
        match found {
            Found::Present(number) => *self.present.entry((number, kind)).or_default() += 1,
            Found::Absent(hash, name) => {
                let full = self.absent.len() >= MAX_ABSENT;
                if full
                    && self
                        .absent
                        .last_key_value()
                        .is_some_and(|(last, _)| *last < hash)
                {
                    self.more_absent = true;
                    return;
                }
                let known = self.absent.entry(hash).or_default();
                if known.0.is_empty() || name < &known.0[..] {
                    known.0 = name.to_vec();
                }
                *known.1.entry(kind).or_default() += 1;
                self.more_absent |= keep_first(&mut self.absent, MAX_ABSENT);
            }
        }
    }

    /// The paths of the store.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.present.keys().map(|(number, _)| *number)
    }
}

/// The references of all files to one path.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub name: Vec<u8>,
    pub uses: BTreeMap<(PathBuf, UseKind), u64>,
    pub files: u64,
    pub occurrences: u64,
    /// Whether a reference remains behind `fixup --shrink`.
    pub stays: bool,
    last: Option<PathBuf>,
}

impl Gathered {
    fn add(&mut self, file: &Path, kind: UseKind, count: u64, goes: bool) {
        if self.last.as_deref() != Some(file) {
            self.last = Some(file.to_owned());
            self.files += 1;
        }
        self.occurrences = self.occurrences.saturating_add(count);
        self.stays |= !goes;
        let uses = self.uses.entry((file.to_owned(), kind)).or_default();
        *uses = uses.saturating_add(count);
        keep_first(&mut self.uses, MAX_USES);
    }
}

/// The references of all files.
#[derive(Debug, Default)]
pub(super) struct AllReferences {
    pub present: BTreeMap<usize, Gathered>,
    pub absent: BTreeMap<Hash, Gathered>,
    pub more_absent: bool,
}

impl AllReferences {
    /// `goes` says which uses `fixup --shrink` removes.
    pub(super) fn add(
        &mut self,
        file: &Path,
        references: FileReferences,
        goes: &dyn Fn(&UseKind) -> bool,
    ) {
        for ((number, kind), count) in references.present {
            let all = self.present.entry(number).or_default();
            let goes = goes(&kind);
            all.add(file, kind, count, goes);
        }
        for (hash, (name, uses)) in references.absent {
            let all = self.absent.entry(hash).or_default();
            if all.name.is_empty() || name < all.name {
                all.name = name;
            }
            for (kind, count) in uses {
                let goes = goes(&kind);
                all.add(file, kind, count, goes);
            }
            self.more_absent |= keep_first(&mut self.absent, MAX_ABSENT);
        }
        self.more_absent |= references.more_absent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hashes_are_kept_in_any_order() {
        let hash = |number: usize| {
            let text = format!("{number:032}");
            Hash::try_from(text.as_bytes()).unwrap()
        };
        let gather = |numbers: &mut dyn Iterator<Item = usize>| {
            let mut all = AllReferences::default();
            for number in numbers {
                let mut file = FileReferences::default();
                file.add(Found::Absent(hash(number), b"x"), UseKind::Text(None));
                file.add(Found::Absent(hash(number / 2), b"y"), UseKind::Link);
                all.add(Path::new(&number.to_string()), file, &|_| false);
            }
            let counts = all.absent.values().map(|one| (one.files, one.occurrences));
            (all.more_absent, counts.collect::<Vec<_>>())
        };
        let up = gather(&mut (0..3000));
        assert_eq!(up, gather(&mut (0..3000).rev()));
        assert_eq!((up.0, up.1.len()), (true, MAX_ABSENT));
        assert_eq!(gather(&mut (0..10)).1.len(), 10);
    }
}
