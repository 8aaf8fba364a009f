//! The fuzz targets: seeds and small changes of them in every run, cargo-fuzz for a bounded time
//! in the long one. What once crashed lies in `testdata/fuzz/TARGET` and is tried every time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step of a test is a failed test"
)]

#[path = "../fuzz/cases/dlopen_notes.rs"]
mod dlopen_notes;
#[path = "../fuzz/cases/ld_cache.rs"]
mod ld_cache;
#[path = "../fuzz/cases/reader.rs"]
mod reader;
#[path = "../fuzz/cases/rewrite.rs"]
mod rewrite;

mod peers;

use peers::run;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A target: its name, what it does with an input, and where its inputs start from.
type Target = (&'static str, fn(&[u8]), Vec<Vec<u8>>);

/// Changes of each seed in the short run.
const CHANGES: usize = 60;
/// Seconds that cargo-fuzz takes for each target in the long run.
const SECONDS: u32 = 300;

fn targets() -> Vec<Target> {
    let files = elf_files();
    // One edit of each kind, with a text of its own.
    let edits = (0..13u8).flat_map(|kind| {
        let text = b"libc.so.6/a/longer/name";
        let header = [1, kind, text.len() as u8];
        files
            .iter()
            .map(move |file| [&header[..], text, file].concat())
    });
    vec![
        ("reader", reader::run, files.clone()),
        ("rewrite", rewrite::run, edits.collect()),
        ("dlopen_notes", dlopen_notes::run, note_seeds()),
        ("ld_cache", ld_cache::run, cache_seeds()),
    ]
}

/// Small files of several linkers and machines.
fn elf_files() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.c"), "int foo(void) { return 1; }\n").unwrap();
    let compilers = [
        ("gcc", "-shared -Wl,-rpath,/old -Wl,-soname,liba.so -s"),
        (
            "gcc",
            "-Wl,--no-dynamic-linker -pie -e foo -s -Wl,-z,noseparate-code",
        ),
        ("clang", "-fuse-ld=lld -shared -s"),
        ("gcc", "-fuse-ld=mold -shared -s"),
        ("i686-linux-gnu-gcc", "-shared -s"),
        ("s390x-linux-gnu-gcc", "-shared -s"),
        ("mips-linux-gnu-gcc", "-shared -s"),
    ];
    compilers
        .iter()
        .map(|(compiler, flags)| {
            run(Command::new(compiler)
                .current_dir(dir.path())
                .args(["-nostdlib", "-fPIC", "a.c", "-o", "out"])
                .args(flags.split_whitespace()));
            fs::read(dir.path().join("out")).unwrap()
        })
        .collect()
}

fn note_seeds() -> Vec<Vec<u8>> {
    let json = br#"[{"feature":"x","priority":"recommended","soname":["liba.so.1","libb.so"]}]"#;
    let mut note = Vec::new();
    for word in [4, json.len() as u32, 0x407c_0c0a] {
        note.extend(word.to_le_bytes());
    }
    note.extend(b"FDO\0");
    note.extend(json);
    vec![note, json.to_vec(), b"[]".to_vec()]
}

/// What ldconfig itself writes for a directory with one library.
fn cache_seeds() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
    fs::create_dir_all(dir.path().join("etc")).unwrap();
    fs::write(dir.path().join("a.c"), "int foo(void) { return 1; }\n").unwrap();
    run(Command::new("gcc").current_dir(dir.path()).args([
        "-shared",
        "-nostdlib",
        "-fPIC",
        "-Wl,-soname,libneeded.so.1",
        "-o",
        "usr/lib/libneeded.so.1",
        "a.c",
    ]));
    ["new", "compat"]
        .iter()
        .map(|format| {
            run(Command::new("/sbin/ldconfig")
                .args(["-X", "-c", format, "-C", "/etc/cache", "-r"])
                .arg(dir.path())
                .arg("/usr/lib"));
            fs::read(dir.path().join("etc/cache")).unwrap()
        })
        .collect()
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
    for (name, take, seeds) in targets() {
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
    for (name, _, _) in targets() {
        let source = root.join(format!("fuzz/fuzz_targets/{name}.rs"));
        assert!(source.exists(), "{source:?}: no target of that name");
    }
    if std::env::var_os("CUDA_FIXUP_LONG").is_none() {
        return;
    }
    let tools = root.join("target/cargo-fuzz");
    run(Command::new(env!("CARGO"))
        .args([
            "install",
            "--quiet",
            "--locked",
            "cargo-fuzz@0.13.2",
            "--root",
        ])
        .arg(&tools));
    for (name, _, seeds) in targets() {
        let seed_dir = root.join("target/fuzz-seeds").join(name);
        let corpus = root.join("fuzz/corpus").join(name);
        for dir in [&seed_dir, &corpus] {
            fs::create_dir_all(dir).unwrap();
        }
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(seed_dir.join(number.to_string()), seed).unwrap();
        }
        // libFuzzer's coverage is an unstable flag of rustc; nothing else of nightly is used.
        // No sanitizer: the crate has no unsafe code.
        run(Command::new(tools.join("bin/cargo-fuzz"))
            .current_dir(root)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", root.join("target/fuzz"))
            .args(["run", "--sanitizer", "none", name])
            .args([&corpus, &seed_dir])
            .args(["--", "-timeout=20", "-rss_limit_mb=4096", "-max_len=65536"])
            .arg(format!("-max_total_time={SECONDS}")));
    }
}
