//! Finds hashes of store paths in bytes, as Nix's own scanner does: 32 digits of Nix's base 32 in a
//! row, at any offset. It looks at the last byte of a possible hash first, so that most bytes are
//! never looked at.

use std::collections::HashMap;

/// Digits of a hash.
pub(super) const LENGTH: usize = 32;
/// Longest name of a store path behind its hash, as Nix allows.
const MAX_NAME: usize = 211;
/// Bytes of the store's own path that must precede a hash that is not in the store.
pub(super) const MAX_PREFIX: usize = 400;

/// The digits of a hash as text.
pub(crate) type Hash = [u8; LENGTH];

/// The value of each digit; 0xff for other bytes. Nix leaves out e, o, t and u.
const VALUES: [u8; 256] = {
    let digits = b"0123456789abcdfghijklmnpqrsvwxyz";
    let mut values = [0xff; 256];
    let mut at = 0;
    while at < digits.len() {
        values[digits[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// Calls `found` for each offset in `from..to` at which a hash begins that `bytes` has whole.
fn runs(bytes: &[u8], from: usize, to: usize, mut found: impl FnMut(usize)) {
    let is_digit = |byte: &u8| VALUES[*byte as usize] != 0xff;
    let mut at = from;
    while at < to
        && let Some(window) = bytes.get(at..at + LENGTH)
    {
        if let Some(other) = window.iter().rposition(|byte| !is_digit(byte)) {
            at += other + 1;
            continue;
        }
        found(at);
        at += 1;
        while at < to && bytes.get(at + LENGTH - 1).is_some_and(is_digit) {
            found(at);
            at += 1;
        }
        at += LENGTH;
    }
}

/// A reference to a store path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// To the path of this number in the store.
    Present(usize),
    /// To a path that the store doesn't have.
    Absent(Hash, &'a [u8]),
}

/// The hashes to find.
#[derive(Debug)]
pub(super) struct Needles {
    /// The store's path with a slash, or the end of a long one.
    prefix: Vec<u8>,
    known: HashMap<Hash, usize>,
    /// A bit for each start of a known hash: four digits.
    starts: Vec<u64>,
}

impl Needles {
    /// `names` are those of the files in the store. Of a path and its lock file, which have one
    /// hash, the path is meant.
    pub(super) fn new(store: &[u8], names: &[Vec<u8>]) -> Needles {
        let store = store.strip_suffix(b"/").unwrap_or(store);
        let mut needles = Needles {
            prefix: [&store[store.len().saturating_sub(MAX_PREFIX)..], b"/"].concat(),
            known: HashMap::new(),
            starts: vec![0; 1 << 14],
        };
        for (number, name) in names.iter().enumerate() {
            let Some(hash) = hash_of(name) else { continue };
            let start = start(&hash);
            needles.starts[start / 64] |= 1 << (start % 64);
            let known = needles.known.entry(hash).or_insert(number);
            if names[*known].len() > name.len() {
                *known = number;
            }
        }
        needles
    }

    /// Calls `found` for each reference that begins in `from..to` of `bytes`, with its offset.
    pub(super) fn find<'a>(
        &self,
        bytes: &'a [u8],
        from: usize,
        to: usize,
        mut found: impl FnMut(usize, Found<'a>),
    ) {
        runs(bytes, from, to, |at| {
            let Some(hash) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
                return;
            };
            let start = start(hash);
            if self.starts[start / 64] & (1 << (start % 64)) != 0
                && let Some(&number) = self.known.get(hash)
            {
                found(at, Found::Present(number));
            } else if bytes[..at].ends_with(&self.prefix)
                && let Some(name) = name_at(&bytes[at..])
            {
                found(at, Found::Absent(*hash, name));
            }
        });
    }
}

/// The number of a known hash's first four digits.
fn start(hash: &Hash) -> usize {
    hash[..4].iter().fold(0, |number, &digit| {
        (number << 5) | usize::from(VALUES[digit as usize] & 31)
    })
}

/// The hash of a file in the store.
fn hash_of(name: &[u8]) -> Option<Hash> {
    let hash: &Hash = name.first_chunk()?;
    let is_path = name_at(name).is_some_and(|path| path == name);
    let is_hash = hash.iter().all(|&byte| VALUES[byte as usize] != 0xff);
    (is_hash && is_path).then_some(*hash)
}

/// The name of a store path at the start of `bytes`: a hash, a dash, and at least one character.
pub(super) fn name_at(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.get(LENGTH..)?.strip_prefix(b"-")?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(byte);
    let length = rest.iter().take_while(|byte| is_name(byte)).count();
    let length = length.min(MAX_NAME);
    (length > 0).then(|| &bytes[..LENGTH + 1 + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdfghijklmnpqrsvwxyz";

    /// Offsets by the definition.
    fn slow(bytes: &[u8], from: usize, to: usize) -> Vec<usize> {
        (from..to)
            .filter(|&at| {
                let window = bytes.get(at..at + LENGTH);
                window.is_some_and(|w| w.iter().all(|&b| VALUES[b as usize] != 0xff))
            })
            .collect()
    }

    proptest::proptest! {
        #[test]
        fn every_run_is_found(bytes in "[0-9abcde/-]{0,300}", from in 0..50usize, to in 0..300usize) {
            let mut found = Vec::new();
            runs(bytes.as_bytes(), from, to, |at| found.push(at));
            proptest::prop_assert_eq!(found, slow(bytes.as_bytes(), from, to));
        }

        #[test]
        fn every_run_of_digits_is_found(bytes in "([0-9a-d]{20,70}[e /]{0,2}){0,6}", to in 0..300usize) {
            let mut found = Vec::new();
            runs(bytes.as_bytes(), 0, to, |at| found.push(at));
            proptest::prop_assert_eq!(found, slow(bytes.as_bytes(), 0, to));
        }
    }

    #[test]
    fn known_hashes_count_anywhere_and_others_in_paths_alone() {
        let other = A.replace("0123", "3210");
        let names = [format!("{A}-x-1.0"), format!("{A}-x-1.0.lock")].map(String::into_bytes);
        let needles = Needles::new(b"/nix/store", &names);
        let find = |text: &str| {
            let mut all = Vec::new();
            needles.find(text.as_bytes(), 0, text.len(), |at, found| {
                all.push((
                    at,
                    match found {
                        Found::Present(number) => number.to_string(),
                        Found::Absent(_, name) => String::from_utf8_lossy(name).into_owned(),
                    },
                ));
            });
            all
        };
        let known = |at: usize| vec![(at, "0".to_owned())];
        assert_eq!(find(&format!("/nix/store/{A}-x-1.0/lib")), known(11));
        assert_eq!(find(&format!("zz{A}zz")), known(2));
        assert_eq!(find(&other), []);
        assert_eq!(find(&format!("/gnu/store/{other}-x")), []);
        assert_eq!(find(&format!("/nix/store/{other}/x")), []);
        let absent = find(&format!("-L/nix/store/{other}-gcc_1+2?=/lib"));
        assert_eq!(absent, [(13, format!("{other}-gcc_1+2?="))]);
        // Nix and `nuke-refs` write this for a reference that is taken out.
        let taken = "e".repeat(LENGTH);
        assert_eq!(find(&format!("/nix/store/{taken}-x")), []);
    }
}
