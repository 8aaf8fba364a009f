//! Findings of `lint`: lines, JSON lines, and SARIF 2.1.0 for tools that show them in code.

use super::schema;
use crate::escape::{Shown, shown};
use crate::lint::{Finding, RULES, Rule, Severity};
use crate::terminal::{Label, Paint};
use serde_json::{Value, json};
use std::io::{self, Write};

/// One finding with the severity that the user gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReportedFinding<'a> {
    pub finding: &'a Finding,
    /// Severity of the finding.
    pub severity: Severity,
}

impl ReportedFinding<'_> {
    fn rule(&self) -> Option<&'static Rule> {
        RULES.get(self.finding.rule)
    }

    fn code(&self) -> String {
        self.rule().map(Rule::code).unwrap_or_default()
    }
}

/// `error[code]: path: message`
pub(crate) fn write_finding(
    out: &mut impl Write,
    reported: ReportedFinding<'_>,
    paint: Paint,
) -> io::Result<()> {
    write_head(out, reported, paint)?;
    writeln!(
        out,
        "{}: {}",
        paint.title(shown(&reported.finding.path)),
        Shown::from(reported.finding.message.as_bytes())
    )
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

pub(crate) fn finding_json(reported: ReportedFinding<'_>) -> Value {
    json!({
        "schema": schema::LINT,
        "path": shown(&reported.finding.path).to_string(),
        "code": reported.code(),
        "severity": reported.severity.word(),
        "context": reported.finding.context.word(),
        "message": Shown::from(reported.finding.message.as_bytes()).to_string(),
    })
}

/// One document with all rules and all findings.
pub(crate) fn sarif(all: &[ReportedFinding<'_>]) -> Value {
    let rule = |rule: &Rule| {
        json!({
            "id": rule.code(),
            "shortDescription": { "text": rule.title() },
            "help": { "text": rule.text(), "markdown": rule.text() },
            "defaultConfiguration": { "level": rule.severity.word() },
        })
    };
    let result = |reported: &ReportedFinding<'_>| {
        json!({
            "ruleId": reported.code(),
            "ruleIndex": reported.finding.rule,
            "level": reported.severity.word(),
            "message": { "text": Shown::from(reported.finding.message.as_bytes()).to_string() },
            "locations": [{ "physicalLocation": { "artifactLocation": {
                "uri": uri(reported.finding.path.as_os_str().as_encoded_bytes()),
            } } }],
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cuda-fixup",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
            } },
            "results": all.iter().map(result).collect::<Vec<_>>(),
        }],
    })
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
    use super::uri;

    #[test]
    fn uris_are_plain() {
        assert_eq!(uri(b"/a/lib c++\xff.so"), "/a/lib%20c%2B%2B%FF.so");
    }
}
