//! What one task of a walk has found. Parts are merged in any order and sorted afterwards.

use super::walk::{Link, Walked};
use super::{FileError, ScanProblem, Skipped};
use std::path::Path;

/// The result of one file.
pub(super) struct Kept<T> {
    pub walked: Walked,
    pub value: T,
}

pub(super) struct Part<T> {
    pub kept: Vec<Kept<T>>,
    pub links: Vec<Link>,
    pub skipped: Skipped,
    pub problems: Vec<ScanProblem>,
}

impl<T> Part<T> {
    pub(super) fn new() -> Part<T> {
        Part {
            kept: Vec::new(),
            links: Vec::new(),
            skipped: Skipped::default(),
            problems: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
            && self.links.is_empty()
            && self.problems.is_empty()
            && self.skipped == Skipped::default()
    }

    pub(super) fn problem(&mut self, path: &Path, what: String) {
        self.problems.push(ScanProblem {
            path: path.to_owned(),
            what,
        });
    }

    /// Notes a file that is not kept. `quiet` skips unwanted ones even if the user named them.
    pub(super) fn error(&mut self, walked: Walked, error: FileError, quiet: bool) {
        match error {
            FileError::Skip(skip) if quiet || !walked.named => self.skipped.add(skip),
            other => self.problems.push(ScanProblem {
                path: walked.path,
                what: other.expected_elf(),
            }),
        }
    }

    pub(super) fn merge(mut self, mut other: Part<T>) -> Part<T> {
        self.kept.append(&mut other.kept);
        self.links.append(&mut other.links);
        self.skipped.merge(other.skipped);
        self.problems.append(&mut other.problems);
        self
    }
}
