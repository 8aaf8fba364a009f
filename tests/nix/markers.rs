//! The marker of CUDA toolkit pieces, in every mode and generation.

use crate::store::Nix;
use std::fs;
use std::path::Path;

#[test]
fn each_output_that_is_made_is_marked() {
    let nix = Nix::get();
    let generations = ["2024-06", "2024-10", "2026-08"];
    let attributes = generations.map(|generation| format!("markers.{generation}"));
    nix.build(&attributes.each_ref().map(String::as_str), &[]);
    let paths = nix.value("nix/tests", "paths.markers");
    let mut checked = 0;
    for (generation, modes) in paths.as_object().unwrap() {
        for (mode, outputs) in modes.as_object().unwrap() {
            for (output, path) in outputs.as_object().unwrap() {
                let marker = Path::new(path.as_str().unwrap())
                    .join("nix-support/include-in-cudatoolkit-root");
                let found = fs::read_to_string(&marker).ok();
                let expected = match output.as_str() {
                    // One holds no piece of a toolkit, the other was made after fixup.
                    "debug" | "late" => None,
                    // With strictDeps a package is met once, and needs no name.
                    _ if mode.contains("_strict_") => Some(String::new()),
                    _ => Some(format!("piece-{output}\n")),
                };
                assert_eq!(found, expected, "{generation}, {mode}: {output}");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 3 * 12 * (1 + 4));
}
