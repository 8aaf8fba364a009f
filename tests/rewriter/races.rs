//! Two at once on one file: whatever rewrites it meanwhile, the result is one edit, or both, or an
//! error and a file that is as it was.

use crate::support::{BINARY, succeeded};
use elf_edit::writes::{Disk, Patch, run_steps};
use elf_edit::{Edit, ElfInfo, FileReader, RewriteError, RewriteOptions, prepare, rewrite};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn program(dir: &Path, linker: &str) -> PathBuf {
    let (source, program) = (dir.join("p.c"), dir.join("p"));
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let mut gcc = Command::new("gcc");
    gcc.arg(format!("-fuse-ld={linker}")).arg("-o");
    let built = gcc.args([&program, &source]).status().unwrap();
    assert!(built.success());
    program
}

fn new() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let program = program(dir.path(), "bfd");
    (dir, program)
}

/// Under strace, with these additions to its command line.
fn traced(inject: &str, args: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-e", "trace=all", "-e"]);
    command.arg(format!("inject={inject}")).arg(BINARY);
    command.args(args).stderr(Stdio::piped());
    command
}

fn runpath(file: &Path) -> String {
    let mut query = Command::new(BINARY);
    let asked = query.args(["patchelf", "--print-rpath"]).arg(file).output();
    String::from_utf8(asked.unwrap().stdout).unwrap()
}

/// By another process: what a test writes and runs at once may be busy.
fn runs(program: &Path) -> bool {
    let run = Command::new("sh").arg("-c").arg(program).status();
    run.unwrap().success()
}

