//! Whether the loader model loads the same files with the choices as without them.
//!
//! A closure is computed once before the choices. After them, only a member that loads a file whose
//! names or RUNPATH the choices change loads anything else, so that only its closure is computed
//! again; and in a further round, only where the choices for such a file are others than before.

use super::choose::with;
use super::member::Member;
use super::{Choices, bases, loader};
use crate::loader::{Extent, Loader, Object, Planned};
use crate::resolution::absolute::base;
use elf_edit::FileId;
use foldhash::HashMap;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a member loads before any choice.
pub(super) struct Loads {
    /// Indices of the members that it loads, itself among them.
    members: Vec<u32>,
    /// Hash of the files, their order, and by what each is needed.
    signature: u64,
}

impl Loads {
    pub(super) fn new(objects: &[Object], own: &HashMap<FileId, usize>) -> Loads {
        let ids = objects.iter().filter_map(|o| Some(o.library.as_ref()?.id));
        Loads {
            members: ids.filter_map(|id| Some(*own.get(&id)? as u32)).collect(),
            signature: signature(objects),
        }
    }
}

fn signature(objects: &[Object]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for object in objects {
        object.library.as_ref().map(|l| l.id).hash(&mut hasher);
        for need in &object.needs {
            (need.object, &need.missing_versions).hash(&mut hasher);
        }
        (object.needs.len(), object.versions_of_nothing.len()).hash(&mut hasher);
    }
    hasher.finish()
}

/// The members with the choices of the last round.
pub(super) struct Compared<'a> {
    members: &'a [Member],
    loads: &'a [Option<Loads>],
    /// Each member as the last choices make it.
    planned: Vec<Planned>,
    /// Whether it loaded something else in the last round.
    differed: Vec<bool>,
}

impl<'a> Compared<'a> {
    pub(super) fn new(members: &'a [Member], loads: &'a [Option<Loads>]) -> Compared<'a> {
        Compared {
            members,
            loads,
            planned: members.iter().map(|m| m.planned.clone()).collect(),
            // The names of a member that can't be loaded are excluded, once.
            differed: loads.iter().map(Option::is_none).collect(),
        }
    }

    /// Names with which a member loads other files, or in another order.
    pub(super) fn differing(&mut self, before: &Loader, choices: &[Choices]) -> BTreeSet<Vec<u8>> {
        let members = self.members.iter();
        let planned: Vec<Planned> = members.zip(choices).map(|(m, c)| with(m, c)).collect();
        let changed: Vec<bool> = planned
            .iter()
            .zip(&self.planned)
            .map(|(new, old)| new != old)
            .collect();
        let ids = self.members.iter().map(|member| member.id);
        let after = loader(ids.clone().zip(planned.iter().cloned()).collect());
        let of: HashMap<FileId, &Choices> = ids.zip(choices).collect();
        let differing: Vec<Vec<Vec<u8>>> = (0..self.members.len())
            .into_par_iter()
            .map(|at| {
                let (member, differed) = (&self.members[at], self.differed[at]);
                match &self.loads[at] {
                    Some(loads)
                        if differed || loads.members.iter().any(|&m| changed[m as usize]) =>
                    {
                        names_of(before, &after, member, loads, &of)
                    }
                    None if differed => bases(member),
                    _ => Vec::new(),
                }
            })
            .collect();
        self.planned = planned;
        let differed = differing.iter().map(|names| !names.is_empty());
        self.differed = self
            .loads
            .iter()
            .zip(differed)
            .map(|(l, d)| l.is_some() && d)
            .collect();
        differing.into_iter().flatten().collect()
    }
}

/// Names with which this member loads other files, or in another order.
fn names_of(
    before: &Loader,
    after: &Loader,
    member: &Member,
    loads: &Loads,
    choices: &HashMap<FileId, &Choices>,
) -> Vec<Vec<u8>> {
    let load = |loader| {
        member
            .objects(loader, Extent::All)
            .map(|(objects, _)| objects)
    };
    let new = load(after);
    if new
        .as_ref()
        .is_some_and(|new| loads.signature == signature(new))
    {
        return Vec::new();
    }
    let (Some(old), Some(new)) = (load(before), new) else {
        return bases(member);
    };
    // All that has become a path in these objects: one of them made the difference.
    let ids = old
        .iter()
        .chain(&new)
        .filter_map(|object| Some(object.library.as_ref()?.id));
    let all = ids
        .filter_map(|id| choices.get(&id))
        .flat_map(|choices| choices.names.iter());
    let paths = all.filter(|choice| choice.why.is_none());
    paths.map(|choice| base(&choice.to).to_vec()).collect()
}
