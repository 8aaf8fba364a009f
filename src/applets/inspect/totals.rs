//! Totals of a run over many files.

use super::Run;
use crate::applets::Outcome;
use crate::escape::counted;
use crate::loader::{self, LoadedBy, Resolution, Verdict};
use crate::report::inspect;
use crate::scan::Skipped;
use crate::terminal::{self, Label, message};
use elf_edit::ElfInfo;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::PoisonError;

/// Names that are kept: hostile trees have no end of them.
const MAX_NAMES: usize = 10_000;

/// Totals so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) files: u64,
    pub(super) skipped: Skipped,
    pub(super) errors: bool,
    pub(super) findings: bool,
    /// Some file loads the library of `--why`.
    pub(super) wanted: bool,
    /// Number of files that lack a library, by its name.
    missing: BTreeMap<Vec<u8>, u64>,
    /// Numbers of files that load, and of those where that is unknown.
    loads: u64,
    unknown: u64,
    /// Files that do not load and are for a machine that this one can't run.
    foreign: BTreeMap<String, u64>,
    /// Names of the loaded libraries; kept for `--why`.
    names: BTreeSet<Vec<u8>>,
}

impl Counts {
    /// Counts one file.
    pub(super) fn add(&mut self, info: &ElfInfo, resolution: &Resolution, keep_names: bool) {
        self.files += 1;
        let nothing = resolution.loaded_by == LoadedBy::Nothing;
        match resolution.verdict() {
            _ if nothing => self.loads += 1,
            Verdict::Loads => self.loads += 1,
            Verdict::Unknown => self.unknown += 1,
            Verdict::WillNotLoad if !loader::runs_here(info.header.machine) => {
                *self.foreign.entry(inspect::machine(info)).or_default() += 1;
            }
            Verdict::WillNotLoad => {}
        }
        self.findings |= !resolution.loads() && !nothing;
        let needs = resolution.loaded().iter().flat_map(|object| &object.needs);
        let missing = needs.clone().filter(|need| need.object.is_none());
        let missing: BTreeSet<&Vec<u8>> = missing.map(|need| &need.name).collect();
        for name in missing {
            if self.missing.len() < MAX_NAMES || self.missing.contains_key(name) {
                *self.missing.entry(name.clone()).or_default() += 1;
            }
        }
        if keep_names {
            let opened = resolution
                .dlopen
                .iter()
                .flat_map(|candidate| &candidate.names);
            for name in needs.map(|need| &need.name).chain(opened) {
                if self.names.len() < MAX_NAMES {
                    self.names.insert(name.clone());
                }
            }
        }
    }

    /// The name that a misspelt or shortened one is closest to, if one is close.
    fn nearest(&self, name: &str) -> Option<String> {
        let names = self.names.iter();
        let names = names.filter_map(|name| str::from_utf8(name).ok());
        let near = names.filter_map(|other| Some((distance(name, other)?, other)));
        near.min().map(|(_, name)| name.to_owned())
    }
}

impl Run {
    /// Prints the totals after all files, and returns the outcome.
    /// `walked`: a tree was walked.
    pub(super) fn end(&self, walked: bool) -> anyhow::Result<Outcome> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = || counts.skipped.counts().map(|(skip, n)| (skip.key(), n));
        if self.args.json && walked {
            let line = inspect::summary(counts.files, skipped())?;
            terminal::stdout().write_all(line.as_bytes())?;
        }
        let machine = self.args.json || self.args.graph.is_some();
        if !machine && !self.args.headers && self.args.why.is_none() {
            self.totals(&counts, walked)?;
        }
        let quiet = machine || self.args.check || self.args.headers;
        if !quiet && walked && counts.files == 0 && !counts.errors {
            terminal::message(Label::Note, "no dynamic ELF file")?;
        }
        if self.args.verbose {
            let mut err = terminal::stderr();
            writeln!(err, "{} looked at", counted(counts.files, "file", "files"))?;
            for (skip, n) in skipped() {
                writeln!(err, "passed over: {n} {}", skip.replace('_', " "))?;
            }
        }
        let unwanted = self.args.why.as_ref().filter(|_| !counts.wanted);
        if let Some(name) = unwanted
            && counts.files > 0
        {
            self.unwanted(&counts, &name.to_string_lossy())?;
        }
        Ok(if counts.errors {
            Outcome::Errors
        } else if unwanted.is_some() || (self.args.why.is_none() && counts.findings) {
            Outcome::Findings
        } else {
            Outcome::Fine
        })
    }

    fn totals(&self, counts: &Counts, walked: bool) -> io::Result<()> {
        let mut text = String::new();
        if walked {
            text.push_str(&inspect::missing(&counts.missing));
        }
        if self.args.check {
            let not = counts.files - counts.loads - counts.unknown;
            let line = inspect::totals(counts.files, not, counts.unknown, counts.skipped.total());
            match walked {
                true => text.push_str(&line),
                // One file that is fine is worth a line, but no output.
                false if not == 0 && counts.files > 0 => {
                    terminal::stderr().write_all(line.as_bytes())?;
                }
                false => {}
            }
        }
        terminal::stdout().write_all(text.as_bytes())?;
        if self.root.is_none() {
            for (machine, n) in &counts.foreign {
                let are = if *n == 1 { "is" } else { "are" };
                let help = format!(
                    "{} {are} for {machine}: give --root DIR, the root of a system for that machine",
                    counted(*n, "file", "files")
                );
                message(Label::Help, help)?;
            }
        }
        Ok(())
    }

    fn unwanted(&self, counts: &Counts, name: &str) -> io::Result<()> {
        let name = crate::escape::shown(name);
        let what = match counts.files {
            1 => format!("the file loads nothing of the name {name}"),
            n => format!("none of the {n} files loads anything of the name {name}"),
        };
        message(Label::Note, what)?;
        match counts.nearest(&name.to_string()) {
            Some(near) => {
                let near = crate::escape::shown(&near).to_string();
                message(Label::Help, format!("did you mean {near}? --why {near}"))
            }
            None => message(Label::Help, "--tree shows what is loaded"),
        }
    }
}

