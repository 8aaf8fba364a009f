//! A fault of a manifest: the key, the expected and the actual value, and a remedy.

use serde::Serialize;
use std::fmt;

/// Whether a fault stops the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// The manifest can't be used.
    Error,
    /// It can; `--strict` makes it an error.
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ManifestProblem {
    /// Severity of the problem.
    pub severity: Severity,
    /// The path of keys, such as `cudnn.linux-x86_64.cuda12.sha256`; empty: the whole file.
    pub key: String,
    /// The value that the format requires.
    pub expected: String,
    /// The value that is there.
    pub found: String,
    /// The next step.
    pub help: String,
}

impl ManifestProblem {
    /// A fault that stops the run.
    pub(crate) fn error(
        key: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        help: impl Into<String>,
    ) -> ManifestProblem {
        ManifestProblem {
            severity: Severity::Error,
            key: key.into(),
            expected: expected.into(),
            found: found.into(),
            help: help.into(),
        }
    }

    /// The same as a warning.
    pub(crate) fn into_warning(self) -> ManifestProblem {
        ManifestProblem {
            severity: Severity::Warning,
            ..self
        }
    }
}

impl fmt::Display for ManifestProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}
