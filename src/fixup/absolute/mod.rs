//! `--resolution absolute`: one choice of names for all files of the trees, made of the RUNPATHs
//! that they will have, before the first is written.

mod choose;
mod compare;
mod member;

pub(super) use member::searched;

use super::SecondPass;
use crate::loader::{Environment, Extent, Loader, Object, Planned, Rules};
use crate::plan::Plan;
use crate::resolution::absolute::{Choice, Names, base};
use crate::rodata;
use crate::scan::Visited;
use crate::soname_index::LibraryInfo;
use choose::choose;
use compare::{Compared, Loads};
use elf_edit::{Edit, FileId};
use foldhash::HashMap;
use member::{Member, member, open};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Times that names with which the model loads other files are excluded, before all are.
const MAX_ROUNDS: usize = 8;

/// The choices of each file.
#[derive(Debug, Default)]
pub(super) struct Absolute {
    choices: HashMap<FileId, Choices>,
}

/// The choices of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    pub(super) names: Vec<Choice>,
    /// Entries of its RUNPATH that nothing is searched in any more.
    dropped: Vec<Vec<u8>>,
}

impl Choices {
    /// Adds the edits to the plan of the file.
    pub(super) fn apply(&self, plan: &mut Plan) {
        plan.drop_entries(&self.dropped);
        let edits = self.changed().map(|choice| Edit::ReplaceNeeded {
            from: choice.from.clone(),
            to: choice.to.clone(),
        });
        plan.edits.extend(edits);
    }

    fn changed(&self) -> impl Iterator<Item = &Choice> {
        self.names.iter().filter(|choice| choice.from != choice.to)
    }
}

impl Absolute {
    /// Plans every file, and chooses.
    pub(super) fn new(
        pass: &SecondPass<'_>,
        pool: &ThreadPool,
        files: &[Visited<LibraryInfo>],
    ) -> Absolute {
        pool.install(|| {
            let members: Vec<Member> = files
                .par_iter()
                .filter_map(|file| member(pass, file))
                .collect();
            let planned = members.iter().map(|m| (m.id, m.planned.clone()));
            let before = loader(planned.collect());
            let (mut names, loads) = names(&before, &members);
            let mut compared = Compared::new(&members, &loads);
            for round in 0..=MAX_ROUNDS {
                let choices: Vec<Choices> = members
                    .par_iter()
                    .map(|member| choose(pass, &before, &names, member))
                    .collect();
                let differing = compared.differing(&before, &choices);
                if differing.is_empty() {
                    let choices = members.iter().map(|m| m.id).zip(choices).collect();
                    return Absolute { choices };
                }
                match round + 1 < MAX_ROUNDS {
                    true => names.exclude(differing),
                    false => names.exclude(members.iter().flat_map(bases)),
                }
            }
            Absolute::default()
        })
    }

    /// The choices for the names of a file.
    pub(super) fn of(&self, file: FileId) -> &Choices {
        static NONE: Choices = Choices {
            names: Vec::new(),
            dropped: Vec::new(),
        };
        self.choices.get(&file).unwrap_or(&NONE)
    }
}

fn loader(planned: HashMap<FileId, Planned>) -> Loader {
    let environment = Environment {
        cwd: std::env::current_dir().unwrap_or_else(|_| "/".into()),
        ..Environment::default()
    };
    Loader::of_planned(environment, planned)
}

/// Files whose objects are in memory at once.
const BATCH: usize = 512;

/// The facts of all files of the trees, and of all that they load; and what each of them loads.
fn names(loader: &Loader, members: &[Member]) -> (Names, Vec<Option<Loads>>) {
    let own: HashMap<FileId, usize> = members.iter().map(|m| m.id).zip(0..).collect();
    let mut outside: BTreeMap<FileId, PathBuf> = BTreeMap::new();
    let mut loads = Vec::with_capacity(members.len());
    for batch in members.chunks(BATCH) {
        let loaded: Vec<Option<Vec<Object>>> = batch
            .par_iter()
            .map(|member| Some(member.objects(loader, Extent::All)?.0))
            .collect();
        for object in loaded.iter().flatten().flatten() {
            if let Some(library) = object.library.as_ref().filter(|l| !own.contains_key(&l.id)) {
                let path = || PathBuf::from(OsStr::from_bytes(&object.path));
                outside.entry(library.id).or_insert_with(path);
            }
        }
        loads.extend(
            loaded
                .iter()
                .map(|objects| Some(Loads::new(objects.as_ref()?, &own))),
        );
    }
    let mut names = Names::default();
    let of_members = members.par_iter().filter_map(|member| {
        let (objects, rules) = member.objects(loader, Extent::Direct)?;
        Some((objects, rules, opened(&member.path, rules)))
    });
    let outside: Vec<PathBuf> = outside.into_values().collect();
    let of_others = outside.par_iter().filter_map(|path| {
        let (reader, info) = open(path)?;
        let (objects, rules) = loader
            .objects(path, &reader, &info, Extent::Direct)
            .ok()??;
        Some((objects, rules, opened(path, rules)))
    });
    let facts: Vec<_> = of_members.chain(of_others).collect();
    for (objects, rules, opened) in &facts {
        names.add(objects, *rules, opened);
    }
    (names, loads)
}

/// Names that a file may dlopen, where the loader is musl's: glibc finds a loaded object by its
/// DT_SONAME.
fn opened(path: &Path, rules: Rules) -> Vec<Vec<u8>> {
    let read = || {
        let (reader, info) = open(path)?;
        Some(rodata::read(&reader, &info).ok()?.sonames)
    };
    match rules {
        Rules::Musl => read().unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn bases(member: &Member) -> Vec<Vec<u8>> {
    member
        .planned
        .needed
        .iter()
        .map(|name| base(name).to_vec())
        .collect()
}
