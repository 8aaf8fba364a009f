//! Lists of RUNPATH entries, each with its reason.

use super::{Context, DriverUse, relative};
use std::collections::HashMap;
use std::fmt;

/// Why an entry is in a new RUNPATH. Names are bytes out of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has CUDA's forward-compatible driver.
    Compat,
    /// It has the driver's libraries, which the file loads by itself, where that was asked.
    Driver(Option<DriverUse>),
    /// The user gave it for all executables.
    RuntimeDependency,
    /// It has these dependencies.
    Provides(Vec<Vec<u8>>),
    /// It has these libraries, which the file may dlopen.
    MayLoad(Vec<Vec<u8>>),
    /// It was there.
    Kept,
    /// It takes the place of this entry.
    Replaces(Vec<u8>),
    /// It is the driver link, in the place of this stub directory.
    ReplacesStubs(Vec<u8>),
    /// The user gave it for all files.
    Appended,
}

impl Reason {
    /// A word for JSON.
    pub fn key(&self) -> &'static str {
        match self {
            Reason::Compat => "compat",
            Reason::Driver(_) => "driver",
            Reason::RuntimeDependency => "runtime-dependency",
            Reason::Provides(_) => "provides",
            Reason::MayLoad(_) => "dlopen",
            Reason::Kept => "kept",
            Reason::Replaces(_) => "replaces",
            Reason::ReplacesStubs(_) => "replaces-stubs",
            Reason::Appended => "appended",
        }
    }

    /// Whether the entry only stays.
    pub(super) fn was_there(&self) -> bool {
        *self == Reason::Kept
    }
}

/// One entry of a new RUNPATH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry as it is written.
    pub text: Vec<u8>,
    /// Why it is there.
    pub reason: Reason,
}

/// Why an entry is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// An empty entry means the current directory.
    Empty,
    /// It stands there already.
    Duplicate,
    /// It provides nothing that is needed.
    Shrunk,
    /// A stub directory; the driver link is there already.
    Stubs,
    /// The user's map gives it no new place.
    Unmapped,
    /// The new list replaces the old one.
    Replaced,
}

impl DropReason {
    /// A word for JSON.
    pub fn key(self) -> &'static str {
        match self {
            DropReason::Empty => "empty",
            DropReason::Duplicate => "duplicate",
            DropReason::Shrunk => "shrunk",
            DropReason::Stubs => "stubs",
            DropReason::Unmapped => "unmapped",
            DropReason::Replaced => "replaced",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::Empty => "an empty entry means the current directory",
            DropReason::Duplicate => "stands there already",
            DropReason::Shrunk => "provides nothing that is needed",
            DropReason::Stubs => "a stub directory; the driver link is there already",
            DropReason::Unmapped => "the map gives it no new place",
            DropReason::Replaced => "the new list replaces the old one",
        })
    }
}

/// An entry that was there and will not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The entry as it was written.
    pub text: Vec<u8>,
    /// Why it goes.
    pub why: DropReason,
}

/// Entries in order, as the rules add them.
#[derive(Debug, Default)]
pub(super) struct List(Vec<Entry>);

impl List {
    pub fn extend(&mut self, entries: Vec<Entry>) {
        self.0.extend(entries);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Entries that the policy wants relative are.
    pub fn relative(mut self, context: &Context<'_>) -> List {
        for entry in &mut self.0 {
            if let Some(text) = relative::to_origin(&entry.text, context) {
                entry.text = text;
            }
        }
        self
    }

    /// The first of equal entries stays.
    pub fn without_duplicates(self, dropped: &mut Vec<Dropped>) -> Vec<Entry> {
        // What is in the list, and whether it only stays.
        let mut seen: HashMap<Vec<u8>, bool> = HashMap::new();
        let mut kept: Vec<Entry> = Vec::with_capacity(self.0.len());
        for entry in self.0 {
            let Some(first_stays) = seen.get(&entry.text) else {
                seen.insert(entry.text.clone(), entry.reason.was_there());
                kept.push(entry);
                continue;
            };
            // An entry that moved to the front is no loss: only what was there twice is told.
            let lost = match entry.reason {
                Reason::ReplacesStubs(old) => Some((old, DropReason::Stubs)),
                Reason::Replaces(old) => Some((old, DropReason::Duplicate)),
                Reason::Kept if *first_stays => Some((entry.text, DropReason::Duplicate)),
                _ => None,
            };
            dropped.extend(lost.map(|(text, why)| Dropped { text, why }));
        }
        kept
    }
}

/// Entries that the user gave; one that holds colons is several.
pub(super) fn given(values: &[Vec<u8>], reason: Reason) -> Vec<Entry> {
    values
        .iter()
        .flat_map(|value| value.split(|&byte| byte == b':'))
        .filter(|text| !text.is_empty())
        .map(|text| Entry {
            text: text.to_vec(),
            reason: reason.clone(),
        })
        .collect()
}

/// The entries as they stand in a file.
pub(super) fn join(entries: &[Entry]) -> Vec<u8> {
    let texts: Vec<&[u8]> = entries.iter().map(|e| e.text.as_slice()).collect();
    texts.join(&b':')
}
