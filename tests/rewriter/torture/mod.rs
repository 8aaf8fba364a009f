//! The torture matrix: every kind of ELF file, edited in every way, then treated by every tool;
//! afterwards it must run or load, have the expected headers, and cause no new complaints of other
//! tools. `./test` runs a part: each kind with all edits at once and strip, and among all kinds each
//! edit with each tool; `./test --long` (CUDA_FIXUP_LONG=1) runs it whole. CUDA_FIXUP_TORTURE=WORD
//! runs the cells whose names contain the word.

pub mod doctored;
pub mod edits;
mod gone;
mod histories;
pub mod kinds;
pub mod matrix;
mod newer;
mod packed;
pub mod process;
mod read;
mod refused;
mod steps;
pub mod subject;
mod tails;
pub mod target;
pub mod tools;

use rayon::prelude::*;
use std::io::Write;
use std::sync::Arc;
use target::Target;

/// Says something that a passing test is heard with, too.
fn say(words: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "torture: {words}").unwrap();
}

#[test]
fn every_kind_of_file_survives_every_edit_and_every_tool() {
    let dir = tempfile::Builder::new()
        .prefix("torture-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let mut targets: Vec<Arc<Target>> = target::CROSS
        .par_iter()
        .map(|(triple, qemu)| Arc::new(Target::gnu(triple, qemu, dir.path())))
        .collect();
    targets.push(Arc::new(Target::musl(dir.path())));
    let kinds = kinds::all(dir.path(), &targets);
    say(&format!(
        "{} kinds of file built for {} machines",
        kinds.len(),
        targets.len()
    ));
    let mut complaints = matrix::run(dir.path(), &kinds);
    complaints.extend(steps::run(dir.path(), &kinds));
    complaints.extend(gone::run_all(dir.path(), &kinds));
    complaints.extend(refused::run(dir.path(), &targets, &kinds));
    assert!(
        complaints.is_empty(),
        "{} failed:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
