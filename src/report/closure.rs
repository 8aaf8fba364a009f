//! The store paths that trees keep alive, for people and as JSON lines.

use super::bytes::bytes;
use super::schema;
use crate::escape::{Shown, counted, shown};
use crate::store::{EntryUse, PathUse, StoreClosure, StoreReference, StoreSum, UseKind};
use crate::terminal::Paint;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Files of one line that are named.
const NAMED: usize = 3;
/// Columns before the path.
const INDENT: usize = 26;

/// The references, the largest closure first, and those that are not in the store last.
pub(super) fn by_size(closure: &StoreClosure) -> Vec<&StoreReference> {
    let mut all: Vec<&StoreReference> = closure.references.iter().collect();
    let size = |reference: &StoreReference| match reference.closure {
        Some(sum) => sum.bytes,
        None => reference.size.unwrap_or(0),
    };
    all.sort_by_key(|reference| (Reverse(reference.present), Reverse(size(reference))));
    all
}

/// A line for each path with its sizes, and below it the files that refer to it.
pub(crate) fn human(closure: &StoreClosure, verbose: bool, paint: Paint) -> String {
    let mut out = String::new();
    let references = by_size(closure);
    let measured = references
        .iter()
        .any(|reference| reference.closure.is_some());
    // Writing to a String cannot fail.
    if references.iter().any(|reference| reference.present) {
        let (first, second) = match measured {
            true => ("closure", "alone"),
            false => ("size", ""),
        };
        let head = format!("{first:>11} {second:>11}  store path");
        let _ = writeln!(out, "{}", paint.faint(head));
    }
    for reference in references {
        let sizes = match (reference.closure, reference.alone, reference.size) {
            (Some(closure), Some(alone), _) => (bytes(closure.bytes), bytes(alone.bytes)),
            (_, _, Some(size)) => (bytes(size), String::new()),
            _ => ("not here".to_owned(), String::new()),
        };
        let path = paint.title(shown(&reference.path));
        let _ = write!(out, "{:>11} {:>11}  {path}", sizes.0, sizes.1);
        if reference.goes {
            let _ = write!(out, "  {}", paint.odd("goes with --shrink"));
        }
        out.push('\n');
        write_uses(&mut out, reference, verbose, paint);
    }
    if closure.more_absent {
        out.push_str("  more paths are referred to and not on this machine\n");
    }
    out
}

/// The files that refer to a path, by the title of their line.
pub(super) fn groups(reference: &StoreReference) -> Vec<(String, Vec<&Path>)> {
    let mut groups: BTreeMap<(u8, String), Vec<&Path>> = BTreeMap::new();
    for one in &reference.uses {
        let files = groups.entry(group(one)).or_default();
        if files.last() != Some(&one.file.as_path()) {
            files.push(&one.file);
        }
    }
    let groups = groups.into_iter();
    groups.map(|((_, title), files)| (title, files)).collect()
}

fn write_uses(out: &mut String, reference: &StoreReference, verbose: bool, paint: Paint) {
    for (title, files) in groups(reference) {
        let most = if verbose { files.len() } else { NAMED };
        let named = files.iter().take(most).map(|file| shown(*file).to_string());
        let mut text = named.collect::<Vec<_>>().join(", ");
        if files.len() > most {
            let _ = write!(text, " and {} more", files.len() - most);
        }
        let _ = writeln!(
            out,
            "{:INDENT$}{} {text}",
            "",
            paint.faint(format!("{title}:"))
        );
    }
    let named = reference.uses.iter().map(|one| &one.file);
    let named: std::collections::BTreeSet<_> = named.collect();
    let more = reference.files.saturating_sub(named.len() as u64);
    if more > 0 {
        let _ = writeln!(
            out,
            "{:INDENT$}and {}",
            "",
            counted(more, "more file", "more files")
        );
    }
}

