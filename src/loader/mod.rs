//! Models the library search of glibc and musl: the libraries that a file will load, with paths,
//! search steps and failed attempts. Never runs a file; the results are plain values.
//!
//! The rules are those of ld.so(8) and, where it is silent, of the sources of glibc
//! (elf/dl-load.c, elf/dl-deps.c, elf/dl-version.c) and musl (ldso/dynlink.c). Not looked at:
//! LD_AUDIT, DT_FILTER, DT_AUXILIARY, and the ISA level that a library may ask for in its GNU
//! property note.

mod abi;
mod closure;
mod dlopen;
mod entries;
mod failed_opens;
mod files;
mod glibc;
mod hidden;
mod hwcaps;
mod interpreter;
mod ldcache;
mod library;
mod musl;
mod nix_ld;
mod open_verify;
mod preload;
mod problems;
mod resolution;
mod search_log;
mod secure;
mod symbols;
mod sysroot;
mod tokens;
mod tree;

pub(crate) use abi::{assumed_interpreters, glibc_names, runs_here, usual_interpreters};
pub(crate) use closure::{Need, Object};
pub(crate) use dlopen::Candidate;
pub(crate) use entries::{Mark, SearchEntry};
pub(crate) use failed_opens::FailedOpens;
pub(crate) use files::Cache;
pub(crate) use hidden::Hidden;
pub(crate) use hwcaps::Cpu;
pub(crate) use interpreter::Rules;
pub(crate) use library::{Library, Planned};
pub(crate) use nix_ld::NixLdVariables;
pub(crate) use problems::{LoadProblem, Verdict};
pub(crate) use resolution::{Interpreter, LoadedBy, Resolution};
pub(crate) use search_log::{SearchLog, Step, Tried, Via, Why};
pub(crate) use secure::{Privileges, User};
pub(crate) use symbols::{MissingSymbol, library_has};
pub(crate) use tree::{TreeLoaders, in_parallel};

use crate::cuda::symbols::REGISTERS;
use abi::Usual;
use closure::{Closure, Variables};
use elf_edit::{ElfInfo, FileId, FileReader, Format, ReadError};
use files::Files;
use foldhash::HashMap;
use interpreter::LoaderSystem;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use sysroot::Sysroot;
pub(crate) use sysroot::walk as host_path;
use tokens::{Tokens, Trust};

/// Interpreters that are kept in memory: trees name one, two or three.
const MAX_SYSTEMS: usize = 8;

/// Inputs of the search besides the files.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Everything is looked for below this directory.
    pub root: Option<PathBuf>,
    /// LD_LIBRARY_PATH
    pub library_path: Option<Vec<u8>>,
    /// LD_PRELOAD
    pub preload: Option<Vec<u8>>,
    /// Variables of nix-ld.
    pub nix_ld: NixLdVariables,
    /// The user who runs the programs.
    pub user: User,
    /// The current directory, as seen inside the root; absolute.
    pub cwd: PathBuf,
    /// The interpreter for files that name none.
    pub interpreter: Option<Vec<u8>>,
    /// The processor, for `glibc-hwcaps` and `$PLATFORM`.
    pub cpu: Cpu,
}

/// How much of a closure [`Loader::objects`] loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Direct,
    All,
}

/// An interpreter by its path and the machine and format of the program: PowerPC has two byte
/// orders.
type Known = ((Vec<u8>, u16, Format), Arc<LoaderSystem>);

/// Resolves the libraries of files. Shared by threads; caches every file that it reads.
pub struct Loader {
    environment: Environment,
    files: Files,
    systems: Mutex<Vec<Known>>,
}

impl Loader {
    /// A loader with empty caches.
    pub fn new(environment: Environment) -> Loader {
        Loader::of_planned(environment, HashMap::default())
    }

    /// A loader for which these files are as planned edits make them.
    pub(crate) fn of_planned(
        environment: Environment,
        planned: HashMap<FileId, Planned>,
    ) -> Loader {
        let sysroot = Sysroot::new(environment.root.clone(), environment.cwd.clone());
        Loader {
            environment,
            files: Files::new(sysroot, planned),
            systems: Mutex::new(Vec::new()),
        }
    }

    /// Whether results have missing symbols, which take most of the time of a search; they do by
    /// default.
    pub(crate) fn read_symbols(&mut self, read: bool) {
        self.files.reads_symbols = read;
    }

