//! Computes the interpreter and the RUNPATH of a file, with reasons. Pure: it reads the world
//! through [`Libraries`] only, so that tests need no files.
//!
//! The order of a new RUNPATH: compat, driver link, runtime dependencies (executables only),
//! directories of needed libraries, existing entries, appended entries. The first of two equal
//! entries stays; an empty one, which would mean the current directory, is never written.

mod dependencies;
mod driver;
mod existing;
mod glob;
mod policy;
mod relative;
mod runpath;

pub(crate) use dependencies::{Candidate, Outcome, Resolution};
pub(crate) use driver::{DriverUse, link as driver_link, loads_driver};
pub(crate) use glob::{excuses, matches as glob_matches};
pub(crate) use policy::{Dependencies, Dlopen, Driver, Existing, InheritedRpath, Policy, Stubs};
pub(crate) use relative::expand;
pub(crate) use runpath::{DropReason, Dropped, Reason, RunpathEntry};

use crate::rodata::Contents;
use elf_edit::{Edit, ElfInfo, Platform};
use runpath::List;

/// The libraries that exist, as the rules query them.
pub(crate) trait Libraries: Sync {
    /// Directories with a library of that name that `platform` can load, best first.
    fn find(&self, name: &[u8], platform: Platform) -> Vec<Vec<u8>>;
    /// Whether the libc's own directory has a file of that name.
    fn in_libc(&self, name: &[u8], platform: Platform) -> bool;
    /// A directory with a library of that name that `platform` can't load, and the library's
    /// platform.
    fn elsewhere(&self, name: &[u8], platform: Platform) -> Option<(Platform, Vec<u8>)>;
    /// Whether there is a file at this path.
    fn is_file(&self, path: &[u8]) -> bool;
    /// Whether there is a directory at this path.
    fn is_directory(&self, path: &[u8]) -> bool;
    /// Whether this directory has a library of that name that `platform` can load.
    fn provides(&self, directory: &[u8], name: &[u8], platform: Platform) -> bool;
}

/// All that a decision rests on, besides the file's own headers.
pub(crate) struct Context<'a> {
    pub policy: &'a Policy,
    /// The libraries that exist.
    pub libraries: &'a dyn Libraries,
    /// The absolute directory, free of links, of each name that the file has.
    pub origins: &'a [Vec<u8>],
    /// The scan of its read-only data, if a rule needs it.
    pub contents: Option<&'a Contents>,
    /// Why the entries of this file stay absolute.
    pub stays_absolute: Option<StaysAbsolute>,
    /// A library that would be lost by a DT_RUNPATH in place of a DT_RPATH.
    pub inherited: Option<&'a [u8]>,
}

/// Why the entries of a file stay absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StaysAbsolute {
    /// The loader ignores `$ORIGIN` in a program that gains privileges.
    Privileged(&'static str),
    /// The file is also loaded through this link, and `$ORIGIN` is the link's directory then.
    Link(Vec<u8>),
}

/// The directory that all names of a file have in common.
pub(crate) fn one_origin(origins: &[Vec<u8>]) -> Option<&[u8]> {
    let (first, others) = origins.split_first()?;
    others.iter().all(|other| other == first).then_some(first)
}

impl Context<'_> {
    /// `$ORIGIN`, where all names of the file agree on one.
    pub(crate) fn origin(&self) -> Option<&[u8]> {
        one_origin(self.origins)
    }

    /// Whether the loader accepts an entry of this file: it ignores `$ORIGIN` in privileged
    /// programs.
    fn honours(&self, entry: &[u8]) -> bool {
        let privileged = matches!(self.stays_absolute, Some(StaysAbsolute::Privileged(_)));
        !(privileged && relative::is_origin(entry))
    }
}

