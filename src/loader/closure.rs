//! Everything that loading one file loads, breadth first from it, as `_dl_map_object_deps` of
//! glibc and `load_deps` of musl do it.

use super::failed_opens::FailedOpens;
use super::files::Files;
use super::hidden::Hidden;
use super::interpreter::{LoaderSystem, Rules};
use super::library::Library;
use super::preload::Preload;
use super::search_log::{SearchLog, Step, Via, Why};
use super::tokens::{self, Dir, Trust};
use elf_edit::{ElfInfo, FileHeader, FileId, FileReader};
use foldhash::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// More objects than any real program has.
const MAX_OBJECTS: usize = 4096;
/// Bytes of names that the trails of one program may keep.
const MAX_TRAIL_BYTES: usize = 2 << 20;

/// A file loaded with the program; the first one is the file that was passed to the loader.
#[derive(Clone, Debug)]
pub struct Object {
    /// The path that the loader opens; for the interpreter, as the program names it.
    pub path: Vec<u8>,
    /// Its contents; `None` only for an unreadable interpreter.
    pub library: Option<Arc<Library>>,
    /// The object that first needed it.
    pub needed_by: Option<usize>,
    /// The step that found it.
    pub via: Option<Via>,
    /// Its DT_NEEDED, in order.
    pub needs: Vec<Need>,
    /// Libraries that it wants versions of, but that nothing loads: glibc stops with an
    /// assertion there.
    pub versions_of_nothing: Vec<Vec<u8>>,
}

/// One DT_NEEDED and its resolution.
#[derive(Clone, Debug)]
pub struct Need {
    /// The name in DT_NEEDED.
    pub name: Vec<u8>,
    /// Index of the object; `None` when nothing was found.
    pub object: Option<usize>,
    /// The step that found it; `None` when nothing was found.
    pub via: Option<Via>,
    /// The failed attempts; kept for the first object and for misses.
    pub trail: SearchLog,
    /// Versions that the found file lacks: `GLIBC_2.38`.
    pub missing_versions: Vec<Vec<u8>>,
}

/// The environment of one search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variables<'a> {
    pub(super) library_path: &'a [u8],
    pub(super) preload: &'a [u8],
    pub(super) secure: bool,
}

/// A search that is under way.
pub(super) struct Closure<'a> {
    pub(super) files: &'a Files,
    /// The first object's file and its headers, where the caller has them open.
    pub(super) root: Option<(&'a FileReader, &'a ElfInfo)>,
    pub(super) system: &'a LoaderSystem,
    pub(super) variables: Variables<'a>,
    pub(super) objects: Vec<Object>,
    pub(super) preloads: Vec<Preload>,
    pub(super) hidden: Vec<Hidden>,
    /// Objects that no search but that of LD_LIBRARY_PATH finds, and by which object it is needed.
    pub(super) by_variable_alone: Vec<(usize, usize)>,
    pub(super) complete: bool,
    /// Names under which objects were asked for, and their paths.
    names: HashMap<Vec<u8>, usize>,
    /// DT_SONAMEs of objects for which nothing has asked by that name. glibc finds an object by it,
    /// but a symbol version's library only by a name that something has asked for.
    sonames: HashMap<Vec<u8>, usize>,
    ids: HashMap<FileId, usize>,
    pub(super) header: FileHeader,
    has_interpreter: bool,
    lists: HashMap<(usize, List), Rc<[Dir]>>,
    no_list: Rc<[Dir]>,
    pub(super) looks: u32,
    pub(super) failed_opens: FailedOpens,
    /// Directories that have been searched: glibc remembers which subdirectories they have.
    pub(super) visited: HashSet<Vec<u8>>,
    pub(super) trail_budget: usize,
}

/// A list of directories of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum List {
    Rpath,
    Runpath,
    LibraryPath,
}

/// Result of one search.
pub(super) enum FoundObject {
    Known(usize),
    File(Vec<u8>, Arc<Library>, Via),
    Nothing,
}

