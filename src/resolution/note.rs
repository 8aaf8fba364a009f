//! The descriptor of a resolution cache, as patchelf 0.19.3 makes it of a RUNPATH.

use super::directories::is_fixed;
use elf_edit::resolution_cache::{CacheEntry, Element};
use elf_edit::{Edit, ElfInfo, Search, resolution_cache};
use rustix::fs::{Access, access};
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Most files and directories that are looked for on behalf of one file: the loader model's limit.
const MAX_LOOKS: usize = 1_000_000;

/// Most faults that are reported for one file.
const MAX_FAULTS: usize = 64;

/// The resolution cache of a search.
pub(crate) enum Described {
    /// A cache with this descriptor.
    Cache(Vec<u8>),
    /// No library is found, and no directory is left to be searched.
    Nothing,
    /// Longer than a cache that is read back, or with more places than are looked at.
    TooLong,
}

/// Finds each name of `needed` in the directories of `path`, in their order. Directories that
/// only the running program knows stay to be searched: empty and relative ones, those with tokens,
/// those with a `glibc-hwcaps` (the processor decides), those that can't be searched now, and those
/// for which `is_late` is true. A name with a slash is not searched for.
pub(crate) fn description(
    needed: &[Vec<u8>],
    path: &[u8],
    is_late: &dyn Fn(&[u8]) -> bool,
) -> Described {
    let searched: Vec<&[u8]> = needed
        .iter()
        .map(Vec::as_slice)
        .filter(|name| !name.contains(&b'/'))
        .collect();
    let mut lists: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    let (mut len, mut looks) = (1, 0);
    for directory in path.split(|&byte| byte == b':') {
        let late = is_late(directory) || !is_fixed(directory);
        looks += 1;
        for &name in &searched {
            let (kind, element) = match late {
                true => (b'?', directory.to_vec()),
                false => (b'=', [directory, b"/", name].concat()),
            };
            looks += usize::from(!late);
            if looks > MAX_LOOKS || len > resolution_cache::MAX_DESCRIPTION {
                return Described::TooLong;
            }
            if !late && access(OsStr::from_bytes(&element), Access::READ_OK).is_err() {
                continue;
            }
            let list = lists.entry(name).or_default();
            match list.is_empty() {
                true => len += name.len() + 2,
                false => list.push(b':'),
            }
            list.push(kind);
            list.extend_from_slice(&element);
            len += element.len() + 2;
        }
    }
    if lists.is_empty() {
        return Described::Nothing;
    }
    let lists = lists.iter().map(|(name, list)| (*name, list.as_slice()));
    let description = resolution_cache::encode(lists);
    match description.len() <= resolution_cache::MAX_DESCRIPTION {
        true => Described::Cache(description),
        false => Described::TooLong,
    }
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
    match path.map(|path| description(&search.needed, path, is_late)) {
        Some(Described::Cache(description)) => {
            let is_there = matches!(
                &info.resolution_caches[..],
                [one] if one.description.as_ref() == Ok(&description)
            );
            (!is_there).then_some(Edit::SetResolutionCache(description))
        }
        _ => (!info.resolution_caches.is_empty()).then_some(Edit::RemoveResolutionCache),
    }
}

/// Faults of the first resolution cache of a file: ld.so reads no other.
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

/// Entries of a descriptor that lead the loader elsewhere than the search would, each with its
/// fault. To search a directory is never wrong; neither is a name without an entry, which the loader
/// searches for.
fn stale(needed: &[Vec<u8>], path: &[u8], description: &[u8]) -> Vec<String> {
    let entries = match resolution_cache::parse(description) {
        Ok(entries) => entries,
        Err(fault) => return vec![format!("it can't be read: {fault}")],
    };
    let needed: HashSet<&[u8]> = needed.iter().map(Vec::as_slice).collect();
    let mut seen = HashSet::new();
    let (mut found, mut looks) = (Vec::new(), 0);
    for entry in &entries {
        let name = shown(entry.name);
        if !needed.contains(entry.name) {
            found.push(format!("{name} is not needed"));
        } else if !seen.insert(entry.name) {
            found.push(format!("{name} has a second entry"));
        } else if let Some(fault) = stale_entry(entry, path, &mut looks) {
            found.push(format!("{name}: {fault}"));
        }
        if looks > MAX_LOOKS {
            found.push("it has more places than are checked".to_owned());
        }
        if looks > MAX_LOOKS || found.len() == MAX_FAULTS {
            break;
        }
    }
    found
}

/// The fault of an entry: its elements are a walk along the RUNPATH that passes over only
/// directories without the library.
fn stale_entry(entry: &CacheEntry<'_>, path: &[u8], looks: &mut usize) -> Option<String> {
    let mut elements = entry.elements.iter().peekable();
    for directory in path.split(|&byte| byte == b':') {
        *looks += 1;
        if *looks > MAX_LOOKS {
            return None;
        }
        let file = || [directory, b"/", entry.name].concat();
        let is_there = || access(OsStr::from_bytes(&file()), Access::READ_OK).is_ok();
        match elements.peek() {
            Some(Element::Search(searched)) if *searched == directory => {
                elements.next();
            }
            Some(Element::Found(found)) if *found == file().as_slice() => {
                if !is_there() {
                    return Some(format!("{} is not there", shown(&file())));
                }
                elements.next();
            }
            _ if is_there() => {
                return Some(format!("it passes over {}", shown(&file())));
            }
            _ => {}
        }
    }
    let left = match elements.next()? {
        Element::Found(path) | Element::Search(path) => path,
    };
    Some(format!("{} is not of the RUNPATH", shown(left)))
}

/// A name or path in a message, shortened: a note may hold a name of a megabyte.
fn shown(bytes: &[u8]) -> String {
    const MAX_SHOWN: usize = 4096;
    match bytes.get(..MAX_SHOWN) {
        Some(start) => format!("{}…", String::from_utf8_lossy(start)),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}
