//! The `schema` key of each JSON object: its kind, and a version that increases with an
//! incompatible change. New keys are compatible. `docs/schemas` has a JSON Schema for each.

use serde::Serialize;
use std::io::{self, Write};

/// `capabilities flags --json`
pub(crate) const CAPABILITIES: &str = "cuda-fixup.capabilities/1";
/// `closure --json`
pub(crate) const CLOSURE: &str = "cuda-fixup.closure/1";
/// `device-code list --json`
pub(crate) const DEVICE_CODE: &str = "cuda-fixup.device-code/1";
/// `diff --format json`
pub(crate) const DIFF: &str = "cuda-fixup.diff/1";
/// `doctor --json`
pub(crate) const DOCTOR: &str = "cuda-fixup.doctor/1";
/// `toolkit farm --json`
pub(crate) const FARM: &str = "cuda-fixup.farm/1";
/// `redist features --json`
pub(crate) const FEATURES: &str = "cuda-fixup.features/1";
/// `fixup --json`
pub(crate) const FIXUP: &str = "cuda-fixup.fixup/1";
/// `inspect --graph json`
pub(crate) const GRAPH: &str = "cuda-fixup.graph/1";
/// `inspect --json`
pub(crate) const INSPECT: &str = "cuda-fixup.inspect/1";
/// `lint --format json`
pub(crate) const LINT: &str = "cuda-fixup.lint/1";
/// `redist … --json`
pub(crate) const REDIST: &str = "cuda-fixup.redist/1";

/// A value with its schema.
#[derive(Serialize)]
pub(crate) struct Line<'a, T: Serialize> {
    pub schema: &'static str,
    #[serde(flatten)]
    pub value: &'a T,
}

impl<T: Serialize> Line<'_, T> {
    /// Writes one object on one line.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", serde_json::to_string(self)?)
    }

    /// Writes one object on several lines.
    pub(crate) fn write_pretty(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", serde_json::to_string_pretty(self)?)
    }
}
