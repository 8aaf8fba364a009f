//! Missing dependencies of all files, reported together at the end.

use crate::advice::shell::word;
use crate::advice::{Miss, advise};
use crate::escape::{Shown, shown};
use crate::fixup::{FileReport, Summary};
use crate::near::Surroundings;
use crate::plan::Outcome;
use crate::report::fixup::hint;
use crate::report::inspect;
use crate::terminal::{self, Label, Paint};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

/// Limit of reported dependencies, against hostile files.
const MOST: usize = 10_000;

/// Missing dependencies, in the order of the files.
#[derive(Debug, Default)]
pub(super) struct MissingDependencies {
    lines: Vec<(Label, String)>,
    missing: u64,
    names: Vec<Vec<u8>>,
    /// How many files need each of the names.
    files: BTreeMap<Vec<u8>, u64>,
    not_told: u64,
}

impl MissingDependencies {
    /// Notes the misses of one file, and those that a pattern excuses.
    pub(super) fn note(&mut self, report: &FileReport) {
        let Some(file) = report.names.first() else {
            return;
        };
        for resolution in &report.plan.resolutions {
            let wanted =
                |name: &[u8]| format!("{}, which {} needs", Shown::from(name), shown(file));
            let line = match &resolution.outcome {
                Outcome::Missing { .. } => {
                    self.missing += 1;
                    let name = resolution.shown_name();
                    let wanted = wanted(&name);
                    let hint = hint(&resolution.outcome);
                    if let Some(files) = self.files.get_mut(&name) {
                        *files += 1;
                    } else if self.names.len() < MOST {
                        self.files.insert(name.clone(), 1);
                        self.names.push(name);
                    }
                    if hint.is_empty() {
                        (Label::Error, format!("nothing provides {wanted}"))
                    } else {
                        (Label::Error, format!("nothing provides {wanted} ({hint})"))
                    }
                }
                Outcome::Ignored => {
                    let wanted = wanted(&resolution.shown_name());
                    let line = format!("nothing provides {wanted}; ignored as asked");
                    (Label::Warning, line)
                }
                Outcome::ByFileName(_) => {
                    let wanted = wanted(&resolution.shown_name());
                    let hint = hint(&resolution.outcome);
                    (Label::Warning, format!("{wanted}: {hint}"))
                }
                // Most are found, and cost nothing here.
                _ => continue,
            };
            if self.lines.len() < MOST {
                self.lines.push(line);
            } else {
                self.not_told += 1;
            }
        }
    }

    /// Prints all of them, with the searched directories and advice that names these flags.
    pub(super) fn print(&self, summary: &Summary, add: &str, ignore: &str) -> io::Result<()> {
        // Standard error has no buffer: a line would be several system calls.
        let mut out = BufWriter::new(terminal::stderr());
        if self.lines.is_empty() {
            return Ok(());
        }
        let paint = Paint::stderr();
        for (label, line) in &self.lines {
            writeln!(out, "{}: {line}", paint.label(*label, label.word()))?;
        }
        if self.not_told > 0 {
            writeln!(out, "… and {} more", self.not_told)?;
        }
        if self.missing == 0 {
            return out.flush();
        }
        if self.missing > 1 {
            out.write_all(inspect::missing(&self.files).as_bytes())?;
        }
        if summary.searched.is_empty() {
            writeln!(out, "no directory was searched")?;
        } else {
            writeln!(out, "searched, in this order:")?;
        }
        for place in summary.searched.iter().take(200) {
            writeln!(out, "  {}", shown(place))?;
        }
        if summary.searched.len() > 200 {
            writeln!(out, "  … and {} more", summary.searched.len() - 200)?;
        }
        let around = Surroundings::default();
        for name in self.names.iter().take(20) {
            let near = around.packages(name, None);
            for line in advise(Miss::Library(name), &near).lines() {
                writeln!(out, "{}", paint.advice(&line))?;
            }
        }
        let names: Vec<String> = {
            // A name that looks like an option is none of the list.
            let names = self.names.iter().filter(|name| !name.starts_with(b"-"));
            names.take(20).filter_map(|name| word(name)).collect()
        };
        writeln!(
            out,
            "{}: add their directories with {add}, or, if the program does without them: {ignore} {}",
            paint.label(Label::Help, Label::Help.word()),
            names.join(" ")
        )?;
        out.flush()
    }
}
