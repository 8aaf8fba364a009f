//! Findings of `lint`: lines, JSON lines, and what shows them beside code: SARIF 2.1.0 and
//! workflow commands of GitHub.

use super::schema;
use crate::escape::{counted, sentence, shown};
pub(crate) use crate::lint::ReportedFinding;
use crate::lint::{RULES, Rule, Severity};
use crate::terminal::{Label, Paint};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

impl ReportedFinding<'_> {
    fn rule(&self) -> Option<&'static Rule> {
        RULES.get(self.finding.rule)
    }

    pub(super) fn code(&self) -> String {
        self.rule().map(Rule::code).unwrap_or_default()
    }
}

/// `error[code]: path: message`, then `note: …` and `help: …` lines.
pub(crate) fn write_finding(
    out: &mut impl Write,
    reported: ReportedFinding<'_>,
    paint: Paint,
) -> io::Result<()> {
    write_head(out, reported, paint)?;
    writeln!(
        out,
        "{}: {}",
        paint.title(shown(&*reported.finding.path)),
        sentence(reported.finding.message())
    )?;
    write_advice(out, reported, paint)
}

/// The `note: …` and `help: …` lines of a finding.
pub(crate) fn write_advice(
    out: &mut impl Write,
    reported: ReportedFinding<'_>,
    paint: Paint,
) -> io::Result<()> {
    let advice = reported.finding.advice();
    let mut lines = advice.lines();
    lines.try_for_each(|line| writeln!(out, "  {}", paint.advice(&line)))
}

/// `error[code]: `
pub(crate) fn write_head(
    out: &mut impl Write,
    reported: ReportedFinding<'_>,
    paint: Paint,
) -> io::Result<()> {
    let label = match reported.severity {
        Severity::Error => Label::Error,
        Severity::Warning => Label::Warning,
        Severity::Note => Label::Note,
    };
    let word = reported.severity.word();
    let head = paint.label(label, format_args!("{word}[{}]", reported.code()));
    write!(out, "{head}: ")
}

/// What is not found in the tree, by name.
pub(crate) fn missing(all: &[ReportedFinding<'_>]) -> String {
    let mut files: BTreeMap<&[u8], BTreeSet<&Path>> = BTreeMap::new();
    for reported in all {
        if let Some(name) = reported.finding.missing() {
            files
                .entry(name)
                .or_default()
                .insert(&reported.finding.path);
        }
    }
    let counts = files.into_iter();
    let counts = counts.map(|(name, files)| (name.to_vec(), files.len() as u64));
    super::inspect::missing(&counts.collect())
}

/// How many findings there are: `3 findings in 2 files: 1 error, 2 notes; …`.
pub(crate) fn summary(all: &[ReportedFinding<'_>], fixed: Option<usize>) -> String {
    let files: BTreeSet<&Path> = all.iter().map(|t| &*t.finding.path).collect();
    let of = |severity| all.iter().filter(|t| t.severity == severity).count();
    let kinds = [
        (of(Severity::Error), "error", "errors"),
        (of(Severity::Warning), "warning", "warnings"),
        (of(Severity::Note), "note", "notes"),
    ];
    let kinds: Vec<String> = kinds
        .into_iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, one, several)| counted(n, one, several))
        .collect();
    let mut text = match all.len() {
        0 => "no findings".to_owned(),
        n => format!(
            "{} in {}: {}",
            counted(n, "finding", "findings"),
            counted(files.len(), "file", "files"),
            kinds.join(", ")
        ),
    };
    let fixable = all.iter().filter(|t| t.finding.is_fixable()).count();
    match fixed {
        Some(fixed) => text.push_str(&format!("; --fix removed {fixed}")),
        None if fixable > 0 => {
            text.push_str(&format!(
                "; --fix can remove {fixable}, and --diff shows how"
            ));
        }
        None => {}
    }
    text
}

