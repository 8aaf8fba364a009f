//! Lint rules, which examine a file or a tree and never write. Each rule is a file of `rules/`,
//! with its documentation: the fault, its consequences, an example and the fix.

mod below;
pub(crate) mod config;
pub(crate) mod context;
mod entries;
mod existing;
mod files;
mod finding;
mod fix;
mod interface;
mod look;
mod meeting;
mod options;
mod plugins;
mod rules;
mod runtimes;
mod selected;
mod subject;
pub(crate) mod tree;

pub(crate) use context::{Context, Contexts};
pub(crate) use entries::EntryFault;
pub(crate) use files::LintFiles;
pub(crate) use finding::{Finding, ReportedFinding, Sayings};
pub(crate) use fix::{FileChanges, Fix, file_changes};
pub(crate) use look::{Linter, Looked};
pub(crate) use meeting::LoadedCudaLibrary;
pub(crate) use options::Options;
pub use rules::RULES;
pub(crate) use runtimes::{Runtime, RuntimeKind};
pub(crate) use selected::{Input, SelectedRules};
pub(crate) use subject::Subject;

use crate::advice::Advice;
use crate::loader::SearchEntry;
use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For a look; never fails.
    Note,
    /// Likely wrong; does not fail.
    Warning,
    /// Fails the run: exit status 1.
    Error,
}

impl Severity {
    /// The word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A text file of a package.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextFile<'a> {
    /// All of it: larger files are skipped.
    pub bytes: &'a [u8],
}

/// Input of a rule's check, which calls back once for each finding.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    /// A dynamic ELF file.
    Elf(fn(&Subject<'_>, &mut dyn FnMut(String))),
    Text(fn(&TextFile<'_>, &mut dyn FnMut(String))),
    /// A whole tree; the rule names the file of each finding.
    Tree(TreeCheck),
    /// A dynamic ELF file, and then the tree.
    Both(fn(&Subject<'_>, &mut dyn FnMut(String)), TreeCheck),
    /// A dynamic ELF file, where each finding has its own cause and remedy.
    Advised(fn(&Subject<'_>, &mut dyn FnMut(Said))),
}

/// A message with its cause and remedy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub message: String,
    pub advice: Advice,
    /// The library that is not found.
    pub missing: Option<Vec<u8>>,
    /// `--fix` leaves it, whatever its rule: its removal could leave a library missing.
    pub by_hand: bool,
}

impl From<String> for Said {
    fn from(message: String) -> Said {
        Said {
            message,
            ..Said::default()
        }
    }
}

impl Said {
    /// About an entry that `fixup --shrink` drops if nothing is found through it; else with the
    /// command that drops it in any case.
    fn entry(message: String, entry: &SearchEntry, s: &Subject<'_>) -> Said {
        match entry.provides.is_empty() && entry.provides_dlopen.is_empty() {
            true => message.into(),
            false => Said::drop_entry(message, &entry.text, s.shown.as_os_str().as_bytes()),
        }
    }

    /// About libraries that the file opens, with the command for one that is beside it.
    fn opens(message: String, names: &[&[u8]], s: &Subject<'_>) -> Said {
        let mut said = Said::from(message);
        said.advice.helps.extend(s.open_beside(names));
        said
    }

    /// With the command that drops a RUNPATH entry of a file that no package may keep.
    fn drop_entry(message: String, entry: &[u8], file: &[u8]) -> Said {
        let mut said = Said::from(message);
        let command = crate::advice::drop_entry(entry, file);
        said.advice.helps.extend(command.map(|c| {
            format!("drop it: {c}, with `--lib DIR` for a library that is found there now")
        }));
        said.by_hand = true;
        said
    }
}

type TreeCheck = fn(&tree::LintedTree<'_>, &mut dyn FnMut(&Path, String));

#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub(crate) module: &'static str,
    pub severity: Severity,
    pub(crate) source: &'static str,
    pub(crate) check: Check,
    /// The inputs that take time to read.
    pub(crate) inputs: &'static [Input],
    /// How `--fix` removes its findings, where one way serves all of them.
    pub(crate) fix: Option<Fix>,
}

impl Rule {
    /// The name that users know; it never changes.
    pub fn code(&self) -> String {
        self.module.replace('_', "-")
    }

    /// Its title, in one line.
    pub fn title(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }

    /// Its documentation in Markdown: the fault, its consequences, an example and the fix.
    pub fn text(&self) -> String {
        let lines = self.source.lines();
        let lines = lines.map_while(|line| line.strip_prefix("//!"));
        let lines: Vec<&str> = lines.map(|l| l.strip_prefix(' ').unwrap_or(l)).collect();
        lines.join("\n")
    }

    /// The rule of that code.
    pub fn find(code: &str) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.code() == code)
    }
}

/// Bytes of a file in a message, not yet safe for a terminal.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// docs/lint.md: how it is used, and the rules' own documentation.
pub fn documentation() -> String {
    let mut page = "# lint: faults of RUNPATHs, CUDA runtimes and device code\n\n".to_owned();
    page.push_str(include_str!("usage.md"));
    page.push_str(
        "\nMade from the documentation of `src/lint/rules/*.rs` by `tests/cli/lint.rs`.\n\n\
        | code | severity | finds |\n|---|---|---|\n",
    );
    for rule in RULES {
        let (code, word) = (rule.code(), rule.severity.word());
        let title = first_paragraph(&rule.text());
        page.push_str(&format!("| [`{code}`](#{code}) | {word} | {title} |\n"));
    }
    for rule in RULES {
        let text = rule.text().replace("\n## ", "\n#### ");
        page.push_str(&format!("\n### {}\n\n{}\n", rule.code(), text.trim_end()));
    }
    page
}

fn first_paragraph(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_says_what_why_example_and_fix() {
        let mut codes = BTreeSet::new();
        for rule in RULES {
            let text = rule.text();
            assert!(codes.insert(rule.code()), "{} twice", rule.code());
            assert!(rule.title().len() > 20, "{}", rule.code());
            for heading in ["## Why is this bad", "## Example", "## Fix"] {
                assert!(text.contains(heading), "{}: no {heading}", rule.code());
            }
        }
        assert!(Rule::find("cudart-static").is_some());
        assert!(Rule::find("cudart_static").is_none());
    }
}
