//! Cost grows no faster than the input: processor time at one size and at four times that size, and
//! memory for very many files.

use crate::support;
use crate::support::trees::{BINARY, Tree, X86_64};
use elf_fixtures::Minimal;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use wait4::Wait4;

/// A quadratic algorithm takes 16 times as long for four times the input, a linear one at most four
/// times.
const MOST: f64 = 9.0;
/// Less time than this says nothing.
const NOISE: Duration = Duration::from_millis(20);

fn start(dir: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(BINARY);
    command.current_dir(dir).args(args);
    command.env_remove("NIX_BUILD_CORES");
    let nothing = command.stdin(Stdio::null()).stdout(Stdio::null());
    nothing.stderr(Stdio::null()).spawn().unwrap()
}

/// Processor time.
fn cost(dir: &Path, args: &[&str]) -> Duration {
    let used = start(dir, args).wait4().unwrap();
    // Findings are no failure of the test.
    assert!(matches!(used.status.code(), Some(0 | 1)), "{args:?}");
    used.rusage.utime + used.rusage.stime
}

/// The largest resident size in bytes, as far as the kernel says it before the process ends. What it
/// says afterwards includes the size of the test before exec(2).
fn peak(dir: &Path, args: &[&str]) -> u64 {
    let mut child = start(dir, args);
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        peak = number.map_or(peak, |kilobytes| kilobytes.parse().unwrap());
        thread::sleep(Duration::from_millis(1));
    }
    assert!(peak > 0);
    peak * 1024
}

/// Makes the input at both sizes, and compares each of `runs`.
fn grows(size: usize, runs: &[&[&str]], make: impl Fn(&Tree, usize)) {
    let trees = [size, 4 * size].map(|size| {
        let tree = Tree::new();
        make(&tree, size);
        tree
    });
    for args in runs {
        let least = |tree: &Tree| {
            let runs = [cost(tree.root(), args), cost(tree.root(), args)];
            runs.into_iter().min().unwrap().max(NOISE)
        };
        let [one, four] = [least(&trees[0]), least(&trees[1])];
        let ratio = four.as_secs_f64() / one.as_secs_f64();
        assert!(
            ratio < MOST,
            "{args:?}: {one:?} for {size}, {four:?} for four times that"
        );
    }
}

fn write(tree: &Tree, name: &str, edit: impl FnOnce(&mut Minimal)) {
    let mut file = Minimal::new(X86_64);
    edit(&mut file);
    fs::write(tree.at(name), file.bytes()).unwrap();
}

const FIXUP: &[&str] = &["fixup", "--dry-run", "-j2", "--ignore-missing=*", "."];
const HEADERS: &[&str] = &["inspect", "--headers", "-j2", "."];
const LINT: &[&str] = &["lint", "-j2", "."];

#[test]
fn many_libraries_of_one_name() {
    grows(300, &[FIXUP, HEADERS, LINT], |tree, count| {
        for at in 0..count {
            write(tree, &format!("p{at}/libsame.so.1"), |file| {
                file.soname = Some(b"libsame.so.1".to_vec());
            });
        }
        write(tree, "user.so", |file| {
            file.needed = vec![b"libsame.so.1".to_vec()];
        });
    });
}

#[test]
fn many_files_that_lack_a_library_each() {
    let inspect: &[&str] = &["inspect", "-j2", "."];
    grows(800, &[FIXUP, inspect, LINT], |tree, count| {
        for at in 0..count {
            write(tree, &format!("lib{at}.so"), |file| {
                file.needed = vec![format!("liblost{at}.so.1").into_bytes()];
            });
        }
    });
}

#[test]
fn a_chain_of_libraries() {
    let inspect: &[&str] = &["inspect", "--tree", "lib0.so"];
    let closure: &[&str] = &["closure", "lib0.so"];
    grows(250, &[FIXUP, HEADERS, inspect, closure], |tree, count| {
        for at in 0..count {
            write(tree, &format!("lib{at}.so"), |file| {
                file.soname = Some(format!("lib{at}.so").into_bytes());
                file.runpath = Some(b"$ORIGIN".to_vec());
                if at + 1 < count {
                    file.needed = vec![format!("lib{}.so", at + 1).into_bytes()];
                }
            });
        }
    });
}

#[test]
fn a_runpath_of_many_entries() {
    let shrink: &[&str] = &["fixup", "--dry-run", "--shrink", "--ignore-missing=*", "."];
    let inspect: &[&str] = &["inspect", "."];
    grows(2500, &[FIXUP, shrink, inspect, LINT], |tree, count| {
        let entries = (0..count).map(|at| format!("/nix/store/{at}/lib"));
        let text: Vec<String> = entries.collect();
        write(tree, "libx.so", |file| {
            file.runpath = Some(text.join(":").into_bytes());
            file.needed = vec![b"liby.so".to_vec()];
        });
    });
}

/// `files`, a tenth of them ELF files of their own, the others links to a few.
fn many_files(tree: &Tree, files: usize) {
    let mut text = tree.root().to_owned();
    for at in 0..files {
        let directory = format!("package{}/lib", at / 100);
        if at % 10 == 0 {
            write(tree, &format!("{directory}/lib{at}.so"), |file| {
                file.soname = Some(format!("lib{at}.so").into_bytes());
                file.runpath = Some(b"$ORIGIN".to_vec());
            });
            continue;
        }
        let path = tree.at(&format!("{directory}/text{at}.h"));
        // ext4 allows 65,000 links of one file.
        if at % 10_000 == 1 {
            fs::write(&path, "#define A 1\n").unwrap();
            text = path;
        } else {
            fs::hard_link(&text, path).unwrap();
        }
    }
}

