//! Resolution caches that lie, in every applet that reads or replaces them: none takes more memory
//! or time than a small file, and none trusts the note.

use crate::support::BINARY;
use crate::support::peers::our_patchelf;
use elf_edit::{Edit, ElfInfo, FileReader, RewriteOptions, resolution_cache, rewrite};
use elf_fixtures::{Minimal, Platform};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A library with a cache of this descriptor, and of these needs.
fn library(dir: &Path, needed: Vec<Vec<u8>>, runpath: &[u8], description: &[u8]) -> PathBuf {
    let file = dir.join("libx.so");
    let library = Minimal {
        soname: Some(b"libx.so".to_vec()),
        needed,
        runpath: Some(runpath.to_vec()),
        ..Minimal::new(Platform::X86_64)
    };
    fs::write(&file, library.bytes()).unwrap();
    if !description.is_empty() {
        let reader = FileReader::new(File::open(&file).unwrap()).unwrap();
        let edits = [Edit::SetResolutionCache(description.to_vec())];
        let options = RewriteOptions::default();
        let info = info(&file);
        rewrite(
            std::slice::from_ref(&file),
            &reader,
            &info,
            &edits,
            &options,
        )
        .unwrap();
    }
    file
}

fn info(file: &Path) -> ElfInfo {
    ElfInfo::read(&FileReader::new(File::open(file).unwrap()).unwrap()).unwrap()
}

/// Runs with little address space, most of which threads take, and in a bounded time.
fn bounded(program: &Path, args: &[&str], file: &Path) -> Output {
    let limits = "ulimit -v 1500000; exec timeout 40 \"$@\"";
    let out = Command::new("sh")
        .args(["-c", limits, "sh"])
        .arg(program)
        .args(args)
        .arg(file)
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(
        matches!(out.status.code(), Some(0..=2)),
        "{args:?} {stderr}"
    );
    assert!(!stderr.contains("panicked"), "{args:?} {stderr}");
    assert!(out.stdout.len() + out.stderr.len() < 8 << 20, "{args:?}");
    out
}

