//! Counts the attempts to open a file that fail while a program is loaded.

use super::closure::Closure;
use super::files::Probe;

/// The attempts that fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedOpens {
    /// In the directories of the search.
    pub plain: u64,
    /// In their subdirectories for this processor, `glibc-hwcaps` and the like.
    pub for_processor: u64,
}

impl Closure<'_> {
    /// Counts an attempt to open a file, if it fails.
    pub(super) fn count_open(&mut self, path: &[u8], for_processor: bool) {
        if let Probe::Closed(_) = self.files.probe(path) {
            match for_processor {
                true => self.failed_opens.for_processor += 1,
                false => self.failed_opens.plain += 1,
            }
        }
    }
}
