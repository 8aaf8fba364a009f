//! Searches around a missing library: files of that name, other versions, interpreters, the driver.

mod symbols;

use crate::advice::{Advice, Miss, Near, NearFile, NearState, System, advise};
use crate::loader::{LoadProblem, Need, Resolution, Why, assumed_interpreters};
use elf_edit::{ElfInfo, FileReader, ReadAt};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Directory entries that are looked at for one miss.
const MAX_ENTRIES: usize = 4000;
/// Levels below the file's directory that are searched.
const MAX_DEPTH: usize = 3;
/// Files that are named.
const MAX_FILES: usize = 4;

/// The advice for one problem of a file. `file` is how the user names it.
pub(crate) fn advice(
    file: &Path,
    info: &ElfInfo,
    resolution: &Resolution,
    problem: LoadProblem,
) -> Advice {
    match problem {
        LoadProblem::NoInterpreter(interpreter) => {
            let near = Near {
                file: Some(bytes(file)),
                interpreters: assumed_interpreters(&info.header, &interpreter.path)
                    .into_iter()
                    .filter(|path| Path::new(OsStr::from_bytes(path)).exists())
                    .collect(),
                ..Near::default()
            };
            advise(Miss::Interpreter(&interpreter.path), &near)
        }
        LoadProblem::Missing(object, need) => {
            let path = as_named(file, resolution, &object.path);
            let near = near_library(&path, info, resolution, need);
            advise(Miss::Library(&need.name), &near)
        }
        LoadProblem::Versions(object, need) => {
            let path = as_named(file, resolution, &object.path);
            let found = need.object.map(|o| resolution.objects[o].path.as_slice());
            let near = Near {
                files: with_versions(&path, info, resolution, need),
                file: Some(bytes(&path)),
                ..Near::default()
            };
            let miss = Miss::Versions {
                path: found.unwrap_or_default(),
                versions: &need.missing_versions,
            };
            advise(miss, &near)
        }
        LoadProblem::Symbol(object, symbol) => {
            let path = as_named(file, resolution, &object.path);
            let near = Near {
                files: symbols::providers(&path, info, resolution, symbol),
                file: Some(bytes(&path)),
                ..Near::default()
            };
            let name = match &symbol.version {
                Some(version) => [&symbol.name[..], b", version ", version].concat(),
                None => symbol.name.clone(),
            };
            advise(Miss::Symbol(&String::from_utf8_lossy(&name)), &near)
        }
        LoadProblem::VersionsOfNothing(..) | LoadProblem::Incomplete => Advice::default(),
    }
}

/// Libraries of that name that have the versions which the one that is found lacks: hidden by it,
/// or beside the file.
fn with_versions(
    file: &Path,
    info: &ElfInfo,
    resolution: &Resolution,
    need: &Need,
) -> Vec<NearFile> {
    let hidden = resolution.hidden.iter().filter(|h| h.name == need.name);
    let hidden = hidden.map(|h| Path::new(OsStr::from_bytes(&h.path)).to_owned());
    let name = OsStr::from_bytes(&need.name);
    let beside = beside(file, &need.name).into_iter();
    let mut found = NearFiles::default();
    for path in hidden.chain(beside.filter(|path| path.file_name() == Some(name))) {
        if has_versions(&path, info, &need.missing_versions) == Some(true) {
            found.add(path, NearState::Fits);
        }
    }
    found.files
}

