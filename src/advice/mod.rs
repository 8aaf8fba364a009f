//! Advice: derives causes and commands from the missing libraries and the files near them. Pure;
//! the facts come from `near`. Causes and commands are safe for a terminal.

mod commands;
mod cuda;
mod entry;
mod files;
mod interpreter;
mod packages;
pub(crate) mod shell;
mod versions;

pub(crate) use commands::{add_needed, command, drop_entry, open_beside, remove, replace_needed};
pub(crate) use files::{executable_stack, python_package};

use crate::cuda::driver;
use crate::escape::Shown;
use commands::{append_below_root, append_entry};
use shell::word;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Miss<'a> {
    Library(&'a [u8]),
    /// The interpreter of a program.
    Interpreter(&'a [u8]),
    /// The interpreter is there, and is none that is known.
    UnknownInterpreter(&'a [u8]),
    /// A symbol, with its version as ld.so writes it.
    Symbol(&'a str),
    /// Symbol versions that the library at a path lacks.
    Versions {
        /// The library that was found.
        path: &'a [u8],
        /// `GLIBC_2.38`
        versions: &'a [Vec<u8>],
    },
}

/// A file that has the wanted name, or almost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NearFile {
    /// Its path for commands.
    pub path: Vec<u8>,
    pub state: NearState,
}

impl NearFile {
    /// Whether it is the missing library itself, only not where a search looks.
    pub(crate) fn is_the_library(&self) -> bool {
        !matches!(
            self.state,
            NearState::OtherVersion(false)
                | NearState::OtherPlatform { .. }
                | NearState::Unfit(_)
                | NearState::InsteadOf(_)
        )
    }
}

/// State of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NearState {
    /// Nothing: it fits, but no search leads to it.
    Fits,
    /// It fits, and the RUNPATH of this other file leads to it.
    InRunpathOf(Vec<u8>),
    /// It fits, and `$ORIGIN` in the program's own entry leads to it, which is ignored for a set-uid
    /// program.
    InIgnoredOrigin,
    /// It fits, and lies in a directory of ld.so.conf.
    InConfiguration,
    /// It fits, and lies in a directory of LD_LIBRARY_PATH, which is ignored for a set-uid program.
    InIgnoredVariable,
    /// It is there, but may not be read.
    Forbidden,
    /// A dangling link, with its target.
    Dangling(Vec<u8>),
    /// A pointer that Git LFS has not replaced by the file.
    LfsPointer,
    /// A text for the linker, not a library; the first library that it names.
    LinkerScript(Option<Vec<u8>>),
    /// For another machine, word size or byte order.
    OtherPlatform { is: String, wanted: String },
    /// It can't be loaded, for this reason.
    Unfit(String),
    /// It has the requested symbols or versions, but this other file of the same SONAME is loaded.
    InsteadOf(Vec<u8>),
    /// Another version of the library; `true` if its SONAME is the wanted name.
    OtherVersion(bool),
}

/// All that is known of the neighbourhood of a miss.
#[derive(Clone, Debug, Default)]
pub(crate) struct Near {
    /// The file that is to be mended, as commands name it; `None` where no command can.
    pub file: Option<Vec<u8>>,
    /// The current directory, from which relative paths lead.
    pub here: Vec<u8>,
    /// Files of that name, and other versions.
    pub files: Vec<NearFile>,
    /// Interpreters that are there and fit.
    pub interpreters: Vec<Vec<u8>>,
    /// The system is below another root directory, where paths of commands lead elsewhere.
    pub other_root: bool,
    /// Whether NVIDIA's kernel driver runs, where that can be seen.
    pub driver_runs: Option<bool>,
    /// The system, where it decides how a driver is installed.
    pub system: System,
    /// The distribution, which decides how other packages are installed.
    pub distribution: Distribution,
    /// Attributes of nixpkgs that have the file, from nix-locate.
    pub nixpkgs: Vec<String>,
    /// Debian's package, by the rule for names and the local package lists.
    pub debian: Option<String>,
    /// Debian's architecture of the file, where it is not the machine's own.
    pub debian_architecture: Option<ForeignArchitecture>,
    /// The tool that searches all packages for a file (apt-file, nix-locate) is installed.
    pub searches_packages: bool,
    /// The program is a 64-bit one.
    pub wide: bool,
    /// The program's machine, if it is not this one's.
    pub foreign: Option<String>,
    /// NixOS's stub is in the interpreter's place.
    pub nixos_stub: bool,
    /// nix-ld is in the interpreter's place: the loader that it starts.
    pub nix_ld: Option<Vec<u8>>,
    /// The Python package that the file belongs to.
    pub python_package: Option<Vec<u8>>,
    /// LD_LIBRARY_PATH brought the library that was found.
    pub by_variable: bool,
    /// The file is of a bundle that has its own way to the driver or to packages.
    pub bundle: Option<Bundle>,
}

/// An installation that is not the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bundle {
    /// An application of Flatpak.
    Flatpak,
    /// A snap.
    Snap,
    /// An environment of conda.
    Conda,
}

