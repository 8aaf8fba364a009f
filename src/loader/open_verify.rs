//! Checks one candidate file of a search: the loader accepts it, searches on or stops.

use super::closure::{Closure, FoundObject};
use super::files::Probe;
use super::interpreter::Rules;
use super::library::{self, Library};
use super::search_log::{SearchLog, Step, Via, Why};
use elf_edit::reason;
use rustix::io::Errno;
use std::sync::Arc;

/// More places looked at than any real program has.
const MAX_LOOKS: u32 = 1_000_000;

/// Consequence of an unusable candidate for the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SearchStep {
    /// The next place.
    Next,
    /// The next step: this list of directories is done with.
    NextStep,
    /// The loader stops with an error.
    Stop,
}

impl Closure<'_> {
    /// Counts a look at a file or directory. `false` ends the whole search: too many.
    pub(super) fn may_look(&mut self) -> bool {
        self.looks += 1;
        self.complete &= self.looks <= MAX_LOOKS;
        self.looks <= MAX_LOOKS
    }

    /// Checks one file as `open_verify` of glibc does, or musl once it has opened a file.
    pub(super) fn file(
        &mut self,
        step: Step,
        element: Option<usize>,
        path: Vec<u8>,
        trail: &mut SearchLog,
    ) -> Result<FoundObject, SearchStep> {
        if !self.may_look() {
            self.note(trail, step, b"", Why::GaveUp);
            return Err(SearchStep::Stop);
        }
        match self.judge(&self.files.probe(&path)) {
            Ok(library) => Ok(FoundObject::File(path, library, Via { step, element })),
            Err((why, then)) => {
                // musl loads the first file that opens, even one of another machine.
                let other = matches!(
                    why,
                    Why::OtherClass | Why::OtherMachine(_) | Why::OtherByteOrder
                );
                let stop = other && self.system.rules == Rules::Musl;
                self.note(trail, step, &path, why);
                Err(if stop { SearchStep::Stop } else { then })
            }
        }
    }

    /// Whether the file at a path can be loaded, else why not.
    fn judge(&self, probe: &Probe) -> Result<Arc<Library>, (Why, SearchStep)> {
        let fits = match probe {
            Probe::Closed(errno) => {
                return Err(match Errno::from_raw_os_error(*errno) {
                    Errno::NOENT => (Why::NoFile, SearchStep::Next),
                    errno @ Errno::ACCESS => (unreadable(errno), SearchStep::Next),
                    // glibc gives up the list where a file is there and can't be opened.
                    errno => (unreadable(errno), SearchStep::NextStep),
                });
            }
            Probe::Library(library) => library.fits(&self.header),
            Probe::Unfit(unfit) => match &unfit.header {
                Some(header) => match library::header_fits(header, &self.header) {
                    Ok(None) => Err(unfit.why.clone()),
                    other => other,
                },
                None => Err(unfit.why.clone()),
            },
        };
        match (fits, probe) {
            (Ok(None), Probe::Library(library)) => Ok(library.clone()),
            (Ok(Some(why)), _) => Err((why, SearchStep::Next)),
            (Ok(None), _) => Err((Why::NotElf, SearchStep::Stop)),
            (Err(why), _) => Err((why, SearchStep::Stop)),
        }
    }

    /// Adds to the trail.
    pub(super) fn note(&mut self, trail: &mut SearchLog, step: Step, place: &[u8], why: Why) {
        trail.push(&mut self.trail_budget, step, place, why);
    }
}

fn unreadable(errno: Errno) -> Why {
    Why::Unreadable(reason(&errno.into()))
}
