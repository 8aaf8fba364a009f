//! Finds the file of one tree that corresponds to a file of the other.

use super::normalise::Normaliser;
use crate::survey::Survey;
use std::collections::{BTreeMap, BTreeSet};

/// Indices of corresponding files; of a new or a gone one, one side only.
pub(super) type Pair = (Option<usize>, Option<usize>);

/// All files of both sides, each once, in the order of the paths.
pub(super) fn pairs(before: (&Survey, &Normaliser), after: (&Survey, &Normaliser)) -> Vec<Pair> {
    let mut left: BTreeSet<usize> = (0..before.0.files.len()).collect();
    let mut right: BTreeSet<usize> = (0..after.0.files.len()).collect();
    let mut found: Vec<Pair> = Vec::new();
    let exact = |side: (&Survey, &Normaliser), at: usize| side.1.path(&side.0.files[at].inside);
    let loose =
        |side: (&Survey, &Normaliser), at: usize| side.1.unversioned(&side.0.files[at].inside);
    let soname = |side: (&Survey, &Normaliser), at: usize| {
        let facts = &side.0.files[at].facts;
        facts.info.soname.clone().unwrap_or_default()
    };
    type Key<'a> = &'a dyn Fn((&Survey, &Normaliser), usize) -> Vec<u8>;
    let keys: [Key; 3] = [&exact, &loose, &soname];
    for key in keys {
        let lefts = by_key(&left, |at| key(before, at));
        let rights = by_key(&right, |at| key(after, at));
        for (key, one) in lefts {
            // Several files of one key are no evidence for any pair of them.
            if let (Some(&[one]), Some(&[other])) =
                (Some(&one[..]), rights.get(&key).map(|r| &r[..]))
                && !key.is_empty()
            {
                left.remove(&one);
                right.remove(&other);
                found.push((Some(one), Some(other)));
            }
        }
    }
    found.extend(left.into_iter().map(|one| (Some(one), None)));
    found.extend(right.into_iter().map(|other| (None, Some(other))));
    found.sort_by_key(|(one, other)| match (one, other) {
        (_, Some(other)) => exact(after, *other),
        (Some(one), None) => exact(before, *one),
        (None, None) => Vec::new(),
    });
    found
}

fn by_key(of: &BTreeSet<usize>, key: impl Fn(usize) -> Vec<u8>) -> BTreeMap<Vec<u8>, Vec<usize>> {
    let mut found: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    for &at in of {
        found.entry(key(at)).or_default().push(at);
    }
    found
}
