//! `libcudart.so` for a prefix that has `libcudart.so.13` only, as wheels do.

use super::merge::{FarmEntry, Tree};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Directories of the farm that linkers search, or from which nvlink loads a library by that name.
const DIRECTORIES: [&str; 2] = ["lib", "nvvm/lib64"];

/// Adds a link `lib*.so` for each library of these directories that has none.
pub(super) fn add(tree: &mut Tree) {
    let mut newest: BTreeMap<PathBuf, (Vec<u64>, PathBuf)> = BTreeMap::new();
    for (place, entry) in tree.iter() {
        let (Some(name), FarmEntry::Link(target)) = (place.file_name(), entry) else {
            continue;
        };
        let Some(directory) = place.parent() else {
            continue;
        };
        if !DIRECTORIES.iter().any(|dir| directory == Path::new(dir)) {
            continue;
        }
        let Some((stem, version)) = name.to_str().and_then(|name| name.split_once(".so.")) else {
            continue;
        };
        let Ok(version) = version
            .split('.')
            .map(str::parse)
            .collect::<Result<Vec<u64>, _>>()
        else {
            continue;
        };
        let link = directory.join(format!("{stem}.so"));
        let there = newest.entry(link).or_default();
        if version > there.0 {
            *there = (version, target.clone());
        }
    }
    for (link, (_, target)) in newest {
        tree.entry(link).or_insert(FarmEntry::Link(target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_linked_and_what_is_there_stays() {
        let link = |to: &str| FarmEntry::Link(PathBuf::from(to));
        let mut tree = Tree::from([
            ("lib/libnvrtc.so.12".into(), link("/a/libnvrtc.so.12")),
            ("lib/libnvrtc.so.13".into(), link("/b/libnvrtc.so.13")),
            ("lib/libcufft.so".into(), link("/a/libcufft.so")),
            ("lib/libcufft.so.11".into(), link("/a/libcufft.so.11")),
            ("lib/libodd.so.13.bak".into(), link("/a/libodd.so.13.bak")),
            ("nvvm/lib64/libnvvm.so.4".into(), link("/a/libnvvm.so.4")),
            (
                "lib/stubs/libcuda.so.1".into(),
                link("/a/stubs/libcuda.so.1"),
            ),
        ]);
        add(&mut tree);
        assert_eq!(
            tree[Path::new("lib/libnvrtc.so")],
            link("/b/libnvrtc.so.13")
        );
        assert_eq!(tree[Path::new("lib/libcufft.so")], link("/a/libcufft.so"));
        assert_eq!(
            tree[Path::new("nvvm/lib64/libnvvm.so")],
            link("/a/libnvvm.so.4")
        );
        assert_eq!(tree.len(), 9);
    }
}
