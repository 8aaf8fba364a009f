//! The differences of two trees: lines, JSON lines, and Markdown for a pull request.

use super::bytes::bytes;
use super::schema;
use crate::escape::counted;
use crate::survey::diff::{Change, Comparison, FileDiff, FindingDiff, Topic};
use crate::terminal::Paint;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::fmt::Write;

/// Rows of Markdown: a comment on GitHub has 65,536 characters at most.
const MAX_ROWS: usize = 120;
/// Bytes of one cell.
const MAX_CELL: usize = 400;

/// The word of a topic, as `--allow` takes it.
pub(crate) fn word(topic: Topic) -> String {
    let value = topic.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The text of a change without its sign: `runpath $ORIGIN`.
fn text(change: &Change) -> String {
    let topic = word(change.topic);
    let name = change.name.as_deref().unwrap_or_default();
    if let Some((before, after)) = change.bytes {
        let space = if name.is_empty() { "" } else { " " };
        let head = format!("{topic}{space}{name}");
        return match (before, after) {
            (Some(before), Some(after)) => {
                format!("{head} {} -> {}", bytes(before), bytes(after))
            }
            (one, other) => format!("{head} ({})", bytes(one.or(other).unwrap_or_default())),
        };
    }
    match (&change.before, &change.after) {
        // The tag is a word for the topic.
        (Some(one), None) | (None, Some(one)) if change.topic == Topic::Runpath => one.clone(),
        (None, Some(name)) if change.topic == Topic::NotFound => {
            format!("{name} is found no more")
        }
        (Some(name), None) if change.topic == Topic::NotFound => format!("{name} is found now"),
        (Some(before), Some(after)) => format!("{topic} {before} -> {after}"),
        (Some(one), None) | (None, Some(one)) => format!("{topic} {one}"),
        (None, None) => topic,
    }
}

/// `+`: it is new, `-`: it is gone, `~`: it is another one.
fn sign(change: &Change) -> char {
    let found = change.topic == Topic::NotFound;
    let (before, after) = match change.bytes {
        Some((before, after)) => (before.is_some(), after.is_some()),
        None => (change.before.is_some(), change.after.is_some()),
    };
    match (before, after) {
        (true, true) => '~',
        // A name that is not found any more is a loss.
        (false, true) if !found => '+',
        (true, false) if found => '+',
        _ => '-',
    }
}

/// `changed lib/libx.so`, `new lib/libx.so`.
fn head(file: &FileDiff) -> (&'static str, String) {
    match (&file.before, &file.after) {
        (Some(before), Some(after)) if before != after => {
            ("renamed", format!("{before} -> {after}"))
        }
        (_, Some(after)) if file.before.is_some() => ("changed", after.clone()),
        (_, Some(after)) => ("new", after.clone()),
        (before, None) => ("gone", before.clone().unwrap_or_default()),
    }
}

/// The size of a file that only one side has.
fn size(file: &FileDiff) -> Option<u64> {
    match file.sizes {
        (Some(_), Some(_)) => None,
        (one, other) => one.or(other),
    }
}

/// The changes of a file that its head does not show already.
fn details(file: &FileDiff) -> impl Iterator<Item = &Change> {
    let changes = file.changes.iter();
    changes.filter(|change| change.topic != Topic::File)
}

/// For people: a block for each file, then findings and sums.
pub(crate) fn human(comparison: &Comparison, paint: Paint) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    for file in &comparison.files {
        let (word, path) = head(file);
        let word = match word {
            "new" => paint.good(word),
            "gone" => paint.bad(word),
            _ => paint.odd(word),
        };
        let size = size(file).map_or_else(String::new, |size| format!(", {}", bytes(size)));
        let _ = writeln!(out, "{word} {}{size}", paint.title(path));
        for change in details(file) {
            let line = format!("{} {}", sign(change), text(change));
            let _ = writeln!(
                out,
                "  {}",
                painted(&line, change.worse, sign(change), paint)
            );
        }
    }
    for finding in &comparison.findings {
        let line = finding_text(finding);
        let sign = if finding.new { '+' } else { '-' };
        let worse = finding.worse;
        let sign = if worse || !finding.new { sign } else { '~' };
        let _ = writeln!(out, "{}", painted(&line, worse, sign, paint));
    }
    for (name, (before, after)) in changed_code(comparison) {
        let (before, after) = (bytes(before), bytes(after));
        let _ = writeln!(out, "all code for {name}: {before} -> {after}");
    }
    out
}