    /// Whether a search for symbols looks for the names of functions that register device code.
    pub(crate) fn note_registration(&mut self, note: bool) {
        self.files.notes_registration = note;
    }

    /// Whether a library may name a function that registers device code.
    pub(crate) fn may_register(&self, library: &Library) -> bool {
        let noted = library.names_registration.get().copied();
        let names = || self.files.has_string(library.id, REGISTERS);
        noted.or_else(names).unwrap_or(true)
    }

    /// Whether the string table of a library may have these bytes.
    pub(crate) fn may_have_string(&self, id: FileId, bytes: &[u8]) -> bool {
        self.files.has_string(id, bytes).unwrap_or(true)
    }

    /// Finds everything that loading `path` loads. `path` is as seen inside the root, `file` is
    /// it, open; `strings` are names in its read-only data that it may open with dlopen.
    pub fn resolve(
        &self,
        path: &Path,
        file: &FileReader,
        info: &ElfInfo,
        strings: &[Vec<u8>],
    ) -> Result<Resolution, ReadError> {
        self.resolve_for(self.environment.user, path, file, info, strings)
    }

    /// The same for another user, since a set-user-ID program's rights depend on its caller.
    pub fn resolve_for(
        &self,
        user: User,
        path: &Path,
        file: &FileReader,
        info: &ElfInfo,
        strings: &[Vec<u8>],
    ) -> Result<Resolution, ReadError> {
        let root = self.library(file, info)?;
        let program = self.program(path, file, info);
        let Some(system) = self.system_of(&program) else {
            return Ok(resolution::alone(program.path, root, info));
        };
        let mut closure = self.closure(&program, &system, root, user);
        closure.root = Some((file, info));
        closure.load();
        let context = match info.interpreter {
            Some(_) => LoadedBy::Itself {
                user,
                privileges: program.privileges,
            },
            None => LoadedBy::First,
        };
        Ok(resolution::finish(closure, 0, context, info, strings))
    }

    /// The result of loading `path` into a process of the program at `by`, as a dependency or with
    /// dlopen. Both paths are as seen inside the root.
    pub fn resolve_by(
        &self,
        by: &Path,
        path: &Path,
        file: &FileReader,
        info: &ElfInfo,
        strings: &[Vec<u8>],
    ) -> Result<Resolution, ReadError> {
        let library = self.library(file, info)?;
        let by = self.files.sysroot.absolute(by.as_os_str().as_bytes());
        let by_file = FileReader::new(self.files.sysroot.open(&by)?)?;
        let by_info = ElfInfo::read(&by_file)?;
        let program = Program {
            path: by,
            info: &by_info,
            privileges: privileges(&by_file, &by_info),
        };
        let root = self.library(&by_file, &by_info)?;
        let path = self.files.sysroot.absolute(path.as_os_str().as_bytes());
        let Some(system) = self.system_of(&program) else {
            return Ok(resolution::alone(path, library, info));
        };
        let user = self.environment.user;
        let mut closure = self.closure(&program, &system, root, user);
        closure.load();
        let needed = closure.index_of(library.id);
        let Some(object) = needed.or_else(|| closure.open(&path, library.clone())) else {
            return Ok(resolution::alone(path, library, info));
        };
        let context = LoadedBy::Program {
            path: program.path,
            opened: needed.is_none(),
        };
        Ok(resolution::finish(closure, object, context, info, strings))
    }

