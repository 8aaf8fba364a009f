//! The first pass over the trees, and which of the files it has found are planned for.

use super::FixupRequest;
use crate::scan::{self, FileError, ScanProblem, Skip, Visit, Walk, Walked};
use crate::soname_index::{self, LibraryInfo, RunpathDirectories};
use elf_edit::FileReader;
use rayon::ThreadPool;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

/// The first pass: the platform of each dynamic ELF file, and the directories of its RUNPATH.
pub(super) fn look(
    pool: &ThreadPool,
    request: &FixupRequest,
    runpaths: &RunpathDirectories,
    skipped_files: &Mutex<Vec<(PathBuf, Skip)>>,
) -> Visit<LibraryInfo> {
    let walk = Walk {
        recurse: request.recurse,
        skip_named_links: request.skip_links,
        quiet: request.skip_named,
        wanted_link: &soname_index::is_library_name,
        ..Walk::of(&request.paths)
    };
    let see = |walked: &Walked, file: &FileReader| {
        request.progress.read.fetch_add(1, Ordering::Relaxed);
        match soname_index::see(runpaths, &walked.path, file) {
            Err(FileError::Malformed(_)) if request.skip_malformed => {
                Err(FileError::Skip(Skip::Malformed))
            }
            Err(FileError::Skip(
                skip @ (Skip::Static | Skip::ObjectFile | Skip::SeparateDebug),
            )) if request.structured_logs => {
                let mut files = skipped_files.lock().unwrap_or_else(PoisonError::into_inner);
                files.push((walked.path.clone(), skip));
                Err(FileError::Skip(skip))
            }
            other => other,
        }
    };
    pool.install(|| scan::visit(walk, see))
}

/// Drops files of other platforms. Until here they serve to report a library of the right name but
/// the wrong machine.
pub(super) fn only_of_platform(
    request: &FixupRequest,
    visit: &mut Visit<LibraryInfo>,
    skipped_files: &mut Vec<(PathBuf, Skip)>,
) {
    let Some(platform) = request.platform else {
        return;
    };
    let quiet = request.skip_named;
    let (skipped, problems) = (&mut visit.skipped, &mut visit.problems);
    visit.files.retain(|file| {
        let its = file.value.platform;
        let skip = if platform.goes_with(its) {
            return true;
        } else if platform.same_machine(its) {
            Skip::ForeignOsAbi
        } else {
            Skip::ForeignMachine
        };
        match file.names.first() {
            Some(path) if file.named && !quiet => problems.push(ScanProblem {
                path: path.clone(),
                what: format!("expected a file for {platform}, found one for {its}"),
            }),
            _ => skipped.add(skip),
        }
        if request.structured_logs {
            skipped_files.extend(file.names.iter().map(|name| (name.clone(), skip)));
        }
        false
    });
}

/// Files that the request doesn't select are no longer wanted; libraries are found in them.
pub(super) fn only_selected(request: &FixupRequest, visit: &mut Visit<LibraryInfo>) {
    if let Some(selected) = &request.selected {
        let is_selected = |name: &PathBuf| selected.contains_key(name);
        visit
            .files
            .retain(|file| file.names.iter().any(is_selected));
    }
}