/// A loss is a fault only where it makes something worse.
fn painted(line: &str, worse: bool, sign: char, paint: Paint) -> String {
    match (worse, sign) {
        (true, _) => format!("{}  {}", paint.bad(line), paint.bad("worse")),
        (false, '+') => paint.good(line),
        (false, _) => line.to_owned(),
    }
}

fn finding_text(finding: &FindingDiff) -> String {
    let new = if finding.new { "new" } else { "gone" };
    let severity = finding.severity.word();
    let (code, path) = (&finding.code, &finding.path);
    format!("{new} {severity}[{code}] {path}: {}", finding.message)
}

/// Sums of device code that differ by more than a hundredth.
fn changed_code(comparison: &Comparison) -> impl Iterator<Item = (&str, (u64, u64))> {
    let sums = comparison.code.iter();
    let sums = sums.filter(|(_, (b, a))| b.abs_diff(*a) > (*b).max(*a) / 100);
    sums.map(|(name, sums)| (&**name, *sums))
}

/// `3 files changed, 1 new, 2 gone, 80 unchanged; 5.0 MiB -> 6.0 MiB; 2 changes make it worse`.
pub(crate) fn summary(comparison: &Comparison) -> String {
    let of = |word: &[&str]| {
        let files = comparison.files.iter();
        files.filter(|file| word.contains(&head(file).0)).count()
    };
    let (before, after) = comparison.sizes;
    let worse = match comparison.worse() {
        0 => "nothing is worse".to_owned(),
        n => counted(n, "change makes it worse", "changes make it worse"),
    };
    format!(
        "{} changed, {} new, {} gone, {} unchanged; {} -> {}; {worse}",
        of(&["changed", "renamed"]),
        of(&["new"]),
        of(&["gone"]),
        comparison.unchanged,
        bytes(before),
        bytes(after),
    )
}

/// File, change, and whether that is worse; the worst first.
pub(crate) fn rows(comparison: &Comparison) -> Vec<(String, String, bool)> {
    let mut rows = Vec::new();
    for file in &comparison.files {
        let (word, path) = head(file);
        let size = size(file).map_or_else(String::new, |size| format!(", {}", bytes(size)));
        if word != "changed" {
            rows.push((path.clone(), format!("{word}{size}"), false));
        }
        rows.extend(details(file).map(|change| {
            let what = format!("{} {}", sign(change), text(change));
            (path.clone(), what, change.worse)
        }));
    }
    rows.extend(comparison.findings.iter().map(|finding| {
        let new = if finding.new { "new" } else { "gone" };
        let severity = finding.severity.word();
        let what = format!("{new} {severity}[{}]: {}", finding.code, finding.message);
        (finding.path.clone(), what, finding.worse)
    }));
    rows.sort_by_key(|(.., worse)| !worse);
    rows
}

