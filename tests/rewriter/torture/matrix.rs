//! Kinds x edits x tools.

use crate::torture::edits::{CHANGES, Change, Meaning, runpath_of_round};
use crate::torture::kinds::Kind;
use crate::torture::process::copy;
use crate::torture::say;
use crate::torture::subject::{Seen, debug, holds, look, rewrite};
use crate::torture::tools::{TOOLS, Tool};
use elf_edit::Edit;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Clone, Copy)]
struct Cell<'a> {
    kind: &'a Kind,
    change: Change,
    tool: Tool,
}

impl Cell<'_> {
    /// Whether a debugger is asked: it takes longer than all the rest of a cell.
    fn is_debugged(&self, long: bool) -> bool {
        (self.change == Change::Together || long && self.change == Change::RunpathFirst)
            && matches!(
                self.tool,
                Tool::Nothing | Tool::StripDebug | Tool::DebugLink
            )
    }

    fn name(&self) -> String {
        format!("{} / {:?} / {:?}", self.kind.name, self.change, self.tool)
    }
}

/// The untouched file after a tool: kind, variant, tool. `Err`: why it does not survive the tool.
type Baselines<'a> = HashMap<(&'a str, bool, Tool), Result<Seen, String>>;

/// How a cell went.
enum Outcome {
    Fine,
    /// The untouched file does not survive the tool, or the result says that strip would break it.
    NotCounted(&'static str, String),
    Failed(Vec<String>),
}

/// Runs the matrix, or the part of it that was asked for, and gives what failed.
pub fn run(dir: &Path, kinds: &[Kind]) -> Vec<String> {
    let start = Instant::now();
    let long = crate::support::long();
    let cells = cells(kinds, long);
    let baselines = baselines(dir, &cells);
    let outcomes: Vec<(&Cell, Outcome)> = cells
        .par_iter()
        .map(|cell| (cell, try_cell(dir, cell, &baselines)))
        .collect();

    let mut failed = Vec::new();
    let mut fine = 0;
    let mut untried: BTreeSet<&str> = cells.iter().map(|c| c.kind.name.as_str()).collect();
    let mut not_counted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (cell, outcome) in outcomes {
        match outcome {
            Outcome::Fine => {
                fine += 1;
                untried.remove(cell.kind.name.as_str());
            }
            Outcome::NotCounted(why, of) => {
                not_counted.entry(why).or_default().insert(of);
            }
            Outcome::Failed(what) => {
                let name = cell.name();
                failed.extend(what.into_iter().map(|what| format!("{name}: {what}")));
            }
        }
    }
    // Of the cells with a word in their name, all may be of one tool that the kind doesn't survive.
    if std::env::var_os("CUDA_FIXUP_TORTURE").is_none() {
        let none = |kind: &&str| format!("{kind}: no cell of it passed");
        failed.extend(untried.iter().map(none));
    }
    for (why, kinds) in &not_counted {
        let names: Vec<&str> = kinds.iter().map(String::as_str).collect();
        say(&format!("not counted, {why}: {}", names.join(", ")));
    }
    say(&format!(
        "{fine} of {} cells passed ({} kinds, {} edits, {} tools; {}) in {} s",
        cells.len(),
        kinds.len(),
        CHANGES.len(),
        TOOLS.len(),
        if long {
            "all"
        } else {
            "a part; ./test --long runs all"
        },
        start.elapsed().as_secs()
    ));
    failed
}

/// All cells, or those of the short run.
fn cells(kinds: &[Kind], long: bool) -> Vec<Cell<'_>> {
    let wanted = std::env::var("CUDA_FIXUP_TORTURE").unwrap_or_default();
    let mut cells = Vec::new();
    for (row, kind) in kinds.iter().enumerate() {
        // Strip tools drop the tail that the program reads.
        let tools = TOOLS.into_iter();
        let tools: Vec<Tool> = tools
            .filter(|tool| !(kind.has_tail && tool.is_foreign()))
            .collect();
        let changes = CHANGES.iter().filter(|change| change.case(kind).is_some());
        let changes: Vec<Change> = changes.copied().collect();
        let short = short_run(row, &changes, &tools);
        for &change in &changes {
            for &tool in &tools {
                // A hundred strips take long: with one edit each.
                let tiring = tool == Tool::HundredthStripped && change != Change::RunpathLonger;
                let cell = Cell { kind, change, tool };
                if !tiring
                    && (long || !wanted.is_empty() || short.contains(&(change, tool)))
                    && cell.name().contains(&wanted)
                {
                    cells.push(cell);
                }
            }
        }
    }
    cells
}

