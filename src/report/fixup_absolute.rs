//! Needed names that become absolute paths, and why others don't.

use crate::escape::Shown;
use crate::fixup::FileReport;
use serde_json::{Value, json};
use std::fmt::Write;

fn text(bytes: &[u8]) -> String {
    Shown::from(bytes).to_string()
}

/// A line for each name.
pub(super) fn write(page: &mut String, report: &FileReport) {
    for choice in &report.absolute {
        let from = text(&choice.from);
        let _ = match &choice.why {
            None if choice.from == choice.to => writeln!(page, "  needed {from}"),
            None => writeln!(page, "  needed {from}, as {}", text(&choice.to)),
            Some(why) if choice.from == choice.to => {
                writeln!(page, "  needed {from}, which is searched for: {why}")
            }
            Some(why) => writeln!(page, "  needed {from}, as {}: {why}", text(&choice.to)),
        };
    }
}

/// The names as a JSON array.
pub(super) fn json(report: &FileReport) -> Value {
    let all = report.absolute.iter();
    all.map(|choice| {
        json!({
            "old": text(&choice.from),
            "new": text(&choice.to),
            "searched": choice.why.as_ref().map(|why| Shown::from(why.to_string().as_bytes()).to_string()),
        })
    })
    .collect()
}
