//! Lists of RUNPATH entries, each with its reason.

use super::{Context, DriverUse, Existing, relative};
use std::collections::HashMap;
use std::fmt;

/// Why an entry is in a new RUNPATH. Names are bytes out of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It has CUDA's forward-compatible driver.
    Compat,
    /// It has the driver's libraries, which the file loads itself, if detected.
    Driver(Option<DriverUse>),
    /// The user gave it for all executables.
    RuntimeDependency,
    /// It has these dependencies.
    Provides(Vec<Vec<u8>>),
    /// It has these libraries, which the file may dlopen.
    MayLoad(Vec<Vec<u8>>),
    Kept,
    /// It replaces this entry.
    Replaces(Vec<u8>),
    /// It is the driver link, in the place of this stub directory.
    ReplacesStubs(Vec<u8>),
    /// The user gave it for all files.
    Appended,
}

impl Reason {
    /// A word for JSON.
    pub(crate) fn key(&self) -> &'static str {
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
pub(crate) struct RunpathEntry {
    /// The entry as it is written.
    pub text: Vec<u8>,
    /// The reason for it.
    pub reason: Reason,
}

/// Why an entry was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// An empty entry means the current directory.
    Empty,
    /// A relative entry means a directory below the current one.
    Relative,
    /// A directory of the machine that built the file, which this one lacks.
    BuildDirectory,
    /// An equal entry comes first.
    Duplicate,
    /// It provides nothing that is needed.
    Shrunk,
    /// A stub directory; the driver link is there already.
    Stubs,
    /// A stub directory, and the file doesn't load the driver.
    StubsUnused,
    /// The user's map gives it no new place.
    Unmapped,
    /// The new list replaces the old one.
    Replaced,
    /// The libraries that it provides are needed by their paths.
    Paths,
}

impl DropReason {
    /// A word for JSON.
    pub(crate) fn key(self) -> &'static str {
        match self {
            DropReason::Empty => "empty",
            DropReason::Relative => "relative",
            DropReason::BuildDirectory => "build-directory",
            DropReason::Duplicate => "duplicate",
            DropReason::Shrunk => "shrunk",
            DropReason::Stubs => "stubs",
            DropReason::StubsUnused => "stubs-unused",
            DropReason::Unmapped => "unmapped",
            DropReason::Replaced => "replaced",
            DropReason::Paths => "paths",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::Empty => "an empty entry means the current directory",
            DropReason::Relative => "a relative entry depends on the caller's current directory",
            DropReason::BuildDirectory => "a build directory, which doesn't exist",
            DropReason::Duplicate => "is there already",
            DropReason::Shrunk => "provides nothing that is needed",
            DropReason::Stubs => "a stub directory; the driver link is there already",
            DropReason::StubsUnused => "a stub directory, and the file doesn't load the driver",
            DropReason::Unmapped => "the map gives it no new place",
            DropReason::Replaced => "the new list replaces the old one",
            DropReason::Paths => "its libraries are needed by their paths",
        })
    }
}

/// An entry that was there and will not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// The entry as it was written.
    pub text: Vec<u8>,
    pub why: DropReason,
}

/// Entries in order, as the rules add them.
#[derive(Debug, Default)]
pub(super) struct List(Vec<RunpathEntry>);

impl List {
    pub(super) fn extend(&mut self, entries: Vec<RunpathEntry>) {
        self.0.extend(entries);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes entries relative to `$ORIGIN` where the policy asks for it; true where some stay
    /// absolute because of [`Context::stays_absolute`].
    pub(super) fn make_relative(&mut self, context: &Context<'_>) -> bool {
        let mut stays = false;
        for entry in &mut self.0 {
            let found = matches!(entry.reason, Reason::Provides(_) | Reason::MayLoad(_));
            let text = match found {
                true => relative::directory_from_origin(&entry.text, context),
                false => relative::to_origin(&entry.text, context),
            };
            let Some(text) = text else {
                continue;
            };
            if context.stays_absolute.is_some() {
                stays = true;
                continue;
            }
            let old = std::mem::replace(&mut entry.text, text);
            if context.policy.existing == Existing::Tidy && entry.reason.was_there() {
                entry.reason = Reason::Replaces(old);
            }
        }
        stays
    }

    /// The first of equal entries stays. With [`Existing::Tidy`], entries are equal that mean one
    /// directory, and the text is that of the entry that was there.
    pub(super) fn without_duplicates(
        self,
        context: &Context<'_>,
        dropped: &mut Vec<Dropped>,
    ) -> Vec<RunpathEntry> {
        // Directory or text -> its place in `kept`.
        let mut seen: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut kept: Vec<RunpathEntry> = Vec::with_capacity(self.0.len());
        for entry in self.0 {
            let Some(first) = seen.get(&key(&entry, context)).map(|&at| &mut kept[at]) else {
                seen.insert(key(&entry, context), kept.len());
                kept.push(entry);
                continue;
            };
            // An entry that moved to the front is not lost: report it only if it was there twice.
            let lost = match entry.reason {
                Reason::ReplacesStubs(old) => Some((old, DropReason::Stubs)),
                Reason::Replaces(old) => Some((old, DropReason::Duplicate)),
                Reason::Kept if first.reason.was_there() => {
                    Some((entry.text, DropReason::Duplicate))
                }
                Reason::Kept => {
                    if relative::is_origin(&entry.text) {
                        first.text = entry.text;
                    }
                    None
                }
                _ => None,
            };
            dropped.extend(lost.map(|(text, why)| Dropped { text, why }));
        }
        kept
    }
}

/// Key of an entry: equal entries have equal keys.
fn key(entry: &RunpathEntry, context: &Context<'_>) -> Vec<u8> {
    let policy = context.policy;
    let by_text = policy.existing != Existing::Tidy || context.stays_absolute.is_some();
    let directory = match by_text {
        true => None,
        false => relative::expand(&entry.text, context.origin()),
    };
    directory.unwrap_or_else(|| entry.text.clone())
}

/// Entries that the user gave; one that holds colons is several.
pub(super) fn given(values: &[Vec<u8>], reason: Reason) -> Vec<RunpathEntry> {
    values
        .iter()
        .flat_map(|value| value.split(|&byte| byte == b':'))
        .filter(|text| !text.is_empty())
        .map(|text| RunpathEntry {
            text: text.to_vec(),
            reason: reason.clone(),
        })
        .collect()
}

/// The entries as text.
pub(super) fn join(entries: &[RunpathEntry]) -> Vec<u8> {
    let texts: Vec<&[u8]> = entries.iter().map(|e| e.text.as_slice()).collect();
    texts.join(&b':')
}
