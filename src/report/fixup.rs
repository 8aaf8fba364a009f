//! Plans and results of a fixup, for people and as JSON lines.

use super::{fixup_absolute, schema};
use crate::escape::{Shown, counted, shown};
use crate::fixup::{FileReport, Status, Summary};
use crate::plan::{DriverUse, Outcome, Reason, Resolution, StaysAbsolute};
use crate::terminal::Paint;
use elf_edit::Edit;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

fn text(bytes: &[u8]) -> String {
    Shown::from(bytes).to_string()
}

fn list(names: &[Vec<u8>]) -> String {
    names.iter().map(|n| text(n)).collect::<Vec<_>>().join(", ")
}

/// The reason of an entry as a phrase.
pub(crate) fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Compat => "compat driver".to_owned(),
        Reason::Driver(None) => "driver link".to_owned(),
        Reason::Driver(Some(DriverUse::Library(name))) => {
            format!("driver link: loads {}", text(name))
        }
        Reason::Driver(Some(DriverUse::StaticCudart)) => {
            "driver link: a CUDA runtime is linked into it".to_owned()
        }
        Reason::Driver(Some(DriverUse::Cudart)) => "driver link: it is the CUDA runtime".to_owned(),
        Reason::RuntimeDependency => "runtime dependency".to_owned(),
        Reason::Provides(names) => format!("has {}", list(names)),
        Reason::MayLoad(names) => format!("has {}, which it may dlopen", list(names)),
        Reason::Kept => "was there".to_owned(),
        Reason::Replaces(old) => format!("in the place of {}", text(old)),
        Reason::ReplacesStubs(old) => format!("driver link in the place of stubs {}", text(old)),
        Reason::Appended => "appended".to_owned(),
    }
}

/// A hint about a missing library, as a phrase; empty if there is none.
pub(crate) fn hint(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Missing {
            elsewhere: Some((platform, directory)),
            ..
        } => format!("there is one for {platform} in {}", text(directory)),
        Outcome::Missing {
            unusable: Some(directory),
            ..
        } => format!(
            "it is in {}, but a RUNPATH can't name a directory with a colon or a dollar sign",
            text(directory)
        ),
        Outcome::Missing { relative: true, .. } => RELATIVE.to_owned(),
        Outcome::ByFileName(directory) => format!(
            "{RELATIVE}; a library of that file name is in {}",
            text(directory)
        ),
        _ => String::new(),
    }
}

/// Consequence of a NEEDED with a slash.
const RELATIVE: &str = "a name with a slash is opened as a path, never searched for, so the program starts from the \
     right directory only";

/// Why entries of a file stay absolute in a tree whose other files have relative ones.
pub(crate) fn stays_absolute(report: &FileReport) -> Option<String> {
    let why = match report.plan.stays_absolute.as_ref()? {
        StaysAbsolute::Privileged(what) => format!(
            "the loader ignores $ORIGIN in a {what}, so its entries stay absolute, and the tree \
             works only where it is now"
        ),
        StaysAbsolute::Link(link) => format!(
            "the link {} leads to it, and $ORIGIN is the link's directory then, so its entries \
             stay absolute, and the tree works only where it is now",
            text(link)
        ),
    };
    Some(format!("{}: {why}", shown(report.names.first()?)))
}

/// A warning about a library that is lost with the DT_RPATH of a file, with the option that keeps
/// it.
pub(crate) fn lost_rpath(report: &FileReport) -> Option<(String, &'static str)> {
    let what = report.plan.inherited.as_ref()?;
    report
        .plan
        .edits
        .iter()
        .find(|edit| matches!(edit, Edit::SetRunpath(_)))?;
    let file = shown(report.names.first()?);
    let what = text(what);
    Some((
        format!("{file}: {what}, and a DT_RUNPATH serves the file that has it alone"),
        "cuda-fixup fixup --inherited-rpath keep PATH; in a package, cudaFixupFlags = [ \"--inherited-rpath=keep\" ]",
    ))
}