fn has_versions(path: &Path, info: &ElfInfo, versions: &[Vec<u8>]) -> Option<bool> {
    let file = crate::scan::open(path, true).ok()?;
    let found = ElfInfo::read(&file).ok()?;
    if !found.platform().goes_with(info.platform()) {
        return None;
    }
    let defined = elf_edit::versions::defined(&file, &found).ok()??;
    let has = |wanted: &Vec<u8>| defined.iter().any(|version| version.name == *wanted);
    Some(versions.iter().all(has))
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// An object as the user would name it: relative to where the file is relative to.
fn as_named(file: &Path, resolution: &Resolution, object: &[u8]) -> PathBuf {
    let object = Path::new(OsStr::from_bytes(object));
    let root = resolution.objects.first().map(|o| o.path.as_slice());
    if root == Some(object.as_os_str().as_bytes()) {
        return file.to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    match object.strip_prefix(&here) {
        Ok(relative) if file.is_relative() => relative.to_owned(),
        _ => object.to_owned(),
    }
}

fn near_library(file: &Path, info: &ElfInfo, resolution: &Resolution, need: &Need) -> Near {
    let mut found = NearFiles::default();
    let look = !need.name.contains(&b'/') && !need.name.is_empty();
    add_unfit(&mut found, info, need);
    if look {
        add_other_places(&mut found, file, info, resolution, need);
    }
    let known = crate::cuda::driver::library(&need.name).is_some();
    Near {
        file: Some(bytes(file)),
        packages: match found.files.is_empty() && look && !known {
            true => packages(&need.name),
            false => Vec::new(),
        },
        files: found.files,
        interpreters: Vec::new(),
        driver_runs: Path::new("/proc/driver/nvidia/version").exists(),
        system: system(),
    }
}

/// Files near a miss: each once, a limited number of them.
#[derive(Default)]
struct NearFiles {
    files: Vec<NearFile>,
    seen: HashSet<PathBuf>,
}

impl NearFiles {
    fn add(&mut self, path: PathBuf, state: NearState) {
        if self.files.len() < MAX_FILES && self.seen.insert(path.clone()) {
            let path = bytes(&path);
            self.files.push(NearFile { path, state });
        }
    }
}

/// Files that the loader rejected in the places that it tried.
fn add_unfit(found: &mut NearFiles, info: &ElfInfo, need: &Need) {
    for tried in &need.trail.tried {
        let path = Path::new(OsStr::from_bytes(&tried.place));
        let unfit = match &tried.why {
            Why::NoFile => path.is_symlink().then_some(()),
            Why::NotElf | Why::TooShort | Why::Broken(_) | Why::OtherByteOrder => Some(()),
            Why::OtherClass | Why::OtherMachine(_) | Why::NotAFile => Some(()),
            _ => None,
        };
        if unfit.is_some() {
            let state = state(path, info).unwrap_or(NearState::Unfit(tried.why.to_string()));
            let state = match state {
                NearState::Fits => NearState::Unfit(tried.why.to_string()),
                other => other,
            };
            found.add(path.to_owned(), state);
        }
    }
}

/// Files of that name in RUNPATHs of other objects, in ld.so.conf, and in the file's own directory,
/// where other versions count too.
fn add_other_places(
    found: &mut NearFiles,
    file: &Path,
    info: &ElfInfo,
    resolution: &Resolution,
    need: &Need,
) {
    let name = OsStr::from_bytes(&need.name);
    for object in resolution.loaded() {
        let Some(runpath) = object.library.as_ref().and_then(|l| l.runpath.as_ref()) else {
            continue;
        };
        let origin = Path::new(OsStr::from_bytes(&object.path)).parent();
        for entry in runpath.split(|&b| b == b':').take(64) {
            let Some(dir) = expanded(entry, origin) else {
                continue;
            };
            let path = dir.join(name);
            if state(&path, info) == Some(NearState::Fits) {
                let path = as_named(file, resolution, &bytes(&path));
                found.add(path, NearState::InRunpathOf(object.path.clone()));
            }
        }
    }
    for dir in configured() {
        let path = dir.join(name);
        if state(&path, info) == Some(NearState::Fits) {
            found.add(path, NearState::InConfiguration);
        }
    }
    for path in beside(file, &need.name) {
        let state = match path.file_name() == Some(name) {
            true => state(&path, info),
            false => other_version(&path, info, &need.name),
        };
        if let Some(state) = state {
            found.add(path, state);
        }
    }
}

fn expanded(entry: &[u8], origin: Option<&Path>) -> Option<PathBuf> {
    use elf_edit::tokens::{Token, TokenEnd, leading_token};
    if let Some((Token::Origin, len)) = leading_token(entry, TokenEnd::Identifier) {
        let rest = entry[len..].strip_prefix(b"/").unwrap_or(&entry[len..]);
        return Some(origin?.join(OsStr::from_bytes(rest)));
    }
    let path = Path::new(OsStr::from_bytes(entry));
    (path.is_absolute() && !entry.contains(&b'$')).then(|| path.to_owned())
}

/// State of the file at a path; `None` if there is none, or no remedy for it.
fn state(path: &Path, info: &ElfInfo) -> Option<NearState> {
    let link = fs::symlink_metadata(path).ok()?;
    let Ok(file) = crate::scan::open(path, true) else {
        let target = link.is_symlink().then(|| fs::read_link(path).ok())??;
        return (!path.exists()).then(|| NearState::Dangling(bytes(&target)));
    };
    match ElfInfo::read(&file) {
        Ok(found) if found.platform().goes_with(info.platform()) => Some(NearState::Fits),
        Ok(found) => Some(NearState::Unfit(format!(
            "it is for {}, the file is for {}",
            found.platform(),
            info.platform()
        ))),
        Err(error) => Some(text_state(&file).unwrap_or(NearState::Unfit(error.to_string()))),
    }
}

fn text_state(file: &FileReader) -> Option<NearState> {
    let head = file.read_vec(0, file.len().min(512) as usize).ok()?;
    let has = |what: &[u8]| memchr::memmem::find(&head, what).is_some();
    if head.starts_with(b"version https://git-lfs.github.com/spec/") {
        Some(NearState::LfsPointer)
    } else if has(b"GNU ld script") || has(b"INPUT(") || has(b"GROUP (") || has(b"INPUT (") {
        Some(NearState::LinkerScript)
    } else {
        None
    }
}

fn other_version(path: &Path, info: &ElfInfo, name: &[u8]) -> Option<NearState> {
    let file = crate::scan::open(path, true).ok()?;
    let found = ElfInfo::read(&file).ok()?;
    if !found.platform().goes_with(info.platform()) {
        return None;
    }
    let is_that = found.dynamic?.soname.as_deref() == Some(name);
    // Beside the file of that name it is its target or a copy.
    let has_link = path.with_file_name(OsStr::from_bytes(name)).exists();
    (!is_that || !has_link).then_some(NearState::OtherVersion(is_that))
}

/// Files of that name, then other versions, below the file's directory and, of `bin` and the
/// like, below the one that holds it.
fn beside(file: &Path, name: &[u8]) -> Vec<PathBuf> {
    let stem = memchr::memmem::find(name, b".so").map_or(name, |at| &name[..at + 3]);
    let parent = file.parent().unwrap_or(Path::new(""));
    let mut starts = vec![parent.to_owned()];
    let inner = ["bin", "sbin", "lib", "lib64", "libexec"];
    let last = parent.file_name().and_then(OsStr::to_str);
    let above = parent
        .parent()
        .filter(|p| !["/", "/usr", "/usr/local"].map(Path::new).contains(p));
    if last.is_some_and(|l| inner.contains(&l)) {
        starts.extend(above.map(Path::to_owned));
    }
    let (mut same, mut others) = (Vec::new(), Vec::new());
    let mut left = MAX_ENTRIES;
    let mut level: Vec<PathBuf> = starts;
    for _ in 0..=MAX_DEPTH {
        let mut next = Vec::new();
        for dir in level {
            let listed = if dir.as_os_str().is_empty() {
                Path::new(".")
            } else {
                &dir
            };
            let Ok(entries) = fs::read_dir(listed) else {
                continue;
            };
            let mut names: Vec<_> = entries.flatten().take(left).collect();
            left -= names.len();
            names.sort_by_key(fs::DirEntry::file_name);
            for entry in names {
                let entry_name = entry.file_name();
                if entry_name.as_bytes() == name {
                    same.push(dir.join(&entry_name));
                } else if entry_name.as_bytes().starts_with(stem) {
                    others.push(dir.join(&entry_name));
                } else if entry.file_type().is_ok_and(|t| t.is_dir()) {
                    next.push(dir.join(&entry_name));
                }
            }
        }
        level = next;
    }
    same.extend(others);
    same
}

/// The directories of /etc/ld.so.conf and the files that it includes.
fn configured() -> Vec<PathBuf> {
    let mut texts = vec![fs::read_to_string("/etc/ld.so.conf").unwrap_or_default()];
    let mut parts: Vec<PathBuf> = fs::read_dir("/etc/ld.so.conf.d")
        .map(|entries| entries.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    parts.sort();
    parts.retain(|path| path.extension().is_some_and(|e| e == "conf"));
    texts.extend(
        parts
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok()),
    );
    let lines = texts.iter().flat_map(|text| text.lines());
    let dirs = lines.filter_map(|line| line.split('#').next().map(str::trim));
    dirs.filter(|dir| dir.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// Attributes of nixpkgs that have a library, where nix-locate is installed.
fn packages(name: &[u8]) -> Vec<String> {
    let Ok(name) = str::from_utf8(name) else {
        return Vec::new();
    };
    let run = Command::new("nix-locate")
        .args(["--minimal", "--top-level", "--whole-name", "--at-root"])
        .arg(format!("/lib/{name}"))
        .output();
    let output = run.map(|o| o.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output).into_owned();
    let plain = |line: &&str| {
        let ok = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        !line.is_empty() && line.chars().all(ok)
    };
    text.lines()
        .filter(plain)
        .take(3)
        .map(str::to_owned)
        .collect()
}

fn system() -> System {
    let there = |path: &str| Path::new(path).exists();
    if there("/.dockerenv") || there("/run/.containerenv") {
        System::Container
    } else if there("/usr/lib/wsl/lib") || there("/dev/dxg") {
        System::Wsl
    } else if there("/etc/NIXOS") {
        System::Nixos
    } else if there("/etc/nv_tegra_release") {
        System::Jetson
    } else if there("/etc/debian_version") {
        System::Debian
    } else {
        System::Other
    }
}
