//! Maps a path in a farm to the prefixes: to one path, to several, or to none.

use crate::toolkit::record::Record;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Answers for one farm.
pub(super) struct Places<'a> {
    /// The farm, as it may be written.
    pub roots: Vec<Vec<u8>>,
    root: &'a Path,
    record: &'a Record,
}

impl<'a> Places<'a> {
    pub(super) fn new(root: &'a Path, record: &'a Record) -> Places<'a> {
        let mut roots = vec![root.as_os_str().as_encoded_bytes().to_vec()];
        if let Ok(real) = root.canonicalize() {
            roots.push(real.into_os_string().into_encoded_bytes());
        }
        roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
        roots.dedup();
        Places {
            roots,
            root,
            record,
        }
    }

    /// The real paths behind a path relative to the farm, none for a directory of the farm only.
    /// `None`: it doesn't exist, or is a file of the farm's own.
    pub(super) fn real(&self, inside: &str) -> Option<Vec<PathBuf>> {
        let place = normal(inside)?;
        if place == Path::new("") {
            return Some(self.record.prefixes.clone());
        }
        if place == Path::new("bin/nvcc") {
            return self.record.nvcc.clone().map(|nvcc| vec![nvcc]);
        }
        for above in place.ancestors() {
            let Some((_, sources)) = self.record.directories.iter().find(|(p, _)| p == above)
            else {
                continue;
            };
            let below = place.strip_prefix(above).ok()?;
            if below == Path::new("") {
                return Some(sources.clone());
            }
            // The target of the farm's link, which may have another name.
            if let Ok(target) = fs::read_link(self.root.join(&place)) {
                let target = self.root.join(place.parent()?).join(target);
                let own = target.canonicalize().ok() == std::env::current_exe().ok();
                return (!own).then(|| vec![lexically_normal(&target)]);
            }
            let source = sources.iter().map(|source| source.join(below));
            let mut source = source.filter(|path| path.exists());
            if let Some(path) = source.next() {
                return Some(vec![path]);
            }
            let made_up = self.root.join(&place).is_dir();
            return made_up.then(Vec::new);
        }
        None
    }
}

/// A place with `.` and `..` taken out of its text; `None` if it leads out of the farm.
fn normal(inside: &str) -> Option<PathBuf> {
    let mut place = PathBuf::new();
    for component in Path::new(inside).components() {
        match component {
            Component::Normal(name) => place.push(name),
            Component::ParentDir if !place.pop() => return None,
            _ => {}
        }
    }
    Some(place)
}

fn lexically_normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}
