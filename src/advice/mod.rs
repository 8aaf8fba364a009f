//! Advice: derives causes and commands from the missing libraries and the files near them. Pure;
//! the facts come from `near`. Causes and commands are safe for a terminal.

mod cuda;
pub(crate) mod shell;

use crate::cuda::driver;
use crate::escape::Shown;
use shell::word;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Miss<'a> {
    Library(&'a [u8]),
    /// The interpreter of a program.
    Interpreter(&'a [u8]),
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

/// State of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NearState {
    /// Nothing: it fits, but no search leads to it.
    Fits,
    /// It fits, and the RUNPATH of this other file leads to it.
    InRunpathOf(Vec<u8>),
    /// It fits, and lies in a directory of ld.so.conf.
    InConfiguration,
    /// A dangling link, with its target.
    Dangling(Vec<u8>),
    /// A pointer that Git LFS has not replaced by the file.
    LfsPointer,
    /// A text for the linker, not a library.
    LinkerScript,
    /// It can't be loaded, for this reason.
    Unfit(String),
    /// It has the library's requested symbols, but this other file of the same SONAME is loaded.
    InsteadOf(Vec<u8>),
    /// Another version of the library; `true` if its SONAME is the wanted name.
    OtherVersion(bool),
}

/// All that is known of the neighbourhood of a miss.
#[derive(Clone, Debug, Default)]
pub(crate) struct Near {
    /// The file that is to be mended, as commands name it; `None` where no command can.
    pub file: Option<Vec<u8>>,
    /// Files of that name, and other versions.
    pub files: Vec<NearFile>,
    /// Interpreters that are there and fit.
    pub interpreters: Vec<Vec<u8>>,
    /// NVIDIA's kernel driver runs here.
    pub driver_runs: bool,
    /// The system, where it decides how a driver is installed.
    pub system: System,
    /// Attributes of nixpkgs that have the file, from nix-locate.
    pub packages: Vec<String>,
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

/// Causes and remedies.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Advice {
    /// Causes, a line each.
    pub notes: Vec<String>,
    /// Remedies, a line each; commands in backquotes.
    pub helps: Vec<String>,
    /// The same as data, where `fixup` can do it.
    pub remedies: Vec<Remedy>,
}

/// What `fixup` can do about a miss.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
                near_file(&mut advice, name, file, near);
            }
            if driver::library(name).is_some() {
                driver_library(&mut advice, name, near);
            } else if let Some(source) = cuda::source(name) {
                cuda_library(&mut advice, name, source);
            }
            for package in &near.packages {
                advice.help(format!(
                    "nixpkgs has it: `nix-build '<nixpkgs>' -A {package}`"
                ));
            }
        }
        Miss::Interpreter(path) => interpreter(&mut advice, path, near),
        Miss::Symbol(name) => symbol(&mut advice, name, near),
        Miss::Versions { path, versions } => too_old(&mut advice, path, versions, near),
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

/// `prefix FILE` in backquotes, where the name can be a word of a shell.
pub(crate) fn command(prefix: &str, file: &[u8]) -> Option<String> {
    Some(format!("`cuda-fixup {prefix} {}`", word(file)?))
}

/// The command that gives a DT_NEEDED another name.
pub(crate) fn replace_needed(from: &[u8], to: &[u8], file: &[u8]) -> Option<String> {
    let (from, to) = (word(from)?, word(to)?);
    command(&format!("patchelf --replace-needed {from} {to}"), file)
}

/// The command that drops an entry of a RUNPATH.
pub(crate) fn drop_entry(entry: &[u8], file: &[u8]) -> Option<String> {
    let nothing = word(&[entry, b"="].concat())?;
    command(&format!("fixup --replace-runpath {nothing}"), file)
}

/// The command that removes a file.
pub(crate) fn remove(file: &[u8]) -> Option<String> {
    Some(format!("`rm {}`", word(file)?))
}

