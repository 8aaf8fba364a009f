//! What evaluating package sets costs: over the stand-in for nixpkgs, and over nixpkgs where
//! `--nixpkgs` names one, beside nixpkgs' own set.

use crate::contest::{Ring, Tool};
use crate::corpus::{Corpus, root};
use crate::measure::Job;
use crate::table::{Contest, spread};
use std::path::{Path, PathBuf};

/// An attribute of nix/tests/evaluate.nix, with a store of its own: an evaluation writes
/// derivations.
fn evaluation(scratch: &Path, nixpkgs: &Path, attribute: &str) -> Job {
    let store = scratch.join("nix");
    let dir = |name: &str| store.join(name);
    Job::new(["nix-instantiate", "--eval", "--strict"])
        .and(root().join("nix/tests/evaluate.nix"))
        .and_all(&["-A", attribute, "--arg", "nixpkgs"])
        .and(nixpkgs)
        .with("NIXPKGS_ALLOW_UNFREE", "1")
        .with("NIX_REMOTE", "")
        .with("NIX_STORE_DIR", dir("store"))
        .with("NIX_STATE_DIR", dir("state"))
        .with("NIX_LOG_DIR", dir("log"))
        .with("NIX_CONF_DIR", dir("conf"))
}

/// One set, three, and what is paid without any.
pub fn evaluate(ring: &Ring, nixpkgs: Option<&Path>) -> anyhow::Result<Vec<Contest>> {
    let stand_in = root().join("nix/tests/nixpkgs");
    let corpus = Corpus::new("all packages", vec![PathBuf::from("/dev/null")])?;
    let mut contests = Vec::new();
    let named = nixpkgs.map(|dir| ("nixpkgs", dir.to_owned()));
    for (name, nixpkgs) in [("the stand-in for nixpkgs", stand_in)]
        .into_iter()
        .chain(named)
    {
        let tool = |title: &str, attribute: &'static str| {
            let (scratch, nixpkgs) = (ring.scratch.clone(), nixpkgs.clone());
            Tool::reads(title, move |_| evaluation(&scratch, &nixpkgs, attribute))
        };
        let mut tools = vec![
            tool("CUDA 12.9", "one"),
            tool("CUDA 11.8, 12.9 and 13.0", "three"),
            tool("stdenv alone", "stdenv"),
        ];
        if name == "nixpkgs" {
            tools.push(tool("nixpkgs' own cudaPackages", "own"));
        }
        let title = format!("evaluation over {name}");
        let mut contest = ring.contest(&title, &corpus, &tools, ring.rounds(10))?;
        contest.remarks.push(growth(&contest));
        contests.push(contest);
    }
    Ok(contests)
}

/// Round by round, the processor's time of three sets in that of one.
fn growth(contest: &Contest) -> String {
    let [one, three, ..] = &contest.lines[..] else {
        return String::new();
    };
    let pairs = one.samples.iter().zip(&three.samples);
    let ratios = pairs.map(|(one, three)| three.cpu.as_secs_f64() / one.cpu.as_secs_f64());
    let (least, middle, most) = spread(ratios.collect());
    format!(
        "Three sets in the processor's time of one: min {least:.1}, **median {middle:.1}**, max {most:.1}."
    )
}
