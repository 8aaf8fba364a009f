//! `cuda-fixup.toml`: the exceptions of a package, with the reasons.

use super::{Finding, RULES, Rule, SelectedRules, Severity};
use crate::plan::glob_matches;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;

/// The file's contents. Unknown keys are errors, so that a misspelt one is noticed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Findings that are as they should be.
    #[serde(default)]
    pub exception: Vec<Exception>,
    /// Other severities for this package: code -> error, warning, note or allow.
    #[serde(default)]
    pub severity: BTreeMap<Spanned<String>, Level>,
}

/// What is wrong with the file, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    pub line: usize,
    pub what: String,
}

/// A rule's severity, or its silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Error,
    Warning,
    Note,
    Allow,
}

/// One kind of finding in some files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    /// The rule's code.
    pub code: Spanned<String>,
    /// A glob over the path, or over the end of it behind a slash; without it, all files.
    pub path: Option<String>,
    /// A glob over the message; without it, all messages.
    pub message: Option<String>,
    /// Why the finding is intended.
    pub reason: String,
}

impl Config {
    /// Parses and checks the text of the file.
    pub(crate) fn parse(text: &str) -> Result<Config, ConfigError> {
        let config: Config = toml::from_str(text).map_err(|error| ConfigError {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            what: error.message().replace('\n', ", "),
        })?;
        let at = |code: &Spanned<String>, what| ConfigError {
            line: line_of(text, code.span().start),
            what,
        };
        for Exception { code, reason, .. } in &config.exception {
            known(code.as_ref()).map_err(|what| at(code, what))?;
            if reason.trim().is_empty() {
                let what = format!(
                    "the exception for `{}` has an empty reason: say why it is as it should be",
                    code.as_ref()
                );
                return Err(at(code, what));
            }
        }
        for code in config.severity.keys() {
            known(code.as_ref()).map_err(|what| at(code, what))?;
        }
        Ok(config)
    }

    /// The exception that covers a finding.
    pub(crate) fn exception(&self, finding: &Finding) -> Option<usize> {
        let code = RULES.get(finding.rule)?.code();
        self.exception.iter().position(|exception| {
            let message = exception.message.as_deref().unwrap_or("*");
            *exception.code.as_ref() == code
                && exception
                    .path
                    .as_deref()
                    .is_none_or(|glob| path_matches(glob, &finding.path))
                && glob_matches(message.as_bytes(), finding.message().as_bytes())
        })
    }
}

/// The line of a byte, counted from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|&&byte| byte == b'\n').count() + 1
}

fn path_matches(glob: &str, path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    glob_matches(glob.as_bytes(), path) || glob_matches(format!("*/{glob}").as_bytes(), path)
}

/// Fails for a code that no rule has.
pub(crate) fn known(code: &str) -> Result<(), String> {
    match Rule::find(code) {
        Some(_) => Ok(()),
        None => Err(match nearest(code) {
            Some(near) => format!("there is no rule `{code}`: did you mean `{near}`?"),
            None => {
                format!("there is no rule `{code}`: `cuda-fixup lint --list` prints the codes")
            }
        }),
    }
}

/// The code that a misspelt one is closest to, if it is close.
fn nearest(code: &str) -> Option<String> {
    let near = RULES
        .iter()
        .map(|rule| (distance(code, &rule.code()), rule.code()));
    near.filter(|(edits, near)| *edits <= near.len() / 4)
        .min()
        .map(|(_, near)| near)
}

/// Insertions, removals and replacements of bytes that make one text of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The severity of each rule: defaults, then the file, then the command line, the last one wins.
#[derive(Clone, Debug)]
pub(crate) struct Levels(Vec<Choice>);

/// The severity of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// Its own, which depends on where the file is.
    Default,
    /// The user's.
    Given(Severity),
    Silent,
}

impl Levels {
    /// Defaults, changed by the file.
    pub(crate) fn new(config: &Config) -> Levels {
        let mut levels = Levels(vec![Choice::Default; RULES.len()]);
        for (code, &level) in &config.severity {
            levels.set(code.as_ref(), level);
        }
        levels
    }