/// The command that adds a DT_NEEDED.
pub(crate) fn add_needed(name: &[u8], file: &[u8]) -> Option<String> {
    command(&format!("patchelf --add-needed {}", word(name)?), file)
}

impl Advice {
    /// `cuda-fixup fixup --lib DIR FILE` for the directory of `library`, where the names can be
    /// words of a shell.
    pub(crate) fn add_directory(&mut self, what: &str, library: &[u8], file: Option<&[u8]>) {
        let dir = directory(library);
        if let (Some(word), Some(file)) = (word(dir), file)
            && let Some(command) = command(&format!("fixup --lib {word}"), file)
        {
            self.help(format!("{what}: {command}"));
            self.remedies.push(Remedy::Directory(dir.to_vec()));
        }
    }
}

fn near_file(advice: &mut Advice, name: &[u8], file: &NearFile, near: &Near) {
    let path = shown(&file.path);
    match &file.state {
        NearState::Fits => {
            advice.note(format!(
                "{path} is there, but no search leads to its directory"
            ));
            advice.add_directory("add its directory", &file.path, near.file.as_deref());
        }
        NearState::InRunpathOf(other) => {
            let other = shown(other);
            advice.note(format!(
                "{path} is in the RUNPATH of {other}, but a RUNPATH serves only the file that has it"
            ));
            advice.add_directory("add it here, too", &file.path, near.file.as_deref());
        }
        NearState::InConfiguration => {
            advice.note(format!(
                "{path} is in a directory of /etc/ld.so.conf, but not in the cache: it is stale"
            ));
            advice.help("make the cache again, as root: `ldconfig`".to_owned());
        }
        NearState::Dangling(target) => {
            advice.note(format!(
                "{path} is a link to {}, which is not there",
                shown(target)
            ));
            advice.help("bring that file, or let the link lead to one that is there".to_owned());
        }
        NearState::LfsPointer => {
            advice.note(format!("{path} is a Git LFS pointer, not the library"));
            let command = word(directory(&file.path)).map(|dir| format!("`git -C {dir} lfs pull`"));
            advice
                .helps
                .extend(command.map(|c| format!("fetch the file: {c}")));
        }
        NearState::LinkerScript => {
            advice.note(format!(
                "{path} is a linker script, which only a linker reads"
            ));
            advice.help("link with the library that it names".to_owned());
        }
        NearState::Unfit(why) => advice.note(format!("{path}: {why}")),
        NearState::InsteadOf(loaded) => {
            advice.note(format!("{path} is hidden by {}", shown(loaded)));
        }
        NearState::OtherVersion(true) => {
            advice.note(format!(
                "{path} is that library, but the link {} is missing",
                shown(name)
            ));
            let command = word(directory(&file.path)).map(|dir| format!("`ldconfig -n {dir}`"));
            advice
                .helps
                .extend(command.map(|c| format!("make the link: {c}")));
        }
        NearState::OtherVersion(false) => {
            advice.note(format!(
                "{path} is another version, which does not take its place"
            ));
        }
    }
}

fn driver_library(advice: &mut Advice, name: &[u8], near: &Near) {
    let name = shown(name);
    let here = match near.driver_runs {
        true => "the kernel driver runs here",
        false => "no driver runs here",
    };
    advice.note(format!(
        "{name} comes with NVIDIA's driver, never with a CUDA toolkit or a wheel; {here}"
    ));
    advice.help(match near.system {
        System::Nixos => "set `hardware.graphics.enable` and `services.xserver.videoDrivers = \
             [ \"nvidia\" ]`; programs find it in /run/opengl-driver/lib, which fixup adds"
            .to_owned(),
        System::Container => "start the container with `--gpus all` (NVIDIA Container Toolkit), \
             which brings the host's driver in"
            .to_owned(),
        System::Wsl => match &near.file {
            Some(file) if word(file).is_some() => format!(
                "the driver of Windows is in /usr/lib/wsl/lib: `cuda-fixup fixup --lib \
                 /usr/lib/wsl/lib {}`",
                word(file).unwrap_or_default()
            ),
            _ => "the driver of Windows is in /usr/lib/wsl/lib".to_owned(),
        },
        System::Jetson => "install it with JetPack: `apt install nvidia-l4t-cuda`".to_owned(),
        System::Debian => {
            let package = match name.to_string().as_str() {
                text if text.starts_with("libnvidia-ml.so") => "libnvidia-ml1",
                text if text.starts_with("libcuda.so") => "libcuda1",
                _ => "nvidia-driver",
            };
            format!("install the driver: `apt install {package}` (Debian, section non-free)")
        }
        System::Other => "install NVIDIA's driver by the system's package".to_owned(),
    });
}

