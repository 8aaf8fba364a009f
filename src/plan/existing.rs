//! The RUNPATH that a file has: leaks mapped away, stubs replaced, shrunk, kept or replaced.

use super::dependencies::FoundDependencies;
use super::runpath::{DropReason, Dropped, Reason, RunpathEntry};
use super::{Context, Driver, DriverUse, Existing, Outcome, Stubs, driver, relative};
use crate::build_directories::is_build_directory;
use crate::cuda::driver as driver_libraries;
use elf_edit::ElfInfo;
use std::collections::HashSet;

/// The entries that stay, those that go, and whether a rule changed anything.
pub(super) fn entries(
    info: &ElfInfo,
    context: &Context<'_>,
    driver_use: Option<&DriverUse>,
) -> (Vec<RunpathEntry>, Vec<Dropped>, bool) {
    let old = info.runpath_or_rpath().unwrap_or_default();
    let mut dropped = Vec::new();
    if old.is_empty() {
        return (Vec::new(), dropped, false);
    }
    let all: Vec<&[u8]> = old.split(|&byte| byte == b':').collect();
    let named: Vec<&[u8]> = all.iter().filter(|e| !e.is_empty()).copied().collect();
    let has_empty = named.len() < all.len();
    let mut kept: Vec<RunpathEntry> = Vec::new();
    let policy = context.policy;
    let tidy = policy.existing == Existing::Tidy;
    // A file that doesn't load the driver has no use for the link in the place of stubs.
    let stubs_unused = tidy && policy.driver == Driver::Needed && driver_use.is_none();
    for text in named {
        if tidy && relative::is_relative(text) {
            dropped.push(Dropped {
                text: text.to_vec(),
                why: DropReason::Relative,
            });
            continue;
        }
        let entries = mapped(text, info, context);
        if tidy && matches!(&entries[..], [entry] if is_left_by_build(entry, info, context)) {
            dropped.push(Dropped {
                text: text.to_vec(),
                why: DropReason::BuildDirectory,
            });
            continue;
        }
        if stubs_unused
            && matches!(&entries[..], [e] if matches!(e.reason, Reason::ReplacesStubs(_)))
        {
            dropped.push(Dropped {
                text: text.to_vec(),
                why: DropReason::StubsUnused,
            });
            continue;
        }
        if entries.is_empty() {
            dropped.push(Dropped {
                text: text.to_vec(),
                why: DropReason::Unmapped,
            });
        }
        kept.extend(entries);
    }
    if policy.shrink && !policy.shrinks_by_use() {
        kept = shrink(kept, info, context, &mut dropped);
    }
    let rewritten = !dropped.is_empty()
        || kept.iter().any(|entry| !entry.reason.was_there())
        || (has_empty && policy.existing != Existing::Replace);
    if has_empty {
        dropped.push(Dropped {
            text: Vec::new(),
            why: DropReason::Empty,
        });
    }
    (kept, dropped, rewritten)
}

/// Whether an entry is a directory of the machine that built the file, which this one lacks. Entries
/// that the user asks for and those that lead into the tree itself stay: the directory may be made
/// later.
fn is_left_by_build(entry: &RunpathEntry, info: &ElfInfo, context: &Context<'_>) -> bool {
    let policy = context.policy;
    let text = &entry.text;
    let is_given = policy.append.contains(text)
        || policy.runtime_dependencies.contains(text)
        || policy.compat.as_ref() == Some(text)
        || driver::link(info, policy) == *text;
    entry.reason == Reason::Kept
        && text.starts_with(b"/")
        && is_build_directory(text)
        && !is_given
        && relative::to_origin(text, context).is_none()
        && !context.libraries.is_directory(text)
}

/// The replacements of one entry, after the user's map and the stubs rule; none where the map drops
/// it.
fn mapped(text: &[u8], info: &ElfInfo, context: &Context<'_>) -> Vec<RunpathEntry> {
    // `/farm/bin/../lib`, as nvcc's profile names it, is `/farm/lib`: farms have links for files.
    let absolute = text.starts_with(b"/").then(|| relative::expand(text, None));
    let place = absolute.flatten().unwrap_or_else(|| text.to_vec());
    for (from, to) in &context.policy.replace {
        let from = from.strip_suffix(b"/").unwrap_or(from);
        let Some(rest) = place.strip_prefix(from) else {
            continue;
        };
        if rest.is_empty() || rest.starts_with(b"/") {
            let real = to.split(|&byte| byte == b':').filter(|to| !to.is_empty());
            let real = real.map(|to| [to.strip_suffix(b"/").unwrap_or(to), rest].concat());
            let replaces = || Reason::Replaces(text.to_vec());
            return real
                .map(|real| {
                    // A mapped directory was a farm's: whatever its prefix is called, it is CUDA's.
                    let stubs = driver_libraries::is_stubs_of_toolkit(&real);
                    unless_stubs(real, stubs, replaces(), text, info, context)
                })
                .collect();
        }
    }
    vec![unless_stubs(
        text.to_vec(),
        false,
        Reason::Kept,
        text,
        info,
        context,
    )]
}

/// The entry, or the driver link where it is one of CUDA's stub directories.
fn unless_stubs(
    entry: Vec<u8>,
    known_stubs: bool,
    reason: Reason,
    old: &[u8],
    info: &ElfInfo,
    context: &Context<'_>,
) -> RunpathEntry {
    let directory = relative::expand(&entry, context.origin());
    let is_stubs =
        known_stubs || driver_libraries::is_stubs(directory.as_deref().unwrap_or(&entry));
    if is_stubs && context.policy.stubs == Stubs::Replace {
        return RunpathEntry {
            text: driver::link(info, context.policy),
            reason: Reason::ReplacesStubs(old.to_vec()),
        };
    }
    RunpathEntry {
        text: entry,
        reason,
    }
}

