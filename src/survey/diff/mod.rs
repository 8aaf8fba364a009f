//! Compares two surveys: what changed in each file, and which findings are new or gone.

mod changes;
mod normalise;
mod pairs;

use super::Survey;
use crate::lint::{ReportedFinding, Severity};
use crate::scan;
use changes::{Side, changes};
use normalise::Normaliser;
use std::collections::BTreeMap;
use std::path::Path;

/// The subject of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Topic {
    /// Files that are new or gone
    File,
    /// Whether a file loads
    Loads,
    /// Program or shared library
    Kind,
    /// The processor
    Machine,
    /// PT_INTERP
    Interpreter,
    /// DT_SONAME
    Soname,
    /// Elements of DT_RUNPATH and DT_RPATH
    Runpath,
    /// DT_NEEDED
    Needed,
    /// Libraries that are needed or opened, and not found
    NotFound,
    /// The CUDA runtime
    Cudart,
    /// Device code, by architecture
    Code,
    /// Versions of symbols that a file exports
    Exports,
    /// The newest version of symbols that a file requires, by series
    Wants,
    /// Size of the file
    Size,
    /// Findings of lint
    Findings,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub topic: Topic,
    /// The architecture, for device code.
    pub name: Option<String>,
    /// `None`: it is new.
    pub before: Option<String>,
    /// `None`: it is gone.
    pub after: Option<String>,
    /// The same in bytes, for device code and sizes.
    pub bytes: Option<(Option<u64>, Option<u64>)>,
    /// It makes the package worse.
    pub worse: bool,
}

impl Change {
    fn new(topic: Topic, before: Option<String>, after: Option<String>) -> Change {
        Change {
            topic,
            name: None,
            before,
            after,
            bytes: None,
            worse: false,
        }
    }

    fn bytes(
        topic: Topic,
        name: Option<String>,
        before: Option<u64>,
        after: Option<u64>,
    ) -> Change {
        Change {
            name,
            bytes: Some((before, after)),
            ..Change::new(topic, None, None)
        }
    }

    fn worse(self) -> Change {
        Change {
            worse: true,
            ..self
        }
    }
}

/// A file of either side, or of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileDiff {
    /// Its path inside the first tree; `None` where it is new.
    pub before: Option<String>,
    /// Its path inside the second tree; `None` where it is gone.
    pub after: Option<String>,
    /// Its bytes on both sides.
    pub sizes: (Option<u64>, Option<u64>),
    pub changes: Vec<Change>,
}

/// A finding that only one side has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FindingDiff {
    /// Inside the tree.
    pub path: String,
    pub code: String,
    pub severity: Severity,
    pub message: String,
    /// Only the second tree has it.
    pub new: bool,
    /// It makes the package worse.
    pub worse: bool,
}

/// The differences of two trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Files with changes, by path.
    pub files: Vec<FileDiff>,
    /// By path and rule.
    pub findings: Vec<FindingDiff>,
    /// Files without a change.
    pub unchanged: usize,
    /// Bytes of all ELF files.
    pub sizes: (u64, u64),
    /// Bytes of device code by kind and architecture.
    pub code: BTreeMap<String, (u64, u64)>,
}