impl<'a> Closure<'a> {
    pub(super) fn new(
        files: &'a Files,
        system: &'a LoaderSystem,
        variables: Variables<'a>,
        path: &[u8],
        root: Arc<Library>,
        has_interpreter: bool,
    ) -> Closure<'a> {
        let mut closure = Closure {
            files,
            root: None,
            system,
            variables,
            objects: Vec::new(),
            preloads: Vec::new(),
            hidden: Vec::new(),
            by_variable_alone: Vec::new(),
            complete: true,
            names: HashMap::default(),
            sonames: HashMap::default(),
            ids: HashMap::default(),
            header: root.header.clone(),
            has_interpreter,
            lists: HashMap::default(),
            no_list: Rc::new([]),
            looks: 0,
            failed_opens: FailedOpens::default(),
            visited: HashSet::default(),
            trail_budget: MAX_TRAIL_BYTES,
        };
        closure.ids.insert(root.id, 0);
        if let (Rules::Glibc(_), Some(soname)) = (system.rules, &root.soname) {
            closure.sonames.insert(soname.clone(), 0);
        }
        closure.objects.push(Object {
            path: path.to_vec(),
            library: Some(root),
            needed_by: None,
            via: None,
            needs: Vec::new(),
            versions_of_nothing: Vec::new(),
        });
        closure
    }

    /// Loads everything that the program needs, libraries to preload first.
    pub(super) fn load(&mut self) {
        super::preload::load(self);
        self.load_from(0);
    }

    /// Opens a library as the program may with dlopen, and loads its dependencies. Returns its
    /// index.
    pub(super) fn open(&mut self, path: &[u8], library: Arc<Library>) -> Option<usize> {
        let from = self.objects.len();
        let via = Via::step(Step::Path);
        let (object, _) = self.add(0, path, path.to_vec(), library, via);
        self.load_from(from);
        object
    }

    fn load_from(&mut self, first: usize) {
        let mut at = first;
        while at < self.objects.len() {
            if let Some(library) = self.objects[at].library.clone() {
                for name in &library.needed {
                    let need = self.load_needed(at, name);
                    self.objects[at].needs.push(need);
                }
            }
            at += 1;
        }
        if let Rules::Glibc(_) = self.system.rules {
            super::glibc::check_versions(self);
        }
    }

    /// Loads what the first object needs, and nothing that those libraries need.
    pub(super) fn load_direct(&mut self) {
        if let Some(library) = self.objects[0].library.clone() {
            for name in &library.needed {
                let need = self.load_needed(0, name);
                self.objects[0].needs.push(need);
            }
        }
    }

    fn load_needed(&mut self, by: usize, name: &[u8]) -> Need {
        let mut trail = SearchLog::default();
        let budget = self.trail_budget;
        let (object, via) = match self.find(by, name, &mut trail) {
            FoundObject::Known(object) => (Some(object), Some(Via::step(Step::Loaded))),
            FoundObject::File(path, library, via) => self.add(by, name, path, library, via),
            FoundObject::Nothing => (None, None),
        };
        if let Some(object) = object {
            self.note_hidden(by, name, object, via);
        }
        if object.is_some() && by != 0 {
            trail = SearchLog::default();
            self.trail_budget = budget;
        }
        Need {
            name: name.to_vec(),
            object,
            via,
            trail,
            missing_versions: Vec::new(),
        }
    }

    pub(super) fn find(&mut self, by: usize, name: &[u8], trail: &mut SearchLog) -> FoundObject {
        match self.system.rules {
            Rules::Glibc(_) => super::glibc::find(self, by, name, trail),
            Rules::Musl => super::musl::find(self, by, name, trail),
            Rules::Unknown => {
                let why = Why::LeftOut("the rules of this interpreter are not known");
                self.note(trail, Step::Default, b"", why);
                FoundObject::Nothing
            }
        }
    }

    /// Adds a file that the search found, unless it is loaded already.
    pub(super) fn add(
        &mut self,
        by: usize,
        name: &[u8],
        path: Vec<u8>,
        library: Arc<Library>,
        via: Via,
    ) -> (Option<usize>, Option<Via>) {
        let glibc = matches!(self.system.rules, Rules::Glibc(_));
        if let Some(&known) = self.ids.get(&library.id) {
            if glibc || via.step != Step::Path {
                self.names.entry(self.known_name(name, by)).or_insert(known);
            }
            return (Some(known), Some(via));
        }
        if self.objects.len() >= MAX_OBJECTS {
            self.complete = false;
            return (None, None);
        }
        let index = self.objects.len();
        self.ids.insert(library.id, index);
        let mut names = Vec::new();
        if glibc {
            names.push(self.known_name(name, by));
            names.push(path.clone());
            if let Some(soname) = &library.soname {
                self.sonames.entry(soname.clone()).or_insert(index);
            }
        } else if via.step != Step::Path {
            // musl knows a library by its file name, and only if it had to search for it.
            names.push(name.to_vec());
        }
        for name in names {
            self.names.entry(name).or_insert(index);
        }
        self.objects.push(Object {
            path,
            library: Some(library),
            needed_by: Some(by),
            via: Some(via),
            needs: Vec::new(),
            versions_of_nothing: Vec::new(),
        });
        (Some(index), Some(via))
    }

    /// The name under which glibc remembers a library, with tokens replaced.
    fn known_name(&self, name: &[u8], by: usize) -> Vec<u8> {
        if name.contains(&b'$') {
            let origin = self.origin(by);
            let tokens = self.system.tokens(&origin, self.trust(by));
            if let Some(name) = tokens::expand(name, &tokens) {
                return name;
            }
        }
        name.to_vec()
    }

    /// The object that the loader takes for this name without a search: the first that has been
    /// asked for by it, or whose DT_SONAME it is.
    pub(super) fn loaded(&mut self, name: &[u8]) -> Option<usize> {
        if let Some(by_soname) = self.sonames.remove(name) {
            let known = self.names.entry(name.to_vec()).or_insert(by_soname);
            *known = by_soname.min(*known);
        }
        self.named(name)
    }

    /// The object that has been asked for by this name.
    pub(super) fn named(&self, name: &[u8]) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The interpreter as an object: it is there from the start, and listed when it is needed.
    pub(super) fn interpreter(&mut self, by: usize) -> usize {
        let system = self.system;
        if let Some(known) = self.loaded(&system.interpreter) {
            return known;
        }
        if let Some(known) = system.library.as_ref().and_then(|l| self.ids.get(&l.id)) {
            return *known;
        }
        let index = self.objects.len();
        self.names.insert(system.interpreter.clone(), index);
        if let Some(library) = &system.library {
            self.ids.insert(library.id, index);
            if let Some(soname) = &library.soname {
                self.names.entry(soname.clone()).or_insert(index);
            }
        }
        self.objects.push(Object {
            path: system.interpreter.clone(),
            library: system.library.clone(),
            needed_by: Some(by),
            via: Some(Via::step(Step::Loaded)),
            needs: Vec::new(),
            versions_of_nothing: Vec::new(),
        });
        index
    }

    pub(super) fn library(&self, of: usize) -> Option<&Library> {
        self.objects[of].library.as_deref()
    }

    /// `$ORIGIN` of an object. The kernel resolves links to a program, the loader none.
    pub(super) fn origin(&self, of: usize) -> Vec<u8> {
        let path = &self.objects[of].path;
        let path = self.files.sysroot.absolute(path);
        let real = (of == 0 && self.has_interpreter)
            .then(|| self.files.sysroot.real(&path).ok())
            .flatten();
        tokens::origin_of(real.as_ref().unwrap_or(&path)).to_vec()
    }

    /// Whether secure-execution mode distrusts `$ORIGIN` of this object: of the program.
    pub(super) fn distrusts(&self, of: usize) -> bool {
        self.variables.secure && of == 0 && self.has_interpreter
    }

    /// The directories for which glibc allows `$ORIGIN` of an object.
    pub(super) fn trust(&self, of: usize) -> Trust<'a> {
        match self.variables.secure {
            false => Trust::Any,
            true if self.distrusts(of) => Trust::Below(&self.system.dirs),
            true => Trust::FirstComponent,
        }
    }

    /// The index of a file that is loaded.
    pub(super) fn index_of(&self, id: FileId) -> Option<usize> {
        self.ids.get(&id).copied()
    }

    /// A list of directories of an object, made once.
    pub(super) fn list(
        &mut self,
        of: usize,
        which: List,
        make: impl FnOnce(&Self, &[u8], &[u8]) -> Vec<Dir>,
    ) -> Rc<[Dir]> {
        let text = match which {
            List::LibraryPath => Some(self.variables.library_path),
            List::Rpath => self.library(of).and_then(|l| l.rpath.as_deref()),
            List::Runpath => self.library(of).and_then(|l| l.runpath.as_deref()),
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return self.no_list.clone();
        };
        if let Some(known) = self.lists.get(&(of, which)) {
            return known.clone();
        }
        let origin = match text.contains(&b'$') {
            true => self.origin(of),
            false => Vec::new(),
        };
        let list: Rc<[Dir]> = make(self, text, &origin).into();
        self.lists.insert((of, which), list.clone());
        list
    }
}