/// The plan for one file, old and new, with all reasons.
pub(crate) fn write_plan(out: &mut dyn Write, report: &FileReport, paint: Paint) -> io::Result<()> {
    let plan = &report.plan;
    let mut page = String::new();
    for name in &report.names {
        let _ = writeln!(page, "{}", paint.title(shown(name)));
    }
    if let Some((old, new)) = &plan.interpreter {
        let _ = writeln!(page, "  interpreter  {}", text(old));
        let _ = writeln!(page, "           to  {}", text(new));
    }
    if plan.changes_runpath() {
        write_runpaths(&mut page, report, paint);
    } else if plan.edits.is_empty() {
        let _ = writeln!(page, "  nothing to change");
    }
    fixup_absolute::write(&mut page, report);
    match plan.cache_edit() {
        Some(Edit::SetResolutionCache(_)) => page.push_str("  resolution cache written\n"),
        Some(_) => page.push_str("  resolution cache removed: nothing is found for it\n"),
        None => {}
    }
    for candidate in &plan.candidates {
        if let Outcome::Directory(directory) = &candidate.outcome
            && plan.runpath.iter().all(|entry| entry.text != *directory)
        {
            let _ = writeln!(
                page,
                "  may dlopen {}, which is in {} (--dlopen auto adds that)",
                text(&candidate.name),
                text(directory)
            );
        }
    }
    for miss in plan.missing() {
        let _ = writeln!(
            page,
            "  {} {}  {}",
            paint.bad("missing"),
            text(&miss.shown_name()),
            hint(&miss.outcome)
        );
    }
    if let Some(effects) = report.status.side_effects() {
        if !effects.strip_safe {
            let _ = writeln!(
                page,
                "  less safe than before: its program headers have no room to grow behind the ELF \
                 header, so that strip breaks it"
            );
        }
        if effects.tail_copied > 0 {
            let _ = writeln!(
                page,
                "  data behind the ELF file is copied to its new end, {}",
                counted(effects.tail_copied, "byte", "bytes")
            );
        }
    }
    if let Some(what) = &plan.inherited {
        let _ = writeln!(page, "  inherited RPATH: {}", text(what));
    }
    if !report.locked {
        page.push_str("  not locked: the file system has no locks, flock(2)\n");
    }
    if let Status::Failed(why) = &report.status {
        let _ = writeln!(page, "  {}: {why}", paint.bad("cannot be done"));
    }
    out.write_all(page.as_bytes())
}

/// The old RUNPATH, the new one with the reason for each entry, and the dropped entries.
fn write_runpaths(page: &mut String, report: &FileReport, paint: Paint) {
    let plan = &report.plan;
    let old = plan.old_runpath.as_deref().unwrap_or_default();
    let _ = writeln!(page, "  {} was", tag(plan.old_is_rpath));
    for entry in old.split(|&byte| byte == b':').filter(|_| !old.is_empty()) {
        let entry = if entry.is_empty() { b"(empty)" } else { entry };
        let _ = writeln!(page, "    {}", text(entry));
    }
    if old.is_empty() {
        let _ = writeln!(page, "    (none)");
    }
    let _ = writeln!(page, "  {} {}", tag(plan.new_is_rpath()), will_be(report));
    let width = plan.runpath.iter().map(|e| text(&e.text).chars().count());
    let width = width.max().unwrap_or(0).min(60);
    for entry in &plan.runpath {
        let shown = text(&entry.text);
        let why = paint.faint(reason(&entry.reason));
        let _ = writeln!(page, "    {shown:width$}  {why}");
    }
    for entry in &plan.dropped {
        let shown = if entry.text.is_empty() {
            "(empty)".to_owned()
        } else {
            text(&entry.text)
        };
        let dropped = paint.odd("dropped:");
        let _ = writeln!(page, "  - {shown}  {dropped} {}", entry.why);
    }
}

fn tag(is_rpath: bool) -> &'static str {
    if is_rpath { "RPATH" } else { "RUNPATH" }
}

fn will_be(report: &FileReport) -> &'static str {
    match report.status {
        Status::Changed(_) => "is",
        _ => "will be",
    }
}

