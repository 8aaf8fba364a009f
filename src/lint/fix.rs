//! What `lint --fix` does about the findings of a file.

use super::{Finding, RULES, Rule};
use crate::advice::{Remedy, command};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A command that removes every finding of a rule, if the file allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fix {
    /// `cuda-fixup fixup FILE`
    Tidy,
    /// `cuda-fixup fixup --shrink FILE`
    Shrink,
    /// `cuda-fixup patchelf --clear-execstack FILE`
    Stack,
}

impl Fix {
    /// The command for a file; `None` for a name that no shell takes.
    pub(super) fn help(self, file: &Path) -> Option<String> {
        let prefix = match self {
            Fix::Tidy => "fixup",
            Fix::Shrink => "fixup --shrink",
            Fix::Stack => "patchelf --clear-execstack",
        };
        command(prefix, file.as_os_str().as_bytes())
    }
}

/// The changes of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileChanges {
    /// RUNPATH and interpreter, as `fixup` sets them.
    pub runpath: bool,
    /// The driver link belongs to files in such a place.
    pub driver_link: bool,
    pub shrink: bool,
    pub clear_stack: bool,
    pub interpreter: Option<PathBuf>,
    /// Directories whose libraries are found.
    pub directories: Vec<PathBuf>,
    /// Some finding that shrinking would remove is wanted: the file keeps all of its entries.
    pub keeps_entries: bool,
}

/// The changes of each file: those that remove `findings` and leave those that are `wanted`.
pub(crate) fn file_changes<'a>(
    findings: impl Iterator<Item = &'a Finding>,
    wanted: impl Iterator<Item = &'a Finding>,
) -> BTreeMap<PathBuf, FileChanges> {
    let fix = |finding: &Finding| RULES.get(finding.rule).and_then(|rule| rule.fix);
    let mut all: BTreeMap<PathBuf, FileChanges> = BTreeMap::new();
    for finding in findings.filter(|finding| finding.is_fixable()) {
        let changes = all.entry(finding.path.to_path_buf()).or_default();
        let link = Rule::find("driver-link-missing");
        changes.driver_link = link.is_some_and(|rule| finding.context.applies(rule));
        match fix(finding) {
            Some(Fix::Shrink) => (changes.runpath, changes.shrink) = (true, true),
            Some(Fix::Stack) => changes.clear_stack = true,
            Some(Fix::Tidy) | None => changes.runpath = true,
        }
        for remedy in finding.remedies() {
            match remedy {
                Remedy::Directory(dir) => {
                    let dir = PathBuf::from(OsStr::from_bytes(dir));
                    if !changes.directories.contains(&dir) {
                        changes.directories.push(dir);
                    }
                }
                Remedy::Interpreter(path) => {
                    changes.interpreter = Some(PathBuf::from(OsStr::from_bytes(path)));
                }
            }
        }
    }
    for finding in wanted.filter(|finding| fix(finding) == Some(Fix::Shrink)) {
        if let Some(changes) = all.get_mut(&*finding.path) {
            changes.keeps_entries = changes.shrink;
            changes.shrink = false;
        }
    }
    all
}
