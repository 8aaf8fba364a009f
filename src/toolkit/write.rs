//! Writes a tree to disk, changing only different entries: a second run writes nothing.

use super::merge::{FarmEntry, Tree, list};
use super::{FarmError, record};
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

/// Makes `out` be the tree. Returns how many links and files had to be written.
pub(super) fn write(tree: &Tree, out: &Path, relative: bool) -> Result<usize, FarmError> {
    fs::create_dir_all(out).map_err(|e| FarmError::io(out, e))?;
    let out = out.canonicalize().map_err(|e| FarmError::io(out, e))?;
    let empty = list(&out)?.is_empty();
    if !empty && !out.join(record::PLACE).exists() {
        return Err(FarmError::InTheWay(out));
    }
    if !empty {
        remove_others(tree, &out, Path::new(""))?;
    }
    let mut written = 0;
    let mut directory = Directory::default();
    for (place, entry) in tree {
        let path = out.join(place);
        match entry {
            FarmEntry::Directory(_) => make_directory(&path)?,
            FarmEntry::Link(target) | FarmEntry::DirectoryLink(target) => {
                let target = match relative && target.is_absolute() {
                    true => relative_to(path.parent().unwrap_or(&out), target),
                    false => target.clone(),
                };
                match empty {
                    true => directory.link(&path, &target)?,
                    false if !make_link(&path, &target)? => continue,
                    false => {}
                }
                written += 1;
            }
            FarmEntry::File(bytes) => written += usize::from(make_file(&path, bytes, empty)?),
        }
    }
    Ok(written)
}

/// Removes obsolete entries of an earlier run.
fn remove_others(tree: &Tree, out: &Path, place: &Path) -> Result<(), FarmError> {
    for (name, path) in list(&out.join(place))? {
        let place = place.join(name);
        let real = fs::symlink_metadata(&path).map_err(|e| FarmError::io(&path, e))?;
        let wanted = tree.get(&place);
        match (real.is_dir(), wanted) {
            (true, Some(FarmEntry::Directory(_))) => remove_others(tree, out, &place)?,
            (true, _) => fs::remove_dir_all(&path).map_err(|e| FarmError::io(&path, e))?,
            (
                false,
                Some(FarmEntry::Link(_) | FarmEntry::DirectoryLink(_) | FarmEntry::File(_)),
            ) => {}
            (false, _) => fs::remove_file(&path).map_err(|e| FarmError::io(&path, e))?,
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<(), FarmError> {
    match fs::create_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(FarmError::io(path, e)),
        _ => Ok(()),
    }
}

fn make_link(path: &Path, target: &Path) -> Result<bool, FarmError> {
    if fs::read_link(path).is_ok_and(|there| there == target) {
        return Ok(false);
    }
    remove(path)?;
    symlink(target, path).map_err(|e| FarmError::io(path, e))?;
    Ok(true)
}

/// The directory of the last link, open: most links are made in one of a hundred others, and each
/// would look up the whole path.
#[derive(Default)]
struct Directory(Option<(PathBuf, OwnedFd)>);

impl Directory {
    /// Makes a link where nothing is.
    fn link(&mut self, path: &Path, target: &Path) -> Result<(), FarmError> {
        self.try_link(path, target)
            .map_err(|e| FarmError::io(path, e))
    }

    fn try_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = match self.0.take() {
            Some((of, open)) if of == parent => open,
            _ => rustix::fs::open(parent, flags, Mode::empty())?,
        };
        let made = rustix::fs::symlinkat(target, &open, name);
        self.0 = Some((parent.to_owned(), open));
        Ok(made?)
    }
}

fn make_file(path: &Path, bytes: &[u8], new: bool) -> Result<bool, FarmError> {
    if !new {
        let is_file = fs::symlink_metadata(path).is_ok_and(|m| m.is_file());
        if is_file && fs::read(path).is_ok_and(|there| there == bytes) {
            return Ok(false);
        }
        remove(path)?;
    }
    fs::write(path, bytes).map_err(|e| FarmError::io(path, e))?;
    Ok(true)
}

fn remove(path: &Path) -> Result<(), FarmError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FarmError::io(path, e)),
        _ => Ok(()),
    }
}

/// The way from a directory to a target, both absolute and free of links.
fn relative_to(dir: &Path, target: &Path) -> PathBuf {
    let (from, to): (Vec<_>, Vec<_>) = (dir.components().collect(), target.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| Component::ParentDir);
    up.chain(to[common..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_between_directories() {
        let way = |dir: &str, target: &str| relative_to(Path::new(dir), Path::new(target));
        assert_eq!(
            way("/a/farm/lib", "/a/x/lib/l.so"),
            Path::new("../../x/lib/l.so")
        );
        assert_eq!(way("/a", "/a/b"), Path::new("b"));
        assert_eq!(way("/a/b", "/c"), Path::new("../../c"));
    }
}
