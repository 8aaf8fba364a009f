//! How glibc and musl search: what a file will load, from where and by which step, and the
//! trail of what was tried in vain. Never runs a file; the results are plain values.
//!
//! The rules are those of ld.so(8) and, where it is silent, of the sources of glibc
//! (elf/dl-load.c, elf/dl-deps.c, elf/dl-version.c) and musl (ldso/dynlink.c). Not looked at:
//! LD_PRELOAD, /etc/ld.so.preload, LD_AUDIT, DT_FILTER, DT_AUXILIARY, and the ISA level that a
//! library may ask for in its GNU property note.

mod abi;
mod closure;
mod dlopen;
mod entries;
mod files;
mod glibc;
mod hwcaps;
mod interpreter;
mod ldcache;
mod library;
mod musl;
mod open_verify;
mod problems;
mod search_log;
mod sysroot;
mod tokens;

pub use closure::{Need, Object};
pub use dlopen::{Candidate, FoundCandidate};
pub use entries::{Entry, Mark};
pub use hwcaps::Cpu;
pub use interpreter::Rules;
pub use library::{FileId, Library};
pub use problems::Problem;
pub use search_log::{SearchLog, Step, Tried, Via, Why};

use abi::Usual;
use closure::Closure;
use elf_edit::{ElfInfo, FileReader, ReadError};
use files::Files;
use interpreter::System;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use sysroot::Sysroot;

/// Interpreters that are kept in memory: trees name one, two or three.
const MAX_SYSTEMS: usize = 8;

/// What the search depends on beside the files.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Everything is looked for below this directory.
    pub root: Option<PathBuf>,
    /// LD_LIBRARY_PATH
    pub library_path: Option<Vec<u8>>,
    /// The current directory, as seen inside the root; absolute.
    pub cwd: PathBuf,
    /// The interpreter for files that name none.
    pub interpreter: Option<Vec<u8>>,
    /// The processor.
    pub cpu: Cpu,
}

/// An interpreter by its path and the machine of the program.
type Known = ((Vec<u8>, u16), Arc<System>);

/// Answers what files will load. Shared by threads; what was read once is not read again.
pub struct Loader {
    environment: Environment,
    files: Files,
    systems: Mutex<Vec<Known>>,
}

/// The interpreter of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Its path.
    pub path: Vec<u8>,
    /// Whether the file names it (PT_INTERP); else it is the one that would load the file.
    pub named: bool,
    /// Whether it is there and is an ELF file.
    pub exists: bool,
    /// Whose rules hold.
    pub rules: Rules,
    /// Its default directories.
    pub directories: Vec<Vec<u8>>,
    /// Its cache; musl has none.
    pub cache: Option<Vec<u8>>,
}

/// What loading one file comes to.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// What loads it; `None` for a file that nothing loads dynamically.
    pub interpreter: Option<Interpreter>,
    /// Elements of its RUNPATH.
    pub runpath: Vec<Entry>,
    /// Elements of its RPATH.
    pub rpath: Vec<Entry>,
    /// The file itself, then everything that is loaded with it, in the loader's order.
    pub objects: Vec<Object>,
    /// What it may open by itself.
    pub dlopen: Vec<Candidate>,
    /// `false` when the search hit one of our limits.
    pub complete: bool,
}

impl Loader {
    /// A loader with empty caches.
    pub fn new(environment: Environment) -> Loader {
        let sysroot = Sysroot::new(environment.root.clone(), environment.cwd.clone());
        Loader {
            environment,
            files: Files::new(sysroot),
            systems: Mutex::new(Vec::new()),
        }
    }