#[test]
fn many_files_of_which_some_are_elf() {
    grows(
        2000,
        &[FIXUP, HEADERS, LINT, &["elf-files", "."]],
        many_files,
    );
}

/// A million take as much for each file: docs/performance.md.
#[test]
fn memory_for_a_hundred_thousand_files() {
    let files = if support::long() { 100_000 } else { 10_000 };
    let tree = Tree::new();
    many_files(&tree, files);
    for args in [FIXUP, HEADERS, LINT, &["elf-files", "."]] {
        let peak = peak(tree.root(), args);
        // A million may take 256 MB.
        assert!(peak < 64 << 20, "{args:?}: {peak} bytes");
    }
}

/// `files` ELF files, each without its own library and with a directory that is missing.
fn many_findings(tree: &Tree, files: usize) {
    for at in 0..files {
        let directory = format!("some-package-with-a-long-name-{}/lib/inner", at / 100);
        write(tree, &format!("{directory}/lib{at}.so"), |file| {
            file.soname = Some(format!("lib{at}.so").into_bytes());
            file.runpath = Some(b"/missing/lib".to_vec());
            file.needed = vec![b"libgone.so.1".to_vec()];
        });
    }
}

/// Files of which lint says the same share the words.
#[test]
fn memory_for_findings_that_say_the_same() {
    let base = if support::long() { 20_000 } else { 2_000 };
    for format in ["human", "json", "sarif", "github"] {
        let args = ["lint", "-j2", "--format", format, "."];
        let [small, large] = [base, 5 * base].map(|files| {
            let tree = Tree::new();
            many_findings(&tree, files);
            peak(tree.root(), &args)
        });
        // With words and paths of its own each took 3,800.
        let each = large.saturating_sub(small) / (4 * base as u64);
        assert!(each < 2_400, "{format}: {each} bytes a file");
    }
}

/// What a run says, and its system calls.
fn traced(tree: &Tree, args: &[&str]) -> (String, String) {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    let command = command
        .current_dir(tree.root())
        .env_remove("NIX_BUILD_CORES");
    let strace = ["-f", "-qq", "-e", "trace=%file,%desc", "-o"];
    let command = command.args(strace).arg(trace.path());
    let output = command.arg(BINARY).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (said, fs::read_to_string(trace.path()).unwrap())
}

/// A library that lacks another in one program lacks it in all that have the same libraries; a program
/// that has others is tried.
#[test]
fn programs_with_the_same_libraries_are_tried_once() {
    let tree = Tree::new();
    let program = |name: &str, needed: &str| {
        write(&tree, name, |file| {
            file.interpreter = Some(b"/lib64/ld-linux-x86-64.so.2".to_vec());
            file.needed = vec![needed.into()];
            file.runpath = Some(b"$ORIGIN/../lib".to_vec());
        });
    };
    for at in 0..20 {
        program(&format!("bin/tool{at:02}"), "libcommon.so");
    }
    program("bin/zz", "libinner.so");
    for (name, soname, needed) in [
        ("lib/libcommon.so", "libcommon.so", None),
        ("lib/libinner.so", "libinner.so", None),
        ("plugins/libplugin.so", "libplugin.so", Some("libinner.so")),
        ("plugins/liblost.so", "liblost.so", Some("libnowhere.so")),
    ] {
        write(&tree, name, |file| {
            file.soname = Some(soname.into());
            file.needed = needed.into_iter().map(Vec::from).collect();
        });
    }
    let (said, trace) = traced(&tree, &["lint", "-j1", "--select=needed-not-found", "."]);
    assert!(said.contains("libnowhere.so"), "{said}");
    assert!(!said.contains("libinner.so"), "{said}");
    // Each for the walk, its rules, its headers, its libraries, its kind, and names in its data; the
    // first also for the two plugins.
    let opens = trace.lines().filter(|line| line.contains("openat("));
    let opens = opens.filter(|line| line.contains("/tool") || line.contains("\"tool"));
    let opens = opens.count();
    assert!(opens <= 20 * 6 + 2, "{opens}");
}

/// Two passes with nothing in between: open, fstat, read, close; open, lock, fstat, stat of the name,
/// read, close. Of directories that are missing and that all files name there are no calls.
#[test]
fn a_file_in_which_nothing_changes_takes_ten_system_calls() {
    let calls = |files: usize| {
        let tree = Tree::new();
        for at in 0..files {
            write(&tree, &format!("lib{at}.so"), |file| {
                file.runpath = Some(b"/missing/driver:/missing/lib".to_vec());
            });
        }
        let fixup = ["fixup", "-j1", "--dependencies=off", "--existing=keep", "."];
        let (said, trace) = traced(&tree, &fixup);
        assert!(
            said.contains(&format!("{files} ELF files: 0 changed")),
            "{said}"
        );
        // The rest of a call that another thread interrupted, and a check of debug builds at a close.
        let lines = trace.lines();
        let calls = lines.filter(|line| !line.contains(" resumed>") && !line.contains(" fcntl("));
        calls.count()
    };
    let (few, many) = (calls(100), calls(300));
    let each = (many - few) as f64 / 200.0;
    assert!(each < 10.5, "{each}");
}