/// The cells of one kind in the short run: all edits at once, then strip, or our own again; a fifth of the edits, each
/// with one tool, so that the kinds together have each edit with each tool; of some kinds the
/// hundredth rewrite.
fn short_run(row: usize, changes: &[Change], tools: &[Tool]) -> Vec<(Change, Tool)> {
    let is_quick = |tool: &&Tool| tool.rounds() <= 1;
    let quick: Vec<Tool> = tools.iter().filter(is_quick).copied().collect();
    let mut cells = Vec::new();
    let all_at_once = *changes.last().unwrap();
    // Not every file survives strip before it is edited.
    let whole = [Tool::Strip, Tool::Second].into_iter();
    let whole = whole.filter(|tool| tools.contains(tool));
    cells.extend(whole.map(|tool| (all_at_once, tool)));
    for (column, &change) in changes.iter().enumerate() {
        if (row + column).is_multiple_of(5) {
            cells.push((change, quick[(row / 5 + column) % quick.len()]));
        }
    }
    for (tool, every) in [(Tool::Hundredth, 11), (Tool::HundredthStripped, 17)] {
        if row.is_multiple_of(every) {
            cells.push((Change::RunpathLonger, tool));
        }
    }
    cells
}

fn baselines<'a>(dir: &Path, cells: &[Cell<'a>]) -> Baselines<'a> {
    let mut wanted: Vec<(&'a Kind, bool, Tool)> = Vec::new();
    for cell in cells {
        let bare = cell.change.case(cell.kind).is_some_and(|case| case.bare);
        for tool in [Tool::Nothing, cell.tool.without_us()] {
            wanted.push((cell.kind, bare, tool));
        }
    }
    let key = |wanted: &(&'a Kind, bool, Tool)| (wanted.0.name.as_str(), wanted.1, wanted.2);
    wanted.sort_by_key(|wanted| (key(wanted).0, key(wanted).1, format!("{:?}", wanted.2)));
    wanted.dedup_by_key(|wanted| key(wanted));
    wanted
        .par_iter()
        .map(|of| (key(of), baseline(dir, of.0, of.1, of.2)))
        .collect()
}

/// What the untouched file says and does after a tool.
pub fn baseline(dir: &Path, kind: &Kind, bare: bool, tool: Tool) -> Result<Seen, String> {
    let place = tempfile::tempdir_in(dir).unwrap();
    let file = subject(place.path(), kind, bare);
    tool.apply(kind, &file)
        .map_err(|error| first_line(&error))?;
    let seen = look(kind, &file);
    if !seen.failure.is_empty() {
        return Err(format!("does not survive: {}", first_line(&seen.failure)));
    }
    if !seen.meaning.prints.contains(&"answer 42".to_owned()) {
        return Err(format!(
            "does not survive: prints {:?}",
            seen.meaning.prints
        ));
    }
    Ok(seen)
}

/// A copy of the kind's file, under a name that all copies have.
pub fn subject(place: &Path, kind: &Kind, bare: bool) -> PathBuf {
    let file = place.join("subject");
    copy(if bare { &kind.bare } else { &kind.with_runpath }, &file);
    file
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn try_cell(dir: &Path, cell: &Cell, baselines: &Baselines) -> Outcome {
    let Cell { kind, change, tool } = *cell;
    let case = change.case(kind).unwrap();
    let of = |tool: Tool| &baselines[&(kind.name.as_str(), case.bare, tool)];
    let untouched = match of(Tool::Nothing) {
        Ok(seen) => seen,
        Err(error) => return Outcome::Failed(vec![format!("the untouched file: {error}")]),
    };
    let treated = match of(tool.without_us()) {
        Ok(seen) => seen,
        Err(_) => {
            let of = format!("{} {:?}", kind.name, tool.without_us());
            return Outcome::NotCounted("the tool breaks or refuses the untouched file", of);
        }
    };

    let place = tempfile::tempdir_in(dir).unwrap();
    let file = subject(place.path(), kind, case.bare);
    let done = match rewrite(&file, &case.edits) {
        Ok(done) => done,
        Err(error) => return Outcome::Failed(vec![format!("refused: {error}")]),
    };
    if !done.strip_safe {
        if !kind.may_be_unsafe_to_strip {
            return Outcome::Failed(vec!["not safe to strip".to_owned()]);
        }
        if tool.is_foreign() {
            let of = kind.name.clone();
            return Outcome::NotCounted("the rewriter says that strip would break it", of);
        }
    }
    if let Err(error) = tool.apply(kind, &file) {
        return Outcome::Failed(vec![error]);
    }

    let mut expected = untouched.meaning.clone();
    (case.apply)(&mut expected, kind);
    if tool.rounds() > 0 {
        expected.runpath = Some(runpath_of_round(kind, tool.rounds()));
        expected.rpath = None;
    }
    expected.prints.sort();
    let after = look(kind, &file);
    let added = 1 + usize::from(has_cache(&case.edits));
    let mut wrong = compare(tool, &expected, &after, treated, added);
    for gone in case.gone.iter().filter(|gone| holds(&file, gone)) {
        wrong.push(format!("{gone} still stands in the file"));
    }
    if matches!(tool, Tool::Nothing | Tool::Hundredth) {
        let strings: usize = case.edits.iter().map(length).sum();
        let rounds = tool.rounds().min(1) * 2 * runpath_of_round(kind, 100).len();
        let sections = if has_cache(&case.edits) { SECTIONS } else { 0 };
        let most = kind.growth + strings as u64 + rounds as u64 + sections;
        let grown = after.size.saturating_sub(untouched.size);
        if grown > most {
            wrong.push(format!("grew by {grown} bytes, more than {most}"));
        }
    }
    if cell.is_debugged(crate::support::long()) {
        let now = debug(kind, &file);
        let other = tempfile::tempdir_in(dir).unwrap();
        let never_edited = subject(other.path(), kind, case.bare);
        let before = match tool.apply(kind, &never_edited) {
            Ok(()) => debug(kind, &never_edited),
            Err(error) => vec![error],
        };
        if now != before {
            wrong.push(format!("gdb finds {now:?}, before {before:?}"));
        }
    }
    if wrong.is_empty() {
        Outcome::Fine
    } else {
        Outcome::Failed(wrong)
    }
}

fn compare(
    tool: Tool,
    expected: &Meaning,
    after: &Seen,
    treated: &Seen,
    added: usize,
) -> Vec<String> {
    let mut wrong = Vec::new();
    if !after.failure.is_empty() {
        wrong.push(format!("does not run: {}", after.failure.trim()));
    } else if after.meaning != *expected {
        wrong.push(format!("is {:?}\n    not {expected:?}", after.meaning));
    }
    wrong.extend(new_complaints(tool, after, treated));
    if after.segments > treated.segments + added {
        wrong.push(format!(
            "{} segments, before {}",
            after.segments, treated.segments
        ));
    }
    wrong
}

/// What eu-elflint and readelf say of the edited file and not of the untouched one.
pub fn new_complaints(tool: Tool, after: &Seen, treated: &Seen) -> Vec<String> {
    // What GNU ld leaves empty at the end of the data, llvm-strip moves behind all segments; and
    // eu-strip gives the .bss of mold and Zig an offset there.
    let tolerated = |complaint: &str| match tool {
        Tool::LlvmStrip => {
            complaint.contains("'.tm_clone_table'")
                && complaint.ends_with("not in any loaded segment")
        }
        Tool::EuStrip => {
            complaint.contains("'.bss' not fully contained in segment")
                || complaint.contains("'.bss' has type NOBITS but is read from the file")
        }
        _ => false,
    };
    let all = after.complaints.iter();
    // eu-elflint knows no such note; it says the same of patchelf's.
    let unknown = |complaint: &str| complaint.contains("unknown object file note type");
    all.filter(|(text, _)| !tolerated(text) && !unknown(text))
        .filter_map(|(complaint, count)| {
            let before = treated.complaints.get(complaint).copied().unwrap_or(0);
            (*count > before).then(|| format!("{count} times, before {before}: {complaint}"))
        })
        .collect()
}

/// Bytes of section headers and their names, which a resolution cache makes anew.
const SECTIONS: u64 = 4096;

fn has_cache(edits: &[Edit]) -> bool {
    edits
        .iter()
        .any(|edit| matches!(edit, Edit::SetResolutionCache(_)))
}

/// Bytes that an edit brings along.
fn length(edit: &Edit) -> usize {
    match edit {
        Edit::SetInterpreter(value)
        | Edit::SetRunpath(value)
        | Edit::SetRpath(value)
        | Edit::SetSoname(value)
        | Edit::AddNeeded(value) => value.len(),
        Edit::ReplaceNeeded { to, .. } => to.len(),
        _ => 0,
    }
}