/// Kind of the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum System {
    #[default]
    Other,
    /// NixOS.
    Nixos,
    /// Debian, Ubuntu and their like.
    Debian,
    Container,
    /// Windows Subsystem for Linux.
    Wsl,
    /// NVIDIA's Jetson boards.
    Jetson,
}

/// Distribution of the system's packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Distribution {
    #[default]
    Other,
    /// Debian, Ubuntu and their like.
    Debian,
    /// Fedora, Red Hat and their like.
    Fedora,
    /// openSUSE and SLE.
    Suse,
    Arch,
    Alpine,
    Nixos,
}

/// An architecture of which Debian's packages are installed beside the machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForeignArchitecture {
    /// `i386`
    pub name: &'static str,
    /// dpkg takes packages of it.
    pub added: bool,
}

/// Causes and remedies.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Advice {
    /// Causes, a line each.
    pub notes: Vec<String>,
    /// Remedies, a line each; commands in backquotes.
    pub helps: Vec<String>,
    /// The same as data, where `fixup` can do it.
    pub remedies: Vec<Remedy>,
    /// Which of the helps add a directory to a file.
    additions: Vec<Addition>,
}

/// A help line that adds a directory to a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Addition {
    /// Its place in `helps`.
    help: usize,
    /// Words of a shell.
    directory: String,
    file: Vec<u8>,
}

/// What `fixup` can do about a miss.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Remedy {
    /// Look for libraries in this directory, too.
    Directory(Vec<u8>),
    /// Set this interpreter.
    Interpreter(Vec<u8>),
}

impl Advice {
    /// `note: …` and `help: …` lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let notes = self.notes.iter().map(|note| format!("note: {note}"));
        notes.chain(self.helps.iter().map(|help| format!("help: {help}")))
    }

    /// The same in the least memory, for advice that is not [`joined`] with other.
    pub(crate) fn settled(mut self) -> Advice {
        self.additions = Vec::new();
        let texts = self.notes.iter_mut().chain(&mut self.helps);
        texts.for_each(String::shrink_to_fit);
        self.notes.shrink_to_fit();
        self.helps.shrink_to_fit();
        self.remedies.shrink_to_fit();
        self
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    fn help(&mut self, text: String) {
        self.helps.push(text);
    }
}

/// The advice for one miss.
pub(crate) fn advise(miss: Miss, near: &Near) -> Advice {
    let mut advice = Advice::default();
    match miss {
        Miss::Library(name) => {
            for file in &near.files {
                files::near_file(&mut advice, name, file, near);
            }
            if driver::library(name).is_some() {
                packages::driver_library(&mut advice, name, near);
            } else if near.files.iter().any(NearFile::is_the_library) {
                // No package has to bring it.
            } else if let Some(source) = cuda::source(name) {
                packages::cuda_library(&mut advice, name, source, near);
            } else {
                packages::system_library(&mut advice, name, near);
            }
        }
        Miss::Interpreter(path) => interpreter::missing(&mut advice, path, near),
        Miss::UnknownInterpreter(path) => interpreter::unknown(&mut advice, path, near),
        Miss::Symbol(name) => versions::symbol(&mut advice, name, near),
        Miss::Versions { path, versions } => {
            versions::too_old(&mut advice, path, versions, near);
        }
    }
    advice
}

fn shown(bytes: &[u8]) -> Shown<'_> {
    Shown::from(bytes)
}

