//! The reasons why a file would not load.

use super::{Interpreter, MissingSymbol, Need, Object, Resolution, Rules};

#[derive(Clone, Copy, Debug)]
pub enum LoadProblem<'a> {
    /// The interpreter that the file names is not there.
    NoInterpreter(&'a Interpreter),
    /// A DT_NEEDED that nothing was found for.
    Missing(&'a Object, &'a Need),
    /// The file that was found lacks versions.
    Versions(&'a Object, &'a Need),
    /// Versions are wanted of a library that nothing loads.
    VersionsOfNothing(&'a Object, &'a [u8]),
    /// A symbol that is needed at the start and that nothing has.
    Symbol(&'a Object, &'a MissingSymbol),
    /// The search reached one of our limits: the rest is unknown.
    Incomplete,
}

/// Whether a file loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Loads,
    /// The loader stops with an error.
    WillNotLoad,
    /// The loader's rules are not known, or the search hit one of our limits.
    Unknown,
}

impl Resolution {
    /// All reasons why the file would not load, in the loader's order.
    pub fn problems(&self) -> Vec<LoadProblem<'_>> {
        let mut found = Vec::new();
        if let Some(interpreter) = &self.interpreter
            && interpreter.named
            && !interpreter.exists
        {
            found.push(LoadProblem::NoInterpreter(interpreter));
        }
        for object in self.loaded() {
            for need in &object.needs {
                if need.object.is_none() {
                    found.push(LoadProblem::Missing(object, need));
                } else if !need.missing_versions.is_empty() {
                    found.push(LoadProblem::Versions(object, need));
                }
            }
            let nothing = object.versions_of_nothing.iter();
            found.extend(nothing.map(|file| LoadProblem::VersionsOfNothing(object, file)));
        }
        let fatal = self.missing_symbols.iter().filter(|s| self.is_fatal(s));
        found.extend(fatal.map(|s| LoadProblem::Symbol(&self.objects[s.by], s)));
        if !self.complete {
            found.push(LoadProblem::Incomplete);
        }
        found
    }

    /// The loader's answer: whether it starts or opens the file.
    pub fn verdict(&self) -> Verdict {
        let unknown = |i: &Interpreter| i.exists && i.rules == Rules::Unknown;
        if self.interpreter.as_ref().is_some_and(unknown) {
            return Verdict::Unknown;
        }
        let problems = self.problems();
        let incomplete = |p: &LoadProblem| matches!(p, LoadProblem::Incomplete);
        if problems.is_empty() {
            Verdict::Loads
        } else if problems.iter().all(incomplete) {
            Verdict::Unknown
        } else {
            Verdict::WillNotLoad
        }
    }

    /// Whether everything is found and all versions are there.
    pub fn loads(&self) -> bool {
        self.verdict() == Verdict::Loads
    }
}