/// The planned changes of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The interpreter, where it changes: old and new.
    pub interpreter: Option<(Vec<u8>, Vec<u8>)>,
    /// DT_RUNPATH, else DT_RPATH, as it is.
    pub old_runpath: Option<Vec<u8>>,
    /// Whether the old list is a DT_RPATH, which dependencies inherit.
    pub old_is_rpath: bool,
    /// The entries as they will be, with the reason of each.
    pub runpath: Vec<RunpathEntry>,
    /// Entries that were there and will not be, with the reason of each.
    pub dropped: Vec<Dropped>,
    /// The resolution of each dependency.
    pub resolutions: Vec<Resolution>,
    /// Libraries that the file may dlopen, for the report only.
    pub candidates: Vec<Candidate>,
    /// Why some entries stay absolute that would be relative to `$ORIGIN`.
    pub stays_absolute: Option<StaysAbsolute>,
    /// A library that a new DT_RUNPATH loses, or would lose if the DT_RPATH didn't stay.
    pub inherited: Option<Vec<u8>>,
    /// The changes. None: the file is not to be touched.
    pub edits: Vec<Edit>,
}

impl Plan {
    /// The new RUNPATH as text.
    pub(crate) fn new_runpath(&self) -> Vec<u8> {
        runpath::join(&self.runpath)
    }

    /// Whether the RUNPATH is written, or taken out.
    pub(crate) fn changes_runpath(&self) -> bool {
        let is_runpath = |edit: &Edit| {
            matches!(
                edit,
                Edit::SetRunpath(_) | Edit::SetRpath(_) | Edit::RemoveRunpath
            )
        };
        self.edits.iter().any(is_runpath)
    }

    /// Drops entries whose libraries are needed by their paths.
    pub(crate) fn drop_entries(&mut self, texts: &[Vec<u8>]) {
        if texts.is_empty() {
            return;
        }
        let go = |text: &Vec<u8>| texts.contains(text);
        for entry in self.runpath.extract_if(.., |entry| go(&entry.text)) {
            self.dropped.push(Dropped {
                text: entry.text,
                why: DropReason::Paths,
            });
        }
        self.edits
            .retain(|edit| !matches!(edit, Edit::SetRunpath(_)));
        let new = self.new_runpath();
        if self.old_runpath.as_ref() != Some(&new) {
            self.edits.push(match new.is_empty() {
                true => Edit::RemoveRunpath,
                false => Edit::SetRunpath(new),
            });
        }
    }

    /// The edit of the resolution cache.
    pub(crate) fn cache_edit(&self) -> Option<&Edit> {
        let is_cache = |edit: &&Edit| {
            matches!(
                edit,
                Edit::SetResolutionCache(_) | Edit::RemoveResolutionCache
            )
        };
        self.edits.iter().find(is_cache)
    }

    /// Whether the new RUNPATH goes to DT_RPATH.
    pub(crate) fn new_is_rpath(&self) -> bool {
        self.edits
            .iter()
            .any(|edit| matches!(edit, Edit::SetRpath(_)))
    }

    /// Dependencies that nothing provides and no pattern excuses.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &Resolution> {
        self.resolutions
            .iter()
            .filter(|r| matches!(r.outcome, Outcome::Missing { .. }))
    }
}

