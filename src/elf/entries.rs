//! Entries of the dynamic section as edits see them: with the strings that they name.

use super::facts::ElfFacts;
use object::elf;

/// A dynamic entry as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `d_tag`
    pub tag: i64,
    /// The value or address, where it stays.
    pub value: u64,
    /// The string that the value shall name, where it is a new one.
    pub string: Option<Vec<u8>>,
    /// Where the entry stood before, `None` for a new one.
    pub old_index: Option<usize>,
}

/// The text of each entry that `facts` read one for.
pub fn texts(facts: &ElfFacts) -> impl Iterator<Item = Option<&[u8]>> + Clone {
    let dynamic = facts.dynamic.as_ref();
    let mut needed = facts.needed().iter();
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

/// What was taken out and put in again under the same tag, or changed and changed back, is the old
/// entry. A DT_NEEDED keeps the place that the edits gave it: its order means something.
pub fn restore(facts: &ElfFacts, entries: &mut [Entry]) {
    let Some(dynamic) = &facts.dynamic else {
        return;
    };
    let old = dynamic.entries.iter().zip(texts(facts)).enumerate();
    for (index, (d, text)) in old.filter(|(_, (_, text))| text.is_some()) {
        let stays = entries.iter().position(|e| e.old_index == Some(index));
        let is_same = |e: &Entry| e.tag == d.tag && e.string.as_deref() == text;
        let again = match stays {
            Some(at) => Some(at).filter(|&at| is_same(&entries[at])),
            None => entries
                .iter()
                .position(|e| e.old_index.is_none() && is_same(e)),
        };
        if let Some(at) = again {
            entries[at] = Entry {
                tag: d.tag,
                value: d.value,
                string: None,
                old_index: Some(index),
            };
        }
    }
    // Old entries stay in their old order: the same edits a second time change nothing.
    let in_order = |e: &Entry| e.old_index.is_some() && e.tag != elf::DT_NEEDED;
    let now = entries.iter().filter(|e| in_order(e));
    if now.clone().is_sorted_by_key(|e| e.old_index) {
        return;
    }
    let mut kept: Vec<Entry> = now.cloned().collect();
    kept.sort_by_key(|e| e.old_index);
    let places = entries.iter_mut().filter(|e| in_order(e));
    for (place, entry) in places.zip(kept) {
        *place = entry;
    }
}

/// Whether the value of a dynamic entry of this tag is an offset into the string table.
pub fn names_string(tag: i64) -> bool {
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
