//! Applets that read a tree, beside a fixup that finds nothing to do there and beside the floor.

use crate::contest::{Ring, Tool};
use crate::corpus::Corpus;
use crate::measure;
use crate::peers::{self, examine_floor, floor, ours};
use crate::table::Contest;
use anyhow::ensure;
use std::path::Path;

/// The corpus is fixed up before.
pub fn walk(ring: &Ring, corpus: &Corpus) -> anyhow::Result<Vec<Contest>> {
    let fixed = ring.scratch.join("fixed");
    let copy = corpus.fresh(&ring.scratch)?;
    let done = measure::run(&peers::fixup(&copy.tree), &ring.scratch)?;
    ensure!(done.complaint.is_none(), "fixup: {:?}", done.complaint);
    std::fs::rename(&copy.tree, &fixed)?;
    let name = corpus.name.split(": ").next().unwrap_or_default();
    let fixed = Corpus::new(&format!("{name}, fixed up"), vec![fixed])?;
    let threads = ring.threads;
    let applet = |words: &'static [&'static str]| {
        let job = move |tree: &Path| ours().and_all(words).and(tree);
        Tool::reads(&format!("cuda-fixup {}", words.join(" ")), job)
    };
    let tools = [
        Tool::reads("cuda-fixup fixup, nothing to do", peers::fixup),
        applet(&["inspect", "--json", "--headers"]),
        applet(&["inspect", "--json"]),
        applet(&["lint"]),
        applet(&["device-code", "list"]),
        applet(&["elf-files"]),
        Tool::reads(&format!("floor, {threads} threads"), move |tree| {
            floor(tree, threads)
        }),
        Tool::reads(
            &format!("floor of two passes, {threads} threads"),
            move |tree| examine_floor(tree, threads),
        ),
    ];
    let title = "one walk for all applets";
    Ok(vec![ring.contest(title, &fixed, &tools, ring.rounds(7))?])
}
