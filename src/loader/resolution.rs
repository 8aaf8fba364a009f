//! The result of loading one file, as a value.

use super::closure::{Closure, Object};
use super::dlopen::{self, Candidate, FoundCandidate};
use super::entries::{self, SearchEntry};
use super::failed_opens::FailedOpens;
use super::hidden::Hidden;
use super::interpreter::Rules;
use super::library::Library;
use super::nix_ld::NixLd;
use super::preload::Preload;
use super::search_log::{Step, Via};
use super::secure::{Privileges, User};
use super::symbols::{self, MissingSymbol};
use elf_edit::ElfInfo;
use std::sync::Arc;

/// The interpreter of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    pub path: Vec<u8>,
    /// It is nix-ld, which starts the loader of which the rest is said.
    pub nix_ld: Option<NixLd>,
    /// Whether the file names it (PT_INTERP); else it is the one that would load the file.
    pub named: bool,
    /// Whether it is there and is an ELF file.
    pub exists: bool,
    pub rules: Rules,
    pub directories: Vec<Vec<u8>>,
    /// Its cache; musl has none.
    pub cache: Option<Vec<u8>>,
}

/// The process to which a result applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadedBy {
    /// The file is a program.
    Itself { user: User, privileges: Privileges },
    /// A library, opened before any other: the program that loads it is unknown.
    First,
    /// A library in a process of this program.
    Program {
        /// The program, as seen inside the root.
        path: Vec<u8>,
        /// With dlopen; else the program needs it, or something that it loads does.
        opened: bool,
    },
    /// No loader loads it: static, an object file, separate debug information.
    Nothing,
}

impl LoadedBy {
    /// Whether the loader is in secure-execution mode.
    pub fn secure(&self) -> bool {
        match self {
            LoadedBy::Itself { user, privileges } => privileges.secure_for(*user),
            _ => false,
        }
    }
}

/// The result of loading one file.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// Its interpreter; `None` for a static file.
    pub interpreter: Option<Interpreter>,
    /// The process to which the result applies.
    pub loaded_by: LoadedBy,
    /// Elements of its RUNPATH.
    pub runpath: Vec<SearchEntry>,
    /// Elements of its RPATH.
    pub rpath: Vec<SearchEntry>,
    /// The file itself, then everything that is loaded with it, in the loader's order; behind
    /// [`Resolution::loaded`] the other objects that indices refer to.
    pub objects: Vec<Object>,
    /// Number of `objects` that are loaded with the file.
    loaded: usize,
    /// The libraries in LD_PRELOAD and /etc/ld.so.preload.
    pub preloads: Vec<Preload>,
    /// Libraries that the environment keeps from being loaded.
    pub hidden: Vec<Hidden>,
    /// Pairs of an object and one that it needs and finds through LD_LIBRARY_PATH alone.
    pub by_variable_alone: Vec<(usize, usize)>,
    /// Symbols that a program's process lacks, or a library's.
    pub missing_symbols: Vec<MissingSymbol>,
    /// Libraries that it may open itself.
    pub dlopen: Vec<Candidate>,
    /// `false` when the search hit one of our limits.
    pub complete: bool,
    /// Attempts to open a library that fail before all is loaded.
    pub failed_opens: FailedOpens,
}

impl Resolution {
    /// The file itself, then everything that is loaded with it, in the loader's order.
    pub fn loaded(&self) -> &[Object] {
        &self.objects[..self.loaded]
    }

    /// Whether a missing symbol keeps the file from loading: its program asks for it at the
    /// start. A library may leave symbols to the program that opens it.
    pub fn is_fatal(&self, symbol: &MissingSymbol) -> bool {
        !symbol.lazy && matches!(self.loaded_by, LoadedBy::Itself { .. })
    }