fn stderr(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn different_edits_at_once_lose_nothing() {
    let slow = "pwrite64,ftruncate,write:delay_enter=3000";
    for linker in ["bfd", "lld"] {
        let dir = tempfile::tempdir().unwrap();
        let original = program(dir.path(), linker);
        for round in 0..6 {
            let file = dir.path().join("file");
            fs::copy(&original, &file).unwrap();
            let name = file.to_str().unwrap();
            let long = format!("/b/{}", "0".repeat(300));
            let edits: [&[&str]; 4] = [
                &["patchelf", "--set-rpath", "/a", name],
                &["patchelf", "--set-rpath", &long, name],
                &["patchelf", "--add-needed", "libm.so.6", name],
                &["add-driver-runpath", name],
            ];
            let started: Vec<Child> = edits
                .iter()
                .map(|args| {
                    sleep(Duration::from_millis(round * 4));
                    traced(slow, args).stdout(Stdio::null()).spawn().unwrap()
                })
                .collect();
            for (child, args) in started.into_iter().zip(edits) {
                let done = child.wait_with_output().unwrap();
                assert!(done.status.success(), "{args:?}: {}", stderr(&done));
            }
            assert!(runs(&file), "{linker} {round}");
            let runpath = runpath(&file);
            assert!(
                runpath.contains("/a") || runpath.contains(&long),
                "{runpath}"
            );
            let needed = Command::new(BINARY)
                .args(["patchelf", "--print-needed", name])
                .output();
            let needed = String::from_utf8(needed.unwrap().stdout).unwrap();
            assert!(needed.contains("libm.so.6"), "{needed}");
        }
    }
}

#[test]
fn copies_that_replace_the_file_lose_nothing() {
    let (dir, file) = new();
    // Another name, outside of the given trees, makes fixup write a copy.
    fs::hard_link(&file, dir.path().join("outside")).unwrap();
    let name = file.to_str().unwrap();
    let slow = "rename,renameat,renameat2:delay_enter=300000";
    let first = ["fixup", "--append-runpath", "/first", "--dlopen=off", name];
    let first = traced(slow, &first).stdout(Stdio::null()).spawn().unwrap();
    sleep(Duration::from_millis(100));
    let second = Command::new(BINARY)
        .args(["patchelf", "--add-rpath", "/second", name])
        .output();
    let (first, second) = (first.wait_with_output().unwrap(), second.unwrap());
    assert!(
        first.status.success() && second.status.success(),
        "{first:?} {second:?}"
    );
    assert!(runs(&file));
    let runpath = runpath(&file);
    assert!(
        runpath.contains("/first") && runpath.contains("/second"),
        "{runpath}"
    );
}

#[test]
fn what_another_tool_wrote_meanwhile_is_left_alone() {
    let (_dir, file) = new();
    let args = [
        "patchelf",
        "--set-rpath",
        "/long/enough/for/another/place",
        file.to_str().unwrap(),
    ];
    let slow = traced("pwrite64:delay_enter=200000", &args)
        .spawn()
        .unwrap();
    sleep(Duration::from_millis(300));
    // No lock is asked for. Cut short, the file fails our check of the result.
    let other = File::options().write(true).open(&file).unwrap();
    other.set_len(100).unwrap();
    let done = slow.wait_with_output().unwrap();
    assert!(!done.status.success(), "{done:?}");
    let told = stderr(&done);
    assert!(
        told.contains("another program wrote to it at the same time"),
        "{told}"
    );
}

#[test]
fn a_lock_that_another_process_holds_is_waited_for() {
    let (_dir, file) = new();
    let held = File::open(&file).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let started = Instant::now();
    let mut patchelf = Command::new(BINARY);
    patchelf
        .args(["patchelf", "--set-rpath", "/a"])
        .arg(&file)
        .stderr(Stdio::piped());
    let patchelf = patchelf.spawn().unwrap();
    let mut fixup = Command::new(BINARY);
    fixup
        .args(["fixup", "--append-runpath", "/b", "--dlopen=off"])
        .arg(&file);
    let fixup = fixup
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Reading needs none, nor does a run that changes nothing.
    assert_eq!(runpath(&file), "\n");
    let nothing = ["fixup", "--add-driver-runpath", "off", "--dlopen=off"];
    let nothing = applet(&nothing, &file).output().unwrap();
    assert!(nothing.status.success() && nothing.stderr.is_empty());
    sleep(Duration::from_millis(1500));
    drop(held);
    let done = [patchelf, fixup].map(|child| child.wait_with_output().unwrap());
    assert!(started.elapsed() > Duration::from_millis(1400));
    for (done, words) in done.iter().zip(["patchelf: ", "note: "]) {
        assert!(done.status.success(), "{done:?}");
        let told = stderr(done);
        assert!(told.starts_with(words), "{told}");
        assert!(
            told.contains("waiting for another process that holds a lock on it\n"),
            "{told}"
        );
    }
    let runpath = runpath(&file);
    assert!(runpath.contains("/a"), "{runpath}");
}

#[test]
fn a_lock_that_stays_is_an_error_and_the_file_is_left_alone() {
    let (_dir, file) = new();
    let before = fs::read(&file).unwrap();
    let held = File::open(&file).unwrap();
    flock(&held, FlockOperation::LockShared).unwrap();
    let children = [
        &["patchelf", "--set-rpath", "/a"][..],
        &["add-driver-runpath"],
    ]
    .map(|args| {
        let mut command = Command::new(BINARY);
        command.args(args).arg(&file).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(!done.status.success());
        let told = stderr(&done);
        assert!(
            told.contains("another process has held a lock on it for 30 s"),
            "{told}"
        );
        let command = told.split('`').nth(1).unwrap();
        let found = Command::new("sh").args(["-c", command]).output().unwrap();
        let found = succeeded(&found);
        let holder = std::process::id().to_string();
        let mut fifth = found.lines().map(|line| line.split_whitespace().nth(4));
        assert!(fifth.any(|process| process == Some(&holder)), "{found}");
    }
    assert!(fs::read(&file).unwrap() == before);
}

#[test]
fn where_the_file_system_has_no_locks_it_is_done_without() {
    for error in ["EOPNOTSUPP", "ENOLCK", "EBADF"] {
        let (_dir, file) = new();
        let name = file.to_str().unwrap();
        let inject = format!("flock:error={error}");
        let done = traced(&inject, &["patchelf", "--set-rpath", "/a", name])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        assert_eq!(runpath(&file), "/a\n");
        let args = [
            "fixup",
            "-v",
            "--append-runpath",
            "/b",
            "--dlopen=off",
            name,
        ];
        let done = traced(&inject, &args)
            .stdout(Stdio::piped())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            told.contains("not locked: the file system has no locks"),
            "{told}"
        );
    }
}

/// A library, and a program that loads it by any of its names.
fn library() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("one.c"), dir.path().join("libone.so"));
    fs::write(&source, "int one(void) { return 1; }\n").unwrap();
    let flags = ["-shared", "-fPIC", "-Wl,-soname,libone.so", "-o"];
    let mut gcc = Command::new("gcc");
    succeeded(&gcc.args(flags).args([&library, &source]).output().unwrap());
    let text = "#include <dlfcn.h>\n#include <stdio.h>\n\
        int main(int c, char **v) { (void)c; if (dlopen(v[1], RTLD_NOW)) return 0;\n\
        puts(dlerror()); return 1; }\n";
    fs::write(&source, text).unwrap();
    let mut gcc = Command::new("gcc");
    let program = dir.path().join("load");
    succeeded(&gcc.arg("-o").args([&program, &source]).output().unwrap());
    (dir, library)
}

