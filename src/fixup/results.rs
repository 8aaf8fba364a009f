//! Results of a run, for each file and in total.

use crate::plan::Plan;
use crate::resolution::absolute::Choice;
use crate::scan::{FileError, ScanProblem, Skip, Skipped};
use elf_edit::{Platform, Rewritten};
use std::io;
use std::path::PathBuf;

/// Outcome for a file.
#[derive(Debug)]
pub(crate) enum Status {
    /// There was nothing to change: not touched.
    Unchanged,
    /// Changes were planned and are possible.
    Planned(SideEffects),
    Changed(Rewritten),
    /// It can't be changed, or read.
    Failed(String),
}

/// Side effects of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SideEffects {
    /// Whether strip tools and kernels before 5.18 still find the program headers.
    pub strip_safe: bool,
    /// Bytes behind the ELF file that are copied to its new end.
    pub tail_copied: u64,
}

impl Status {
    /// The side effects of a change that is made or planned.
    pub(crate) fn side_effects(&self) -> Option<SideEffects> {
        match self {
            Status::Planned(effects) => Some(*effects),
            Status::Changed(done) => Some(SideEffects {
                strip_safe: done.strip_safe,
                tail_copied: done.tail_copied,
            }),
            Status::Unchanged | Status::Failed(_) => None,
        }
    }
}

/// One file and its outcome.
#[derive(Debug)]
pub(crate) struct FileReport {
    /// All its names in the trees.
    pub names: Vec<PathBuf>,
    /// `executable`, `shared library`, …
    pub kind: &'static str,
    /// The platform that it was built for.
    pub platform: Platform,
    pub plan: Plan,
    /// What becomes of its needed names, with `--resolution absolute`.
    pub absolute: Vec<Choice>,
    pub status: Status,
    /// Whether other processes were kept away meanwhile: not where the file system has no locks.
    pub locked: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Files that were planned for.
    pub files: u64,
    /// Of these, changed, or in a dry run to be changed.
    pub changed: u64,
    pub failed: u64,
    /// Dependencies that nothing provides.
    pub missing: u64,
    /// Bytes written into files.
    pub bytes_written: u64,
    /// Changed files whose program headers had to move to their end.
    pub not_strip_safe: u64,
    /// Bytes behind ELF files that were copied to their new ends.
    pub tail_copied: u64,
    /// Skipped files, by reason.
    pub skipped: Skipped,
    /// Skipped ELF files, by path, if the request asks for them.
    pub skipped_files: Vec<(PathBuf, Skip)>,
    /// Paths that could not be handled.
    pub problems: Vec<ScanProblem>,
    /// Directories that could have provided something, in the order of the search.
    pub searched: Vec<PathBuf>,
}

impl Summary {
    /// Counts the outcome of one file, and emits it.
    pub(super) fn note(
        &mut self,
        result: Result<FileReport, (PathBuf, FileError)>,
        emit: &mut dyn FnMut(&FileReport) -> io::Result<()>,
    ) -> io::Result<()> {
        match result {
            Ok(report) => {
                self.count(&report);
                emit(&report)
            }
            Err((_, FileError::Skip(skip))) => {
                self.skipped.add(skip);
                Ok(())
            }
            Err((path, FileError::Malformed(what) | FileError::Problem(what))) => {
                self.problems.push(ScanProblem { path, what });
                Ok(())
            }
        }
    }

    fn count(&mut self, report: &FileReport) {
        self.files += 1;
        self.missing += report.plan.missing().count() as u64;
        if let Some(effects) = report.status.side_effects() {
            self.not_strip_safe += u64::from(!effects.strip_safe);
            self.tail_copied += effects.tail_copied;
        }
        match &report.status {
            Status::Unchanged => {}
            Status::Planned(_) => self.changed += 1,
            Status::Changed(done) => {
                self.changed += 1;
                self.bytes_written += done.bytes_written;
            }
            Status::Failed(_) => self.failed += 1,
        }
    }
}
