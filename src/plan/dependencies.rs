//! Finds a directory for each dependency, by auto-patchelf's rules.

use super::runpath::{Reason, RunpathEntry};
use super::{Context, Dlopen, DriverUse, Existing, Stubs, driver, glob, relative};
use crate::cuda::driver as driver_libraries;
use elf_edit::notes::parse_dlopen_notes;
use elf_edit::{ElfInfo, Platform};

/// Entries of a file's own RUNPATH that are searched: the longest real ones have some twenty.
const MAX_OWN_ENTRIES: usize = 64;

/// Resolution of a dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This directory has it, and becomes an entry.
    Directory(Vec<u8>),
    /// The libc's own directory has it: no entry.
    Libc,
    /// It is an absolute path that exists: no entry.
    Absolute,
    /// An entry that the file has already, and that stays, has it.
    Existing(Vec<u8>),
    /// It comes with the driver, through the driver link.
    Driver,
    /// The name has a slash, so the loader opens it relative to the current directory. This
    /// directory has a library of that file name, which auto-patchelf accepts.
    ByFileName(Vec<u8>),
    /// Nothing has it, and a pattern of `--ignore-missing` excuses it.
    Ignored,
    Missing {
        /// A library of that name for another machine, and where it is.
        elsewhere: Option<(Platform, Vec<u8>)>,
        /// The directory that has it and can't be an entry, since its path holds a colon or a dollar
        /// sign.
        unusable: Option<Vec<u8>>,
        /// The name is a relative path, which the loader opens from the current directory.
        relative: bool,
    },
}

impl Outcome {
    /// A word for JSON.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Outcome::Directory(_) => "found",
            Outcome::Libc => "libc",
            Outcome::Absolute => "absolute",
            Outcome::Existing(_) => "existing",
            Outcome::Driver => "driver",
            Outcome::ByFileName(_) => "by-file-name",
            Outcome::Ignored => "ignored",
            Outcome::Missing { .. } => "missing",
        }
    }
}

/// A dependency and its resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// One NEEDED, or the alternatives of one `.note.dlopen` entry.
    pub names: Vec<Vec<u8>>,
    pub outcome: Outcome,
}

impl Resolution {
    /// `libx.so.1`, or `any(a, b)`.
    pub(crate) fn shown_name(&self) -> Vec<u8> {
        match self.names.as_slice() {
            [one] => one.clone(),
            several => [b"any(", several.join(&b", "[..]).as_slice(), b")"].concat(),
        }
    }
}

/// A library that a file may dlopen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub name: Vec<u8>,
    /// Declared in a `.note.dlopen`, not just a string.
    pub declared: bool,
    /// The result of the search.
    pub outcome: Outcome,
}

/// Resolutions of all dependencies of a file.
#[derive(Debug, Default)]
pub(super) struct FoundDependencies {
    pub entries: Vec<RunpathEntry>,
    pub resolutions: Vec<Resolution>,
    pub candidates: Vec<Candidate>,
}

/// The alternatives of each `.note.dlopen` entry.
pub(super) fn notes(info: &ElfInfo) -> Vec<Vec<Vec<u8>>> {
    let notes = parse_dlopen_notes(&info.dlopen_notes).into_iter();
    notes.map(|note| note.names).collect()
}

/// Searches for the dependencies of the file, and for libraries that it may dlopen.
pub(super) fn resolve(
    info: &ElfInfo,
    context: &Context<'_>,
    kept: &[RunpathEntry],
) -> FoundDependencies {
    let mut found = FoundDependencies::default();
    if !context.policy.finds_dependencies() {
        return found;
    }
    let search = Search {
        context,
        platform: info.platform(),
        kept: kept
            .iter()
            .filter(|_| context.policy.existing != Existing::Replace)
            .filter(|entry| context.honours(&entry.text))
            .filter_map(|entry| {
                let path = relative::expand(&entry.text, context.origin())?;
                Some((entry.text.clone(), path))
            })
            .take(MAX_OWN_ENTRIES)
            .collect(),
    };
    let notes = notes(info);
    let declared = context.policy.existing == Existing::Replace;
    let single = info.needed().iter().map(|name| vec![name.clone()]);
    for names in single.chain(notes.iter().filter(|_| declared).cloned()) {
        let (name, outcome) = search.any(&names);
        match &outcome {
            Outcome::Directory(directory) | Outcome::ByFileName(directory) => {
                add(&mut found.entries, directory, name, Reason::Provides);
            }
            // A stub that the file was linked against.
            Outcome::Driver if context.policy.provided_only() => found.entries.push(RunpathEntry {
                text: driver::link(info, context.policy),
                reason: Reason::Driver(Some(DriverUse::Library(name))),
            }),
            _ if context.policy.provided_only() => continue,
            _ => {}
        }
        found.resolutions.push(Resolution { names, outcome });
    }
    if context.policy.dlopen != Dlopen::Off {
        search.candidates(if declared { &[] } else { &notes }, &mut found);
    }
    found
}

