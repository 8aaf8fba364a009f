//! The changes of one file.

use super::normalise::Normaliser;
use super::{Change, Topic};
use crate::loader::Verdict;
use crate::survey::{FileFacts, cudart_word};
use std::collections::{BTreeMap, BTreeSet};

/// A change of a size by less than this part is none: every build has a little more or less.
const PARTS: u64 = 100;

/// One side of a comparison.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) facts: &'a FileFacts,
    pub(super) normaliser: &'a Normaliser,
}

impl Side<'_> {
    fn text(&self, text: &[u8]) -> String {
        self.normaliser.text(text)
    }

    fn maybe(&self, text: Option<&Vec<u8>>) -> Option<String> {
        text.map(|text| self.text(text))
    }

    fn search(&self) -> Vec<String> {
        let entries = self.facts.search.iter();
        entries
            .map(|(tag, entry)| match entry.text.is_empty() {
                true => format!("{tag} (empty)"),
                false => format!("{tag} {}", self.text(&entry.text)),
            })
            .collect()
    }

    fn needed(&self) -> Vec<String> {
        let links = self.facts.links.iter().filter(|link| !link.opened);
        links.map(|link| self.text(&link.name)).collect()
    }

    /// The names that the loader finds, and those that it does not find.
    fn links(&self, found: bool) -> BTreeSet<String> {
        let links = self.facts.links.iter();
        let links = links.filter(|link| link.found.is_some() == found);
        links.map(|link| self.text(&link.name)).collect()
    }

    fn code(&self) -> BTreeMap<String, u64> {
        let code = self.facts.code.iter();
        code.map(|((kind, capability), sum)| {
            let name = capability.map_or_else(|| "-".to_owned(), |c| kind.arch_name(c));
            (format!("{name} {}", kind.word()), sum.bytes)
        })
        .collect()
    }

    fn exports(&self) -> BTreeSet<String> {
        let all = self.facts.exports.iter();
        all.map(|version| self.text(version)).collect()
    }

    /// The newest version that it requires of each series: `2.38` of `GLIBC`.
    fn wants(&self) -> BTreeMap<String, Vec<u64>> {
        let mut newest: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for name in self.facts.wants.values().flatten() {
            let Some((series, version)) = series(&self.text(name)) else {
                continue;
            };
            let known = newest.entry(series).or_default();
            if *known < version {
                *known = version;
            }
        }
        newest
    }
}

/// What differs, in a fixed order of topics.
pub(super) fn changes(before: Side<'_>, after: Side<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    let (b, a) = (before.facts, after.facts);
    verdicts(b, a, &mut found);
    let mut value = |topic, before: Option<String>, after: Option<String>| {
        if before != after {
            found.push(Change::new(topic, before, after));
        }
    };
    value(
        Topic::Kind,
        Some(b.kind.to_owned()),
        Some(a.kind.to_owned()),
    );
    value(
        Topic::Machine,
        Some(b.info.machine_name()),
        Some(a.info.machine_name()),
    );
    value(
        Topic::Interpreter,
        before.maybe(b.info.interpreter.as_ref()),
        after.maybe(a.info.interpreter.as_ref()),
    );
    value(
        Topic::Soname,
        before.maybe(b.info.soname.as_ref()),
        after.maybe(a.info.soname.as_ref()),
    );
    list(
        Topic::Runpath,
        &before.search(),
        &after.search(),
        &mut found,
    );
    list(Topic::Needed, &before.needed(), &after.needed(), &mut found);
    for name in before.links(true).intersection(&after.links(false)) {
        found.push(Change::new(Topic::NotFound, None, Some(name.clone())).worse());
    }
    for name in before.links(false).intersection(&after.links(true)) {
        found.push(Change::new(Topic::NotFound, Some(name.clone()), None));
    }
    let cudart = (cudart_word(&b.cudart), cudart_word(&a.cudart));
    if cudart.0 != cudart.1 {
        found.push(Change::new(Topic::Cudart, cudart.0, cudart.1));
    }
    code(&before.code(), &after.code(), &mut found);
    let same_soname = b.info.soname == a.info.soname;
    let exports = (before.exports(), after.exports());
    for gone in exports.0.difference(&exports.1) {
        let change = Change::new(Topic::Exports, Some(gone.clone()), None);
        // Another soname promises other versions.
        found.push(if same_soname { change.worse() } else { change });
    }
    let new = exports.1.difference(&exports.0);
    found.extend(new.map(|new| Change::new(Topic::Exports, None, Some(new.clone()))));
    wants(&before.wants(), &after.wants(), &mut found);
    let (b, a) = (b.info.size, a.info.size);
    if differs(b, a) {
        found.push(Change::bytes(Topic::Size, None, Some(b), Some(a)));
    }
    found
}

/// `GLIBC` and 2, 38 of `GLIBC_2.38`.
fn series(name: &str) -> Option<(String, Vec<u64>)> {
    let (series, version) = name.rsplit_once('_')?;
    let numbers = version.split('.').map(str::parse);
    let numbers: Result<Vec<u64>, _> = numbers.collect();
    Some((series.to_owned(), numbers.ok()?))
}

/// Series whose newest version is another one.
fn wants(
    before: &BTreeMap<String, Vec<u64>>,
    after: &BTreeMap<String, Vec<u64>>,
    found: &mut Vec<Change>,
) {
    let text = |series: &String, side: &BTreeMap<String, Vec<u64>>| {
        let numbers = side.get(series)?.iter().map(u64::to_string);
        let numbers: Vec<String> = numbers.collect();
        Some(format!("{series}_{}", numbers.join(".")))
    };
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for series in all {
        let (b, a) = (text(series, before), text(series, after));
        if b != a {
            found.push(Change::new(Topic::Wants, b, a));
        }
    }
}

fn verdicts(b: &FileFacts, a: &FileFacts, found: &mut Vec<Change>) {
    let word = |verdict| match verdict {
        Verdict::Loads => "loads",
        Verdict::WillNotLoad => "does not load",
        Verdict::Unknown => "unknown",
    };
    if b.verdict != a.verdict {
        let (from, to) = (word(b.verdict), word(a.verdict));
        let change = Change::new(Topic::Loads, Some(from.to_owned()), Some(to.to_owned()));
        found.push(match a.verdict {
            Verdict::WillNotLoad => change.worse(),
            _ => change,
        });
    }
}

/// Elements that are new or gone, or the whole list where only its order changed.
fn list(topic: Topic, before: &[String], after: &[String], found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    let gone: Vec<&String> = before.iter().filter(|b| !after.contains(b)).collect();
    let new: Vec<&String> = after.iter().filter(|a| !before.contains(a)).collect();
    if gone.is_empty() && new.is_empty() {
        let whole = |list: &[String]| Some(list.join(", "));
        found.push(Change::new(topic, whole(before), whole(after)));
        return;
    }
    let gone = gone.into_iter();
    found.extend(gone.map(|gone| Change::new(topic, Some(gone.clone()), None)));
    let new = new.into_iter();
    found.extend(new.map(|new| Change::new(topic, None, Some(new.clone()))));
}

fn code(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>, found: &mut Vec<Change>) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (b, a) = (before.get(name).copied(), after.get(name).copied());
        let differs = match (b, a) {
            (Some(b), Some(a)) => differs(b, a),
            _ => true,
        };
        if differs {
            let change = Change::bytes(Topic::Code, Some(name.clone()), b, a);
            found.push(if a.is_none() { change.worse() } else { change });
        }
    }
}

fn differs(before: u64, after: u64) -> bool {
    before.abs_diff(after) > before.max(after) / PARTS
}
