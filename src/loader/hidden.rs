//! Libraries that LD_LIBRARY_PATH or LD_PRELOAD hides: without them, others would be loaded; and
//! those that are found through LD_LIBRARY_PATH alone.

use super::closure::{Closure, FoundObject};
use super::interpreter::Rules;
use super::search_log::{SearchLog, Step, Via};

/// A library that a need would find, were it not for the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The object that needs it.
    pub by: usize,
    /// The name in DT_NEEDED.
    pub name: Vec<u8>,
    /// The object that LD_LIBRARY_PATH or LD_PRELOAD brings in its place.
    pub object: usize,
    /// The file that would be loaded.
    pub path: Vec<u8>,
    /// The step that would find it.
    pub via: Via,
}

impl Closure<'_> {
    /// Notes the library that is not loaded because the environment brings another one.
    pub(super) fn note_hidden(&mut self, by: usize, name: &[u8], object: usize, via: Option<Via>) {
        /// More than any real program has.
        const MAX_HIDDEN: usize = 256;
        let variables = self.variables;
        if variables.library_path.is_empty() && self.preloads.is_empty() {
            return;
        }
        let brought = |via: Option<Via>| {
            via.is_some_and(|via| matches!(via.step, Step::LibraryPath | Step::Preload))
        };
        if !brought(via) && !brought(self.objects[object].via) {
            return;
        }
        let (budget, complete) = (self.trail_budget, self.complete);
        let (failed, visited) = (self.failed_opens, self.visited.clone());
        let mut unused = SearchLog::default();
        let found = match self.system.rules {
            Rules::Glibc(_) => super::glibc::find_elsewhere(self, by, name, &mut unused),
            Rules::Musl => super::musl::find_elsewhere(self, by, name, &mut unused),
            Rules::Unknown => FoundObject::Nothing,
        };
        (self.trail_budget, self.complete) = (budget, complete);
        (self.failed_opens, self.visited) = (failed, visited);
        let (path, library, via) = match found {
            FoundObject::File(path, library, via) => (path, library, via),
            FoundObject::Nothing => {
                let variable = via.is_some_and(|via| via.step == Step::LibraryPath);
                if variable && self.by_variable_alone.len() < MAX_HIDDEN {
                    self.by_variable_alone.push((by, object));
                }
                return;
            }
            FoundObject::Known(_) => return,
        };
        let same = self.library(object).is_some_and(|l| l.id == library.id);
        let known = |h: &Hidden| h.object == object && h.path == path;
        if !same && self.hidden.len() < MAX_HIDDEN && !self.hidden.iter().any(known) {
            self.hidden.push(Hidden {
                by,
                name: name.to_vec(),
                object,
                path,
                via,
            });
        }
    }
}
