//! Searches around a missing library: files of that name, other versions, interpreters, the driver.

mod absent;
mod bundle;
mod debian;
mod interpreters;
mod listings;
mod machine;
mod packages;
mod places;
mod root;
mod state;
mod surroundings;
mod symbols;

pub(crate) use surroundings::Surroundings;

use crate::advice::{Advice, Miss, Near, NearFile, NearState, advise, python_package};
use crate::loader::{
    LoadProblem, MissingSymbol, Need, Object, Resolution, Rules, Step, Why, glibc_names,
};
use elf_edit::ElfInfo;
use state::other_version;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Files that are named.
const MAX_FILES: usize = 4;

/// The advice for one problem of a file. `file` is how the user names it.
pub(crate) fn advice(
    around: &Surroundings,
    file: &Path,
    info: &ElfInfo,
    resolution: &Resolution,
    problem: LoadProblem,
) -> Advice {
    let unknown = resolution.interpreter.as_ref();
    let unknown = unknown.filter(|i| i.exists && i.rules == Rules::Unknown);
    if let (LoadProblem::Missing(..), Some(interpreter)) = (problem, unknown) {
        // Nothing can be found by rules that are not known.
        let mut near = interpreters::near(around, file, info, &interpreter.path);
        near.nix_ld = nix_ld(resolution);
        return advise(Miss::UnknownInterpreter(&interpreter.path), &near);
    }
    match problem {
        LoadProblem::NoInterpreter(interpreter) => {
            let near = interpreters::near(around, file, info, &interpreter.path);
            advise(Miss::Interpreter(&interpreter.path), &near)
        }
        LoadProblem::Missing(object, need) => {
            let path = as_named(around, file, resolution, &object.path);
            let near = near_library(around, &path, info, resolution, need);
            advise(Miss::Library(&need.name), &near)
        }
        LoadProblem::Versions(object, need) => {
            let path = as_named(around, file, resolution, &object.path);
            let found = need.object.map(|o| resolution.objects[o].path.as_slice());
            let near = Near {
                files: match around.root.is_here() {
                    true => with_versions(around, &path, info, resolution, need),
                    false => Vec::new(),
                },
                file: Some(bytes(&path)),
                by_variable: need.via.is_some_and(|via| via.step == Step::LibraryPath),
                here: around.here.clone(),
                ..Near::default()
            };
            let miss = Miss::Versions {
                path: found.unwrap_or_default(),
                versions: &need.missing_versions,
            };
            advise(miss, &near)
        }
        LoadProblem::Symbol(object, symbol) => {
            let path = as_named(around, file, resolution, &object.path);
            let near = near_symbol(around, &path, info, resolution, (object, symbol));
            let name = match &symbol.version {
                Some(version) => [&symbol.name[..], b", version ", version].concat(),
                None => symbol.name.clone(),
            };
            advise(Miss::Symbol(&String::from_utf8_lossy(&name)), &near)
        }
        LoadProblem::VersionsOfNothing(..) | LoadProblem::Incomplete => Advice::default(),
    }
}

fn near_symbol(
    around: &Surroundings,
    file: &Path,
    info: &ElfInfo,
    resolution: &Resolution,
    (object, symbol): (&Object, &MissingSymbol),
) -> Near {
    Near {
        files: match around.root.is_here() {
            true => {
                let namesakes = namesakes(around, file, object);
                let providers = symbols::Providers::new(info, resolution, symbol);
                providers.search(&around.listings, file, namesakes)
            }
            false => Vec::new(),
        },
        file: Some(bytes(file)),
        here: around.here.clone(),
        by_variable: !resolution.hidden.is_empty(),
        ..Near::default()
    }
}

/// Files in the tree and beside the file that have the names of the libraries that it needs.
fn namesakes(around: &Surroundings, file: &Path, object: &Object) -> Vec<PathBuf> {
    let names = object.needs.iter().map(|need| &need.name);
    let near = names.flat_map(|name| {
        let name = OsStr::from_bytes(name);
        let beside = places::beside(&around.listings, file, name.as_bytes()).into_iter();
        let same = beside.filter(move |path| path.file_name() == Some(name));
        same.chain(around.in_tree(name))
    });
    near.collect()
}

