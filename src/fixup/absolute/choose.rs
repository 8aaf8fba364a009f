//! The names of one file, and the entries of its RUNPATH that are no longer of use.

use super::Choices;
use super::member::Member;
use crate::fixup::SecondPass;
use crate::fixup::libc::is_glibc_name;
use crate::loader::{Extent, Loader, Object, Planned, Rules};
use crate::resolution::absolute::{Choice, Chooser, Names};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

pub(super) fn choose(
    pass: &SecondPass<'_>,
    loader: &Loader,
    names: &Names,
    member: &Member,
) -> Choices {
    let Some((objects, rules)) = member.objects(loader, Extent::Direct) else {
        return Choices::default();
    };
    let machine: Vec<&[u8]> = member.machine.iter().map(Vec::as_slice).collect();
    let interpreter = member
        .interpreter
        .as_ref()
        .map(|path| PathBuf::from(OsStr::from_bytes(path)));
    let real = interpreter.and_then(|path| path.canonicalize().ok());
    let chooser = Chooser {
        names,
        rules,
        path: member
            .planned
            .runpath
            .as_ref()
            .or(member.planned.rpath.as_ref())
            .map_or(b"", Vec::as_slice),
        origin: member.origin.as_deref(),
        machine: &machine,
        in_libc: &is_glibc_name,
        in_store: &|path| pass.in_store(path),
        libc: real.and_then(|path| Some(path.parent()?.to_owned())),
    };
    let mut choices: Vec<Choice> = Vec::new();
    for (at, from) in member.needed.iter().enumerate() {
        let name = &member.planned.needed[at];
        if (name.contains(&b'/') && name == from) || choices.iter().any(|c| c.from == *from) {
            continue;
        }
        let is_found = objects[0]
            .needs
            .get(at)
            .is_some_and(|need| need.object.is_some());
        let (to, why) = match chooser.path(&objects, at) {
            Ok(path) => (path, None),
            Err(why) if is_found => (name.clone(), Some(why)),
            Err(why) => (from.clone(), Some(why)),
        };
        choices.push(Choice {
            from: from.clone(),
            to,
            why,
        });
    }
    let dropped = match rules {
        Rules::Glibc(_) => unused(member, &objects, &choices),
        _ => Vec::new(),
    };
    Choices {
        names: choices,
        dropped,
    }
}

/// Entries through which only names are found that become paths. glibc searches a RUNPATH for the
/// file that has it alone, and the file opens no library itself. A library keeps the first of them:
/// without a RUNPATH, the RPATHs of the files that load it would be searched.
fn unused(member: &Member, objects: &[Object], choices: &[Choice]) -> Vec<Vec<u8>> {
    let (Some(asked_for), Some(runpath)) = (&member.asked_for, &member.planned.runpath) else {
        return Vec::new();
    };
    let entries: Vec<&[u8]> = runpath.split(|&byte| byte == b':').collect();
    let mut paths: BTreeSet<&[u8]> = BTreeSet::new();
    let mut names = paths.clone();
    for (need, from) in objects[0].needs.iter().zip(&member.needed) {
        let choice = choices.iter().find(|choice| choice.from == *from);
        let is_path = choice.is_some_and(|choice| choice.why.is_none());
        let entry = need.via.and_then(|via| entries.get(via.element?));
        match is_path {
            true => paths.extend(entry),
            false => names.extend(entry),
        }
    }
    let go = paths.difference(&names);
    let mut go: Vec<Vec<u8>> = go.map(|entry| entry.to_vec()).collect();
    go.retain(|entry| !asked_for.contains(entry));
    let all = entries.iter().all(|entry| go.iter().any(|go| go == entry));
    if all && member.interpreter.is_none() {
        go.retain(|entry| entries.first() != Some(&entry.as_slice()));
    }
    go
}

/// A member as its choices make it.
pub(super) fn with(member: &Member, choices: &Choices) -> Planned {
    let mut planned = member.planned.clone();
    for (name, from) in planned.needed.iter_mut().zip(&member.needed) {
        if let Some(choice) = choices.names.iter().find(|choice| choice.from == *from) {
            name.clone_from(&choice.to);
        }
    }
    let changed = choices.changed();
    planned.renamed = changed
        .map(|choice| (choice.from.clone(), choice.to.clone()))
        .collect();
    if !choices.dropped.is_empty()
        && let Some(runpath) = &planned.runpath
    {
        let goes = |entry: &&[u8]| choices.dropped.iter().any(|dropped| dropped == entry);
        let kept: Vec<&[u8]> = runpath.split(|&b| b == b':').filter(|e| !goes(e)).collect();
        planned.runpath = (!kept.is_empty()).then(|| kept.join(&b':'));
    }
    planned
}
