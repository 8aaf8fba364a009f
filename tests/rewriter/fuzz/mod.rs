//! The fuzz targets: seeds and small changes of them in every run, cargo-fuzz for a bounded time
//! in the long one. What once crashed lies in `testdata/fuzz/TARGET` and is tried every time.

#[path = "../../../fuzz/cases/device_code.rs"]
mod device_code;
#[path = "../../../fuzz/cases/dlopen_notes.rs"]
mod dlopen_notes;
#[path = "../../../fuzz/cases/ld_cache.rs"]
mod ld_cache;
#[path = "../../../fuzz/cases/reader.rs"]
mod reader;
#[path = "../../../fuzz/cases/rewrite.rs"]
mod rewrite;

mod seeds;

use crate::support::peers::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A target: its name, what it does with an input, and where its inputs start from.
type Target = (&'static str, fn(&[u8]), Vec<Vec<u8>>);

/// Changes of each seed in the short run.
const CHANGES: usize = 60;
/// Seconds that cargo-fuzz takes for each target in the long run; CUDA_FIXUP_FUZZ_SECONDS says
/// otherwise.
const SECONDS: &str = "60";
const CARGO_FUZZ: &str = "0.13.2";
/// What `targets` gives.
const NAMES: [&str; 5] = [
    "reader",
    "rewrite",
    "dlopen_notes",
    "ld_cache",
    "device_code",
];

fn targets() -> [Target; 5] {
    let files = seeds::elf_files();
    // Edits of each kind, with a text of their own, a third of them for each file in turn.
    let edits = files.iter().enumerate().flat_map(|(number, file)| {
        let text = b"libc.so.6/a/longer/name";
        let kinds = (0..13u8).filter(move |kind| (usize::from(*kind) + number) % 3 == 0);
        kinds.map(move |kind| {
            let header = [1, kind, text.len() as u8];
            [&header[..], text, file].concat()
        })
    });
    [
        ("reader", reader::run, files.clone()),
        ("rewrite", rewrite::run, edits.collect()),
        ("dlopen_notes", dlopen_notes::run, seeds::notes()),
        ("ld_cache", ld_cache::run, seeds::caches()),
        ("device_code", device_code::run, seeds::device_code()),
    ]
}

/// The same changes in each run: cut off, bytes set to what headers don't like, pieces doubled.
fn changed(seed: &[u8], round: usize) -> Vec<u8> {
    let mut state = (round as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below.max(1)
    };
    let mut bytes = seed.to_vec();
    if next(8) == 0 {
        bytes.truncate(next(seed.len()));
    }
    for _ in 0..=next(4) {
        // Headers and tables lie at the start and at the end.
        let at = match next(3) {
            0 => next(bytes.len().min(1024)),
            1 => bytes.len().saturating_sub(1 + next(2048)),
            _ => next(bytes.len()),
        };
        let width = [1, 2, 4, 8][next(4)];
        let value: u64 = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, u64::MAX][next(8)];
        for (byte, new) in bytes
            .iter_mut()
            .skip(at)
            .zip(value.to_le_bytes())
            .take(width)
        {
            *byte = new;
        }
    }
    bytes
}

#[test]
fn seeds_and_their_neighbours_do_not_panic() {
    let crashers = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/fuzz");
    let targets = targets();
    assert_eq!(targets.each_ref().map(|(name, ..)| *name), NAMES);
    for (name, take, seeds) in targets {
        assert!(!seeds.is_empty(), "{name}");
        for seed in &seeds {
            take(seed);
            for round in 0..CHANGES {
                take(&changed(seed, round));
            }
        }
        for entry in fs::read_dir(crashers.join(name)).into_iter().flatten() {
            take(&fs::read(entry.unwrap().path()).unwrap());
        }
    }
}

#[test]
fn cargo_fuzz_finds_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !crate::support::long() {
        // cargo-fuzz and the other test have the same targets.
        let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        for name in NAMES {
            let source = root.join(format!("fuzz/fuzz_targets/{name}.rs"));
            assert!(source.exists(), "{source:?}: no target of that name");
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        }
        assert_eq!(manifest.matches("[[bin]]").count(), NAMES.len());
        return;
    }
    let cargo_fuzz = cargo_fuzz(root);
    let seconds = std::env::var("CUDA_FIXUP_FUZZ_SECONDS").unwrap_or(SECONDS.to_owned());
    for (name, _, seeds) in targets() {
        let seed_dir = root.join("target/fuzz-seeds").join(name);
        let corpus = root.join("fuzz/corpus").join(name);
        for dir in [&seed_dir, &corpus] {
            fs::create_dir_all(dir).unwrap();
        }
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(seed_dir.join(number.to_string()), seed).unwrap();
        }
        // libFuzzer's coverage and the address sanitizer are unstable flags of rustc; nothing
        // else of nightly is used.
        let fuzzed = Command::new(&cargo_fuzz)
            .current_dir(root)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", root.join("target/fuzz"))
            .args(["run", "--sanitizer", "address", name])
            .args([&corpus, &seed_dir])
            .args(["--", "-timeout=20", "-rss_limit_mb=4096", "-max_len=65536"])
            .args([
                "-print_final_stats=1",
                &format!("-max_total_time={seconds}"),
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&fuzzed.stderr);
        assert!(fuzzed.status.success(), "{name}: {said}");
        let count = said
            .lines()
            .find(|line| line.contains("number_of_executed_units"));
        println!("{name}: {}", count.unwrap_or("no count"));
    }
}

/// The command of that version, installed below `target` where it is missing.
fn cargo_fuzz(root: &Path) -> PathBuf {
    let tools = root.join("target/cargo-fuzz");
    for known in [PathBuf::from("cargo-fuzz"), tools.join("bin/cargo-fuzz")] {
        let version = Command::new(&known).args(["fuzz", "--version"]).output();
        if version.is_ok_and(|out| {
            String::from_utf8_lossy(&out.stdout).trim() == format!("cargo-fuzz {CARGO_FUZZ}")
        }) {
            return known;
        }
    }
    run(Command::new(env!("CARGO"))
        .args(["install", "--quiet", "--locked", "--root"])
        .arg(&tools)
        .arg(format!("cargo-fuzz@{CARGO_FUZZ}")));
    tools.join("bin/cargo-fuzz")
}