/// Findings counted by rule and severity, the most frequent first.
fn statistics<'a>(
    all: &'a [ReportedFinding<'a>],
) -> impl Iterator<Item = (usize, ReportedFinding<'a>)> {
    let mut rules: BTreeMap<_, (usize, ReportedFinding<'a>)> = BTreeMap::new();
    for reported in all {
        let kind = (reported.finding.rule, reported.severity);
        let (n, example) = rules.entry(kind).or_insert((0, *reported));
        *n += 1;
        if reported.finding.is_fixable() {
            *example = *reported;
        }
    }
    let mut rules: Vec<_> = rules.into_values().collect();
    // A stable sort: rules of the same count keep their order.
    rules.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    rules.into_iter()
}

/// `count  severity  code`, a line for each rule that found something.
pub(crate) fn write_statistics(
    out: &mut impl Write,
    all: &[ReportedFinding<'_>],
) -> io::Result<()> {
    for (n, reported) in statistics(all) {
        let fixable = if reported.finding.is_fixable() {
            "  (--fix)"
        } else {
            ""
        };
        let word = reported.severity.word();
        writeln!(out, "{n:>6}  {word:<7}  {}{fixable}", reported.code())?;
    }
    Ok(())
}

/// The same, an object for each rule.
pub(crate) fn statistics_json(all: &[ReportedFinding<'_>]) -> Vec<Value> {
    let object = |(n, reported): (usize, ReportedFinding<'_>)| {
        json!({
            "schema": schema::LINT,
            "code": reported.code(),
            "severity": reported.severity.word(),
            "count": n,
            "fixable": reported.finding.is_fixable(),
        })
    };
    statistics(all).map(object).collect()
}

pub(crate) fn finding_json(reported: ReportedFinding<'_>) -> Value {
    let advice = reported.finding.advice();
    json!({
        "schema": schema::LINT,
        "path": shown(&*reported.finding.path).to_string(),
        "code": reported.code(),
        "severity": reported.severity.word(),
        "context": reported.finding.context.word(),
        "message": sentence(reported.finding.message()).to_string(),
        "notes": advice.notes,
        "helps": advice.helps,
        "fixable": reported.finding.is_fixable(),
    })
}

/// A workflow command of GitHub Actions, which shows the finding beside the file.
pub(crate) fn github(reported: ReportedFinding<'_>) -> String {
    let command = match reported.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let path = shown(&*reported.finding.path).to_string();
    format!(
        "::{command} file={},title={}::{}",
        property(&path),
        property(&reported.code()),
        data(&message(reported))
    )
}

/// Message and advice, a line each.
fn message(reported: ReportedFinding<'_>) -> String {
    let message = sentence(reported.finding.message()).to_string();
    let advice = reported.finding.advice();
    [message]
        .into_iter()
        .chain(advice.lines())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A SARIF document, keys by the alphabet as in all JSON of this program.
#[derive(Serialize)]
struct Sarif<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    runs: [SarifRun<'a>; 1],
    version: &'static str,
}

#[derive(Serialize)]
struct SarifRun<'a> {
    results: SarifResults<'a>,
    tool: Value,
}

/// Made one by one while they are written: as one value, a hundred thousand take a gigabyte.
struct SarifResults<'a>(&'a [ReportedFinding<'a>]);

impl Serialize for SarifResults<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|reported| sarif_result(*reported)))
    }
}

fn sarif_result(reported: ReportedFinding<'_>) -> Value {
    json!({
        "ruleId": reported.code(),
        "ruleIndex": reported.finding.rule,
        "level": reported.severity.word(),
        "message": { "text": message(reported) },
        "locations": [{ "physicalLocation": { "artifactLocation": {
            "uri": uri(reported.finding.path.as_os_str().as_encoded_bytes()),
        } } }],
    })
}

/// One document with all rules and all findings.
pub(crate) fn write_sarif(out: &mut impl Write, all: &[ReportedFinding<'_>]) -> io::Result<()> {
    let rule = |rule: &Rule| {
        json!({
            "id": rule.code(),
            "shortDescription": { "text": rule.title() },
            "help": { "text": rule.text(), "markdown": rule.text() },
            "defaultConfiguration": { "level": rule.severity.word() },
        })
    };
    let document = Sarif {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        runs: [SarifRun {
            results: SarifResults(all),
            tool: json!({ "driver": {
                "name": "cuda-fixup",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
            } }),
        }],
        version: "2.1.0",
    };
    // As an error of io, which says that the pipe is closed.
    serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
    writeln!(out)
}

/// A path as a URI reference (RFC 3986): what isn't plain is percent-encoded.
fn uri(path: &[u8]) -> String {
    let mut out = String::new();
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{data, property, uri};

    #[test]
    fn workflow_commands_are_one_line() {
        assert_eq!(data("50%\r\n::x"), "50%25%0D%0A::x");
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
    }

    #[test]
    fn uris_are_plain() {
        assert_eq!(uri(b"/a/lib c++\xff.so"), "/a/lib%20c%2B%2B%FF.so");
    }
}
