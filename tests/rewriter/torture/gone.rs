//! Edits one after the other, a strip now and then: removed strings must be absent from the file,
//! however the strings have moved before.

use crate::torture::edits::remains;
use crate::torture::kinds::{Kind, Use};
use crate::torture::process::{copy, run};
use crate::torture::say;
use crate::torture::subject::rewrite;
use crate::torture::target::{ANSWER, OLD_INTERPRETER, OLD_RUNPATH};
use elf_edit::Edit;
use rayon::prelude::*;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The edited field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Runpath,
    Needed,
    /// The interpreter of a program, the SONAME of a library.
    Name,
}

const ORDERS: [[Field; 3]; 6] = [
    [Field::Runpath, Field::Needed, Field::Name],
    [Field::Runpath, Field::Name, Field::Needed],
    [Field::Needed, Field::Runpath, Field::Name],
    [Field::Needed, Field::Name, Field::Runpath],
    [Field::Name, Field::Runpath, Field::Needed],
    [Field::Name, Field::Needed, Field::Runpath],
];

/// Number of changes of each field: first to a longer string, then to a still longer one, then to a
/// shorter one.
const ROUNDS: usize = 3;

/// Edits every kind in every order (the long run) or in some, and gives what stays behind.
pub fn run_all(dir: &Path, kinds: &[Kind]) -> Vec<String> {
    let start = Instant::now();
    let long = crate::support::long();
    let wanted = std::env::var("CUDA_FIXUP_TORTURE").unwrap_or_default();
    let mut chains = Vec::new();
    // 4 GiB take too long to search so often; in the matrix such files are.
    let searched = kinds
        .iter()
        .filter(|kind| !kind.name.ends_with("over-4-gib"));
    for (row, kind) in searched.enumerate() {
        for (number, order) in ORDERS.iter().enumerate() {
            for strips in [false, true] {
                let in_turn = row % 6 == number && strips == (row / 6).is_multiple_of(2);
                if !(long || in_turn || !wanted.is_empty()) {
                    continue;
                }
                let name = format!("{} / order {number}, strips {strips} / gone", kind.name);
                if name.contains(&wanted) {
                    chains.push((name, kind, order, strips));
                }
            }
        }
    }
    let wrong: Vec<String> = chains
        .par_iter()
        .filter_map(|(name, kind, order, strips)| {
            let stays = chain(dir, kind, &order[..], *strips)?;
            Some(format!("{name}: {stays}"))
        })
        .collect();
    say(&format!(
        "{} chains of edits searched for what they removed, in {} s",
        chains.len(),
        start.elapsed().as_secs()
    ));
    wrong
}

fn chain(dir: &Path, kind: &Kind, order: &[Field], strips: bool) -> Option<String> {
    let place = tempfile::tempdir_in(dir).unwrap();
    let file = place.path().join("subject");
    copy(&kind.with_runpath, &file);
    // What each field holds now, in an order of its own.
    let fields = [Field::Runpath, Field::Needed, Field::Name];
    let mut now = [OLD_RUNPATH, ANSWER, first_name(kind)].map(str::to_owned);
    let mut removed = Vec::new();
    let mut safe = true;
    for round in 0..ROUNDS {
        for &field in order {
            if field == Field::Needed && !kind.linked {
                continue;
            }
            let at = fields.iter().position(|f| *f == field).unwrap();
            let new = text(at, round);
            let edit = edit(kind, field, &now[at], &new);
            match rewrite(&file, &[edit]) {
                Ok(done) => safe &= done.strip_safe,
                Err(error) => return Some(format!("refused: {error}")),
            }
            let old = std::mem::replace(&mut now[at], new);
            // gold defines a version by the library's name, which stays.
            let of_gold = field == Field::Name && kind.name.starts_with("gold-lib");
            let stays = round == 0 && (of_gold || remains(kind).contains(&old.as_str()));
            if !stays {
                removed.push(old);
            }
            if let Some(text) = first_in(&file, &removed) {
                return Some(format!("{text} still stands in the file, round {round}"));
            }
            if strips && safe {
                run(Command::new(&kind.target.strip).arg(&file));
            }
        }
    }
    let missing = now.iter().zip(fields).find(|(text, field)| {
        (kind.linked || *field != Field::Needed)
            && first_in(&file, std::slice::from_ref(text)).is_none()
    });
    missing.map(|(text, _)| format!("{text} is not in the file"))
}

/// One of the texts, if the file contains any.
fn first_in(file: &Path, texts: &[String]) -> Option<String> {
    if texts.is_empty() {
        return None;
    }
    let mut grep = Command::new("grep");
    grep.args([
        "--text",
        "--only-matching",
        "--fixed-strings",
        "--max-count=1",
    ]);
    grep.args(texts.iter().flat_map(|text| ["-e", text]));
    let ran = run(grep.arg(file));
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    ran.stdout.lines().next().map(str::to_owned)
}

fn first_name(kind: &Kind) -> &'static str {
    match kind.used_as {
        Use::Program => OLD_INTERPRETER,
        Use::Library => "libsubject-0ldsoname.so.1",
    }
}

/// A unique text.
fn text(field: usize, round: usize) -> String {
    let len = [60, 160, 8][round];
    format!("field{field}round{round}{}", "q".repeat(len))
}

fn edit(kind: &Kind, field: Field, now: &str, new: &str) -> Edit {
    match (field, kind.used_as) {
        (Field::Runpath, _) => Edit::SetRunpath(format!("/nix/store/{new}/lib").into()),
        (Field::Needed, _) => Edit::ReplaceNeeded {
            from: now.into(),
            to: new.into(),
        },
        (Field::Name, Use::Program) => Edit::SetInterpreter(format!("/lib/{new}").into()),
        (Field::Name, Use::Library) => Edit::SetSoname(new.into()),
    }
}
