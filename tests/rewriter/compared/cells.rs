//! The cells of the torture matrix, done by each rewriter and judged in the same way.

use crate::compared::rewriter::{NotDone, REWRITERS, Rewriter};
use crate::compared::table::{Cell, Part, Row};
use crate::torture::edits::{CHANGES, Case, Change, Meaning};
use crate::torture::kinds::Kind;
use crate::torture::matrix::{baseline, new_complaints, subject};
use crate::torture::process::copy;
use crate::torture::subject::{Seen, holds, look};
use crate::torture::tools::Tool;
use elf_edit::Edit;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Later treatments of an edited file.
const STRIPS: [(Tool, &str); 5] = [
    (Tool::Strip, "then GNU `strip`"),
    (Tool::StripDebug, "then GNU `strip -g`"),
    (Tool::LlvmStrip, "then `llvm-strip`"),
    (Tool::EuStrip, "then `eu-strip`"),
    (Tool::DebugLink, "then debug file and `.gnu_debuglink`"),
];

/// The groups of kinds, each a part of the document.
const GROUPS: [&str; 4] = [
    "Files as linkers make them, run on this machine",
    "Files as linkers make them, run by QEMU",
    "Files that patchelf 0.14 to 0.19 rewrote before",
    "Files with headers that are allowed and rare",
];

/// One edit of one kind by one rewriter, and what became of it.
struct Done<'a> {
    kind: &'a Kind,
    change: Change,
    rewriter: Rewriter,
    ended: Ended,
    /// Removed strings looked for, and whether one was found.
    removes: bool,
    left: bool,
    complains: bool,
    /// Which tool was tried, and whether the file survived it.
    tool: Option<(Tool, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Works,
    Refused,
    Broke,
    /// It said that all is well, and the file does not run or says something else.
    Wrong,
}

type Baselines<'a> = HashMap<(&'a str, bool, Tool), Result<Seen, String>>;

/// What the matrix gave: the parts of the document, and by rewriter the cells that failed.
pub struct Compared {
    pub parts: Vec<Part>,
    pub failed: BTreeMap<&'static str, BTreeMap<String, Vec<String>>>,
    pub cells: usize,
}

/// Does every edit of every kind by every rewriter; the tools take turns.
pub fn run(dir: &Path, kinds: &[Kind]) -> Compared {
    // Of these the peers read 4 GB into memory; what we or a peer made is no material for a
    // comparison; nor what only the long run has, the peers do not mean to keep, or no loader judges.
    let left_out = ["over-4-gib", "-rewritten", "-lief", "zig-", "wild-"];
    let kinds = kinds.iter();
    let kinds = kinds.filter(|kind| !left_out.iter().any(|word| kind.name.contains(word)));
    let kinds = kinds.filter(|kind| !kind.has_tail && kind.target.has_loader);
    let kinds: Vec<&Kind> = kinds.collect();
    let baselines = baselines(dir, &kinds);
    let mut cells = Vec::new();
    for (row, &kind) in kinds.iter().enumerate() {
        let changes = CHANGES
            .iter()
            .filter(|change| case(**change, kind).is_some());
        for (column, &change) in changes.enumerate() {
            let (tool, _) = STRIPS[(row + column) % STRIPS.len()];
            cells.extend(REWRITERS.map(|rewriter| (kind, change, rewriter, tool)));
        }
    }
    let done: Vec<Done> = cells
        .par_iter()
        .map(|(kind, change, rewriter, tool)| {
            try_cell(dir, kind, *change, *rewriter, *tool, &baselines)
        })
        .collect();
    let group = |kind: &Kind| {
        if kind.name.contains("-patchelf-0.") {
            2
        } else if ["-no-sections", "-table-"]
            .iter()
            .any(|word| kind.name.contains(word))
        {
            3
        } else {
            usize::from(!kind.target.is_native())
        }
    };
    let parts = GROUPS.iter().enumerate().filter_map(|(index, title)| {
        let of_group = done.iter().filter(|done| group(done.kind) == index);
        let of_group: Vec<&Done> = of_group.collect();
        (!of_group.is_empty()).then(|| part(title, &of_group))
    });
    Compared {
        parts: parts.collect(),
        failed: failed(&done),
        cells: done.len() + done.iter().filter(|done| done.tool.is_some()).count(),
    }
}

/// A change of the matrix without a resolution cache, which the peers can't write.
pub fn case(change: Change, kind: &Kind) -> Option<Case> {
    let mut case = change.case(kind)?;
    let is_cache = |edit: &Edit| matches!(edit, Edit::SetResolutionCache(_));
    case.edits.retain(|edit| !is_cache(edit));
    (!case.edits.is_empty()).then_some(case)
}

fn baselines<'a>(dir: &Path, kinds: &[&'a Kind]) -> Baselines<'a> {
    let mut wanted = Vec::new();
    for &kind in kinds {
        for bare in [false, true] {
            let tools = STRIPS.iter().map(|(tool, _)| *tool);
            wanted.extend(
                [Tool::Nothing]
                    .into_iter()
                    .chain(tools)
                    .map(|tool| (kind, bare, tool)),
            );
        }
    }
    let look = |(kind, bare, tool): &(&'a Kind, bool, Tool)| {
        let seen = baseline(dir, kind, *bare, *tool);
        ((kind.name.as_str(), *bare, *tool), seen)
    };
    wanted.par_iter().map(look).collect()
}