fn directory(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&b| b == b'/') {
        Some(0) => b"/",
        Some(at) => &path[..at],
        None => b".",
    }
}

impl Advice {
    /// Appends an entry, as it is.
    fn append_entry(&mut self, entry: Option<Vec<u8>>, file: Option<&[u8]>) {
        let command = entry.zip(file);
        let command = command.and_then(|(entry, file)| append_entry(&entry, file));
        let help = command.map(|command| format!("add its directory: {command}"));
        self.helps.extend(help);
    }

    /// Adds the directory of a library to the file that is to be mended.
    fn add_near(&mut self, what: &str, library: &[u8], near: &Near) {
        let is_relative = !library.starts_with(b"/");
        match is_relative && !entry::is_literal(&near.here) {
            true => self.add_from_origin(library, near.file.as_deref()),
            false => self.add_directory(what, library, near.file.as_deref()),
        }
    }

    /// Appends `$ORIGIN/…` for the directory of a library, which `--lib` can't name.
    fn add_from_origin(&mut self, library: &[u8], file: Option<&[u8]>) {
        let from = file.and_then(|file| entry::from_origin(file, directory(library)));
        self.append_entry(from, file);
    }

    /// `cuda-fixup fixup --lib DIR FILE` for the directory of `library`.
    pub(crate) fn add_directory(&mut self, what: &str, library: &[u8], file: Option<&[u8]>) {
        let dir = directory(library);
        if !entry::is_literal(dir) {
            self.add_from_origin(library, file);
            return;
        }
        if let (Some(word), Some(file)) = (word(dir), file)
            && let Some(command) = command(&format!("fixup --lib {word}"), file)
        {
            self.additions.push(Addition {
                help: self.helps.len(),
                directory: word,
                file: file.to_vec(),
            });
            self.help(format!("{what}: {command}"));
            self.remedies.push(Remedy::Directory(dir.to_vec()));
        }
    }
}

/// Makes one command of those that add directories to the same file: alone, each would leave the
/// others' libraries missing.
pub(crate) fn joined(mut all: Vec<Advice>) -> Vec<Advice> {
    let mut files: Vec<Vec<u8>> = Vec::new();
    for addition in all.iter().flat_map(|advice| &advice.additions) {
        if !files.contains(&addition.file) {
            files.push(addition.file.clone());
        }
    }
    for file in files {
        // Of one miss, the others are alternatives.
        let first = |advice: &Advice| {
            let mut of_file = advice.additions.iter().filter(|a| a.file == file);
            of_file.next().cloned()
        };
        let mut directories: Vec<String> = Vec::new();
        for addition in all.iter().filter_map(first) {
            if !directories.contains(&addition.directory) {
                directories.push(addition.directory);
            }
        }
        let list = format!("fixup --lib {}", directories.join(" --lib "));
        let Some(command) = command(&list, &file).filter(|_| directories.len() > 1) else {
            continue;
        };
        let help = format!("add their directories: {command}");
        for advice in &mut all {
            if let Some(addition) = first(advice) {
                advice.helps[addition.help].clone_from(&help);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_command() {
        let file = |path: &str, state| NearFile {
            path: path.as_bytes().to_vec(),
            state,
        };
        let near = Near {
            file: Some(b"pkg/app".to_vec()),
            files: vec![file("my opt/libfoo.so.1", NearState::Fits)],
            ..Near::default()
        };
        let advice = advise(Miss::Library(b"libfoo.so.1"), &near);
        assert_eq!(
            advice.helps,
            ["add its directory: `cuda-fixup fixup --lib 'my opt' pkg/app`"]
        );
        let driver = advise(Miss::Library(b"libcuda.so.1"), &Near::default());
        assert!(driver.notes[0].contains("NVIDIA's driver"), "{driver:?}");
        let cuda = advise(Miss::Library(b"libcublasLt.so.12"), &Near::default());
        assert!(cuda.notes[0].contains("nvidia-cublas-cu12"), "{cuda:?}");
        assert!(cuda.notes[0].contains("libcublaslt12"), "{cuda:?}");
        assert_eq!(
            advise(Miss::Library(b"libnone.so"), &Near::default()),
            Advice::default()
        );
    }
}
