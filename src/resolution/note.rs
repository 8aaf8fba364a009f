//! The descriptor of a resolution cache, as patchelf 0.19.3 makes it of a RUNPATH.

use super::directories::is_fixed;
use elf_edit::resolution_cache::{CacheEntry, Element};
use elf_edit::{Edit, ElfInfo, Search, resolution_cache};
use rustix::fs::{Access, access};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Where each name of `needed` is in the directories of `path`, in their order. Directories that
/// only the running program knows stay to be searched: empty and relative ones, those with tokens,
/// those with a `glibc-hwcaps` (the processor decides), those that can't be searched now, and those
/// that `is_late` names. A name with a slash is not searched for. `None` where nothing is found.
pub(crate) fn description(
    needed: &[Vec<u8>],
    path: &[u8],
    is_late: &dyn Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    let searched: Vec<&[u8]> = needed
        .iter()
        .map(Vec::as_slice)
        .filter(|name| !name.contains(&b'/'))
        .collect();
    let mut lists: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    let mut add = |name, kind, element: &[u8]| {
        let list = lists.entry(name).or_default();
        if !list.is_empty() {
            list.push(b':');
        }
        list.push(kind);
        list.extend_from_slice(element);
    };
    for directory in path.split(|&byte| byte == b':') {
        let late = is_late(directory) || !is_fixed(directory);
        for &name in &searched {
            if late {
                add(name, b'?', directory);
                continue;
            }
            let file = [directory, b"/", name].concat();
            if access(OsStr::from_bytes(&file), Access::READ_OK).is_ok() {
                add(name, b'=', &file);
            }
        }
    }
    let lists = lists.iter().map(|(name, list)| (*name, list.as_slice()));
    (lists.len() > 0).then(|| resolution_cache::encode(lists))
}

/// The edit that gives a file the resolution cache of this search, unless it has that already. A
/// file for which nothing is found has none. A DT_RPATH is searched before LD_LIBRARY_PATH, a cache
/// after it, so that a file with one has none either.
pub(crate) fn edit(
    info: &ElfInfo,
    search: &Search,
    is_late: &dyn Fn(&[u8]) -> bool,
) -> Option<Edit> {
    let path = search.path.as_deref().filter(|_| !search.is_rpath);
    match path.and_then(|path| description(&search.needed, path, is_late)) {
        Some(description) => {
            let is_there = matches!(
                &info.resolution_caches[..],
                [one] if one.description.as_ref() == Ok(&description)
            );
            (!is_there).then_some(Edit::SetResolutionCache(description))
        }
        None => (!info.resolution_caches.is_empty()).then_some(Edit::RemoveResolutionCache),
    }
}

/// What is wrong with the resolution cache of a file, the first of them: ld.so reads no other.
pub(crate) fn faults(info: &ElfInfo) -> Vec<String> {
    let path = info.runpath_or_rpath().unwrap_or_default();
    match info
        .resolution_caches
        .first()
        .map(|cache| &cache.description)
    {
        Some(Ok(description)) => stale(info.needed(), path, description),
        Some(Err(fault)) => vec![format!("it can't be read: {fault}")],
        None => Vec::new(),
    }
}

/// Entries of a descriptor that lead the loader elsewhere than the search would, each with what is
/// wrong. To search a directory is never wrong; neither is a name that has no entry, which the loader
/// searches for.
fn stale(needed: &[Vec<u8>], path: &[u8], description: &[u8]) -> Vec<String> {
    let entries = match resolution_cache::parse(description) {
        Ok(entries) => entries,
        Err(fault) => return vec![format!("it can't be read: {fault}")],
    };
    let mut found = Vec::new();
    for entry in &entries {
        let name = String::from_utf8_lossy(entry.name);
        if !needed.iter().any(|needed| needed == entry.name) {
            found.push(format!("{name} is not needed"));
        } else if let Some(what) = stale_entry(entry, path) {
            found.push(format!("{name}: {what}"));
        }
    }
    found
}

/// What is wrong with an entry: its elements are a walk along the RUNPATH that passes over only
/// directories without the library.
fn stale_entry(entry: &CacheEntry<'_>, path: &[u8]) -> Option<String> {
    let mut elements = entry.elements.iter().peekable();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for directory in path.split(|&byte| byte == b':') {
        let file = [directory, b"/", entry.name].concat();
        let is_there = || access(OsStr::from_bytes(&file), Access::READ_OK).is_ok();
        match elements.peek() {
            Some(Element::Search(searched)) if *searched == directory => {
                elements.next();
            }
            Some(Element::Found(found)) if *found == file.as_slice() => {
                if !is_there() {
                    return Some(format!("{} is not there", shown(&file)));
                }
                elements.next();
            }
            _ if is_there() => {
                return Some(format!("it passes over {}", shown(&file)));
            }
            _ => {}
        }
    }
    let left = match elements.next()? {
        Element::Found(path) | Element::Search(path) => path,
    };
    Some(format!("{} is not of the RUNPATH", shown(left)))
}
