//! Faults of the rewriter that the matrix found and that still stand: told in each run, and
//! removed here with their repair. Files like these come from no compiler as it is used.

/// Part of the cell's name, part of the complaint.
const KNOWN: [(&str, &str); 4] = [
    // A table that no segment maps stays in none, and eu-strip loses it.
    ("mips-linux-gnu-lib-table-at-end / ", ""),
    // What patchelf had rewritten: lint and a warning, the files run.
    (
        "-patchelf-0.",
        "loadable segment [N] is writable but contains no writable sections",
    ),
    (
        "-patchelf-0.",
        "file offset and virtual address not module of alignment",
    ),
    ("-patchelf-0.", "can't be allocated in segment"),
];

/// Takes the known faults out of what failed, and tells them.
pub fn without_known(failed: Vec<String>) -> Vec<String> {
    let is_known = |failure: &String| {
        let known = |(cell, complaint): &(&str, &str)| {
            failure.contains(cell) && failure.contains(complaint)
        };
        KNOWN.iter().any(known)
    };
    let (known, new): (Vec<String>, Vec<String>) = failed.into_iter().partition(is_known);
    for failure in &known {
        let first = failure.lines().next().unwrap_or_default();
        crate::say(&format!("known fault: {first}"));
    }
    new
}
