//! Finds the files of a run while the trees are walked, and shows their headers.

use super::Run;
use crate::report::inspect;
use crate::scan::{self, EachFile, FileError, Skip, Walk, Walked};
use elf_edit::{ElfInfo, FileReader};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The files of a run; those that are shown already, with their text.
pub(super) type Found = EachFile<Option<String>>;

/// Reads the headers. The kind of a file that the user named is an answer, too.
pub(super) fn info(walked: &Walked, file: &FileReader) -> Result<ElfInfo, FileError> {
    match scan::dynamic_info(file) {
        Err(FileError::Skip(skip)) if walked.named && skip != Skip::Empty => {
            ElfInfo::read(file).map_err(|_| FileError::Skip(skip))
        }
        other => other,
    }
}

impl Run {
    /// Finds the files to show. With `--headers`, they are read and shown already.
    pub(super) fn first_pass(&self, seen: &AtomicUsize) -> Found {
        scan::each_file(Walk::of(&self.targets.paths), |met| {
            seen.fetch_add(1, Ordering::Relaxed);
            match (self.args.headers, met.walked.named) {
                (true, _) => self.headers(met.walked, &met.reader()?).map(Some),
                (false, true) => Ok(None),
                (false, false) => scan::dynamic_info(&met.reader()?).map(|_| None),
            }
        })
    }

    fn headers(&self, walked: &Walked, file: &FileReader) -> Result<String, FileError> {
        let info = info(walked, file)?;
        self.count(|counts| counts.files += 1);
        match self.args.json {
            true => inspect::headers_json(&walked.path, &info)
                .map_err(|error| FileError::Problem(error.to_string())),
            false => Ok(inspect::headers(&walked.path, &info, self.paint)),
        }
    }
}