    pub(crate) fn set(&mut self, code: &str, level: Level) {
        let at = RULES.iter().position(|rule| rule.code() == code);
        if let Some(slot) = at.and_then(|at| self.0.get_mut(at)) {
            *slot = match level {
                Level::Error => Choice::Given(Severity::Error),
                Level::Warning => Choice::Given(Severity::Warning),
                Level::Note => Choice::Given(Severity::Note),
                Level::Allow => Choice::Silent,
            };
        }
    }

    /// Silences all other rules. These have their own severities, unless the file gives them
    /// others.
    pub(crate) fn select(&mut self, codes: &[String]) {
        for (rule, slot) in RULES.iter().zip(&mut self.0) {
            *slot = match (codes.contains(&rule.code()), *slot) {
                (true, Choice::Silent) => Choice::Default,
                (true, slot) => slot,
                (false, _) => Choice::Silent,
            };
        }
    }

    /// The rules that are not silent.
    pub(crate) fn rules(&self) -> SelectedRules {
        SelectedRules::new(self.0.iter().map(|choice| *choice != Choice::Silent))
    }

    /// That of a finding.
    pub(crate) fn of(&self, finding: &Finding) -> Option<Severity> {
        match self.0.get(finding.rule)? {
            Choice::Default => Some(finding.context.severity(RULES.get(finding.rule)?)),
            Choice::Given(severity) => Some(*severity),
            Choice::Silent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &str, path: &str, message: &str) -> Finding {
        let rule = RULES.iter().position(|rule| rule.code() == code).unwrap();
        Finding::new(
            Path::new(path).into(),
            rule,
            crate::lint::Context::Nix,
            message.to_owned().into(),
            &Default::default(),
        )
    }

    #[test]
    fn exceptions_cover_what_they_name() {
        let config = Config::parse(
            r#"
            [[exception]]
            code = "cudart-static"
            path = "lib/libvendor.so*"
            reason = "prebuilt, asked upstream"
            [[exception]]
            code = "runpath-unused"
            message = "*/opt/plugins*"
            reason = "plugins are opened by name"
            [severity]
            rpath = "error"
            executable-stack = "allow"
            "#,
        )
        .unwrap();
        let covers = |code, path, message| config.exception(&finding(code, path, message));
        assert_eq!(
            covers("cudart-static", "/out/lib/libvendor.so.1", ""),
            Some(0)
        );
        assert_eq!(covers("cudart-static", "lib/libvendor.so.1", ""), Some(0));
        assert_eq!(covers("cudart-static", "/out/lib/other.so", ""), None);
        assert_eq!(covers("cudart-twice", "/out/lib/libvendor.so.1", ""), None);
        assert_eq!(
            covers("runpath-unused", "x", "through /opt/plugins/lib"),
            Some(1)
        );
        assert_eq!(covers("runpath-unused", "x", "through /opt/other"), None);
        let levels = Levels::new(&config);
        assert_eq!(levels.of(&finding("rpath", "x", "")), Some(Severity::Error));
        assert_eq!(levels.of(&finding("executable-stack", "x", "")), None);
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for (text, what) in [
            (
                "[[exception]]\ncode = 'nosuch'\nreason = 'x'",
                "there is no rule `nosuch`",
            ),
            (
                "[[exception]]\ncode = 'rpath'\nreason = ' '",
                "empty reason",
            ),
            ("[[exception]]\ncode = 'rpath'", "reason"),
            ("[[exceptions]]\ncode = 'rpath'", "unknown field"),
            ("[severity]\nrpath = 'fatal'", "unknown variant"),
            ("[severity]\nnosuch = 'error'", "there is no rule"),
            (
                "[severity]\nrunpath-mising = 'error'",
                "did you mean `runpath-missing`?",
            ),
            ("not toml", "expected"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.what.contains(what), "{error:?}");
            assert!(!error.what.contains('\n'), "{error:?}");
            let line = text
                .lines()
                .position(|l| l.contains("nosuch") || l.contains("fatal"));
            assert_eq!(
                error.line,
                line.map_or(error.line, |line| line + 1),
                "{error:?}"
            );
        }
    }
}
