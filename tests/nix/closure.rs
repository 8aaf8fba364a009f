//! `closure` and Nix give one answer about the references and sizes of a package that Nix built.

use crate::store::Nix;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

fn closure(nix: &Nix, path: &str) -> Vec<Value> {
    let store = nix.binary().rsplit_once('/').unwrap().0;
    let done = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .args(["closure", "--json", "--store", store, path])
        .output()
        .unwrap();
    let text = crate::support::succeeded(&done);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Lines that nix-store prints about paths.
fn query(nix: &Nix, what: &str, paths: &[&str]) -> Vec<String> {
    let mut command = nix.command("nix-store", false);
    let done = command
        .args(["--query", what])
        .args(paths)
        .output()
        .unwrap();
    let text = crate::support::succeeded(&done);
    text.lines().map(str::to_owned).collect()
}

/// The sum of the sizes of paths.
fn size(nix: &Nix, paths: &[String]) -> u64 {
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let sizes = query(nix, "--size", &paths);
    sizes.iter().map(|size| size.parse::<u64>().unwrap()).sum()
}

#[test]
fn references_and_sizes_are_those_of_nix() {
    let nix = Nix::get();
    let mut build = nix.command("nix-build", false);
    let built = build
        .args(["--no-out-link", "nix/tests/closure.nix"])
        .output()
        .unwrap();
    let package = crate::support::succeeded(&built).trim().to_owned();
    let objects = closure(nix, &package);
    let found: BTreeMap<&str, &Value> = objects
        .iter()
        .filter_map(|object| Some((object["path"].as_str()?, object)))
        .collect();
    let mut references = query(nix, "--references", &[&package]);
    references.retain(|path| *path != package);
    references.sort();
    assert_eq!(references.len(), 4, "{references:?}");
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), references);
    for (path, object) in &found {
        assert_eq!(object["size"], size(nix, &[(*path).to_owned()]), "{path}");
        let requisites = query(nix, "--requisites", &[path]);
        assert_eq!(object["closure"]["paths"], requisites.len(), "{path}");
        assert_eq!(object["closure"]["bytes"], size(nix, &requisites), "{path}");
        assert_eq!(
            object["goes_with_shrink"],
            path.ends_with("-unused"),
            "{path}"
        );
    }
    let mut requisites = query(nix, "--requisites", &[&package]);
    requisites.retain(|path| *path != package);
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!(summary["kept"]["bytes"], size(nix, &requisites));
    assert_eq!(summary["trees"]["bytes"], size(nix, &[package]));
}