    /// Whether the file finds the library that it opens, or needs, by this name.
    pub(crate) fn opens(&self, name: &[u8]) -> bool {
        let needs = self.objects.first().into_iter().flat_map(|o| &o.needs);
        let mut found = needs.filter(|need| need.object.is_some());
        let mut opened = self.dlopen.iter().filter_map(|c| c.found.as_ref());
        found.any(|need| need.name == name) || opened.any(|found| found.name == name)
    }

    /// Dependencies found through the RPATH of another file: that file, the dependent file, and the
    /// name.
    pub(crate) fn inherited(&self) -> impl Iterator<Item = (&Object, &Object, &[u8])> {
        let needs = self.loaded().iter().enumerate().flat_map(|(at, user)| {
            let needs = user.needs.iter();
            needs.map(move |need| (at, user, need))
        });
        needs.filter_map(|(at, user, need)| match need.via?.step {
            Step::Rpath(of) if of != at => Some((self.objects.get(of)?, user, &*need.name)),
            _ => None,
        })
    }

    /// Libraries that a RUNPATH or RPATH would find, but that LD_LIBRARY_PATH or LD_PRELOAD hides.
    pub fn hidden_by_environment(&self) -> impl Iterator<Item = &Hidden> {
        let loaded = |h: &&Hidden| h.by < self.loaded;
        let by_path = |h: &&Hidden| matches!(h.via.step, Step::Runpath(_) | Step::Rpath(_));
        self.hidden.iter().filter(loaded).filter(by_path)
    }
}

/// The answer about one object of a closure.
pub(super) fn finish(
    mut closure: Closure,
    object: usize,
    loaded_by: LoadedBy,
    info: &ElfInfo,
    strings: &[Vec<u8>],
) -> Resolution {
    let failed_opens = closure.failed_opens;
    let mut dlopen = dlopen::candidates(&info.dlopen_notes, strings);
    for candidate in &mut dlopen {
        look_up(&mut closure, object, candidate);
    }
    let unmet = |o: &Object| {
        let wants = |n: &super::Need| n.object.is_none() || !n.missing_versions.is_empty();
        o.needs.iter().any(wants)
    };
    let searched = closure.files.reads_symbols && closure.complete;
    let whole = searched && !closure.objects.iter().any(unmet);
    let missing_symbols = match whole {
        true => missing_symbols(&closure, object, &loaded_by),
        false => Vec::new(),
    };
    let system = closure.system;
    let mut resolution = Resolution {
        interpreter: Some(Interpreter {
            path: match &system.nix_ld {
                Some(nix_ld) => nix_ld.path.clone(),
                None => system.interpreter.clone(),
            },
            nix_ld: system.nix_ld.clone(),
            named: info.interpreter.is_some(),
            exists: system.library.is_some(),
            rules: system.rules,
            directories: system.dirs.clone(),
            cache: system.cache_path.clone(),
        }),
        loaded_by,
        runpath: entries::entries(&closure, object, true, &dlopen),
        rpath: entries::entries(&closure, object, false, &dlopen),
        dlopen,
        complete: closure.complete,
        failed_opens,
        loaded: closure.objects.len(),
        objects: closure.objects,
        preloads: closure.preloads,
        hidden: closure.hidden,
        by_variable_alone: closure.by_variable_alone,
        missing_symbols,
    };
    if object != 0 {
        resolution.put_first(object);
    }
    resolution
}

/// Of a program, those of the whole process; of a library, those that it and what it needs ask
/// for, without Python's own, which extensions leave to the program.
fn missing_symbols(closure: &Closure, object: usize, by: &LoadedBy) -> Vec<MissingSymbol> {
    if let LoadedBy::Itself { .. } = by {
        return symbols::missing(closure, |_| true);
    }
    let below = below(&closure.objects, object);
    let mut found = symbols::missing(closure, |by| below[by]);
    let python = |name: &[u8]| name.starts_with(b"Py") || name.starts_with(b"_Py");
    found.retain(|symbol| !python(&symbol.name));
    found
}