/// Decides. Reads top to bottom as the rules apply.
pub(crate) fn plan(info: &ElfInfo, context: &Context<'_>) -> Plan {
    let policy = context.policy;
    let Some(dynamic) = &info.dynamic else {
        return Plan::default();
    };
    let mut plan = Plan {
        interpreter: interpreter(info, policy),
        old_runpath: info.runpath_or_rpath().map(<[u8]>::to_vec),
        old_is_rpath: dynamic.runpath.is_none() && dynamic.rpath.is_some(),
        ..Plan::default()
    };
    let keeps = policy.inherited_rpath == InheritedRpath::Keep && context.inherited.is_some();
    let as_rpath = policy.force_rpath || keeps;
    let driver_use = driver::driver_use(info, context);
    let (mut kept, mut dropped, mut rewritten) =
        existing::entries(info, context, driver_use.as_ref());
    let found = dependencies::resolve(info, context, &kept);
    if policy.shrinks_by_use() {
        let all = kept.len();
        let driver_use = driver_use.as_ref();
        kept = existing::shrink_by_use(kept, info, context, &found, driver_use, &mut dropped);
        rewritten |= kept.len() < all;
    }
    let (mut list, replaces) = wanted(info, context, driver_use, found.entries, &kept);
    if list.make_relative(context) {
        plan.stays_absolute.clone_from(&context.stays_absolute);
    }
    let before = dropped.len();
    let mut list = list.without_duplicates(context, &mut dropped);
    if policy.existing == Existing::Tidy {
        let old_tag = dynamic.rpath.is_some() && !as_rpath;
        rewritten |= dropped.len() > before || old_tag;
    }
    if replaces {
        list = existing::preserve_origin(list, &kept, context);
        dropped.extend(existing::replaced(&kept, &list));
    }
    // A file whose list is equal already stays as it is.
    let asked = list.iter().any(|entry| !entry.reason.was_there()) || rewritten;
    if asked {
        plan.edits = edits(dynamic, &list, as_rpath);
        plan.inherited = context.inherited.map(<[u8]>::to_vec);
        plan.dropped = dropped;
        plan.runpath = list;
    } else {
        plan.runpath = kept;
    }
    if let Some((_, new)) = &plan.interpreter {
        plan.edits.insert(0, Edit::SetInterpreter(new.clone()));
    }
    if policy.clear_stack && info.asks_for_executable_stack() {
        plan.edits.push(Edit::SetExecutableStack(false));
    }
    if !plan.edits.is_empty() {
        plan.edits.extend(policy.extra.iter().cloned());
    }
    plan.resolutions = found.resolutions;
    plan.candidates = found.candidates;
    plan
}

/// The entries of all rules, in order, and whether they replace the `kept` ones or include them.
fn wanted(
    info: &ElfInfo,
    context: &Context<'_>,
    driver_use: Option<DriverUse>,
    found: Vec<RunpathEntry>,
    kept: &[RunpathEntry],
) -> (List, bool) {
    let policy = context.policy;
    let mut list = List::default();
    list.extend(driver::entries(info, policy, driver_use));
    let link = existing::driver_link(kept, info, context);
    list.extend(link.into_iter().collect());
    let before = list.len();
    if policy.finds_dependencies() && info.interpreter.is_some() {
        let first = &policy.runtime_dependencies;
        list.extend(runpath::given(first, Reason::RuntimeDependency));
    }
    list.extend(found);
    let appended = runpath::given(&policy.append, Reason::Appended);
    let replaces =
        policy.existing == Existing::Replace && (list.len() > before || !appended.is_empty());
    if !replaces {
        list.extend(kept.to_vec());
    }
    list.extend(appended);
    (list, replaces)
}

fn interpreter(info: &ElfInfo, policy: &Policy) -> Option<(Vec<u8>, Vec<u8>)> {
    let old = info.interpreter.as_ref()?;
    let new = policy.interpreter.as_ref()?;
    (old != new).then(|| (old.clone(), new.clone()))
}

/// The edit that gives the file this list, if it has another.
fn edits(dynamic: &elf_edit::Dynamic, list: &[RunpathEntry], as_rpath: bool) -> Vec<Edit> {
    let new = runpath::join(list);
    let has = (dynamic.runpath.as_deref(), dynamic.rpath.as_deref());
    match has {
        (None, None) if new.is_empty() => Vec::new(),
        _ if new.is_empty() => vec![Edit::RemoveRunpath],
        (None, Some(old)) if as_rpath && old == new => Vec::new(),
        _ if as_rpath => vec![Edit::SetRpath(new)],
        (Some(old), None) if old == new => Vec::new(),
        _ => vec![Edit::SetRunpath(new)],
    }
}
