//! nixpkgs' `auto-patchelf --structured-logs`: each event a line of JSON, an object whose one key
//! is the name of the event. The program's own JSON is in [`super::fixup`].

use crate::escape::{Shown, shown};
use crate::fixup::{FileReport, Summary};
use crate::plan::{Outcome, Resolution, excuses};
use serde_json::{Value, json};
use std::io::{self, Write};

fn text(bytes: &[u8]) -> String {
    Shown::from(bytes).to_string()
}

/// The events of one file.
pub(crate) fn write_file(
    out: &mut dyn Write,
    report: &FileReport,
    ignore_missing: &[Vec<u8>],
) -> io::Result<()> {
    let Some(name) = report.names.first() else {
        return Ok(());
    };
    let file = shown(name).to_string();
    let plan = &report.plan;
    if let Some((_, new)) = &plan.interpreter {
        let event = json!({ "SetInterpreter": { "file": file, "interpreter": text(new) } });
        writeln!(out, "{event}")?;
    }
    for resolution in &plan.resolutions {
        writeln!(out, "{}", dependency(&file, resolution))?;
    }
    for resolution in &plan.resolutions {
        if resolution.outcome == Outcome::Ignored {
            writeln!(out, "{}", ignored(&file, resolution, ignore_missing))?;
        }
    }
    if plan.changes_runpath() {
        let event = json!({ "SetRpath": { "file": file, "rpath": text(&plan.new_runpath()) } });
        writeln!(out, "{event}")?;
    }
    Ok(())
}

fn dependency(file: &str, resolution: &Resolution) -> Value {
    let location = match &resolution.outcome {
        Outcome::Directory(directory)
        | Outcome::Existing(directory)
        | Outcome::ByFileName(directory) => Some(text(directory)),
        _ => None,
    };
    let found = !matches!(
        resolution.outcome,
        Outcome::Ignored | Outcome::Missing { .. }
    );
    json!({ "Dependency": {
        "file": file,
        "name": text(&resolution.shown_name()),
        "found": found,
        "location": location,
    } })
}

fn ignored(file: &str, resolution: &Resolution, patterns: &[Vec<u8>]) -> Value {
    let excuses = |glob: &&Vec<u8>| resolution.names.iter().any(|name| excuses(glob, name));
    json!({ "IgnoredDependency": {
        "file": file,
        "name": text(&resolution.shown_name()),
        "pattern": patterns.iter().find(excuses).map(|glob| text(glob)),
    } })
}

/// An event for each skipped ELF file.
pub(crate) fn write_skipped(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    for (path, skip) in &summary.skipped_files {
        let event = json!({ "SkipFile": {
            "file": shown(path).to_string(),
            "reason": skip.found(),
        } });
        writeln!(out, "{event}")?;
    }
    Ok(())
}