fn applet(words: &[&str], file: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args(words).arg(file);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn loads(load: &Path, library: &Path) {
    succeeded(&Command::new(load).arg(library).output().unwrap());
}

fn info(path: &Path) -> ElfInfo {
    ElfInfo::read(&FileReader::new(File::open(path).unwrap()).unwrap()).unwrap()
}

#[test]
fn edits_at_once_by_all_names_of_a_file_are_all_made() {
    let (dir, original) = library();
    let names = ["liba.so", "libb.so", "libc.so"].map(|name| dir.path().join(name));
    for round in 0..12 {
        for name in &names {
            let _ = fs::remove_file(name);
        }
        fs::copy(&original, &names[0]).unwrap();
        fs::hard_link(&names[0], &names[1]).unwrap();
        std::os::unix::fs::symlink(&names[0], &names[2]).unwrap();
        let edits: Vec<String> = (0..6).map(|n| format!("libneeded-{n}.so")).collect();
        let children: Vec<Child> = edits
            .iter()
            .zip(names.iter().cycle())
            .map(|(needed, name)| {
                let mut patchelf = applet(&["patchelf", "--add-needed", needed], name);
                patchelf.spawn().unwrap()
            })
            .collect();
        for child in children {
            succeeded(&child.wait_with_output().unwrap());
        }
        let mut needed: Vec<String> = info(&names[0])
            .needed()
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .filter(|name| name.starts_with("libneeded"))
            .collect();
        needed.sort();
        assert_eq!(needed, edits, "round {round}");
        for name in &edits {
            let mut patchelf = applet(&["patchelf", "--remove-needed", name], &names[2]);
            succeeded(&patchelf.output().unwrap());
        }
        loads(&dir.path().join("load"), &names[1]);
    }
}

#[test]
fn trees_at_once_and_replaced_files_all_have_the_edits() {
    for extra in [&[][..], &["--atomic"]] {
        let (dir, original) = library();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        for n in 0..20 {
            fs::copy(&original, tree.join(format!("lib{n}.so"))).unwrap();
        }
        fs::hard_link(tree.join("lib0.so"), tree.join("libz.so")).unwrap();
        let children: Vec<Child> = (0..4)
            .map(|n| {
                let entry = format!("/run/{n}");
                let mut words = vec!["fixup", "--old-entries", "keep", "--append-runpath", &entry];
                words.extend(extra);
                applet(&words, &tree).spawn().unwrap()
            })
            .collect();
        for child in children {
            succeeded(&child.wait_with_output().unwrap());
        }
        for file in fs::read_dir(&tree).unwrap() {
            let file = file.unwrap().path();
            let runpath = info(&file).runpath_or_rpath().unwrap().to_vec();
            let mut entries: Vec<&[u8]> = runpath.split(|&byte| byte == b':').collect();
            entries.sort_unstable();
            let wanted: [&[u8]; 4] = [b"/run/0", b"/run/1", b"/run/2", b"/run/3"];
            assert_eq!(entries, wanted, "{}", file.display());
            loads(&dir.path().join("load"), &file);
        }
    }
}

/// Starts `fixup` on a tree with `one`, `two` and `three`, names of one file, which it waits for;
/// has `replaced` lead to a changed copy meanwhile.
#[test]
fn names_that_part_while_this_runs_are_all_edited() {
    let cases = ["one", "two", "three"].map(|name| [(name, None), (name, Some("--atomic"))]);
    let started = cases.concat().into_iter().map(|(replaced, extra)| {
        let (dir, original) = library();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::copy(&original, tree.join("one")).unwrap();
        for link in ["two", "three"] {
            fs::hard_link(tree.join("one"), tree.join(link)).unwrap();
        }
        let held = File::open(tree.join("one")).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        let words = ["fixup", "--append-runpath", "/run/ours", "--dlopen=off"];
        let words = words.into_iter().chain(["--old-entries=keep"]).chain(extra);
        let mut child = applet(&words.collect::<Vec<_>>(), &tree).spawn().unwrap();
        let mut note = String::new();
        let mut lines = io::BufReader::new(child.stderr.take().unwrap());
        (io::BufRead::read_line(&mut lines, &mut note)).unwrap();
        assert!(note.contains("waiting for another process"), "{note}");
        fs::copy(&original, tree.join("copy")).unwrap();
        let theirs = ["patchelf", "--set-rpath", "/run/theirs"];
        succeeded(&applet(&theirs, &tree.join("copy")).output().unwrap());
        fs::rename(tree.join("copy"), tree.join(replaced)).unwrap();
        drop(held);
        (dir, tree, replaced, extra, child, lines)
    });
    for (_dir, tree, replaced, extra, mut child, mut lines) in started {
        let mut rest = String::new();
        io::Read::read_to_string(&mut lines, &mut rest).unwrap();
        assert!(child.wait().unwrap().success(), "{rest}");
        assert!(!rest.contains("error"), "{rest}");
        for name in ["one", "two", "three"] {
            let entries: &[u8] = match name == replaced {
                true => b"/run/theirs:/run/ours",
                false => b"/run/ours",
            };
            let runpath = info(&tree.join(name)).runpath_or_rpath().unwrap().to_vec();
            assert_eq!(runpath, entries, "{name}, {replaced} replaced, {extra:?}");
        }
    }
}

#[test]
fn bytes_that_changed_in_between_with_size_and_times_restored_are_seen() {
    let (_dir, library) = library();
    let bytes = fs::read(&library).unwrap();
    let soname = bytes.windows(10).rposition(|w| w == b"libone.so\0");
    let soname = soname.unwrap();
    for atomic in [false, true] {
        let reader = FileReader::new(File::open(&library).unwrap())
            .unwrap()
            .recorded();
        let info = ElfInfo::read(&reader).unwrap();
        let modified = fs::metadata(&library).unwrap().modified().unwrap();
        let file = OpenOptions::new().write(true).open(&library).unwrap();
        // The SONAME: as another tool would rename it.
        let at = info.dynamic.as_ref().unwrap().strtab;
        let soname = soname as u64;
        assert!(at <= soname);
        let renamed = if atomic { b"libone" } else { b"libtwo" };
        FileExt::write_all_at(&file, renamed, soname).unwrap();
        file.set_modified(modified).unwrap();
        let now = fs::read(&library).unwrap();
        let options = RewriteOptions {
            atomic,
            ..RewriteOptions::default()
        };
        let edits = [Edit::SetRunpath(b"/run/new".to_vec())];
        let refused = rewrite(
            std::slice::from_ref(&library),
            &reader,
            &info,
            &edits,
            &options,
        );
        assert!(matches!(refused, Err(RewriteError::Changed)), "{refused:?}");
        assert!(fs::read(&library).unwrap() == now);
    }
}

/// A file to which another program writes before the last write, which fails.
struct Shared {
    file: File,
    writes: std::cell::Cell<usize>,
    fails_at: usize,
    foreign: fn(&File),
}

impl Disk for Shared {
    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let write = self.writes.get();
        self.writes.set(write + 1);
        if write == self.fails_at {
            (self.foreign)(&self.file);
            return Err(io::ErrorKind::StorageFull.into());
        }
        FileExt::write_all_at(&self.file, bytes, offset)
    }

    fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        FileExt::read_exact_at(&self.file, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

fn patch_of(path: &Path) -> Patch {
    let reader = FileReader::new(File::open(path).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let edits = [Edit::SetRunpath(vec![b'x'; 300])];
    let prepared = prepare(&reader, &info, &edits, &RewriteOptions::default());
    prepared.unwrap().patch.unwrap()
}

#[test]
fn what_another_program_wrote_is_not_taken_back() {
    let (_dir, library) = library();
    let before = fs::read(&library).unwrap();
    let patch = patch_of(&library);
    let foreign: [fn(&File); 3] = [
        |file| file.set_len(100).unwrap(),
        |file| file.set_len(1 << 20).unwrap(),
        |file| FileExt::write_all_at(file, &[0xee], 20).unwrap(),
    ];
    for foreign in foreign {
        for fails_at in 2..patch.steps.len() - 1 {
            fs::write(&library, &before).unwrap();
            let open = OpenOptions::new().read(true).write(true).open(&library);
            let disk = Shared {
                file: open.unwrap(),
                writes: std::cell::Cell::new(0),
                fails_at,
                foreign,
            };
            let outcome = run_steps(&disk, &before.as_slice(), &patch.steps);
            assert!(
                matches!(outcome, Err(RewriteError::Interfered(_))),
                "{fails_at}: {outcome:?}"
            );
            assert!(fs::read(&library).unwrap() != before);
        }
    }
}
