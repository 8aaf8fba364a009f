//! What our nvcc costs before it becomes NVIDIA's: the same call of both, in turn.

use crate::contest::{Ring, Tool};
use crate::corpus::{Corpus, fetch, root, wheel};
use crate::measure::{self, Job};
use crate::peers::ours;
use crate::table::{Contest, spread};
use anyhow::ensure;
use std::path::{Path, PathBuf};

const TOOLKIT: [&str; 4] = [
    "nvidia-cuda-nvcc-13.5.37",
    "nvidia-nvvm-13.5.37",
    "nvidia-cuda-crt-13.5.37",
    "nvidia-cuda-runtime-13.5.37",
];

/// A question, and a compilation as far as nvcc itself takes part in it.
pub fn nvcc(ring: &Ring) -> anyhow::Result<Vec<Contest>> {
    fetch("fetch-wheels", &TOOLKIT)?;
    let prefixes = TOOLKIT.map(|name| wheel(name).join("nvidia/cu13"));
    let farm = ring.scratch.join("farm");
    let mut make = ours().and_all(&["toolkit", "farm", "--out"]).and(&farm);
    make.words.extend(prefixes.iter().map(Into::into));
    let made = measure::run(&make, &ring.scratch)?;
    ensure!(made.complaint.is_none(), "the farm: {:?}", made.complaint);
    let real = prefixes[0].join("bin/nvcc");
    let wrapped = farm.join("bin/nvcc");
    let source = root().join("testdata/cmake/toolkit/saxpy.cu");
    let corpus = Corpus::new("one call", vec![PathBuf::from("/dev/null")])?;
    let mut contests = Vec::new();
    for args in [&["--version"][..], &["-dryrun", "-arch=sm_90", "-o", "x"]] {
        let call = |nvcc: &Path| {
            let (nvcc, source) = (nvcc.to_owned(), source.clone());
            move |_: &Path| {
                let job = Job::new([&nvcc]).and_all(args);
                // Nothing is added, so that NVIDIA's does the same in both.
                let job = job.with("dontCompressCudaFatbin", "1");
                if args[0] == "--version" {
                    return job;
                }
                job.and(&source)
            }
        };
        let tools = [
            Tool::reads("nvcc of a farm", call(&wrapped)),
            Tool::reads("NVIDIA's nvcc", call(&real)),
        ];
        let title = format!("nvcc {}", args[0]);
        let mut contest = ring.contest(&title, &corpus, &tools, ring.rounds(200))?;
        contest.remarks.push(overhead(&contest));
        contests.push(contest);
    }
    Ok(contests)
}

/// Round by round, how much longer the first line took than the second.
fn overhead(contest: &Contest) -> String {
    let pairs = contest.lines[0]
        .samples
        .iter()
        .zip(&contest.lines[1].samples);
    let longer = pairs.map(|(a, b)| (a.wall.as_secs_f64() - b.wall.as_secs_f64()) * 1e3);
    let (least, middle, most) = spread(longer.collect());
    format!(
        "Overhead of a call, of {} rounds: min {least:.2} ms, median {middle:.2} ms, max {most:.2} ms.",
        contest.lines[0].samples.len()
    )
}