/// One file as a JSON object.
pub(crate) fn file_json(report: &FileReport) -> Value {
    let plan = &report.plan;
    let names: Vec<String> = report.names.iter().map(|n| shown(n).to_string()).collect();
    let mut object = json!({
        "schema": schema::FIXUP,
        "event": "file",
        "path": names.first(),
        "names": names,
        "kind": report.kind,
        "machine": report.platform.to_string(),
        "interpreter": plan.interpreter.as_ref().map(|(old, new)| json!({
            "old": text(old),
            "new": text(new),
        })),
        "runpath": {
            "old": plan.old_runpath.as_deref().map(text),
            "new": plan.runpath.iter().map(|entry| json!({
                "entry": text(&entry.text),
                "reason": entry.reason.key(),
                "why": reason(&entry.reason),
            })).collect::<Vec<_>>(),
            "dropped": plan.dropped.iter().map(|dropped| json!({
                "entry": text(&dropped.text),
                "reason": dropped.why.key(),
            })).collect::<Vec<_>>(),
        },
        "needed": plan.resolutions.iter().map(resolution_json).collect::<Vec<_>>(),
        "dlopen": plan.candidates.iter().map(|candidate| {
            let mut found = outcome_json(&candidate.outcome);
            found.insert("name".to_owned(), text(&candidate.name).into());
            found.insert("declared".to_owned(), candidate.declared.into());
            Value::Object(found)
        }).collect::<Vec<_>>(),
    });
    let (status, error, written) = match &report.status {
        Status::Unchanged => ("unchanged", Value::Null, 0),
        Status::Planned(_) => ("planned", Value::Null, 0),
        Status::Changed(done) => ("changed", Value::Null, done.bytes_written),
        Status::Failed(why) => ("failed", why.as_str().into(), 0),
    };
    let absolute = plan.stays_absolute.as_ref().map(|why| match why {
        StaysAbsolute::Privileged(_) => "privileged",
        StaysAbsolute::Link(_) => "link",
    });
    object["stays_absolute"] = absolute.into();
    object["inherited_rpath"] = plan
        .inherited
        .as_ref()
        .map(|what| text(what).to_string())
        .into();
    let cache = plan.cache_edit().map(|edit| match edit {
        Edit::SetResolutionCache(_) => "written",
        _ => "removed",
    });
    object["resolution_cache"] = cache.into();
    object["absolute"] = fixup_absolute::json(report);
    object["status"] = status.into();
    object["error"] = error;
    object["bytes_written"] = written.into();
    let effects = report.status.side_effects();
    object["locked"] = report.locked.into();
    object["strip_safe"] = effects.map(|effects| effects.strip_safe).into();
    object["tail_copied"] = effects.map_or(0, |effects| effects.tail_copied).into();
    object
}

fn resolution_json(resolution: &Resolution) -> Value {
    let mut found = outcome_json(&resolution.outcome);
    found.insert("name".to_owned(), text(&resolution.shown_name()).into());
    Value::Object(found)
}

fn outcome_json(outcome: &Outcome) -> Map<String, Value> {
    let directory = match outcome {
        Outcome::Directory(directory)
        | Outcome::Existing(directory)
        | Outcome::ByFileName(directory) => text(directory).into(),
        _ => Value::Null,
    };
    let mut object = Map::new();
    object.insert("outcome".to_owned(), outcome.key().into());
    object.insert("directory".to_owned(), directory);
    let hint = hint(outcome);
    if !hint.is_empty() {
        object.insert("hint".to_owned(), hint.into());
    }
    object
}

/// A path that could not be handled as a JSON object.
pub(crate) fn problem_json(path: &Path, what: &str) -> Value {
    json!({
        "schema": schema::FIXUP,
        "event": "problem",
        "path": shown(path).to_string(),
        "what": what,
    })
}

/// All files together as a JSON object.
pub(crate) fn summary_json(summary: &Summary) -> Value {
    let skipped: Map<String, Value> = summary
        .skipped
        .counts()
        .map(|(skip, count)| (skip.key().to_owned(), count.into()))
        .collect();
    json!({
        "schema": schema::FIXUP,
        "event": "summary",
        "files": summary.files,
        "changed": summary.changed,
        "failed": summary.failed,
        "missing": summary.missing,
        "bytes_written": summary.bytes_written,
        "not_strip_safe": summary.not_strip_safe,
        "tail_copied": summary.tail_copied,
        "skipped": skipped,
        "problems": summary.problems.len(),
        "searched": summary.searched.iter().map(|p| shown(p).to_string()).collect::<Vec<_>>(),
    })
}

/// The totals in one line, and with `counts` the skipped files in another.
pub(crate) fn write_summary(
    out: &mut dyn Write,
    summary: &Summary,
    dry_run: bool,
    counts: bool,
    paint: Paint,
) -> io::Result<()> {
    let changed = if dry_run { "to change" } else { "changed" };
    let failed = summary.failed + summary.problems.len() as u64;
    let missing = counted(summary.missing, "dependency", "dependencies");
    let if_any = |number: u64, text: String| match number {
        0 => text,
        _ => paint.bad(text),
    };
    writeln!(
        out,
        "{}: {} {changed}, {}, {}; {} passed over",
        counted(summary.files, "ELF file", "ELF files"),
        summary.changed,
        if_any(failed, format!("{failed} failed")),
        if_any(summary.missing, format!("{missing} missing")),
        counted(summary.skipped.total(), "other file", "other files"),
    )?;
    if summary.not_strip_safe > 0 {
        writeln!(
            out,
            "  {:8} less safe than before: don't strip them (-v names them)",
            summary.not_strip_safe
        )?;
    }
    if counts {
        for (skip, count) in summary.skipped.counts() {
            writeln!(out, "  {count:8} {}", skip.found())?;
        }
        writeln!(out, "  {:8} bytes written", summary.bytes_written)?;
        if summary.tail_copied > 0 {
            writeln!(
                out,
                "  {:8} bytes of data behind ELF files copied to their new ends",
                summary.tail_copied
            )?;
        }
    }
    Ok(())
}