    fn program<'a>(&self, path: &Path, file: &FileReader, info: &'a ElfInfo) -> Program<'a> {
        Program {
            path: self.files.sysroot.absolute(path.as_os_str().as_bytes()),
            info,
            privileges: privileges(file, info),
        }
    }

    /// The objects that loading `path` loads, without an examination of their symbols, and the rules
    /// of its loader. With `Extent::Direct`, the file and what it finds of its own DT_NEEDED.
    pub(crate) fn objects(
        &self,
        path: &Path,
        file: &FileReader,
        info: &ElfInfo,
        extent: Extent,
    ) -> Result<Option<(Vec<Object>, Rules)>, ReadError> {
        let root = self.library(file, info)?;
        let program = self.program(path, file, info);
        let Some(system) = self.system_of(&program) else {
            return Ok(None);
        };
        let mut closure = self.closure(&program, &system, root, self.environment.user);
        match extent {
            Extent::Direct => closure.load_direct(),
            Extent::All => closure.load(),
        }
        Ok(Some((closure.objects, system.rules)))
    }

    fn library(&self, file: &FileReader, info: &ElfInfo) -> Result<Arc<Library>, ReadError> {
        let id = FileId::from(file);
        Ok(self.files.know(Library::new(id, file, info)?))
    }

    fn system_of(&self, program: &Program) -> Option<Arc<LoaderSystem>> {
        program.info.dynamic.as_ref()?;
        let interpreter = self.interpreter_of(&program.path, program.info)?;
        Some(self.system(&interpreter, program.info))
    }

    fn closure<'a>(
        &'a self,
        program: &Program,
        system: &'a LoaderSystem,
        root: Arc<Library>,
        user: User,
    ) -> Closure<'a> {
        let secure = program.privileges.secure_for(user);
        let environment = &self.environment;
        let variable = |value: &'a Option<Vec<u8>>| match value {
            Some(value) if !secure => value.as_slice(),
            _ => b"",
        };
        let variables = Variables {
            library_path: match &system.nix_ld {
                Some(nix_ld) if !secure => &nix_ld.library_path,
                _ => variable(&environment.library_path),
            },
            preload: variable(&environment.preload),
            secure,
        };
        let named = program.info.interpreter.is_some();
        Closure::new(&self.files, system, variables, &program.path, root, named)
    }

    /// The interpreter that the file names, or the one that would load it: that of the libc
    /// that its own RUNPATH leads to, else the usual one of its machine.
    fn interpreter_of(&self, path: &[u8], info: &ElfInfo) -> Option<Vec<u8>> {
        if let Some(named) = &info.interpreter {
            return Some(named.clone());
        }
        if let Some(given) = &self.environment.interpreter {
            return Some(given.clone());
        }
        let usual = Usual::of(&info.header)?;
        let musl = |name: &Vec<u8>| name == b"libc.so" || name.starts_with(b"libc.musl-");
        if info.needed().iter().any(musl) {
            return Some(format!("/lib/ld-musl-{}.so.1", usual.musl).into_bytes());
        }
        let name = abi::file_name(usual.glibc.as_bytes());
        let text = info.runpath_or_rpath().unwrap_or_default();
        let tokens = Tokens {
            origin: tokens::origin_of(path),
            lib: usual.libdir.as_bytes(),
            platform: None,
            trust: Trust::Any,
        };
        for element in text.split(|&b| b == b':') {
            let Some(directory) = tokens::directory(element, &tokens) else {
                continue;
            };
            let beside = [&directory, name].concat();
            // A system directory proves nothing: every program of the machine could name it.
            let own = element.starts_with(b"$") || abi::own_prefix(&beside).is_some();
            if directory.starts_with(b"/")
                && own
                && let files::Probe::Library(_) = self.files.probe(&beside)
            {
                return Some(beside);
            }
        }
        Some(usual.glibc.as_bytes().to_vec())
    }

    /// The file of this machine that `path`, as seen inside the root, leads to.
    pub fn real_path(&self, path: &Path) -> Option<PathBuf> {
        self.files.sysroot.host_real(path.as_os_str().as_bytes())
    }

    /// Opens a file that a resolution names.
    pub(crate) fn open(&self, path: &[u8]) -> io::Result<File> {
        self.files.sysroot.open(path)
    }

    fn system(&self, interpreter: &[u8], info: &ElfInfo) -> Arc<LoaderSystem> {
        let key = (interpreter.to_vec(), info.header.machine, info.format());
        let lock = self.systems.lock();
        let mut systems = lock.unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = systems.iter().find(|(k, _)| *k == key) {
            return known.clone();
        }
        if systems.len() >= MAX_SYSTEMS {
            systems.remove(0);
        }
        let system = LoaderSystem::read(&self.files, &self.environment, interpreter, info);
        let system = Arc::new(system);
        systems.push((key, system.clone()));
        system
    }
}

/// The program of a process, or the library that is opened first.
struct Program<'a> {
    /// Absolute, as seen inside the root.
    path: Vec<u8>,
    info: &'a ElfInfo,
    privileges: Privileges,
}

/// Only a program gets them: of a library the kernel asks nothing.
fn privileges(file: &FileReader, info: &ElfInfo) -> Privileges {
    match info.interpreter {
        Some(_) => Privileges::of(file.file(), file.metadata()),
        None => Privileges::default(),
    }
}
