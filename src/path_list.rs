//! Many paths in little memory: those of one directory that follow each other share its name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Paths in a fixed order.
#[derive(Debug, Default)]
pub(crate) struct PathList {
    /// With the slash at the end, as far as a path has one.
    directories: Vec<Box<[u8]>>,
    entries: Vec<Entry>,
    /// The names in the directories, one after the other.
    names: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    directory: u32,
    /// Where its name ends in `names`.
    end: usize,
}

impl<P: AsRef<Path>> FromIterator<P> for PathList {
    fn from_iter<I: IntoIterator<Item = P>>(paths: I) -> PathList {
        let mut list = PathList::default();
        for path in paths {
            list.push(path.as_ref());
        }
        list.directories.shrink_to_fit();
        list.entries.shrink_to_fit();
        list.names.shrink_to_fit();
        list
    }
}

impl PathList {
    fn push(&mut self, path: &Path) {
        let path = path.as_os_str().as_bytes();
        let slash = path.iter().rposition(|&byte| byte == b'/');
        let (directory, name) = path.split_at(slash.map_or(0, |at| at + 1));
        if self
            .directories
            .last()
            .is_none_or(|last| **last != *directory)
        {
            self.directories.push(directory.into());
        }
        self.names.extend_from_slice(name);
        self.entries.push(Entry {
            // 2^32 names of directories do not fit into memory.
            directory: (self.directories.len() - 1) as u32,
            end: self.names.len(),
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The path at a place below [`PathList::len`].
    pub(crate) fn get(&self, at: usize) -> PathBuf {
        let directory = &self.directories[self.entries[at].directory as usize];
        PathBuf::from(OsStr::from_bytes(&[directory, self.name(at)].concat()))
    }

    /// What follows the last slash of the path at a place below [`PathList::len`].
    pub(crate) fn name(&self, at: usize) -> &[u8] {
        let start = at
            .checked_sub(1)
            .map_or(0, |before| self.entries[before].end);
        &self.names[start..self.entries[at].end]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = PathBuf> {
        (0..self.len()).map(|at| self.get(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_given_back_byte_for_byte() {
        let paths = [
            "a", "a/b", "a/c", "a//d", "./a/e", "/", "/f", "a/b/", "", "..", "a/c",
        ];
        let list: PathList = paths.iter().collect();
        assert_eq!(list.len(), paths.len());
        for (at, (path, listed)) in paths.iter().zip(list.iter()).enumerate() {
            assert_eq!(listed.as_os_str(), *path);
            assert_eq!(list.name(at), path.rsplit('/').next().unwrap().as_bytes());
        }
        let odd = OsStr::from_bytes(b"\xff/\xfe");
        assert_eq!(PathList::from_iter([odd]).get(0), Path::new(odd));
    }

    #[test]
    fn files_of_one_directory_share_its_name() {
        let list: PathList = (0..100)
            .map(|at| format!("/a/long/directory/{at}"))
            .collect();
        assert_eq!(list.directories.len(), 1);
    }
}