/// The order and the title of a line.
fn group(one: &PathUse) -> (u8, String) {
    let text = |bytes: &[u8]| Shown::from(bytes).to_string();
    match (&one.kind, &one.entry) {
        (UseKind::Interpreter, _) => (0, "interpreter".to_owned()),
        (UseKind::Needed(name), _) => (1, format!("needed as {}", text(name))),
        (UseKind::Runpath(_), Some(EntryUse::Serves(names))) => {
            let names: Vec<String> = names.iter().map(|name| text(name)).collect();
            (2, format!("RUNPATH, for {}", names.join(", ")))
        }
        (UseKind::Runpath(_), Some(EntryUse::Drops)) => (4, "unused RUNPATH entry".to_owned()),
        (UseKind::Runpath(_), _) => (3, "RUNPATH".to_owned()),
        (UseKind::ResolutionCache, _) => (5, "resolution cache".to_owned()),
        (UseKind::Text(Some(section)), _) if !section.is_empty() => (6, text(section)),
        (UseKind::Text(Some(_)), _) => (7, "ELF file".to_owned()),
        (UseKind::Text(None), _) => (8, "text or data".to_owned()),
        (UseKind::Link, _) => (9, "link".to_owned()),
        (UseKind::Name, _) => (10, "file name".to_owned()),
    }
}

/// Totals, and the bytes that `fixup --shrink` frees.
pub(crate) fn summary(closure: &StoreClosure) -> String {
    let number = closure.references.len() as u64;
    let mut out = format!(
        "{} in {} ({})",
        counted(number, "store path", "store paths"),
        counted(closure.files, "file", "files"),
        bytes(closure.trees.bytes)
    );
    // Writing to a String cannot fail.
    if let Some(kept) = closure.kept {
        let paths = counted(kept.paths, "path", "paths");
        let _ = write!(out, "; {paths} kept alive, {}", bytes(kept.bytes));
    }
    if let Some((freed, goes)) = freed(closure) {
        let paths = counted(goes, "path", "paths");
        let _ = write!(
            out,
            "; --shrink: {paths} less, which frees {}",
            bytes(freed.bytes)
        );
    }
    out
}

/// What goes with `fixup --shrink`, and the number of references among it.
fn freed(closure: &StoreClosure) -> Option<(StoreSum, u64)> {
    let goes = closure
        .references
        .iter()
        .filter(|reference| reference.goes)
        .count() as u64;
    let freed = match (closure.kept, closure.kept_after) {
        (Some(kept), Some(after)) => StoreSum {
            paths: kept.paths.saturating_sub(after.paths),
            bytes: kept.bytes.saturating_sub(after.bytes),
        },
        _ => StoreSum::default(),
    };
    (goes > 0).then_some((freed, goes))
}

/// An object for each path, then one with the totals.
pub(crate) fn json(closure: &StoreClosure) -> Vec<Value> {
    let sum = |sum: StoreSum| json!({"paths": sum.paths, "bytes": sum.bytes});
    let each = by_size(closure).into_iter().map(|reference| {
        json!({
            "schema": schema::CLOSURE,
            "path": shown(&reference.path).to_string(),
            "present": reference.present,
            "size": reference.size,
            "closure": reference.closure.map(sum),
            "alone": reference.alone.map(sum),
            "goes_with_shrink": reference.goes,
            "files": reference.files,
            "occurrences": reference.occurrences,
            "uses": reference.uses.iter().map(use_json).collect::<Vec<_>>(),
        })
    });
    let freed = freed(closure).map(|(freed, _)| freed).unwrap_or_default();
    let summary = json!({
        "schema": schema::CLOSURE,
        "summary": {
            "files": closure.files,
            "bytes_read": closure.read,
            "trees": sum(closure.trees),
            "references": closure.references.len(),
            "more_absent": closure.more_absent,
            "kept": closure.kept.map(sum),
            "shrink_frees": closure.kept.map(|_| sum(freed)),
        },
    });
    each.chain([summary]).collect()
}

fn use_json(one: &PathUse) -> Value {
    let text = |bytes: &[u8]| Shown::from(bytes).to_string();
    let (kind, value) = match &one.kind {
        UseKind::Interpreter => ("interpreter", None),
        UseKind::Runpath(entry) => ("runpath", Some(text(entry))),
        UseKind::Needed(name) => ("needed", Some(text(name))),
        UseKind::ResolutionCache => ("resolution-cache", None),
        UseKind::Link => ("link", None),
        UseKind::Text(Some(section)) => ("section", Some(text(section))),
        UseKind::Text(None) => ("text", None),
        UseKind::Name => ("name", None),
    };
    let mut object = json!({
        "file": shown(&one.file).to_string(),
        "kind": kind,
        "count": one.count,
    });
    if let Some(value) = value {
        object[kind] = value.into();
    }
    if let Some(entry) = &one.entry {
        object["dropped_by_shrink"] = (*entry == EntryUse::Drops).into();
        if let EntryUse::Serves(names) = entry {
            let names: Vec<String> = names.iter().map(|name| text(name)).collect();
            object["serves"] = names.into();
        }
    }
    object
}
