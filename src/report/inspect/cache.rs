//! The resolution cache of a file, which only a patched glibc reads: nothing else of a report is made
//! of it.

use super::schema::{CacheEntryJson, CacheJson, CachePlaceJson};
use super::{Inspected, shown};
use crate::terminal::Paint;
use elf_edit::resolution_cache::{self, CacheEntry, Element};
use std::fmt::Write;

/// Most places of a cache that are shown: a hostile one has half a million.
const MAX_PLACES: usize = 4096;

/// The entries that are shown, and the number of the others; `None` without a cache. One that can't
/// be read has no entries.
fn entries<'a>(file: Inspected<'a>) -> Option<(Vec<CacheEntry<'a>>, usize)> {
    let cache = file.info.resolution_caches.first()?;
    let description = cache.description.as_deref().unwrap_or_default();
    let mut entries = resolution_cache::parse(description).unwrap_or_default();
    let mut places = 0;
    let mut fits = |entry: &CacheEntry| {
        places += entry.elements.len();
        places <= MAX_PLACES
    };
    let count = entries.iter().take_while(|entry| fits(entry)).count();
    let left_out = entries.len() - count;
    entries.truncate(count);
    Some((entries, left_out))
}

/// For people.
pub(super) fn human(out: &mut String, file: Inspected, paint: Paint) -> std::fmt::Result {
    let Some((entries, left_out)) = entries(file) else {
        return Ok(());
    };
    writeln!(out, "  resolution cache, for a glibc that reads it")?;
    for entry in &entries {
        write!(out, "    {}", shown(entry.name))?;
        for element in &entry.elements {
            match element {
                Element::Found(path) => write!(out, "  {}", shown(path))?,
                Element::Search(directory) => write!(out, "  search '{}'", shown(directory))?,
            }
        }
        writeln!(out)?;
    }
    if left_out > 0 {
        writeln!(out, "    and {left_out} more")?;
    }
    for fault in file.stale_cache {
        writeln!(
            out,
            "    {} {}",
            paint.bad("stale:"),
            shown(fault.as_bytes())
        )?;
    }
    Ok(())
}

/// For programs.
pub(super) fn json(file: Inspected) -> Option<CacheJson> {
    let (entries, left_out) = entries(file)?;
    let place = |element: &Element| {
        let (how, path) = match element {
            Element::Found(path) => ("found", path),
            Element::Search(directory) => ("search", directory),
        };
        CachePlaceJson {
            how,
            path: shown(path).to_string(),
        }
    };
    let entry = |entry: &CacheEntry| CacheEntryJson {
        name: shown(entry.name).to_string(),
        places: entry.elements.iter().map(place).collect(),
    };
    let faults = file.stale_cache.iter();
    Some(CacheJson {
        entries: entries.iter().map(entry).collect(),
        left_out,
        stale: faults
            .map(|fault| shown(fault.as_bytes()).to_string())
            .collect(),
    })
}
