//! Why a file does not load although its own needs are met: faults of the libraries below it.
//!
//! A library that is linted itself has the finding, where it has the fault there too. One that is
//! not linted, or that loads in another process of the tree, leaves the finding to the file that
//! loads it.

use super::{Context, Options, runtimes, text};
use crate::cuda::driver;
use crate::loader::{LoadProblem, Loader, Object, Resolution, TreeLoaders};
use elf_edit::FileId;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

type Known = Arc<OnceLock<BTreeSet<Vec<u8>>>>;

/// The names that libraries do not find, each library asked once.
#[derive(Debug, Default)]
pub(super) struct OwnFaults(Mutex<HashMap<FileId, Known>>);

/// What a file's own findings cover already.
pub(super) struct Covered<'a> {
    pub options: &'a Options,
    pub context: Context,
}

impl OwnFaults {
    /// A message for each reason that no other finding gives.
    pub(super) fn below(
        &self,
        loader: &Loader,
        tree: &TreeLoaders,
        resolution: &Resolution,
        covered: &Covered<'_>,
    ) -> Vec<String> {
        let Some(own) = resolution.objects.first() else {
            return Vec::new();
        };
        let is_own = |object: &Object| std::ptr::eq(object, own);
        let has_finding = |object: &Object, name: &[u8]| {
            // `$ORIGIN/../..` leads out of a tree.
            let path = loader.real_path(Path::new(OsStr::from_bytes(&object.path)));
            let path = path.map(|path| covered.options.inside(&path));
            let in_tree = |path: &Path| covered.options.trees.iter().any(|t| path.starts_with(t));
            path.is_some_and(|path| in_tree(&path)) && self.has(loader, tree, object, name)
        };
        let is_elsewhere = |name: &[u8]| {
            let loaded_before =
                covered.context == Context::Wheels && covered.options.names.contains(name);
            loaded_before || driver::library(name).is_some()
        };
        let describe = |problem| match problem {
            LoadProblem::Missing(object, need)
                if !is_own(object)
                    && !is_elsewhere(&need.name)
                    && !has_finding(object, &need.name) =>
            {
                let (path, name) = (text(&object.path), text(&need.name));
                Some(format!("loads {path}, which needs {name}: it is not found"))
            }
            LoadProblem::Versions(object, need)
                if !is_own(object) && !has_finding(object, &need.name) =>
            {
                let versions: Vec<_> = need.missing_versions.iter().map(|v| text(v)).collect();
                Some(format!(
                    "loads {}, which needs version {} of {}: the one that is found lacks it",
                    text(&object.path),
                    versions.join(", "),
                    text(&need.name)
                ))
            }
            LoadProblem::VersionsOfNothing(object, name)
                if !is_own(object) && !has_finding(object, name) =>
            {
                let (path, name) = (text(&object.path), text(name));
                Some(format!(
                    "loads {path}, which wants versions of {name}: nothing loads that"
                ))
            }
            // Symbols have rules of their own.
            _ => None,
        };
        resolution
            .problems()
            .into_iter()
            .filter_map(describe)
            .collect()
    }

    /// Whether a library has the fault when it is linted itself: that it does not find a name, or
    /// not in the versions that it wants.
    fn has(&self, loader: &Loader, tree: &TreeLoaders, object: &Object, name: &[u8]) -> bool {
        let Some(library) = &object.library else {
            return false;
        };
        let known = {
            let lock = self.0.lock();
            let mut known = lock.unwrap_or_else(PoisonError::into_inner);
            known.entry(library.id).or_default().clone()
        };
        let faults = known.get_or_init(|| faults(loader, tree, object).unwrap_or_default());
        faults.contains(name)
    }
}

fn faults(loader: &Loader, tree: &TreeLoaders, object: &Object) -> Option<BTreeSet<Vec<u8>>> {
    let (file, info) = runtimes::open(loader, &object.path)?;
    let path = Path::new(OsStr::from_bytes(&object.path));
    let resolution = tree.resolve(loader, path, &file, &info, &[]).ok()?;
    let own = resolution.objects.first()?;
    let unmet = own.needs.iter();
    let unmet = unmet.filter(|need| need.object.is_none() || !need.missing_versions.is_empty());
    let nothing = own.versions_of_nothing.iter().cloned();
    Some(unmet.map(|need| need.name.clone()).chain(nothing).collect())
}
