//! A rewrite stopped after each of its writes: the file loads with the old or the new meaning,
//! never a mixture.

use crate::at_phdr;
use crate::torture::edits::CHANGES;
use crate::torture::kinds::{Kind, Use};
use crate::torture::process::copy;
use crate::torture::say;
use crate::torture::subject::look_as_loader;
use elf_edit::writes::{Patch, Step};
use elf_edit::{ElfInfo, FileReader, RewriteOptions, prepare};
use rayon::prelude::*;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// Stops every rewrite of the matrix (the long run) or of a part of it, and gives what failed.
pub fn run(dir: &Path, kinds: &[Kind]) -> Vec<String> {
    let start = Instant::now();
    let long = crate::support::long();
    let wanted = std::env::var("CUDA_FIXUP_TORTURE").unwrap_or_default();
    let mut cases = Vec::new();
    // Between two writes the program headers of an executable may be elsewhere for a while. Linux
    // finds them from 5.18 on; QEMU gives the program a wrong AT_PHDR, as Linux did before.
    let stoppable = |kind: &&Kind| {
        kind.used_as == Use::Library || kind.target.is_native() || !kind.target.has_loader
    };
    for (row, kind) in kinds.iter().filter(stoppable).enumerate() {
        let changes = CHANGES.iter().filter(|change| change.case(kind).is_some());
        for (column, change) in changes.enumerate() {
            let name = format!("{} / {change:?} / stopped", kind.name);
            if name.contains(&wanted)
                && (long || (row + column).is_multiple_of(7) || !wanted.is_empty())
            {
                cases.push((name, kind, *change));
            }
        }
    }
    let results: Vec<(usize, Vec<String>)> = cases
        .par_iter()
        .map(|(name, kind, change)| {
            let case = change.case(kind).unwrap();
            let variant = if case.bare {
                &kind.bare
            } else {
                &kind.with_runpath
            };
            let reader = FileReader::new(File::open(variant).unwrap()).unwrap();
            let info = ElfInfo::read(&reader).unwrap();
            match prepare(&reader, &info, &case.edits, &RewriteOptions::default()) {
                Ok(prepared) => {
                    let patch = prepared.patch.unwrap();
                    let wrong = stop_everywhere(dir, kind, variant, &patch);
                    let wrong = wrong.into_iter().map(|what| format!("{name} {what}"));
                    (patch.steps.len() + 1, wrong.collect())
                }
                Err(error) => (0, vec![format!("{name}: refused: {error}")]),
            }
        })
        .collect();
    let states: usize = results.iter().map(|(states, _)| states).sum();
    say(&format!(
        "{} rewrites stopped after each of their writes, {states} states, in {} s",
        cases.len(),
        start.elapsed().as_secs()
    ));
    results.into_iter().flat_map(|(_, wrong)| wrong).collect()
}

/// Does one write after the other, and looks at the file each time.
fn stop_everywhere(dir: &Path, kind: &Kind, variant: &Path, patch: &Patch) -> Vec<String> {
    let place = tempfile::tempdir_in(dir).unwrap();
    let file = place.path().join("subject");
    copy(variant, &file);
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    let before = info(&file);
    for count in 0..=patch.steps.len() {
        if let Some(step) = count.checked_sub(1).map(|last| &patch.steps[last]) {
            write(&file, step);
        }
        // The steps are for a copy, which replaces the file after the last one.
        if patch.replaces && !(count == 0 || count == patch.steps.len()) {
            continue;
        }
        let (meaning, failure) = look_as_loader(kind, &file);
        if !failure.is_empty() {
            wrong.push(format!(
                "after {count} of {} writes: {}",
                patch.steps.len(),
                failure.trim()
            ));
            break;
        }
        seen.push(meaning);
    }
    let (Some(old), Some(new)) = (seen.first(), seen.last()) else {
        return wrong;
    };
    if let Err(what) = at_phdr::check_rewritten(&before, &info(&file), patch.strip_safe) {
        wrong.push(format!("after all writes: {what}"));
    }
    let switched = seen
        .iter()
        .position(|meaning| meaning != old)
        .unwrap_or(seen.len());
    for (count, meaning) in seen.iter().enumerate().skip(switched) {
        if meaning != new && wrong.is_empty() {
            wrong.push(format!(
                "after {count} of {} writes: a mixture: {meaning:?}",
                patch.steps.len()
            ));
        }
    }
    wrong
}

fn info(file: &Path) -> ElfInfo {
    ElfInfo::read(&FileReader::new(File::open(file).unwrap()).unwrap()).unwrap()
}

fn write(file: &Path, step: &Step) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    match step {
        Step::Write { offset, bytes } => file.write_all_at(bytes, *offset).unwrap(),
        Step::Copy { from, to, len } => {
            let mut bytes = vec![0; *len as usize];
            file.read_exact_at(&mut bytes, *from).unwrap();
            file.write_all_at(&bytes, *to).unwrap();
        }
        Step::Truncate { len } => file.set_len(*len).unwrap(),
    }
}
