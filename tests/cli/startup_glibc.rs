//! Resolution caches under a glibc that reads them, which testdata/glibc/build makes for
//! `./test --long`: nothing is searched, the same files are loaded, and a cache that lies leads
//! neither `inspect` astray nor keeps a program from starting.

use crate::startup::{Store, description, info};
use crate::startup_corpora::{fixup, loaded, machine_store};
use crate::support::{BINARY, glibc, long};
use elf_edit::{Edit, FileReader, RewriteOptions, rewrite};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The loader, and the option of fixup that finds its libc.
fn loader() -> (PathBuf, String) {
    let lib = glibc();
    let names = fs::read_dir(&lib).unwrap().map(|e| e.unwrap().path());
    let mut loaders = names.filter(|path| path.to_string_lossy().contains("/ld-linux"));
    let append = format!("--append-runpath={}", lib.display());
    (loaders.next().unwrap(), append)
}

/// A store whose program starts with the loader.
fn store(libraries: usize) -> (Store, String) {
    let (loader, append) = loader();
    let store = Store::new(libraries);
    let mut command = Command::new(BINARY);
    command.args(["patchelf", "--set-interpreter"]).arg(loader);
    let done = command.arg(store.tool()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    (store, append)
}

fn start(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("LD_LIBRARY_PATH");
    command
}

fn status(program: &Path) -> Option<i32> {
    start(program).status().unwrap().code()
}

/// Opens of libraries that fail as these words run.
fn failing(words: &[&Path]) -> Vec<String> {
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=open,openat", "-o", "/dev/stderr"]);
    command.args(words).env_remove("LD_LIBRARY_PATH");
    let out = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(text.contains("openat("), "{text}");
    let lines = text.lines();
    let fails =
        |line: &&str| line.contains("ENOENT") && line.contains("/lib") && line.contains(".so");
    let is_cache = |line: &&str| line.contains("/etc/ld.so.");
    lines
        .filter(fails)
        .filter(|line| !is_cache(line))
        .map(str::to_owned)
        .collect()
}

fn inspect(file: &Path) -> Output {
    let mut command = Command::new(BINARY);
    command.env_remove("LD_LIBRARY_PATH");
    command.arg("inspect").arg(file).output().unwrap()
}

/// Replaces the cache by one with this descriptor.
fn lie(file: &Path, description: &[u8]) {
    let reader = FileReader::new(File::open(file).unwrap()).unwrap();
    let edits = [Edit::SetResolutionCache(description.to_vec())];
    let options = RewriteOptions::default();
    rewrite(&[file.to_owned()], &reader, &info(file), &edits, &options).unwrap();
}

#[test]
fn nothing_is_searched() {
    if !long() {
        return;
    }
    let (store, append) = store(40);
    let tool = store.tool();
    store.fixup(&[&append]);
    let before = failing(&[&tool]);
    assert!(before.len() >= 40 * 39 / 2, "{}", before.len());
    let list = loaded(&loader().0, &tool, &store.dir).unwrap();
    assert_eq!(status(&tool), Some(40));
    store.fixup(&[&append, "--resolution=note"]);
    assert_eq!(failing(&[&tool]), Vec::<String>::new());
    assert_eq!(loaded(&loader().0, &tool, &store.dir).unwrap(), list);
    assert_eq!(status(&tool), Some(40));
}

#[test]
fn the_environment_and_what_it_says_to_search_still_count() {
    if !long() {
        return;
    }
    let (store, append) = store(3);
    let tool = store.tool();
    let other = store.dir.join("other");
    fs::create_dir(&other).unwrap();
    let line = "echo 'int f1(void) { return 40; }' |
        cc -shared -fPIC -x c - -o other/lib1.so.1 -Wl,-soname,lib1.so.1";
    let made = Command::new("sh")
        .current_dir(&store.dir)
        .args(["-c", line])
        .status();
    assert!(made.unwrap().success());
    store.fixup(&[&append, "--resolution=note"]);
    assert_eq!(status(&tool), Some(3));
    let overridden = start(&tool).env("LD_LIBRARY_PATH", &other).status();
    assert_eq!(overridden.unwrap().code(), Some(42));
    // A directory that only the running program knows comes before the library that was found.
    let link = format!("--driver-link={}", other.display());
    store.fixup(&[
        &append,
        "--resolution=note",
        "--add-driver-runpath=all",
        &link,
    ]);
    assert_eq!(status(&tool), Some(42));
    fs::rename(&other, store.dir.join("away")).unwrap();
    assert_eq!(status(&tool), Some(3));
}

#[test]
fn a_lie_is_reported_and_repaired() {
    if !long() {
        return;
    }
    let (store, append) = store(3);
    let tool = store.tool();
    let d = store.dir.display().to_string();
    let fix = || {
        store.fixup(&[&append, "--resolution=note"]);
        description(&tool).unwrap()
    };
    let right = fix();
    fs::create_dir(store.dir.join("other")).unwrap();
    fs::copy(
        store.dir.join("p0/lib/lib0.so.1"),
        store.dir.join("other/lib1.so.1"),
    )
    .unwrap();
    for (list, fault) in [
        // The loader goes on with the RUNPATH where a library is gone, or no library.
        (format!("={d}/gone/lib1.so.1"), "it passes over"),
        (
            format!("={d}/p0/lib/lib1.so.1:={d}/p1/lib/lib1.so.1"),
            "is not there",
        ),
        (format!("?{d}/none"), "it passes over"),
    ] {
        let lies = [b"lib1.so.1\0", list.as_bytes(), b"\0\0"].concat();
        lie(&tool, &lies);
        assert_eq!(status(&tool), Some(3), "{list}");
        reported(&tool, &d, fault);
        assert_eq!(fix(), right);
    }
    // The loader believes it; nothing of ours does.
    lie(
        &tool,
        format!("lib1.so.1\0={d}/other/lib1.so.1\0\0").as_bytes(),
    );
    assert_ne!(status(&tool), Some(3));
    reported(&tool, &d, "it passes over");
    assert_eq!(fix(), right);
    assert_eq!(status(&tool), Some(3));
}

/// `inspect` and `lint` report the fault, and find the library where a search does.
#[track_caller]
fn reported(tool: &Path, store: &str, fault: &str) {
    let page = String::from_utf8(inspect(tool).stdout).unwrap();
    assert!(page.contains("stale: ") && page.contains(fault), "{page}");
    let found = format!("lib1.so.1 => {store}/p1/lib/lib1.so.1 (RUNPATH)");
    assert!(page.contains(&found), "{page}");
    let mut command = Command::new(BINARY);
    let out = command.arg("lint").arg(tool).output().unwrap();
    let findings = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(1), "{findings}");
    assert!(findings.contains("resolution-cache-stale"), "{findings}");
}