fn try_cell<'a>(
    dir: &Path,
    kind: &'a Kind,
    change: Change,
    rewriter: Rewriter,
    tool: Tool,
    baselines: &Baselines,
) -> Done<'a> {
    let case = case(change, kind).unwrap();
    let of = |tool: Tool| &baselines[&(kind.name.as_str(), case.bare, tool)];
    let untouched = of(Tool::Nothing).as_ref().unwrap();
    let mut done = Done {
        kind,
        change,
        rewriter,
        ended: Ended::Works,
        removes: false,
        left: false,
        complains: false,
        tool: None,
    };
    let place = tempfile::tempdir_in(dir).unwrap();
    let file = subject(place.path(), kind, case.bare);
    match rewriter.edit(&case.edits, &file) {
        Ok(()) => {}
        Err(NotDone::Refused) => done.ended = Ended::Refused,
        Err(NotDone::Broke) => done.ended = Ended::Broke,
    }
    if done.ended != Ended::Works {
        return done;
    }
    let mut expected = untouched.meaning.clone();
    (case.apply)(&mut expected, kind);
    let expected = in_any_order(expected);
    let is_right =
        |seen: &Seen| seen.failure.is_empty() && in_any_order(seen.meaning.clone()) == expected;
    let after = look(kind, &file);
    if !is_right(&after) {
        done.ended = Ended::Wrong;
        return done;
    }
    done.removes = !case.gone.is_empty();
    done.left = case.gone.iter().any(|gone| holds(&file, gone));
    done.complains = !new_complaints(Tool::Nothing, &after, untouched).is_empty();
    // Damage by the tool itself doesn't count.
    if of(tool).is_ok() {
        let place = tempfile::tempdir_in(dir).unwrap();
        let treated = place.path().join("subject");
        copy(&file, &treated);
        let survives = tool.apply(kind, &treated).is_ok() && is_right(&look(kind, &treated));
        done.tool = Some((tool, survives));
    }
    done
}

/// The order of NEEDED is free.
fn in_any_order(mut meaning: Meaning) -> Meaning {
    meaning.needed.sort();
    meaning.prints.sort();
    meaning
}

/// The rows of one group.
fn part(title: &str, done: &[&Done]) -> Part {
    let count = |of: &dyn Fn(&Done) -> bool, tries: &dyn Fn(&Done) -> bool| {
        let cell = |rewriter: Rewriter| {
            let all = done.iter().filter(|done| done.rewriter == rewriter);
            let tried = all.filter(|done| tries(done));
            let tried: Vec<&&Done> = tried.collect();
            let faults = tried.iter().filter(|done| of(done)).count();
            Cell::Faults(faults as u64, tried.len() as u64)
        };
        REWRITERS.map(cell).to_vec()
    };
    let works = |done: &Done| done.ended == Ended::Works;
    let row = |what: &str, cells| Row {
        what: what.to_owned(),
        cells,
    };
    let mut rows = vec![
        row(
            "edits refused",
            count(&|d| d.ended == Ended::Refused, &|_| true),
        ),
        row(
            "crashes, or fails and leaves the file damaged",
            count(&|d| d.ended == Ended::Broke, &|_| true),
        ),
        row(
            "says that all is well, and the file does not run, or says something else",
            count(&|d| d.ended == Ended::Wrong, &|_| true),
        ),
        row(
            "works, and eu-elflint or readelf complain of what they did not complain of before",
            count(&|d| d.complains, &works),
        ),
        row(
            "works, but still contains the removed string",
            count(&|d| d.left, &|d| works(d) && d.removes),
        ),
    ];
    for (tool, words) in STRIPS {
        let tried = |done: &Done| done.tool.is_some_and(|(of, _)| of == tool);
        let broken = |done: &Done| done.tool == Some((tool, false));
        rows.push(row(
            &format!("works, {words}: broken"),
            count(&broken, &tried),
        ));
    }
    Part {
        title: title.to_owned(),
        rows,
    }
}

/// By rewriter and kind of failure, the cells.
fn failed(done: &[Done]) -> BTreeMap<&'static str, BTreeMap<String, Vec<String>>> {
    let mut failed: BTreeMap<&'static str, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for done in done {
        let cell = format!("{} / {:?}", done.kind.name, done.change);
        let mut tell = |how: &str| {
            let by = failed.entry(done.rewriter.name()).or_default();
            by.entry(how.to_owned()).or_default().push(cell.clone());
        };
        match done.ended {
            Ended::Works => {}
            Ended::Refused => tell("refused"),
            Ended::Broke => tell("crashes or damages"),
            Ended::Wrong => tell("wrong result"),
        }
        if done.complains {
            tell("new complaints");
        }
        if done.left {
            tell("removed string left");
        }
        if let Some((tool, false)) = done.tool {
            tell(&format!("broken by {tool:?}"));
        }
    }
    failed
}