    /// Finds everything that loading `path` loads. `path` is as seen inside the root, `file` is
    /// it, open; `strings` are names in its read-only data that it may open with dlopen.
    pub fn resolve(
        &self,
        path: &Path,
        file: &FileReader,
        facts: &ElfInfo,
        strings: &[Vec<u8>],
    ) -> Result<Resolution, ReadError> {
        let id = library::id_of(&file.file().metadata()?);
        let root = self.files.know(Arc::new(Library::new(id, file, facts)?));
        let path = self.files.sysroot.absolute(path.as_os_str().as_bytes());
        let interpreter = facts
            .dynamic
            .as_ref()
            .and_then(|_| self.interpreter_of(&path, facts));
        let Some(interpreter) = interpreter else {
            return Ok(alone(path, root, facts));
        };
        let system = self.system(&interpreter, facts);
        let library_path = self.environment.library_path.as_deref().unwrap_or(b"");
        let mut closure = Closure::new(
            &self.files,
            &system,
            library_path,
            &path,
            root,
            facts.interpreter.is_some(),
        );
        closure.load();
        let mut dlopen = dlopen::candidates(&facts.dlopen_notes, strings);
        for candidate in &mut dlopen {
            look_up(&mut closure, candidate);
        }
        Ok(Resolution {
            interpreter: Some(Interpreter {
                path: interpreter,
                named: facts.interpreter.is_some(),
                exists: system.library.is_some(),
                rules: system.rules,
                directories: system.dirs.clone(),
                cache: system.cache_path.clone(),
            }),
            runpath: entries::entries(&closure, true, &dlopen),
            rpath: entries::entries(&closure, false, &dlopen),
            dlopen,
            complete: closure.complete,
            objects: closure.objects,
        })
    }

    /// The interpreter that the file names, or the one that would load it: that of the libc
    /// that its own RUNPATH leads to, else the usual one of its machine.
    fn interpreter_of(&self, path: &[u8], facts: &ElfInfo) -> Option<Vec<u8>> {
        if let Some(named) = &facts.interpreter {
            return Some(named.clone());
        }
        if let Some(given) = &self.environment.interpreter {
            return Some(given.clone());
        }
        let usual = Usual::of(&facts.header)?;
        let musl = |name: &Vec<u8>| name == b"libc.so" || name.starts_with(b"libc.musl-");
        if facts.needed().iter().any(musl) {
            return Some(format!("/lib/ld-musl-{}.so.1", usual.musl).into_bytes());
        }
        let name = abi::file_name(usual.glibc.as_bytes());
        let text = facts.runpath_or_rpath().unwrap_or_default();
        for element in text.split(|&b| b == b':') {
            let Some(rest) = element.strip_prefix(b"$ORIGIN") else {
                if element.starts_with(b"/")
                    && abi::own_prefix(&[element, b"/", name].concat()).is_some()
                    && let path = [element, b"/", name].concat()
                    && let files::Probe::Library(_) = self.files.probe(&path)
                {
                    return Some(path);
                }
                continue;
            };
            let path = [tokens::origin_of(path), rest, b"/", name].concat();
            if let files::Probe::Library(_) = self.files.probe(&path) {
                return Some(path);
            }
        }
        Some(usual.glibc.as_bytes().to_vec())
    }

    fn system(&self, interpreter: &[u8], facts: &ElfInfo) -> Arc<System> {
        let key = (interpreter.to_vec(), facts.header.machine);
        let lock = self.systems.lock();
        let mut systems = lock.unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = systems.iter().find(|(k, _)| *k == key) {
            return known.clone();
        }
        if systems.len() >= MAX_SYSTEMS {
            systems.remove(0);
        }
        let cpu = &self.environment.cpu;
        let system = Arc::new(System::read(&self.files, cpu, interpreter, facts));
        systems.push((key, system.clone()));
        system
    }
}

/// A file that no loader loads: static, an object file, separate debug information.
fn alone(path: Vec<u8>, root: Arc<Library>, facts: &ElfInfo) -> Resolution {
    Resolution {
        interpreter: None,
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
        dlopen: dlopen::candidates(&facts.dlopen_notes, &[]),
        complete: true,
    }
}

fn look_up(closure: &mut Closure, candidate: &mut Candidate) {
    for name in candidate.names.clone() {
        let (found, trail) = closure.look_up(&name);
        candidate.trails.push(trail);
        if let Some((path, via)) = found {
            candidate.found = Some(FoundCandidate { name, path, via });
            return;
        }
    }
}