fn text(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Runs every applet on the file: the reports of inspect and lint say `fault`, the patchelf applet
/// refuses to build, and fixup leaves a cache that is right, or none, and nothing to do.
#[track_caller]
fn never_trusted(file: &Path, fault: &str) {
    let binary = Path::new(BINARY);
    let page = text(&bounded(binary, &["inspect"], file));
    assert!(page.contains("stale: ") && page.contains(fault), "{page}");
    let lines = bounded(binary, &["inspect", "--json"], file).stdout;
    for line in String::from_utf8(lines).unwrap().lines() {
        let _: serde_json::Value = serde_json::from_str(line).unwrap();
    }
    let findings = text(&bounded(binary, &["lint"], file));
    assert!(findings.contains("resolution-cache-stale"), "{findings}");
    assert!(findings.contains(fault), "{findings}");
    let patchelf = our_patchelf(file.parent().unwrap());
    let before = fs::read(file).unwrap_or_default();
    let out = bounded(&patchelf, &["--build-resolution-cache"], file);
    assert!(String::from_utf8_lossy(&out.stderr).contains("already present"));
    assert_eq!(fs::read(file).unwrap_or_default(), before);
    repaired(file);
}

/// `fixup --resolution note` leaves a cache that is right, or none, and nothing to do.
#[track_caller]
fn repaired(file: &Path) {
    let binary = Path::new(BINARY);
    let words = ["fixup", "--dependencies=off", "--old-entries=keep"];
    let words = [&words[..], &["--resolution=note", "--json"]].concat();
    let out = bounded(binary, &words, file);
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    for cache in info(file).resolution_caches {
        assert!(resolution_cache::parse(&cache.description.unwrap()).is_ok());
    }
    let again = text(&bounded(binary, &words, file));
    assert!(again.contains("\"unchanged\""), "{again}");
}

fn names(count: usize) -> Vec<Vec<u8>> {
    let name = |n| format!("l{n:x}").into_bytes();
    (0..count).map(name).collect()
}

#[test]
fn a_note_of_hundreds_of_megabytes() {
    let temp = tempfile::tempdir().unwrap();
    let file = library(temp.path(), names(1), b"/none", b"l0\0=/none/l0\0\0");
    let cache = info(&file).resolution_caches.remove(0);
    let segment = 64 + 56 * cache.segment as u64;
    let huge: u64 = 768 << 20;
    let opened = File::options().write(true).open(&file).unwrap();
    opened.set_len(cache.offset + huge).unwrap();
    for (at, number) in [(segment + 32, huge), (segment + 40, huge)] {
        opened.write_all_at(&number.to_le_bytes(), at).unwrap();
    }
    let len = (huge as u32 - 20).to_le_bytes();
    opened.write_all_at(&len, cache.offset + 4).unwrap();
    drop(opened);
    let binary = Path::new(BINARY);
    let page = text(&bounded(binary, &["inspect"], &file));
    assert!(page.contains("longer than 1 MiB"), "{page}");
    let findings = text(&bounded(binary, &["lint"], &file));
    assert!(findings.contains("longer than 1 MiB"), "{findings}");
    let patchelf = our_patchelf(temp.path());
    let out = bounded(&patchelf, &["--build-resolution-cache"], &file);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    repaired(&file);
    let blocks = file.metadata().unwrap().blocks();
    assert!(
        blocks * 512 < 1 << 20,
        "the hole was filled: {blocks} blocks"
    );
}

#[test]
fn pairs_without_number() {
    let temp = tempfile::tempdir().unwrap();
    // As many entries as a note holds, for one name, and a RUNPATH of many directories.
    let runpath = "/usr/:".repeat(3_000);
    let pairs = b"l0\0?\0".repeat(180_000);
    let file = library(
        temp.path(),
        names(1),
        runpath.as_bytes(),
        &[&pairs, &b"\0"[..]].concat(),
    );
    never_trusted(&file, "l0");
    fs::remove_file(temp.path().join("patchelf")).unwrap();
    // Each is needed, and leads to a directory that is not of the RUNPATH.
    let needed = names(100);
    let pairs = |list: &[u8]| -> Vec<u8> {
        let pair = |name: &Vec<u8>| [name, &b"\0"[..], list, b"\0"].concat();
        needed.iter().flat_map(pair).chain([0]).collect()
    };
    let file = library(
        temp.path(),
        needed.clone(),
        runpath.as_bytes(),
        &pairs(b"?/a"),
    );
    never_trusted(&file, "is not of the RUNPATH");
    fs::remove_file(temp.path().join("patchelf")).unwrap();
    // The directory in each message is long.
    let long = format!("/{}", "d".repeat(400_000));
    let file = library(temp.path(), needed.clone(), long.as_bytes(), &pairs(b"?"));
    never_trusted(&file, "is not of the RUNPATH");
}

#[test]
fn elements_without_number() {
    let temp = tempfile::tempdir().unwrap();
    let list = b"?:".repeat(450_000);
    let description = [&b"l0\0"[..], &list, b"?\0\0"].concat();
    let file = library(temp.path(), names(1), b"/none", &description);
    never_trusted(&file, "is not of the RUNPATH");
}

#[test]
fn a_search_that_makes_a_cache_of_gigabytes() {
    let temp = tempfile::tempdir().unwrap();
    for directories in ["r:".repeat(50_000), "/usr/:".repeat(20_000)] {
        let file = library(temp.path(), names(2_000), directories.as_bytes(), b"");
        let patchelf = our_patchelf(temp.path());
        let out = bounded(&patchelf, &["--build-resolution-cache"], &file);
        repaired(&file);
        let warning = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(warning.contains("no cache written"), "{warning} {out:?}");
        fs::remove_file(patchelf).unwrap();
    }
}

#[test]
fn strings_that_do_not_end() {
    let temp = tempfile::tempdir().unwrap();
    let endless = vec![b'a'; 900_000];
    for (description, fault) in [
        (&endless[..], "no NUL at its end"),
        (b"l0\0=/none/l0\0", "no NUL at its end"),
        (b"l0\0=/none/l0", "no sequence of pairs"),
    ] {
        let file = library(temp.path(), names(1), b"/none", description);
        never_trusted(&file, fault);
        fs::remove_file(temp.path().join("patchelf")).unwrap();
    }
}

#[test]
fn names_cannot_forge_lines() {
    let temp = tempfile::tempdir().unwrap();
    let forged = b"l0\nlibx.so: everything is fine\x1b[31m\0=/\n    all fine\0\0";
    let file = library(temp.path(), names(1), b"/none", forged);
    for applet in ["inspect", "lint"] {
        let out = bounded(Path::new(BINARY), &[applet], &file);
        let page = text(&out);
        assert!(!page.contains("\nlibx.so: everything"), "{page}");
        assert!(!page.contains("\n    all fine"), "{page}");
        assert!(!page.contains('\x1b'), "{page}");
    }
    never_trusted(&file, "is not needed");
}