/// Entries that are tried: each costs an attempt to open a file for each NEEDED.
const MAX_SHRUNK: usize = 1024;

/// patchelf's rule: an absolute entry stays if it provides a NEEDED that no earlier entry provides.
/// Directories that the user or the driver rule would add are kept.
fn shrink(
    entries: Vec<RunpathEntry>,
    info: &ElfInfo,
    context: &Context<'_>,
    dropped: &mut Vec<Dropped>,
) -> Vec<RunpathEntry> {
    let policy = context.policy;
    let link = driver::link(info, policy);
    let mut unmet: Vec<&Vec<u8>> = info.needed().iter().collect();
    let mut kept = Vec::new();
    for entry in entries {
        let exempt = kept.len() + dropped.len() >= MAX_SHRUNK
            || !entry.reason.was_there()
            || !entry.text.starts_with(b"/")
            || entry.text == link
            || policy.compat.as_ref() == Some(&entry.text)
            || policy.append.contains(&entry.text);
        let before = unmet.len();
        if !exempt {
            unmet.retain(|name| {
                !context
                    .libraries
                    .provides(&entry.text, name, info.platform())
            });
        }
        if exempt || unmet.len() < before {
            kept.push(entry);
        } else {
            dropped.push(Dropped {
                text: entry.text,
                why: DropReason::Shrunk,
            });
        }
    }
    kept
}

/// Drops entries that serve neither a NEEDED nor a library that the file may dlopen: those that
/// the libc or a new entry provides need no old one.
pub(super) fn shrink_by_use(
    entries: Vec<RunpathEntry>,
    info: &ElfInfo,
    context: &Context<'_>,
    found: &FoundDependencies,
    driver_use: Option<&DriverUse>,
    dropped: &mut Vec<Dropped>,
) -> Vec<RunpathEntry> {
    let policy = context.policy;
    let link = driver::link(info, policy);
    let link_unused = policy.driver == Driver::Needed && driver_use.is_none();
    let provides = |directory: &[u8], name: &[u8]| {
        let libraries = context.libraries;
        libraries.provides(directory, name, info.platform())
    };
    let mut may_load: Vec<Vec<u8>> = super::dependencies::notes(info).concat();
    may_load.extend(context.contents.iter().flat_map(|c| c.sonames.clone()));
    may_load.retain(|name| !found.entries.iter().any(|e| provides(&e.text, name)));
    let outcomes = || found.resolutions.iter().map(|r| &r.outcome);
    let mut kept = Vec::new();
    for entry in entries {
        let directory = relative::expand(&entry.text, context.origin());
        let before = may_load.len();
        if let Some(directory) = &directory {
            may_load.retain(|name| !provides(directory, name));
        }
        let needed = outcomes().any(|outcome| match outcome {
            Outcome::Existing(text) => *text == entry.text,
            Outcome::Directory(has) => Some(has) == directory.as_ref(),
            _ => false,
        });
        let stays = needed
            || may_load.len() < before
            || directory.is_none()
            || kept.len() + dropped.len() >= MAX_SHRUNK
            || !entry.reason.was_there()
            || (entry.text == link && !link_unused)
            || policy.compat.as_ref() == Some(&entry.text)
            || policy.append.contains(&entry.text);
        if stays {
            kept.push(entry);
        } else {
            dropped.push(Dropped {
                text: entry.text,
                why: DropReason::Shrunk,
            });
        }
    }
    kept
}

/// With `preserve_origin`, nixpkgs' rule: a `$ORIGIN` entry replaces the equal absolute directory,
/// so that the output doesn't refer to itself; the other `$ORIGIN` entries go last.
pub(super) fn preserve_origin(
    mut list: Vec<RunpathEntry>,
    kept: &[RunpathEntry],
    context: &Context<'_>,
) -> Vec<RunpathEntry> {
    if !context.policy.preserve_origin {
        return list;
    }
    let relative = kept.iter().filter(|e| relative::is_origin(&e.text));
    for entry in &mut list {
        let means_it = |own: &&RunpathEntry| {
            relative::expand(&own.text, context.origin()).is_some_and(|path| path == entry.text)
        };
        if let Some(own) = relative.clone().find(means_it) {
            entry.text.clone_from(&own.text);
        }
    }
    let listed: HashSet<Vec<u8>> = list.iter().map(|entry| entry.text.clone()).collect();
    list.extend(relative.filter(|e| !listed.contains(&e.text)).cloned());
    list
}

/// With `keep_driver_link`: the driver link that is there.
pub(super) fn driver_link(
    kept: &[RunpathEntry],
    info: &ElfInfo,
    context: &Context<'_>,
) -> Option<RunpathEntry> {
    if !context.policy.keep_driver_link {
        return None;
    }
    let link = driver::link(info, context.policy);
    kept.iter().find(|entry| entry.text == link).cloned()
}

/// Old entries that the new list has no more.
pub(super) fn replaced(kept: &[RunpathEntry], list: &[RunpathEntry]) -> Vec<Dropped> {
    let stays: HashSet<&[u8]> = list.iter().map(|new| new.text.as_slice()).collect();
    kept.iter()
        .filter(|entry| entry.reason.was_there() && !stays.contains(entry.text.as_slice()))
        .map(|entry| Dropped {
            text: entry.text.clone(),
            why: DropReason::Replaced,
        })
        .collect()
}
