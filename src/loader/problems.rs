//! Why a file would not load, as a list.

use super::{Interpreter, Need, Object, Resolution};

/// One reason.
#[derive(Clone, Copy, Debug)]
pub enum Problem<'a> {
    /// The interpreter that the file names is not there.
    NoInterpreter(&'a Interpreter),
    /// A DT_NEEDED that nothing was found for.
    Missing(&'a Object, &'a Need),
    /// The file that was found lacks versions.
    Versions(&'a Object, &'a Need),
    /// Versions are wanted of a library that nothing loads.
    VersionsOfNothing(&'a Object, &'a [u8]),
    /// The search hit one of our limits: what is behind it is not known.
    Incomplete,
}

impl Resolution {
    /// Everything that keeps the file from loading, in the order in which the loader meets it.
    pub fn problems(&self) -> Vec<Problem<'_>> {
        let mut found = Vec::new();
        if let Some(interpreter) = &self.interpreter
            && interpreter.named
            && !interpreter.exists
        {
            found.push(Problem::NoInterpreter(interpreter));
        }
        for object in &self.objects {
            for need in &object.needs {
                if need.object.is_none() {
                    found.push(Problem::Missing(object, need));
                } else if !need.missing_versions.is_empty() {
                    found.push(Problem::Versions(object, need));
                }
            }
            let nothing = object.versions_of_nothing.iter();
            found.extend(nothing.map(|file| Problem::VersionsOfNothing(object, file)));
        }
        if !self.complete {
            found.push(Problem::Incomplete);
        }
        found
    }

    /// Whether the loader would start or open the file: everything found, all versions there.
    pub fn loads(&self) -> bool {
        self.problems().is_empty()
    }
}
