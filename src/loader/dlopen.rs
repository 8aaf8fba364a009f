//! Libraries that a file opens by itself: what its `.note.dlopen` says, and names that stand
//! in its read-only data.

use super::trail::{Trail, Via};
use serde::Deserialize;

/// Most candidates of one file: real ones have some dozens.
const MAX_CANDIDATES: usize = 4096;

/// A library that a file may open with dlopen(3).
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its names: one is enough.
    pub names: Vec<Vec<u8>>,
    /// From a `.note.dlopen`; else a string in read-only data.
    pub noted: bool,
    /// What the note says it is for.
    pub feature: Option<String>,
    /// `required`, `recommended` or `suggested`, where the note says so.
    pub priority: Option<String>,
    /// The first of the names that is found.
    pub found: Option<FoundCandidate>,
    /// What was tried for each name.
    pub trails: Vec<Trail>,
}

/// Where dlopen would find a candidate, were it called by this file.
#[derive(Clone, Debug)]
pub struct FoundCandidate {
    /// Which of its names.
    pub name: Vec<u8>,
    /// The file.
    pub path: Vec<u8>,
    /// The step that found it.
    pub via: Via,
}

/// One entry of a note (systemd's ELF_DLOPEN_METADATA): a list of alternative sonames.
#[derive(Debug, Deserialize)]
pub struct DlopenNote {
    /// Alternatives: one is enough.
    pub soname: Vec<String>,
    /// What it is for.
    pub feature: Option<String>,
    /// `required`, `recommended` or `suggested`.
    pub priority: Option<String>,
}

/// Parses the notes of a file. What is no such list or entry is left out: notes are hints.
pub fn parse_notes(notes: &[Vec<u8>]) -> Vec<DlopenNote> {
    notes
        .iter()
        .filter_map(|note| {
            // The descriptor may be padded with NULs.
            let end = note.iter().position(|&b| b == 0).unwrap_or(note.len());
            serde_json::from_slice::<Vec<serde_json::Value>>(&note[..end]).ok()
        })
        .flatten()
        .filter_map(|entry| serde_json::from_value::<DlopenNote>(entry).ok())
        .filter(|note| !note.soname.is_empty())
        .take(MAX_CANDIDATES)
        .collect()
}

/// Candidates not looked for yet: of the notes first, then `strings` that no note names.
pub(super) fn candidates(notes: &[Vec<u8>], strings: &[Vec<u8>]) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = parse_notes(notes)
        .into_iter()
        .map(|note| Candidate {
            names: note.soname.into_iter().map(String::into_bytes).collect(),
            noted: true,
            feature: note.feature,
            priority: note.priority,
            found: None,
            trails: Vec::new(),
        })
        .collect();
    for string in strings {
        if !found.iter().any(|c| c.names.contains(string)) {
            found.push(Candidate {
                names: vec![string.clone()],
                noted: false,
                feature: None,
                priority: None,
                found: None,
                trails: Vec::new(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_give_alternatives_and_nonsense_gives_nothing() {
        let notes = [
            br#"[{"soname":["libx.so.2","libx.so.1"],"feature":"x","priority":"required","more":1},{"soname":7}]"#
                .to_vec(),
            b"[{\"soname\":[\"liby.so\"]}]\0\0".to_vec(),
            b"not json".to_vec(),
            br#"[{"soname":[]}]"#.to_vec(),
        ];
        let found = candidates(&notes, &[b"liby.so".to_vec(), b"libz.so".to_vec()]);
        let names: Vec<_> = found.iter().map(|c| c.names.len()).collect();
        assert_eq!(names, [2, 1, 1]);
        assert_eq!(found[0].priority.as_deref(), Some("required"));
        assert!(!found[2].noted);
    }
}