/// Libraries of that name that have the versions which the one that is found lacks: hidden by it,
/// or beside the file.
fn with_versions(
    around: &Surroundings,
    file: &Path,
    info: &ElfInfo,
    resolution: &Resolution,
    need: &Need,
) -> Vec<NearFile> {
    let name = OsStr::from_bytes(&need.name);
    let loaded = need.object.map(|at| resolution.objects[at].path.clone());
    let loaded = loaded.unwrap_or_default();
    let mut found = NearFiles::default();
    let mut add = |path: PathBuf, state: NearState| {
        if has_versions(&path, info, &need.missing_versions) == Some(true) {
            found.add(path, state);
        }
    };
    let hidden = resolution.hidden.iter().filter(|h| h.name == need.name);
    for path in hidden.map(|hidden| PathBuf::from(OsStr::from_bytes(&hidden.path))) {
        add(path, NearState::InsteadOf(loaded.clone()));
    }
    let interpreter = resolution.interpreter.iter();
    for directory in interpreter.flat_map(|interpreter| &interpreter.directories) {
        let path = Path::new(OsStr::from_bytes(directory)).join(name);
        add(path, NearState::InsteadOf(loaded.clone()));
    }
    // Another glibc works only with its own loader.
    let of_glibc = glibc_names().any(|own| own.as_bytes() == need.name);
    let beside = match of_glibc {
        true => Vec::new(),
        false => places::beside(&around.listings, file, &need.name),
    };
    for path in beside {
        if path.file_name() == Some(name) {
            add(path, NearState::Fits);
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

/// The loader that nix-ld starts, where that is the interpreter.
fn nix_ld(resolution: &Resolution) -> Option<Vec<u8>> {
    let nix_ld = resolution.interpreter.as_ref()?.nix_ld.as_ref();
    nix_ld.map(|nix_ld| nix_ld.loader.clone())
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// An object as the user would name it: relative to where the file is relative to, without `..`.
fn as_named(around: &Surroundings, file: &Path, resolution: &Resolution, object: &[u8]) -> PathBuf {
    let root = resolution.objects.first().map(|o| o.path.as_slice());
    if root == Some(object) {
        return file.to_owned();
    }
    let object = Path::new(OsStr::from_bytes(object));
    let has_dots = object.components().any(|part| part == Component::ParentDir);
    let directory = object
        .parent()
        .filter(|_| has_dots && around.root.is_here());
    let directory = directory.and_then(|directory| directory.canonicalize().ok());
    let object = match directory.zip(object.file_name()) {
        Some((directory, name)) => directory.join(name),
        None => object.to_owned(),
    };
    let here = Path::new(OsStr::from_bytes(&around.here));
    match object.strip_prefix(here) {
        Ok(relative) if file.is_relative() => relative.to_owned(),
        _ => object,
    }
}

fn near_library(
    around: &Surroundings,
    file: &Path,
    info: &ElfInfo,
    resolution: &Resolution,
    need: &Need,
) -> Near {
    let mut found = NearFiles::default();
    let look = !need.name.contains(&b'/') && !need.name.is_empty();
    if around.root.is_here() {
        add_unfit(&mut found, around, info, need);
    }
    if look && around.root.is_here() {
        add_other_places(&mut found, around, file, info, resolution, need);
    }
    if look && found.files.is_empty() {
        let packaged = around.in_packages(OsStr::from_bytes(&need.name));
        let fits =
            |path: &&PathBuf| around.state(&around.root.host(path), info) == Some(NearState::Fits);
        for path in packaged.iter().filter(fits).take(1) {
            found.add(path.clone(), NearState::Fits);
        }
    }
    if crate::cuda::driver::library(&need.name).is_some() && found.files.is_empty() {
        let name = OsStr::from_bytes(&need.name);
        let directories = crate::cuda::driver::DIRECTORIES.iter();
        let mut paths = directories.map(|directory| Path::new(directory).join(name));
        let fits =
            |path: &PathBuf| around.state(&around.root.host(path), info) == Some(NearState::Fits);
        if let Some(path) = paths.find(fits) {
            found.add(path, NearState::Fits);
        }
    }
    let there = found.files.iter().any(NearFile::is_the_library);
    let absolute = std::path::absolute(file).unwrap_or_default();
    Near {
        file: Some(bytes(file)),
        files: found.files,
        python_package: python_package(&bytes(&absolute)).map(<[u8]>::to_vec),
        bundle: around.bundle(&absolute),
        nix_ld: nix_ld(resolution),
        ..match there || !look {
            true => around.machine(),
            false => around.packages(&need.name, Some(info)),
        }
    }
}

/// Files near a miss: each once, a limited number of them.
#[derive(Default)]
struct NearFiles {
    files: Vec<NearFile>,
    /// What they are once links are followed.
    seen: HashSet<PathBuf>,
}

impl NearFiles {
    fn add(&mut self, path: PathBuf, state: NearState) {
        let real = path.canonicalize().unwrap_or_else(|_| {
            // A dangling link.
            let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
            let there = parent.zip(path.file_name());
            there.map_or_else(|| path.clone(), |(parent, name)| parent.join(name))
        });
        if self.files.len() < MAX_FILES && self.seen.insert(real) {
            let path = bytes(&path);
            self.files.push(NearFile { path, state });
        }
    }
}

/// Files that the loader rejected in the places that it tried.
fn add_unfit(found: &mut NearFiles, around: &Surroundings, info: &ElfInfo, need: &Need) {
    for tried in &need.trail.tried {
        let path = Path::new(OsStr::from_bytes(&tried.place));
        let unfit = match &tried.why {
            Why::NoFile => around.is_link(path).then_some(()),
            Why::NotElf | Why::TooShort | Why::Broken(_) | Why::OtherByteOrder => Some(()),
            Why::OtherClass | Why::OtherMachine(_) | Why::NotAFile => Some(()),
            Why::Unreadable(_) => Some(()),
            _ => None,
        };
        if unfit.is_some() {
            let state = around.state(path, info);
            let state = state.unwrap_or(NearState::Unfit(tried.why.to_string()));
            let state = match state {
                NearState::Fits => NearState::Unfit(tried.why.to_string()),
                other => other,
            };
            found.add(path.to_owned(), state);
        }
    }
}

/// Files of that name where the loader does not look, the likely ones first; beside the file and
/// in the system's directories other versions count, too.
fn add_other_places(
    found: &mut NearFiles,
    around: &Surroundings,
    file: &Path,
    info: &ElfInfo,
    resolution: &Resolution,
    need: &Need,
) {
    let name = OsStr::from_bytes(&need.name);
    let fits = |path: &Path| around.state(path, info) == Some(NearState::Fits);
    if resolution.loaded_by.secure() {
        for path in around.in_library_path(name).filter(|path| fits(path)) {
            found.add(path, NearState::InIgnoredVariable);
        }
    }
    let owns = |object: &&Object| object.needs.iter().any(|n| std::ptr::eq(n, need));
    let owner = resolution.objects.iter().find(owns);
    for (path, user) in in_runpaths(resolution, name) {
        if fits(&path) {
            let path = as_named(around, file, resolution, &bytes(&path));
            let own = owner.is_some_and(|owner| owner.path == user);
            let state = match own && resolution.loaded_by.secure() {
                true => NearState::InIgnoredOrigin,
                false => NearState::InRunpathOf(user.to_vec()),
            };
            found.add(path, state);
        }
    }
    let cache = |tried: &crate::loader::Tried| tried.why == Why::NotInCache;
    if need.trail.tried.iter().any(cache) {
        let configured = around.configured().iter().map(|dir| dir.join(name));
        for path in configured.filter(|path| fits(path)) {
            found.add(path, NearState::InConfiguration);
        }
    }
    for path in places::beside(&around.listings, file, &need.name) {
        let state = match path.file_name() == Some(name) {
            true => around.state(&path, info).map(|state| (path, state)),
            false => other_version(&path, info, &need.name),
        };
        if let Some((path, state)) = state {
            found.add(path, state);
        }
    }
    let here = places::site_packages(&around.listings, file, name).into_iter();
    let elsewhere = around.in_tree(name).chain(here);
    let elsewhere = elsewhere.chain(around.installed(name));
    if !found.files.iter().any(NearFile::is_the_library) {
        let mut fitting: Vec<PathBuf> = elsewhere.filter(|path| fits(path)).collect();
        // The one whose way to the file is the shortest; of several the first.
        fitting.sort_by_key(|path| std::cmp::Reverse(common(path, file)));
        if let Some(path) = fitting.into_iter().next() {
            found.add(path, NearState::Fits);
        }
    }
    if found.files.is_empty() {
        let directories = resolution.interpreter.iter().flat_map(|i| &i.directories);
        let directories: Vec<Vec<u8>> = directories.cloned().collect();
        for path in places::other_versions(&around.listings, &directories, &need.name) {
            let other = other_version(&path, info, &need.name);
            if let Some((path, state @ NearState::OtherVersion(false))) = other {
                found.add(path, state);
            }
        }
    }
}

/// How many directories two paths have in common.
fn common(one: &Path, other: &Path) -> usize {
    let pairs = one.components().zip(other.components());
    pairs.take_while(|(a, b)| a == b).count()
}

/// The paths to which the RUNPATHs of the loaded objects lead, and those objects.
fn in_runpaths<'a>(resolution: &'a Resolution, name: &OsStr) -> Vec<(PathBuf, &'a [u8])> {
    let mut found = Vec::new();
    for object in resolution.loaded() {
        let runpath = object.library.as_ref().and_then(|l| l.runpath.as_ref());
        let origin = Path::new(OsStr::from_bytes(&object.path)).parent();
        let entries = runpath.into_iter().flat_map(|r| r.split(|&b| b == b':'));
        let directories = entries.take(64).filter_map(|entry| expanded(entry, origin));
        found.extend(directories.map(|dir| (dir.join(name), &object.path[..])));
    }
    found
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
