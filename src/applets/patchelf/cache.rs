//! `--build-resolution-cache`: when patchelf writes a cache, when it warns, and when it fails.

use crate::resolution::note::{self, Described};
use anyhow::bail;
use elf_edit::{Edit, ElfInfo, FileReader, Search, read_sections, resolution_cache, sections};

/// What becomes of the request.
pub(super) enum BuiltCache {
    /// A cache with this descriptor.
    Build(Vec<u8>),
    /// No cache, for this reason.
    Nothing(&'static str),
}

/// The cache of a file after `edits`. One that is there already and says something else is an error,
/// as with patchelf; one that `edits` make stale is built anew.
pub(super) fn edit(
    reader: &FileReader,
    info: &ElfInfo,
    edits: &[Edit],
) -> anyhow::Result<BuiltCache> {
    let search = Search::after(info, edits)?;
    let present = !search.differs && is_present(reader, info)?;
    let outcome = cache_of(info, &search);
    if present {
        let same = match (&outcome, &info.resolution_caches[..]) {
            (BuiltCache::Build(wanted), [one]) => one.description.as_ref() == Ok(wanted),
            _ => false,
        };
        if !same {
            bail!(
                "--build-resolution-cache: a resolution cache note is already present; rebuild \
                 from an unpatched binary"
            );
        }
    }
    Ok(outcome)
}

fn cache_of(info: &ElfInfo, search: &Search) -> BuiltCache {
    if info.dynamic.is_none() {
        return BuiltCache::Nothing("no dynamic section (statically linked?)");
    }
    let path = search.path.as_deref().filter(|_| !search.needed.is_empty());
    let Some(path) = path else {
        return BuiltCache::Nothing("no DT_NEEDED entries or run path to resolve");
    };
    match note::description(&search.needed, path, &|_| false) {
        Described::Cache(description) => BuiltCache::Build(description),
        Described::Nothing => BuiltCache::Nothing("no libraries resolved against the run path"),
        Described::TooLong => BuiltCache::Nothing("the cache would be longer than a megabyte"),
    }
}

/// Whether the file has a cache, or a section by its name.
fn is_present(reader: &FileReader, info: &ElfInfo) -> anyhow::Result<bool> {
    if !info.resolution_caches.is_empty() {
        return Ok(true);
    }
    let found = read_sections(reader, &info.header).unwrap_or_default();
    let names = sections::read_names(reader, &info.header, &found)?;
    Ok(names.iter().any(|name| name == resolution_cache::SECTION))
}