/// The distance of a name from the one that is asked for, if they are alike: whether it does not
/// contain that, and numbers of edits.
fn distance(wanted: &str, other: &str) -> Option<(bool, usize, usize)> {
    let wanted = wanted.rsplit('/').next().unwrap_or(wanted).to_lowercase();
    let other = other.rsplit('/').next().unwrap_or(other).to_lowercase();
    let part = !wanted.is_empty() && other.contains(&wanted);
    let length = stem(&other).chars().count();
    let edits = strsim::damerau_levenshtein(stem(&wanted), stem(&other));
    let whole = strsim::damerau_levenshtein(&wanted, &other);
    // `lib` and `.so.` make any two names alike, unless the typo is in one of them.
    let few = match wanted.contains(".so") {
        true => whole <= 1.max(other.len() / 6) && edits < length,
        false => whole <= other.len() / 4,
    };
    let close = part || few || edits <= length / 3;
    close.then_some((!part, edits.min(whole), whole))
}

/// `cudart` of `libcudart.so.13` and of `libcudart.13.so`.
fn stem(name: &str) -> &str {
    let name = name.strip_prefix("lib").unwrap_or(name);
    let stem = name.split_once(".so").map_or(name, |(stem, _)| stem);
    stem.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_of_names_that_are_loaded() {
        let loaded = [
            "libc.so.6",
            "libcuda.so.1",
            "libdl.so.2",
            "libstdc++.so.6",
            "libm.so.6",
        ];
        let counts = Counts {
            names: loaded.iter().map(|name| name.as_bytes().to_vec()).collect(),
            ..Counts::default()
        };
        for (wanted, near) in [
            ("libc.s0.6", "libc.so.6"),
            ("libc.os.6", "libc.so.6"),
            ("libcso6", "libc.so.6"),
            ("libc,so.6", "libc.so.6"),
            ("libc", "libc.so.6"),
            ("LIBC.SO.6", "libc.so.6"),
            ("libc.so.7", "libc.so.6"),
            ("/lib/libc.so", "libc.so.6"),
            ("libm.s0.6", "libm.so.6"),
            ("libcuda.so", "libcuda.so.1"),
            ("libcuda", "libcuda.so.1"),
            ("cuda", "libcuda.so.1"),
            ("libCUDA.so.1", "libcuda.so.1"),
            ("licbuda.so.1", "libcuda.so.1"),
            ("libcdua.so.1", "libcuda.so.1"),
            ("libcuda.so1", "libcuda.so.1"),
            ("libcuda.1.so", "libcuda.so.1"),
            ("libstdc++", "libstdc++.so.6"),
            ("libstdcpp.so.6", "libstdc++.so.6"),
        ] {
            assert_eq!(counts.nearest(wanted).as_deref(), Some(near), "{wanted}");
        }
        for other in [
            "",
            "libz.so.1",
            "libtotallyelse.so.1",
            "libcurl.so.4",
            "python3",
            "libx",
        ] {
            assert_eq!(counts.nearest(other), None, "{other}");
        }
    }
}
