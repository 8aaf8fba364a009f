//! Entries of the dynamic section as edits see them: with the strings that they name.

use crate::read::headers::ElfInfo;
use object::elf;

/// A dynamic entry of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedEntry {
    /// `d_tag`
    pub tag: i64,
    /// The value or address, where it stays.
    pub value: u64,
    /// The string that the value names, if it is new.
    pub string: Option<Vec<u8>>,
    /// Index of the entry before the edits, `None` for a new one.
    pub old_index: Option<usize>,
}

/// The text of each entry that `info` read one for.
pub(super) fn texts(info: &ElfInfo) -> impl Iterator<Item = Option<&[u8]>> + Clone {
    let dynamic = info.dynamic.as_ref();
    let mut needed = info.needed().iter();
    let entries = dynamic.map_or(&[][..], |d| &d.entries);
    entries.iter().map(move |entry| {
        let dynamic = dynamic?;
        match entry.tag {
            elf::DT_NEEDED => needed.next().map(Vec::as_slice),
            elf::DT_SONAME => dynamic.soname.as_deref(),
            elf::DT_RUNPATH => dynamic.runpath.as_deref(),
            elf::DT_RPATH => dynamic.rpath.as_deref(),
            _ => None,
        }
    })
}

/// New index of each of the `count` old entries, by one walk: a hostile file has 65,536.
pub(super) fn places(entries: &[NamedEntry], count: usize) -> Vec<Option<usize>> {
    let mut places = vec![None; count];
    for (at, entry) in entries.iter().enumerate() {
        if let Some(place) = entry.old_index.and_then(|old| places.get_mut(old)) {
            *place = Some(at);
        }
    }
    places
}

/// An entry that was removed and added again under the same tag, or changed and changed back, is
/// the old entry. A DT_NEEDED keeps its new place, since the order matters.
pub(super) fn restore(info: &ElfInfo, entries: &mut [NamedEntry]) {
    let Some(dynamic) = &info.dynamic else {
        return;
    };
    let places = places(entries, dynamic.entries.len());
    let mut new: Vec<usize> = (0..entries.len())
        .filter(|&at| entries[at].old_index.is_none())
        .collect();
    let old = dynamic.entries.iter().zip(texts(info)).zip(places);
    for (index, ((d, text), stays)) in old.enumerate() {
        if text.is_none() {
            continue;
        }
        let is_same = |at: usize| entries[at].tag == d.tag && entries[at].string.as_deref() == text;
        let again = match stays {
            Some(at) => Some(at).filter(|&at| is_same(at)),
            None => {
                let place = new.iter().position(|&at| is_same(at));
                place.map(|place| new.remove(place))
            }
        };
        if let Some(at) = again {
            entries[at] = NamedEntry {
                tag: d.tag,
                value: d.value,
                string: None,
                old_index: Some(index),
            };
        }
    }
    // Old entries stay in their old order: the same edits a second time change nothing.
    let in_order = |e: &NamedEntry| e.old_index.is_some() && e.tag != elf::DT_NEEDED;
    let now = entries.iter().filter(|e| in_order(e));
    if now.clone().is_sorted_by_key(|e| e.old_index) {
        return;
    }
    let mut kept: Vec<NamedEntry> = now.cloned().collect();
    kept.sort_by_key(|e| e.old_index);
    let places = entries.iter_mut().filter(|e| in_order(e));
    for (place, entry) in places.zip(kept) {
        *place = entry;
    }
}

/// Whether the value of a dynamic entry of this tag is an offset into the string table.
pub(crate) fn names_string(tag: i64) -> bool {
    matches!(
        tag,
        elf::DT_NEEDED
            | elf::DT_SONAME
            | elf::DT_RPATH
            | elf::DT_RUNPATH
            | elf::DT_CONFIG
            | elf::DT_DEPAUDIT
            | elf::DT_AUDIT
            | elf::DT_AUXILIARY
            | elf::DT_FILTER
    )
}
