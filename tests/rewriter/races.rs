//! Two at once on one file: whatever rewrites it meanwhile, the result is one edit, or both, or an
//! error and a file that is as it was.

use crate::support::BINARY;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
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
    // Another name, outside of what is given, makes fixup write a copy.
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
    // Reading needs none.
    assert_eq!(runpath(&file), "\n");
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
