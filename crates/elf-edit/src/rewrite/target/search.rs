//! What a loader will search for, and whether a resolution cache still says where that is.

use super::Builder;
use crate::read::headers::ElfInfo;
use crate::rewrite::edit::Edit;
use crate::rewrite::refusal::Refusal;
use object::elf;
use std::collections::BTreeSet;

/// The resolution cache that a file shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheTarget {
    /// None.
    Removed,
    /// One with this descriptor.
    Set(Vec<u8>),
}

/// What a loader searches for, and where, once edits are applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// DT_NEEDED.
    pub needed: Vec<Vec<u8>>,
    /// DT_RUNPATH, else DT_RPATH.
    pub path: Option<Vec<u8>>,
    /// Whether that is DT_RPATH.
    pub is_rpath: bool,
    /// Whether a resolution cache of the file before the edits would be wrong.
    pub differs: bool,
}

impl Search {
    /// Applies `edits` to what the file says.
    pub fn after(info: &ElfInfo, edits: &[Edit]) -> Result<Search, Refusal> {
        let mut builder = Builder::new(info);
        for edit in edits {
            builder.apply(edit)?;
        }
        Ok(builder.search())
    }
}

impl Builder<'_> {
    /// The change of the resolution cache: one that says so already is left alone, and one that
    /// the other edits make stale goes.
    pub(super) fn cache_change(&self) -> Option<CacheTarget> {
        let now = &self.info.resolution_caches;
        match &self.resolution_cache {
            Some(CacheTarget::Set(wanted)) => {
                let is_reached =
                    matches!(&now[..], [one] if one.description.as_ref() == Ok(wanted));
                (!is_reached).then(|| CacheTarget::Set(wanted.clone()))
            }
            Some(CacheTarget::Removed) => (!now.is_empty()).then_some(CacheTarget::Removed),
            None => (!now.is_empty() && self.search().differs).then_some(CacheTarget::Removed),
        }
    }

    /// The needed names and the search path. The order of the names makes no cache stale.
    fn search(&self) -> Search {
        let text = |tag: i64| {
            let named = self.entries.iter().filter(move |(e, _)| e.tag == tag);
            named.filter_map(|(_, text)| text.as_deref())
        };
        let last = |tag| text(tag).next_back();
        let path = last(elf::DT_RUNPATH).or_else(|| last(elf::DT_RPATH));
        let needed: BTreeSet<&[u8]> = text(elf::DT_NEEDED).collect();
        let before: BTreeSet<&[u8]> = self.info.needed().iter().map(Vec::as_slice).collect();
        Search {
            differs: path != self.info.runpath_or_rpath() || needed != before,
            needed: text(elf::DT_NEEDED).map(<[u8]>::to_vec).collect(),
            is_rpath: last(elf::DT_RUNPATH).is_none() && path.is_some(),
            path: path.map(<[u8]>::to_vec),
        }
    }
}
