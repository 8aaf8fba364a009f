//! Libraries that a file opens itself: those in its `.note.dlopen`, and sonames in its read-only
//! data.

use super::closure::{Closure, FoundObject};
use super::search_log::{SearchLog, Step, Via};
use elf_edit::notes::parse_dlopen_notes;

/// A library that a file may open with dlopen(3).
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its names: one is enough.
    pub names: Vec<Vec<u8>>,
    /// From a `.note.dlopen`; else a string in read-only data.
    pub noted: bool,
    /// The feature that the note gives.
    pub feature: Option<String>,
    /// `required`, `recommended` or `suggested`, if the note gives it.
    pub priority: Option<String>,
    /// The first of the names that is found.
    pub found: Option<FoundCandidate>,
    /// The failed attempts for each name.
    pub trails: Vec<SearchLog>,
}

/// The library that dlopen would load for a candidate, were it called by this file.
#[derive(Clone, Debug)]
pub struct FoundCandidate {
    /// The name that was found.
    pub name: Vec<u8>,
    pub path: Vec<u8>,
    /// The step that found it.
    pub via: Via,
}

/// Candidates not looked for yet: of the notes first, then `strings` that no note names.
pub(super) fn candidates(notes: &[Vec<u8>], strings: &[Vec<u8>]) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = parse_dlopen_notes(notes)
        .into_iter()
        .map(|note| Candidate {
            names: note.names,
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

impl Closure<'_> {
    /// Looks for a library that an object opens with dlopen, and loads nothing.
    pub(super) fn look_up(
        &mut self,
        by: usize,
        name: &[u8],
    ) -> (Option<(Vec<u8>, Via)>, SearchLog) {
        let mut trail = SearchLog::default();
        // Limits reached here don't make the answer for the file itself incomplete.
        let complete = self.complete;
        let found = match self.find(by, name, &mut trail) {
            FoundObject::Known(object) => {
                Some((self.objects[object].path.clone(), Via::step(Step::Loaded)))
            }
            FoundObject::File(path, _, via) => Some((path, via)),
            FoundObject::Nothing => None,
        };
        self.complete = complete;
        (found, trail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_that_a_note_names_are_told_once() {
        let notes = [b"[{\"soname\":[\"libx.so\",\"liby.so\"]}]".to_vec()];
        let found = candidates(&notes, &[b"liby.so".to_vec(), b"libz.so".to_vec()]);
        let names: Vec<_> = found.iter().map(|c| (c.names.len(), c.noted)).collect();
        assert_eq!(names, [(2, true), (1, false)]);
    }
}