/// Adds a name to the entry of its directory, or the entry.
fn add(
    entries: &mut Vec<RunpathEntry>,
    directory: &[u8],
    name: Vec<u8>,
    reason: fn(Vec<Vec<u8>>) -> Reason,
) {
    let fresh = RunpathEntry {
        text: directory.to_vec(),
        reason: reason(vec![name.clone()]),
    };
    match entries.iter_mut().find(|entry| entry.text == directory) {
        None => entries.push(fresh),
        Some(RunpathEntry {
            reason: Reason::Provides(names) | Reason::MayLoad(names),
            ..
        }) => {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Some(_) => {}
    }
}

struct Search<'a> {
    context: &'a Context<'a>,
    platform: Platform,
    /// Entries that stay, and the directories that they mean.
    kept: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Search<'_> {
    /// The first of the alternatives that is there, else that the first one is missing.
    fn any(&self, names: &[Vec<u8>]) -> (Vec<u8>, Outcome) {
        let mut first = None;
        for name in names {
            let outcome = self.one(name);
            if !matches!(outcome, Outcome::Missing { .. }) {
                return (name.clone(), outcome);
            }
            first.get_or_insert((name.clone(), outcome));
        }
        let ignore = &self.context.policy.ignore_missing;
        let excused = |name| ignore.iter().any(|glob| glob::excuses(glob, name));
        match first {
            Some(first) if !names.iter().any(|name| excused(name)) => first,
            _ => (names.first().cloned().unwrap_or_default(), Outcome::Ignored),
        }
    }

    fn one(&self, name: &[u8]) -> Outcome {
        let context = self.context;
        if name.contains(&b'/') {
            // The loader opens the path after replacing $ORIGIN, so no search directory helps.
            let path = relative::expand(name, context.origin());
            let absolute = path.is_some();
            if path.is_some_and(|path| context.libraries.is_file(&path)) {
                return Outcome::Absolute;
            }
            if context.policy.existing == Existing::Replace
                && let Some(base) = name.rsplit(|&b| b == b'/').next()
                && let Some(directory) = self.usable(base).0.into_iter().next()
            {
                return Outcome::ByFileName(directory);
            }
            return Outcome::Missing {
                elsewhere: None,
                unusable: None,
                relative: !absolute,
            };
        }
        let in_libc = || context.libraries.in_libc(name, self.platform);
        if !context.policy.keep_libc && in_libc() {
            return Outcome::Libc;
        }
        let (usable, unusable) = self.usable(name);
        let of_driver = driver_libraries::library(name).is_some();
        if let Some(directory) = self.best(usable, of_driver) {
            return Outcome::Directory(directory);
        }
        if context.policy.keep_libc && in_libc() {
            return Outcome::Libc;
        }
        let provides = |path: &[u8]| context.libraries.provides(path, name, self.platform);
        if let Some((text, _)) = self.kept.iter().find(|(_, path)| provides(path)) {
            return Outcome::Existing(text.clone());
        }
        if of_driver {
            return Outcome::Driver;
        }
        Outcome::Missing {
            elsewhere: context.libraries.elsewhere(name, self.platform),
            unusable: unusable.into_iter().next(),
            relative: false,
        }
    }

    /// Directories that have it and can be entries, and those that can't: a colon ends an entry, and a dollar
    /// sign may begin a token.
    fn usable(&self, name: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let directories = self.context.libraries.find(name, self.platform);
        directories
            .into_iter()
            .partition(|directory| relative::can_name(directory, self.context))
    }

    /// The first directory; but one that the file's own RUNPATH names wins where that stays and
    /// isn't shrunk, and stubs come last, for a library of the driver never.
    fn best(&self, mut directories: Vec<Vec<u8>>, of_driver: bool) -> Option<Vec<u8>> {
        if self.context.policy.stubs == Stubs::Replace {
            if of_driver {
                directories.retain(|directory| !driver_libraries::is_stubs(directory));
            }
            directories.sort_by_key(|directory| driver_libraries::is_stubs(directory));
        }
        let own = directories
            .iter()
            .position(|directory| self.kept.iter().any(|(_, path)| path == directory))
            .filter(|_| !self.context.policy.shrinks_by_use());
        directories.into_iter().nth(own.unwrap_or(0))
    }

    /// Libraries that the file may dlopen: for the report, and with `Dlopen::Auto` after its
    /// dependencies.
    fn candidates(&self, notes: &[Vec<Vec<u8>>], found: &mut FoundDependencies) {
        let strings = self.context.contents.map_or(&[][..], |c| &c.sonames);
        let declared = notes.iter().map(|names| (names.clone(), true));
        let strings = strings.iter().map(|name| (vec![name.clone()], false));
        let mut may_load = Vec::new();
        for (names, declared) in declared.chain(strings) {
            if found.candidates.iter().any(|c| names.contains(&c.name)) {
                continue;
            }
            let (name, outcome) = self.any(&names);
            if let Outcome::Directory(directory) = &outcome
                && self.context.policy.dlopen == Dlopen::Auto
            {
                add(&mut may_load, directory, name.clone(), Reason::MayLoad);
            }
            found.candidates.push(Candidate {
                name,
                declared,
                outcome,
            });
        }
        may_load.retain(|entry| found.entries.iter().all(|e| e.text != entry.text));
        found.entries.extend(may_load);
    }
}