#[test]
fn a_cut_or_huge_cache_is_no_cache() {
    if !long() {
        return;
    }
    let (store, append) = store(3);
    let tool = store.tool();
    store.fixup(&[&append, "--resolution=note"]);
    let right = description(&tool).unwrap();
    for len in [u32::MAX, 1 << 30, right.len() as u32 + 4096, 1, 0] {
        let cache = info(&tool).resolution_caches.remove(0);
        let file = File::options().write(true).open(&tool).unwrap();
        file.write_all_at(&len.to_le_bytes(), cache.offset + 4)
            .unwrap();
        drop(file);
        assert_eq!(status(&tool), Some(3), "{len}");
        let page = String::from_utf8(inspect(&tool).stdout).unwrap();
        assert!(page.contains("stale: it can't be read"), "{len}: {page}");
        store.fixup(&[&append, "--resolution=note"]);
        assert_eq!(description(&tool).unwrap(), right, "{len}");
    }
    lie(&tool, &right[..right.len() - 20]);
    assert_eq!(status(&tool), Some(3));
}

#[test]
fn programs_of_this_machine_search_nothing() {
    if !long() {
        return;
    }
    let (loader, append) = loader();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().canonicalize().unwrap();
    let machine = machine_store(&dir, 24);
    fixup(&dir, &machine.libs, "off", &[&append]);
    let list = |file: &PathBuf| loaded(&loader, file, &dir);
    let before: Vec<_> = machine.files.iter().map(list).collect();
    fixup(&dir, &machine.libs, "note", &[&append]);
    let after: Vec<_> = machine.files.iter().map(list).collect();
    assert_eq!(before, after);
    let mut searched = Vec::new();
    for (file, loads) in machine.files.iter().zip(&after) {
        if loads.is_some() {
            searched.extend(failing(&[&loader, Path::new("--list"), file]));
        }
    }
    assert!(after.iter().flatten().count() > 20);
    assert_eq!(searched, Vec::<String>::new());
}