fn cuda_library(advice: &mut Advice, name: &[u8], source: cuda::Source) {
    let wheels = source.wheels.join(" or ");
    let mut places = vec![format!("the wheel {wheels}")];
    places.extend(source.debian.map(|p| format!("Debian's package {p}")));
    places.push(format!("nixpkgs' cudaPackages.{}", source.nixpkgs));
    advice.note(format!(
        "{} is CUDA's: it is in {}",
        shown(name),
        places.join(", ")
    ));
    if let Some(wheel) = source.wheels.first() {
        advice.help(format!(
            "install it, `pip install {wheel}`, and give its directory to `fixup --lib`"
        ));
    }
}

fn interpreter(advice: &mut Advice, path: &[u8], near: &Near) {
    advice.note(format!(
        "the interpreter {} is missing: a shell says \"No such file or directory\" of the program",
        shown(path)
    ));
    let Some(there) = near.interpreters.first() else {
        advice.help("this system has no loader for the program's machine and libc".to_owned());
        return;
    };
    if let (Some(word), Some(file)) = (word(there), near.file.as_deref())
        && let Some(command) = command(&format!("fixup --interpreter {word}"), file)
    {
        advice.help(format!("use the one that is there: {command}"));
        advice.remedies.push(Remedy::Interpreter(there.clone()));
    }
}

fn symbol(advice: &mut Advice, name: &str, near: &Near) {
    let name = shown(name.as_bytes());
    for file in &near.files {
        let path = shown(&file.path);
        match &file.state {
            NearState::InsteadOf(loaded) => {
                advice.note(format!(
                    "{path} has {name}, but {} is loaded in its place",
                    shown(loaded)
                ));
                if let Some(dir) = word(directory(&file.path)) {
                    advice.help(format!(
                        "let that one be found first: take the other out of LD_LIBRARY_PATH, or try \
                         `LD_LIBRARY_PATH={dir}`"
                    ));
                }
            }
            _ => {
                advice.note(format!("{path} has {name}, but is not loaded"));
                let soname = file.path.rsplit(|&byte| byte == b'/').next().and_then(word);
                let program = near.file.as_deref().and_then(word);
                if let Some((soname, program)) = soname.zip(program) {
                    advice.help(format!(
                        "if it belongs there: `patchelf --add-needed {soname} {program}`"
                    ));
                }
            }
        }
    }
}

fn too_old(advice: &mut Advice, path: &[u8], versions: &[Vec<u8>], near: &Near) {
    let list: Vec<String> = versions.iter().map(|v| shown(v).to_string()).collect();
    advice.note(format!(
        "built for a library with {}; {} lacks it",
        list.join(", "),
        shown(path)
    ));
    for file in near.files.iter().filter(|f| f.state == NearState::Fits) {
        advice.note(format!("{} has it", shown(&file.path)));
        advice.add_directory("add its directory", &file.path, near.file.as_deref());
    }
    // A tree that has both may be searched in another order than --lib alone.
    advice.remedies.clear();
    if advice.helps.is_empty() {
        let glibc = versions.iter().any(|v| v.starts_with(b"GLIBC_"));
        advice.help(match glibc {
            true => {
                "run it on a newer system, build it on an older one, or set the interpreter of a \
                     newer glibc with `fixup --interpreter`"
                    .to_owned()
            }
            false => "bring the newer library, or build with the older one".to_owned(),
        });
    }
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