/// An object for each file, one for each finding, and one with the sums.
pub(crate) fn json(comparison: &Comparison) -> Vec<Value> {
    let files = comparison.files.iter().map(|file| {
        json!({
            "schema": schema::DIFF,
            "file": head(file).0,
            "before": file.before,
            "after": file.after,
            "size_before": file.sizes.0,
            "size_after": file.sizes.1,
            "changes": file.changes.iter().map(change_json).collect::<Vec<_>>(),
        })
    });
    let findings = comparison.findings.iter().map(|finding| {
        json!({
            "schema": schema::DIFF,
            "finding": if finding.new { "new" } else { "gone" },
            "path": finding.path,
            "code": finding.code,
            "severity": finding.severity.word(),
            "message": finding.message,
            "worse": finding.worse,
        })
    });
    let code = comparison.code.iter();
    let code = code.map(|(name, (before, after))| {
        let value = json!({ "before": before, "after": after });
        (name.clone(), value)
    });
    let sums = json!({
        "schema": schema::DIFF,
        "summary": {
            "files": comparison.files.len(),
            "unchanged": comparison.unchanged,
            "size_before": comparison.sizes.0,
            "size_after": comparison.sizes.1,
            "device_code": code.collect::<serde_json::Map<_, _>>(),
            "worse": comparison.worse(),
        },
    });
    files.chain(findings).chain([sums]).collect()
}

fn change_json(change: &Change) -> Value {
    let (before, after) = match change.bytes {
        Some((before, after)) => (json!(before), json!(after)),
        None => (json!(change.before), json!(change.after)),
    };
    json!({
        "topic": word(change.topic),
        "name": change.name,
        "before": before,
        "after": after,
        "worse": change.worse,
    })
}

/// A comment for a pull request.
pub(crate) fn markdown(comparison: &Comparison) -> String {
    let mut out = format!("**cuda-fixup diff**: {}\n", summary(comparison));
    let mut rows: Vec<(bool, String)> = Vec::new();
    for file in &comparison.files {
        let (word, path) = head(file);
        let size = size(file).map_or_else(String::new, |size| format!(", {}", bytes(size)));
        let mut lines: Vec<String> = details(file)
            .map(|change| {
                let bold = if change.worse { "**worse** " } else { "" };
                format!("{bold}{} {}", sign(change), code(&text(change)))
            })
            .collect();
        lines.insert(0, format!("{word}{size}"));
        let worse = file.changes.iter().any(|change| change.worse);
        rows.push((
            worse,
            format!("| {} | {} |", code(&path), lines.join("<br>")),
        ));
    }
    for finding in &comparison.findings {
        let worse = if finding.worse { "**worse** " } else { "" };
        let new = if finding.new { "new" } else { "gone" };
        let what = format!("{}[{}]: ", finding.severity.word(), finding.code);
        let message = code(&(what + &finding.message));
        let row = format!("| {} | {worse}{new} {message} |", code(&finding.path));
        rows.push((finding.worse, row));
    }
    // What is worse comes first, where a limit may cut the rest off.
    rows.sort_by_key(|(worse, _)| !worse);
    if !rows.is_empty() {
        out.push_str("\n| file | changes |\n|---|---|\n");
    }
    for (_, row) in rows.iter().take(MAX_ROWS) {
        out.push_str(row);
        out.push('\n');
    }
    if rows.len() > MAX_ROWS {
        let _ = writeln!(
            out,
            "\nand {}",
            counted(rows.len() - MAX_ROWS, "more row", "more rows")
        );
    }
    let mut sums = changed_code(comparison).peekable();
    if sums.peek().is_some() {
        out.push_str("\n| device code | before | after |\n|---|---|---|\n");
        for (name, (before, after)) in sums {
            let (before, after) = (bytes(before), bytes(after));
            let _ = writeln!(out, "| {} | {before} | {after} |", code(name));
        }
    }
    out
}

/// Text of a file as code: no character of it is Markdown or HTML.
fn code(text: &str) -> String {
    let mut out = "<code>".to_owned();
    for (at, c) in text.char_indices() {
        if at > MAX_CELL {
            out.push('…');
            break;
        }
        let plain = c.is_alphanumeric() || " ./-+:,=()…".contains(c);
        match plain {
            true => out.push(c),
            false => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
        }
    }
    out + "</code>"
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn markup_in_names_is_text() {
        assert_eq!(
            code("lib<b>|`@me`.so"),
            "<code>lib&#60;b&#62;&#124;&#96;&#64;me&#96;.so</code>"
        );
    }
}
