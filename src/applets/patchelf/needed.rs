//! `--print-needed`, `--add-needed`, `--remove-needed` and `--replace-needed` of one file.

use super::flags::PatchelfRequest;
use super::plan::{Streams, dynamic, line};
use elf_edit::{Edit, ElfInfo};
use std::collections::BTreeMap;

impl PatchelfRequest {
    /// Prints the DT_NEEDED entries, or collects their edits.
    pub(super) fn needed(
        &self,
        info: &ElfInfo,
        name: &str,
        streams: &mut Streams<'_>,
        edits: &mut Vec<Edit>,
    ) -> anyhow::Result<()> {
        if self.print.needed {
            dynamic(info, name)?;
            for library in info.needed() {
                line(streams.out, library)?;
            }
        }
        if self.remove_needed.is_empty()
            && self.replace_needed.is_empty()
            && self.add_needed.is_empty()
        {
            return Ok(());
        }
        dynamic(info, name)?;
        let mut names = info.needed().to_vec();
        for library in &self.remove_needed {
            names.retain(|name| name != library);
            edits.push(Edit::RemoveNeeded(library.clone()));
        }
        edits.extend(one_by_one(&self.replace_needed, &names));
        for name in &mut names {
            if let Some(to) = self.replace_needed.get(name) {
                name.clone_from(to);
            }
        }
        // Added libraries are searched and loaded before all others, in alphabetical order.
        if !names
            .iter()
            .take(self.add_needed.len())
            .eq(&self.add_needed)
        {
            let there = self.add_needed.iter().filter(|name| names.contains(name));
            edits.extend(there.cloned().map(Edit::RemoveNeeded));
            edits.extend(self.add_needed.iter().rev().cloned().map(Edit::AddNeeded));
        }
        Ok(())
    }
}

/// All replacements happen at once: with a -> b and b -> c, an old a becomes b, not c. As edits are
/// applied one after the other, b -> c goes first; in a circle, one name gets a temporary value.
fn one_by_one(pairs: &BTreeMap<Vec<u8>, Vec<u8>>, names: &[Vec<u8>]) -> Vec<Edit> {
    let mut pending: Vec<(Vec<u8>, Vec<u8>)> = pairs
        .iter()
        .filter(|(from, to)| from != to && names.contains(from))
        .map(|(from, to)| (from.clone(), to.clone()))
        .collect();
    let mut edits = Vec::new();
    while !pending.is_empty() {
        let free = pending
            .iter()
            .position(|(_, to)| pending.iter().all(|(from, _)| from != to));
        let (from, to) = match free {
            Some(at) => pending.remove(at),
            None => {
                let (from, to) = pending.remove(0);
                let mut aside = [&from[..], b"~"].concat();
                while names.contains(&aside) || pending.iter().any(|p| p.0 == aside || p.1 == aside)
                {
                    aside.push(b'~');
                }
                pending.push((aside.clone(), to));
                (from, aside)
            }
        };
        edits.push(Edit::ReplaceNeeded { from, to });
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_happen_at_once() {
        let names: Vec<Vec<u8>> = [b"a", b"b", b"c", b"d"].map(|n| n.to_vec()).into();
        for (pairs, after) in [
            (vec![("a", "b"), ("b", "c")], "bccd"),
            (vec![("b", "c"), ("c", "d")], "acdd"),
            (vec![("a", "b"), ("b", "a")], "bacd"),
            (vec![("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")], "bcaa"),
            (vec![("x", "a"), ("a", "a")], "abcd"),
        ] {
            let map = pairs
                .iter()
                .map(|(a, b)| (a.as_bytes().to_vec(), b.as_bytes().to_vec()))
                .collect();
            let mut now = names.clone();
            for edit in one_by_one(&map, &names) {
                if let Edit::ReplaceNeeded { from, to } = edit {
                    for name in now.iter_mut().filter(|n| **n == from) {
                        name.clone_from(&to);
                    }
                }
            }
            assert_eq!(now.concat(), after.as_bytes(), "{pairs:?}");
        }
    }
}