impl Comparison {
    /// Compares the files and findings of two surveys.
    pub(crate) fn new(
        before: (&Survey, &[ReportedFinding<'_>]),
        after: (&Survey, &[ReportedFinding<'_>]),
    ) -> Comparison {
        let normalisers = (
            Normaliser::new(&before.0.roots),
            Normaliser::new(&after.0.roots),
        );
        let (b, a) = ((before.0, &normalisers.0), (after.0, &normalisers.1));
        let mut comparison = Comparison::default();
        // Findings are compared by the path in the second tree.
        let mut renamed: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for (one, other) in pairs::pairs(b, a) {
            if let (Some(one), Some(other)) = (one, other) {
                renamed.insert(
                    b.1.path(&b.0.files[one].inside),
                    a.1.path(&a.0.files[other].inside),
                );
            }
            let diff = file(b, a, one, other);
            match diff.changes.is_empty() {
                true => comparison.unchanged += 1,
                false => comparison.files.push(diff),
            }
        }
        let size = |survey: &Survey| survey.files.iter().map(|file| file.facts.info.size).sum();
        comparison.sizes = (size(before.0), size(after.0));
        comparison.sum_code(before.0, |sums| &mut sums.0);
        comparison.sum_code(after.0, |sums| &mut sums.1);
        let place = |side: (&Survey, &Normaliser), path: &Path| {
            let found = scan::root_of(&side.0.roots, path);
            let inside = found.map_or(path, |(_, inside)| inside);
            match inside.as_os_str().is_empty() {
                true => side.1.path(Path::new(path.file_name().unwrap_or_default())),
                false => side.1.path(inside),
            }
        };
        let before = Findings::new(b.1, before.1, |path| {
            let path = place(b, path);
            renamed.get(&path).cloned().unwrap_or(path)
        });
        let after = Findings::new(a.1, after.1, |path| place(a, path));
        comparison.findings = before.compare(&after);
        comparison
    }

    fn sum_code(&mut self, survey: &Survey, side: impl Fn(&mut (u64, u64)) -> &mut u64) {
        for ((kind, capability), sum) in survey.files.iter().flat_map(|f| &f.facts.code) {
            let name = capability.map_or_else(|| "-".to_owned(), |c| kind.arch_name(c));
            let sums = self.code.entry(format!("{name} {}", kind.word()));
            let bytes = side(sums.or_default());
            *bytes = bytes.saturating_add(sum.bytes);
        }
    }

    /// Clears the marks of topics that may get worse.
    pub(crate) fn accept(&mut self, topics: &[Topic]) {
        for change in self.files.iter_mut().flat_map(|file| &mut file.changes) {
            change.worse &= !topics.contains(&change.topic);
        }
        for finding in &mut self.findings {
            finding.worse &= !topics.contains(&Topic::Findings);
        }
    }

    /// Number of changes that make the package worse.
    pub(crate) fn worse(&self) -> usize {
        let changes = self.files.iter().flat_map(|file| &file.changes);
        let findings = self.findings.iter().filter(|finding| finding.worse);
        changes.filter(|change| change.worse).count() + findings.count()
    }
}

fn file(
    before: (&Survey, &Normaliser),
    after: (&Survey, &Normaliser),
    one: Option<usize>,
    other: Option<usize>,
) -> FileDiff {
    let side = |side: (&Survey, &Normaliser), at: Option<usize>| {
        let path = side.1.path(&side.0.files.get(at?)?.inside);
        Some(crate::escape::Shown::from(&path[..]).to_string())
    };
    let size = |survey: &Survey, at: Option<usize>| Some(survey.files.get(at?)?.facts.info.size);
    let mut diff = FileDiff {
        before: side(before, one),
        after: side(after, other),
        sizes: (size(before.0, one), size(after.0, other)),
        changes: Vec::new(),
    };
    match (one, other) {
        (Some(one), Some(other)) => {
            let before = Side {
                facts: &before.0.files[one].facts,
                normaliser: before.1,
            };
            let after = Side {
                facts: &after.0.files[other].facts,
                normaliser: after.1,
            };
            if diff.before != diff.after {
                let paths = (diff.before.clone(), diff.after.clone());
                diff.changes
                    .push(Change::new(Topic::File, paths.0, paths.1));
            }
            diff.changes.extend(changes(before, after));
        }
        _ => {
            let paths = (diff.before.clone(), diff.after.clone());
            diff.changes
                .push(Change::new(Topic::File, paths.0, paths.1));
        }
    }
    diff
}

/// Findings of one side by path, rule and the library that is missing.
struct Findings(BTreeMap<FindingKey, Vec<(String, Severity)>>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FindingKey {
    path: Vec<u8>,
    rule: usize,
    missing: Option<Vec<u8>>,
}

impl Findings {
    fn new(
        normaliser: &Normaliser,
        findings: &[ReportedFinding<'_>],
        place: impl Fn(&Path) -> Vec<u8>,
    ) -> Findings {
        let mut found: BTreeMap<FindingKey, Vec<(String, Severity)>> = BTreeMap::new();
        for rated in findings {
            let key = FindingKey {
                path: place(&rated.finding.path),
                rule: rated.finding.rule,
                missing: rated.finding.missing().map(<[u8]>::to_vec),
            };
            let message = normaliser.message(rated.finding.message());
            found
                .entry(key)
                .or_default()
                .push((message, rated.severity));
        }
        Findings(found)
    }

    /// New and gone findings. One whose message alone changed is not worse.
    fn compare(&self, after: &Findings) -> Vec<FindingDiff> {
        let mut found = Vec::new();
        let none = Vec::new();
        for (key, new) in &after.0 {
            let old = self.0.get(key).unwrap_or(&none);
            let more = new.len().saturating_sub(old.len());
            let only = new.iter().filter(|finding| !has(old, finding));
            found.extend(only.enumerate().map(|(at, finding)| {
                let worse = at < more && finding.1 >= Severity::Warning;
                key.diff(finding, true, worse)
            }));
        }
        for (key, old) in &self.0 {
            let new = after.0.get(key).unwrap_or(&none);
            let only = old.iter().filter(|finding| !has(new, finding));
            found.extend(only.map(|finding| key.diff(finding, false, false)));
        }
        found.sort();
        found
    }
}

/// Whether the finding is among these; numbers in its message do not count.
fn has(all: &[(String, Severity)], one: &(String, Severity)) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| c.is_ascii_digit());
        words.filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    let message = words(&one.0);
    let mut all = all.iter();
    all.any(|other| other.1 == one.1 && words(&other.0) == message)
}

impl FindingKey {
    fn diff(&self, finding: &(String, Severity), new: bool, worse: bool) -> FindingDiff {
        let rule = crate::lint::RULES.get(self.rule);
        FindingDiff {
            path: crate::escape::Shown::from(&self.path[..]).to_string(),
            code: rule.map(crate::lint::Rule::code).unwrap_or_default(),
            severity: finding.1,
            message: finding.0.clone(),
            new,
            worse,
        }
    }
}
