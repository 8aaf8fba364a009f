//! Findings of `lint` for people: the same finding of many files is one, with a count and the
//! first files.

use super::lint::{ReportedFinding, write_advice, write_finding, write_head};
use crate::escape::{sentence, shown};
use crate::lint::Severity;
use crate::terminal::Paint;
use std::collections::HashMap;
use std::io::{self, Write};

/// From this many files on, one finding is shown once.
const MANY: usize = 3;
/// Files that are named of those.
const FILES: usize = 3;
/// Notes and warnings of one rule that are shown; errors are all shown.
const PER_RULE: usize = 10;

/// One message of one rule and the findings that have it, in the order of the findings.
struct Group<'a> {
    first: ReportedFinding<'a>,
    others: Vec<ReportedFinding<'a>>,
}

/// Writes all findings, in the order of the first file of each group.
pub(crate) fn write_findings(
    out: &mut impl Write,
    all: &[ReportedFinding<'_>],
    paint: Paint,
) -> io::Result<()> {
    let mut of_rule: HashMap<usize, usize> = HashMap::new();
    let mut left_out: Vec<(ReportedFinding<'_>, usize, usize)> = Vec::new();
    for group in groups(all) {
        let rule = group.first.finding.rule;
        let written = of_rule.entry(rule).or_default();
        *written += 1;
        if *written > PER_RULE && group.first.severity != Severity::Error {
            let findings = group.others.len() + 1;
            match left_out
                .iter_mut()
                .find(|(first, ..)| first.finding.rule == rule)
            {
                Some((_, groups, all)) => {
                    *groups += 1;
                    *all += findings;
                }
                None => left_out.push((group.first, 1, findings)),
            }
            continue;
        }
        write_group(out, &group, paint)?;
    }
    for (first, groups, findings) in left_out {
        write_head(out, first, paint)?;
        writeln!(
            out,
            "{findings} more with {groups} other messages: --format json has all"
        )?;
    }
    Ok(())
}

fn groups<'a>(all: &[ReportedFinding<'a>]) -> Vec<Group<'a>> {
    let mut places: HashMap<(usize, Severity, &str), usize> = HashMap::new();
    let mut groups: Vec<Group<'a>> = Vec::new();
    for &reported in all {
        let message = reported.finding.message();
        let key = (reported.finding.rule, reported.severity, message);
        match places.get(&key) {
            Some(&at) => groups[at].others.push(reported),
            None => {
                places.insert(key, groups.len());
                let others = Vec::new();
                groups.push(Group {
                    first: reported,
                    others,
                });
            }
        }
    }
    groups
}

fn write_group(out: &mut impl Write, group: &Group<'_>, paint: Paint) -> io::Result<()> {
    let count = group.others.len() + 1;
    if count < MANY {
        write_finding(out, group.first, paint)?;
        return group
            .others
            .iter()
            .try_for_each(|reported| write_finding(out, *reported, paint));
    }
    let message = sentence(group.first.finding.message());
    write_head(out, group.first, paint)?;
    writeln!(out, "{message}")?;
    let all = [group.first]
        .into_iter()
        .chain(group.others.iter().copied());
    let files = all
        .take(FILES)
        .map(|reported| shown(&*reported.finding.path));
    let files: Vec<String> = files.map(|path| path.to_string()).collect();
    let files = paint.title(files.join(", "));
    match count - FILES {
        0 => writeln!(out, "  in {count} files: {files}")?,
        more => writeln!(out, "  in {count} files: {files} and {more} more")?,
    }
    write_advice(out, group.first, paint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{Context, Finding, RULES, Sayings};
    use std::path::Path;

    fn printed(findings: &[(&str, &str)], code: &str) -> String {
        let rule = RULES.iter().position(|rule| rule.code() == code).unwrap();
        let findings: Vec<Finding> = findings
            .iter()
            .map(|(path, message)| {
                let message = (*message).to_owned();
                let (path, sayings) = (Path::new(path).into(), Sayings::default());
                let mut finding = Finding::new(path, rule, Context::Nix, message.into(), &sayings);
                finding.change_advice(&sayings, |advice| *advice = Default::default());
                finding
            })
            .collect();
        let reported: Vec<_> = findings
            .iter()
            .map(|finding| ReportedFinding {
                finding,
                severity: RULES[rule].severity,
            })
            .collect();
        let mut out = Vec::new();
        write_findings(&mut out, &reported, Paint::PLAIN).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_finding_of_many_files_is_shown_once() {
        let of = |files: &[&'static str]| -> Vec<(&str, &str)> {
            files.iter().map(|file| (*file, "has x")).collect()
        };
        assert_eq!(
            printed(&of(&["a", "b"]), "rpath"),
            "warning[rpath]: a: has x\nwarning[rpath]: b: has x\n"
        );
        assert_eq!(
            printed(&of(&["a", "b", "c"]), "rpath"),
            "warning[rpath]: has x\n  in 3 files: a, b, c\n"
        );
        assert_eq!(
            printed(&of(&["a", "b", "c", "d", "e"]), "rpath"),
            "warning[rpath]: has x\n  in 5 files: a, b, c and 2 more\n"
        );
    }

    #[test]
    fn notes_end_and_errors_do_not() {
        let messages: Vec<String> = (0..14).map(|i| format!("has {i}")).collect();
        let findings: Vec<(&str, &str)> = messages.iter().map(|m| ("a", m.as_str())).collect();
        let notes = printed(&findings, "runpath-unused");
        assert_eq!(notes.lines().count(), 11, "{notes}");
        assert!(
            notes.ends_with(
                "note[runpath-unused]: 4 more with 4 other messages: --format json has all\n"
            ),
            "{notes}"
        );
        let errors = printed(&findings, "needed-not-found");
        assert_eq!(errors.lines().count(), 14, "{errors}");
    }
}
