//! Merges trees: one link for an entry of one tree, a directory for one of several.

use super::FarmError;
use super::prefix::{ToolkitPart, joins};
use elf_edit::FileId;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// An entry of the farm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FarmEntry {
    /// A directory of our own, with the directories that it merges.
    Directory(Vec<PathBuf>),
    /// A link to a file of a prefix, or a relative one inside the farm.
    Link(PathBuf),
    /// A link to a directory of a prefix.
    DirectoryLink(PathBuf),
    /// A file of our own.
    File(Vec<u8>),
}

/// Path in the farm -> its entry. A directory comes before its contents.
pub(super) type Tree = BTreeMap<PathBuf, FarmEntry>;

/// Puts an entry into the tree, with directories above it.
pub(super) fn insert(tree: &mut Tree, place: PathBuf, entry: FarmEntry) {
    for parent in place.ancestors().skip(1).filter(|p| *p != Path::new("")) {
        let own = FarmEntry::Directory(Vec::new());
        tree.entry(parent.to_owned()).or_insert(own);
    }
    tree.insert(place, entry);
}

/// Directories of our own even if one prefix alone has them: either something is added to them, or
/// a tool goes to `..` from there, which from a linked directory leads into the prefix.
const OURS: [&str; 8] = [
    "bin",
    "extras",
    "extras/CUPTI",
    "include",
    "lib",
    "lib/stubs",
    "nvvm",
    "share",
];
/// Deepest directory that is looked into: a link to a parent must not go on for ever.
const MAX_DEPTH: usize = 32;
/// Most entries: a whole toolkit with all libraries has some thousand.
const MAX_ENTRIES: usize = 500_000;

/// The tree of all pieces, and how many dangling links were left out.
pub(super) fn merge(pieces: &[ToolkitPart]) -> Result<(Tree, usize), FarmError> {
    let mut tree = Tree::new();
    let mut dangling = 0;
    // Pieces are laid at their place's parents first: `nvvm/bin/cicc` makes `nvvm` and `nvvm/bin`.
    let mut root = Sources::default();
    for piece in pieces {
        let mut node = &mut root;
        for name in &piece.place {
            node = node.below.entry(name.to_owned()).or_default();
        }
        node.here.push(Source {
            path: piece.source.clone(),
            is_directory: None,
        });
    }
    for (name, sources) in root.below {
        lay(&mut tree, &mut dangling, PathBuf::from(name), sources, 0)?;
    }
    Ok((tree, dangling))
}

/// The sources of one path: whole directories or files, and pieces below it.
#[derive(Default)]
struct Sources {
    here: Vec<Source>,
    below: BTreeMap<OsString, Sources>,
}

struct Source {
    path: PathBuf,
    /// `None`: unknown yet, it may be a link to either.
    is_directory: Option<bool>,
}

fn lay(
    tree: &mut Tree,
    dangling: &mut usize,
    place: PathBuf,
    sources: Sources,
    depth: usize,
) -> Result<(), FarmError> {
    let (file, paths) = file_or_directories(&place, sources.here, dangling)?;
    if let Some(file) = file {
        if !sources.below.is_empty() {
            return Err(FarmError::prefix(
                &file,
                "is a file where a directory is expected",
            ));
        }
        tree.insert(place, FarmEntry::Link(file));
        return Ok(());
    }
    let ours = OURS.iter().any(|ours| place == Path::new(ours));
    if let ([only], false, true) = (&paths[..], ours, sources.below.is_empty()) {
        tree.insert(place, FarmEntry::DirectoryLink(only.clone()));
        return Ok(());
    }
    if paths.is_empty() && sources.below.is_empty() {
        return Ok(());
    }
    if depth == MAX_DEPTH || tree.len() > MAX_ENTRIES {
        return Err(FarmError::prefix(
            &place,
            format!(
                "more than {MAX_DEPTH} directories deep or {MAX_ENTRIES} entries: does a link lead \
                 to its own parent?"
            ),
        ));
    }
    let mut below = sources.below;
    for path in &paths {
        for (name, source) in list_sources(path)? {
            if joins(&place, &name) {
                below.entry(name).or_default().here.push(source);
            }
        }
    }
    tree.insert(place.clone(), FarmEntry::Directory(paths));
    for (name, sources) in below {
        lay(tree, dangling, place.join(name), sources, depth + 1)?;
    }
    Ok(())
}