/// Which objects are loaded with that one.
fn below(objects: &[Object], first: usize) -> Vec<bool> {
    let mut below = vec![false; objects.len()];
    let mut open = vec![first];
    while let Some(object) = open.pop() {
        if !std::mem::replace(&mut below[object], true) {
            let needs = objects[object].needs.iter();
            open.extend(needs.filter_map(|need| need.object));
        }
    }
    below
}

/// A file that no loader loads.
pub(super) fn alone(path: Vec<u8>, root: Arc<Library>, info: &ElfInfo) -> Resolution {
    Resolution {
        interpreter: None,
        loaded_by: LoadedBy::Nothing,
        runpath: Vec::new(),
        rpath: Vec::new(),
        objects: vec![Object {
            path,
            library: Some(root),
            needed_by: None,
            via: None,
            needs: Vec::new(),
            versions_of_nothing: Vec::new(),
        }],
        loaded: 1,
        preloads: Vec::new(),
        hidden: Vec::new(),
        by_variable_alone: Vec::new(),
        missing_symbols: Vec::new(),
        dlopen: dlopen::candidates(&info.dlopen_notes, &[]),
        complete: true,
        failed_opens: FailedOpens::default(),
    }
}

fn look_up(closure: &mut Closure, by: usize, candidate: &mut Candidate) {
    for name in candidate.names.clone() {
        let (found, trail) = closure.look_up(by, &name);
        candidate.trails.push(trail);
        if let Some((path, via)) = found {
            candidate.found = Some(FoundCandidate { name, path, via });
            return;
        }
    }
}

impl Resolution {
    /// Makes an object of the process the first one, followed by its dependencies.
    fn put_first(&mut self, first: usize) {
        let below = below(&self.objects, first);
        let all = 0..self.objects.len();
        let rest = all.clone().filter(|&o| below[o] && o != first);
        let order: Vec<usize> = [first]
            .into_iter()
            .chain(rest)
            .chain(all.filter(|&o| !below[o]))
            .collect();
        self.loaded = below.iter().filter(|b| **b).count();
        let mut new = vec![0; order.len()];
        for (at, old) in order.iter().enumerate() {
            new[*old] = at;
        }
        let mut taken: Vec<Option<Object>> = self.objects.drain(..).map(Some).collect();
        self.objects = order.iter().filter_map(|&o| taken[o].take()).collect();
        self.renumber(&new);
    }

    fn renumber(&mut self, new: &[usize]) {
        let via = |via: &mut Via| {
            if let Step::Rpath(of) | Step::Runpath(of) = &mut via.step {
                *of = new[*of];
            }
        };
        for object in &mut self.objects {
            object.needed_by = object.needed_by.map(|by| new[by]);
            object.via.iter_mut().for_each(via);
            for need in &mut object.needs {
                need.object = need.object.map(|o| new[o]);
                need.via.iter_mut().for_each(via);
                for tried in &mut need.trail.tried {
                    if let Step::Rpath(of) | Step::Runpath(of) = &mut tried.step {
                        *of = new[*of];
                    }
                }
            }
        }
        for hidden in &mut self.hidden {
            hidden.by = new[hidden.by];
            hidden.object = new[hidden.object];
            via(&mut hidden.via);
        }
        for (by, object) in &mut self.by_variable_alone {
            (*by, *object) = (new[*by], new[*object]);
        }
        for symbol in &mut self.missing_symbols {
            symbol.by = new[symbol.by];
        }
        for preload in &mut self.preloads {
            preload.object = preload.object.map(|o| new[o]);
        }
        for candidate in &mut self.dlopen {
            candidate.found.iter_mut().for_each(|f| via(&mut f.via));
            for tried in candidate.trails.iter_mut().flat_map(|t| &mut t.tried) {
                if let Step::Rpath(of) | Step::Runpath(of) = &mut tried.step {
                    *of = new[*of];
                }
            }
        }
    }
}