/// The one file, or the different directories, that the sources of a place are. Sources of two
/// kinds, and files that differ, are a conflict; links that lead nowhere are counted.
fn file_or_directories(
    place: &Path,
    sources: Vec<Source>,
    dangling: &mut usize,
) -> Result<(Option<PathBuf>, Vec<PathBuf>), FarmError> {
    let mut directories: Vec<PathBuf> = Vec::new();
    let mut file: Option<PathBuf> = None;
    for Source { path, is_directory } in sources {
        let is_directory = match is_directory {
            Some(known) => known,
            None => match path.metadata() {
                Ok(real) => real.is_dir(),
                Err(_) => {
                    *dangling += 1;
                    continue;
                }
            },
        };
        let other = directories.first().or(file.as_ref());
        if is_directory == directories.is_empty() && other.is_some() {
            return Err(conflict(place, other, path));
        }
        if is_directory {
            directories.push(path);
        } else if let Some(first) = &file {
            if !same_file(first, &path)? {
                return Err(conflict(place, other, path));
            }
        } else {
            file = Some(path);
        }
    }
    if directories.len() > 1 {
        let mut seen = Vec::new();
        directories.retain(|path| {
            let id = FileId::at(path).ok();
            let is_new = id.is_none() || !seen.contains(&id);
            seen.push(id);
            is_new
        });
    }
    Ok((file, directories))
}

fn conflict(place: &Path, first: Option<&PathBuf>, second: PathBuf) -> FarmError {
    FarmError::Conflict {
        place: place.to_owned(),
        first: first.cloned().unwrap_or_default(),
        second,
    }
}

/// The entries of a directory, sorted by name; none if it doesn't exist.
pub(super) fn list(dir: &Path) -> Result<Vec<(OsString, PathBuf)>, FarmError> {
    let sources = list_sources(dir)?.into_iter();
    Ok(sources.map(|(name, source)| (name, source.path)).collect())
}

/// The same, with what the directory itself says of their kinds: nearly all entries are files, for
/// which it saves a system call each.
fn list_sources(dir: &Path) -> Result<Vec<(OsString, Source)>, FarmError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(e) => return Err(FarmError::io(dir, e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| FarmError::io(dir, e))?;
        let kind = entry.file_type().ok().filter(|kind| !kind.is_symlink());
        let source = Source {
            path: entry.path(),
            is_directory: kind.map(|kind| kind.is_dir()),
        };
        found.push((entry.file_name(), source));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// The same file by another name, or one of the same contents.
fn same_file(first: &Path, second: &Path) -> Result<bool, FarmError> {
    let id = |path: &Path| FileId::at(path).map_err(|e| FarmError::io(path, e));
    if id(first)? == id(second)? {
        return Ok(true);
    }
    let open = |path: &Path| fs::File::open(path).map_err(|e| FarmError::io(path, e));
    let (mut a, mut b) = (open(first)?, open(second)?);
    let length = |file: &fs::File, path: &Path| {
        file.metadata()
            .map(|m| m.len())
            .map_err(|e| FarmError::io(path, e))
    };
    if length(&a, first)? != length(&b, second)? {
        return Ok(false);
    }
    let (mut one, mut other) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let n = a.read(&mut one).map_err(|e| FarmError::io(first, e))?;
        if n == 0 {
            return Ok(true);
        }
        if b.read_exact(&mut other[..n]).is_err() || one[..n] != other[..n] {
            return Ok(false);
        }
    }
}
