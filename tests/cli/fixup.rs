//! `cuda-fixup fixup` on compiled trees: plans, writes and refusals.

use crate::support::trees::*;
use elf_fixtures::Minimal;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

/// bin/tool needs libone.so.1, which needs libtwo.so; each in a directory of its own.
fn tree() -> Tree {
    let tree = Tree::new();
    let two = tree.library("lib/b/libtwo.so", &[]);
    let one = tree.library("lib/a/libone.so.1", &[two.to_str().unwrap()]);
    tree.program(
        "bin/tool",
        "one",
        &[
            one.to_str().unwrap(),
            "-Wl,-rpath-link",
            &tree.text("lib/b"),
        ],
    );
    fs::write(tree.at("share/readme"), "text").unwrap();
    tree
}

#[test]
fn what_a_tree_needs_of_itself_is_found_and_the_program_runs() {
    let tree = tree();
    let tool = tree.at("bin/tool");
    assert!(!runs(&tool));
    let done = tree.run(&["fixup", "."]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert!(runs(&tool));
    assert_eq!(runpath(&tool).as_deref(), Some("$ORIGIN/../lib/a"));
    assert_eq!(
        runpath(&tree.at("lib/a/libone.so.1")).as_deref(),
        Some("$ORIGIN/../b")
    );
    assert_eq!(runpath(&tree.at("lib/b/libtwo.so")), None);
}

#[test]
fn a_second_run_touches_nothing() {
    let tree = tree();
    assert_eq!(status(&tree.run(&["fixup", "."])), 0);
    let before = tree.state();
    let again = tree.run(&["fixup", ".", "--json"]);
    assert_eq!(status(&again), 0);
    assert_eq!(tree.state(), before);
    assert!(json(&again)[..3].iter().all(|o| o["status"] == "unchanged"));
}

#[test]
fn a_dry_run_tells_reasons_and_writes_nothing() {
    let tree = tree();
    let before = tree.state();
    let done = tree.run(&[
        "fixup",
        "--add-driver-runpath=all",
        ".",
        "--dry-run",
        "--append-runpath",
        "/app",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(tree.state(), before);
    let told = out(&done);
    for expected in ["driver link", "has libone.so.1", "appended", "3 to change"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn the_order_of_entries_and_the_first_of_equal_ones() {
    let tree = tree();
    let tool = tree.at("bin/tool");
    let a = tree.text("lib/a");
    let set = format!("/old:{DRIVER}::{a}:/app");
    let one = tree.text("lib/a/libone.so.1");
    let args = [
        one.as_str(),
        "-Wl,-rpath-link",
        &tree.text("lib/b"),
        "-Wl,-rpath",
    ];
    tree.program(
        "bin/tool",
        "one",
        &[&args[..], &[&format!("-Wl,{set}")]].concat(),
    );
    assert_eq!(runpath(&tool), Some(set));
    let args = [
        "fixup",
        "--add-driver-runpath=all",
        "--relative=off",
        "bin",
        "--lib",
        "lib/a",
        "--compat-runpath",
        "/compat",
        "--runtime-dependency",
        "/rt1",
        "--runtime-dependency=/rt2",
        "--append-runpath",
        "/app",
    ];
    let done = tree.run(&args);
    assert_eq!(status(&done), 0, "{done:?}");
    let expected = format!("/compat:{DRIVER}:/rt1:/rt2:{a}:/old:/app");
    assert_eq!(runpath(&tool), Some(expected));
}

#[test]
fn a_library_gets_neither_interpreter_nor_runtime_dependencies() {
    let tree = tree();
    let ld = fs::canonicalize(interpreter(&tree.at("bin/tool"))).unwrap();
    let ld = ld.to_str().unwrap();
    let done = tree.run(&[
        "fixup",
        ".",
        "--interpreter",
        ld,
        "--runtime-dependency",
        "/rt",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(interpreter(&tree.at("bin/tool")), ld);
    assert!(runpath(&tree.at("bin/tool")).unwrap().contains("/rt"));
    assert!(
        !runpath(&tree.at("lib/a/libone.so.1"))
            .unwrap()
            .contains("/rt")
    );
    assert!(runs(&tree.at("bin/tool")));
}

#[test]
fn misses_are_told_together_and_end_in_1() {
    let tree = tree();
    fs::remove_file(tree.at("lib/b/libtwo.so")).unwrap();
    tree.minimal("other/libtwo.so", AARCH64);
    let done = tree.run(&[
        "fixup",
        "--add-driver-runpath=all",
        "--relative=off",
        "bin",
        "lib",
        "--lib",
        "other",
    ]);
    assert_eq!(status(&done), 1, "{done:?}");
    let told = err(&done);
    for expected in [
        "nothing provides libtwo.so, which lib/a/libone.so.1 needs",
        "for aarch64 in",
        "searched, in this order:\n  bin\n  lib\n  other\n",
        "--ignore-missing libtwo.so",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    // All the same, everything else is done.
    assert_eq!(
        runpath(&tree.at("lib/a/libone.so.1")).as_deref(),
        Some(DRIVER)
    );
    let done = tree.run(&[
        "fixup",
        "--add-driver-runpath=all",
        "--relative=off",
        "bin",
        "lib",
        "--ignore-missing",
        "libt[v-x]o.*",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert!(err(&done).contains("warning: nothing provides libtwo.so"));
}

#[test]
fn libraries_of_the_driver_are_never_missing() {
    let tree = Tree::new();
    let stubs = tree.library("cuda/lib/stubs/libcuda.so.1", &[]);
    let nvml = tree.library("cuda/lib/stubs/libnvidia-ml.so.1", &[]);
    let args = [stubs.to_str().unwrap(), nvml.to_str().unwrap()];
    tree.library("lib/libuser.so", &args);
    tree.library("lib/libplain.so", &[]);
    let done = tree.run(&[
        "fixup",
        "lib",
        "--lib",
        "cuda/lib/stubs",
        "--add-driver-runpath=needed",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(runpath(&tree.at("lib/libuser.so")).as_deref(), Some(DRIVER));
    assert_eq!(runpath(&tree.at("lib/libplain.so")), None);
}

#[test]
fn needed_mode_sees_who_dlopens_the_driver() {
    let tree = Tree::new();
    let loads = tree.at("lib/libloads.so");
    fs::write(
        tree.at("l.c"),
        "extern void *dlopen(const char *, int);\nvoid *loads(void) { return dlopen(\"libcuda.so.1\", 2); }\n",
    )
    .unwrap();
    let done = Command::new("gcc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&loads, &tree.at("l.c")])
        .status();
    assert!(done.unwrap().success());
    tree.library("lib/libcudart.so.12", &[]);
    tree.library("lib/libplain.so", &[]);
    let done = tree.run(&[
        "fixup",
        "lib",
        "--add-driver-runpath=needed",
        "--dry-run",
        "-v",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    let told = out(&done);
    assert!(told.contains("driver link: loads libcuda.so.1"), "{told}");
    assert!(
        told.contains("driver link: it is the CUDA runtime"),
        "{told}"
    );
    assert!(told.contains("libplain.so\n  nothing to change"), "{told}");
}

#[test]
fn stubs_give_way_to_the_driver_link_once() {
    let tree = Tree::new();
    let stubs = "-Wl,-rpath,/x:/opt/cuda/lib/stubs:/y:/opt/cuda-12/lib64/stubs/";
    let lib = tree.library("libone.so", &[stubs]);
    let done = tree.run(&["fixup", ".", "--add-driver-runpath=off"]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(runpath(&lib), Some(format!("/x:{DRIVER}:/y")));
    let lib = tree.library("libone.so", &[stubs]);
    assert_eq!(
        status(&tree.run(&["fixup", ".", "--add-driver-runpath=all"])),
        0
    );
    assert_eq!(runpath(&lib), Some(format!("{DRIVER}:/x:/y")));
    let lib = tree.library("libone.so", &[stubs]);
    let before = tree.state();
    let unused = tree.run(&["fixup", ".", "-n"]);
    let why = "a stub directory, and the file doesn't load the driver";
    assert!(out(&unused).contains(why), "{unused:?}");
    let keep = ["fixup", ".", "--add-driver-runpath=off", "--stubs=keep"];
    assert_eq!(status(&tree.run(&keep)), 0);
    assert_eq!(tree.state(), before, "{}", lib.display());
}

#[test]
fn shrink_drops_what_provides_nothing_and_nothing_that_is_added() {
    let tree = tree();
    let (a, b) = (tree.text("lib/a"), tree.text("lib/b"));
    let two = tree.text("lib/b/libtwo.so");
    let set = format!("-Wl,-rpath,/nothing:{a}:{b}:$ORIGIN/x:{DRIVER}");
    let lib = tree.library("out/libone.so.1", &[&two, &set]);
    let done = tree.run(&[
        "fixup",
        "--add-driver-runpath=all",
        "--relative=off",
        "out",
        "--shrink",
        "--dependencies=off",
        "--append-runpath=/app",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(runpath(&lib), Some(format!("{DRIVER}:{b}:$ORIGIN/x:/app")));
}

#[test]
fn replace_drops_what_was_there_unless_nothing_is_found() {
    let tree = tree();
    let b = tree.text("lib/b");
    let two = tree.text("lib/b/libtwo.so");
    let lib = tree.library("lib/a/libone.so.1", &[&two, "-Wl,-rpath,/old:$ORIGIN/../b"]);
    let plain = tree.library("lib/b/libtwo.so", &["-Wl,-rpath,/old"]);
    let options = ["--add-driver-runpath=off", "--existing=replace"];
    let done = tree.run(&[&["fixup", "lib"], &options[..]].concat());
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(runpath(&lib), Some(b.clone()));
    assert_eq!(runpath(&plain).as_deref(), Some("/old"));

    tree.library(
        "lib/a/libone.so.1",
        &[&two, "-Wl,-rpath,/old:$ORIGIN/../b:$ORIGIN/no"],
    );
    let done = tree.run(&[&["fixup", "lib", "--preserve-origin"], &options[..]].concat());
    assert_eq!(status(&done), 0, "{done:?}");
    let expected = "$ORIGIN/../b:$ORIGIN/no";
    assert_eq!(runpath(&lib).as_deref(), Some(expected), "in place of {b}");
}

#[test]
fn leaks_of_a_build_are_mapped_to_their_real_place() {
    let tree = Tree::new();
    let lib = tree.library("libone.so", &["-Wl,-rpath,/farm/lib:/farmer:/gone/x:/farm"]);
    let done = tree.run(&[
        "fixup",
        ".",
        "--add-driver-runpath=off",
        "--replace-runpath=/farm=/real",
        "--replace-runpath",
        "/gone=",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(runpath(&lib).as_deref(), Some("/real/lib:/farmer:/real"));
    assert_eq!(status(&tree.run(&["fixup", ".", "--replace-runpath=x"])), 2);

    // The directories merged into a CUDA toolkit's farm: several, the deepest named first, and a
    // stub directory is still one.
    let lib = tree.library(
        "libtwo.so",
        &["-Wl,-rpath,/farm/bin/../lib:/farm/lib/stubs:/b/lib"],
    );
    let done = tree.run(&[
        "fixup",
        ".",
        "--add-driver-runpath=off",
        "--driver-link=/driver/lib",
        "--replace-runpath=/farm/lib/stubs=/x-1/lib/x86_64-linux-gnu/stubs//",
        "--replace-runpath=/farm/lib=/a/lib:/b/lib",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(runpath(&lib).as_deref(), Some("/a/lib:/b/lib:/driver/lib"));
}

#[test]
fn entries_become_relative_where_asked() {
    let tree = tree();
    let store = Command::new(BINARY)
        .current_dir(tree.root())
        .args([
            "fixup",
            "--add-driver-runpath=all",
            "bin",
            "--lib=lib/a",
            "--relative-runpaths",
            "--append-runpath=/far",
        ])
        .env("NIX_STORE", tree.root())
        .output()
        .unwrap();
    assert_eq!(status(&store), 0, "{store:?}");
    assert_eq!(
        runpath(&tree.at("bin/tool")),
        Some(format!("{DRIVER}:$ORIGIN/../lib/a:/far"))
    );
    let done = tree.run(&[
        "fixup",
        "--add-driver-runpath=all",
        "lib",
        "--relativize-runpath",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(
        runpath(&tree.at("lib/a/libone.so.1")),
        Some(format!("{DRIVER}:$ORIGIN/../b"))
    );
    assert!(runs(&tree.at("bin/tool")));
}

#[test]
fn dlopen_candidates_are_told_or_added() {
    let tree = Tree::new();
    tree.library("in/libplugin.so.2", &[]);
    fs::write(
        tree.at("l.c"),
        "extern void *dlopen(const char *, int);\nvoid *f(void) { return dlopen(\"libplugin.so.2\", 2); }\n",
    )
    .unwrap();
    let lib = tree.at("lib/libloads.so");
    let done = Command::new("gcc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&lib, &tree.at("l.c")])
        .status();
    assert!(done.unwrap().success());
    let told = tree.run(&[
        "fixup",
        "--add-driver-runpath=all",
        "--relative=off",
        "lib",
        "--lib",
        "in",
        "--json",
    ]);
    assert_eq!(status(&told), 0, "{told:?}");
    let candidates = &json(&told)[0]["dlopen"];
    assert_eq!(candidates[0]["name"], "libplugin.so.2");
    assert_eq!(candidates[0]["outcome"], "found");
    assert_eq!(runpath(&lib).as_deref(), Some(DRIVER));
    let auto = tree.run(&[
        "fixup",
        "--add-driver-runpath=all",
        "--relative=off",
        "lib",
        "--lib",
        "in",
        "--dlopen=auto",
    ]);
    assert_eq!(status(&auto), 0, "{auto:?}");
    assert_eq!(runpath(&lib), Some(format!("{DRIVER}:{}", tree.text("in"))));
}

#[test]
fn force_rpath_writes_the_old_tag_and_the_way_back_works() {
    let tree = Tree::new();
    let lib = tree.library("libone.so", &[]);
    assert_eq!(
        status(&tree.run(&["fixup", "--add-driver-runpath=all", ".", "--force-rpath"])),
        0
    );
    let dynamic = info(&lib).dynamic.unwrap();
    assert_eq!(
        (dynamic.runpath, dynamic.rpath.as_deref()),
        (None, Some(DRIVER.as_bytes()))
    );
    assert_eq!(
        status(&tree.run(&["fixup", "--add-driver-runpath=all", "."])),
        0
    );
    assert_eq!(runpath(&lib).as_deref(), Some(DRIVER));
}

#[test]
fn i386_files_get_their_own_driver_link() {
    let tree = Tree::new();
    let i386 = elf_edit::Platform {
        machine: 3,
        class: elf_edit::Class::Elf32,
        ..X86_64
    };
    let lib = tree.minimal("libold.so", i386);
    assert_eq!(status(&tree.run(&["add-driver-runpath", "."])), 0);
    assert_eq!(runpath(&lib).as_deref(), Some("/run/opengl-driver-32/lib"));
}

#[test]
fn add_driver_runpath_adds_it_once_and_no_empty_entry() {
    let tree = Tree::new();
    let bare = tree.library("libone.so", &[]);
    let full = tree.library("libtwo.so", &["-Wl,-rpath,/x"]);
    assert_eq!(
        status(&tree.run(&["add-driver-runpath", "libone.so", "libtwo.so"])),
        0
    );
    assert_eq!(runpath(&bare).as_deref(), Some(DRIVER));
    assert_eq!(runpath(&full), Some(format!("{DRIVER}:/x")));
    let before = tree.state();
    assert_eq!(status(&tree.run(&["add-driver-runpath", "."])), 0);
    assert_eq!(tree.state(), before);
}

#[test]
fn the_same_at_any_number_of_threads() {
    let original = Tree::new();
    let two = original.library("lib/b/libtwo.so", &[]);
    let one = original.library("lib/0/libone.so.1", &[two.to_str().unwrap()]);
    for n in 1..150 {
        fs::copy(&one, original.at(&format!("lib/{n}/libone.so.{n}"))).unwrap();
        fs::copy(&two, original.at(&format!("dup/{n}/libtwo.so"))).unwrap();
    }
    let build = || {
        let tree = Tree::new();
        let copy = Command::new("cp")
            .arg("-r")
            .args([original.root().join("lib"), original.root().join("dup")])
            .arg(tree.root())
            .status();
        assert!(copy.unwrap().success());
        tree
    };
    let results: Vec<_> = ["-j1", "-j8", "-j1"]
        .map(|jobs| {
            let tree = build();
            let done = tree.run(&["fixup", ".", "--json", "--relativize-runpath", jobs]);
            assert_eq!(status(&done), 0, "{done:?}");
            let files: Vec<_> = tree
                .state()
                .into_iter()
                .map(|(path, state)| (path.strip_prefix(tree.root()).unwrap().to_owned(), state.3))
                .collect();
            (out(&done).replace(tree.root().to_str().unwrap(), ""), files)
        })
        .into();
    assert_eq!(results[0].0, results[1].0);
    assert!(results[0].1 == results[1].1);
    assert!(results[0] == results[2]);
}

#[test]
fn what_is_met_and_not_wanted_is_counted_and_never_opened() {
    let tree = tree();
    fs::write(tree.at("empty"), "").unwrap();
    fs::write(tree.at("lib.a"), "!<arch>\n").unwrap();
    symlink("nowhere", tree.at("dangling")).unwrap();
    symlink("loop", tree.at("loop")).unwrap();
    symlink("bin/tool", tree.at("alias")).unwrap();
    tree.minimal("foreign.so", AARCH64);
    let _socket = UnixListener::bind(tree.at("socket")).unwrap();
    let fifo = Command::new("mkfifo").arg(tree.at("fifo")).status();
    assert!(fifo.unwrap().success());
    let ld = interpreter(&tree.at("bin/tool"));
    let done = tree.run(&["fixup", ".", "--json", "--interpreter", &ld]);
    assert_eq!(status(&done), 0, "{done:?}");
    let lines = json(&done);
    let skipped = &lines.last().unwrap()["skipped"];
    for (key, count) in [
        ("not_elf", 1),
        ("empty", 1),
        ("archive", 1),
        ("foreign_machine", 1),
        ("link", 1),
        ("dangling_link", 2),
        ("special", 2),
    ] {
        assert_eq!(skipped[key], count, "{key}: {skipped}");
    }
    let told = tree.run(&["fixup", ".", "-v", "--interpreter", &ld]);
    assert!(
        out(&told).contains("2 a FIFO, socket or device"),
        "{told:?}"
    );
}

#[test]
fn a_named_path_that_cannot_be_handled_ends_in_2_and_the_rest_is_done() {
    let tree = tree();
    fs::write(tree.at("text"), "text").unwrap();
    let fifo = Command::new("mkfifo").arg(tree.at("fifo")).status();
    assert!(fifo.unwrap().success());
    let done = tree.run(&["fixup", "absent", "text", "fifo", "bin", "lib"]);
    assert_eq!(status(&done), 2, "{done:?}");
    let told = err(&done);
    for expected in ["absent: cannot be read", "text: expected", "fifo: expected"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(runs(&tree.at("bin/tool")));
}

#[test]
fn malformed_files_and_broken_names_are_told_and_the_rest_is_done() {
    let tree = tree();
    let whole = fs::read(tree.at("bin/tool")).unwrap();
    fs::write(tree.at("cut\u{1b}[31m"), &whole[..200]).unwrap();
    fs::write(tree.at("magic"), "\x7fELF").unwrap();
    let mut huge = whole.clone();
    // e_phnum and the table's offset beyond all reason.
    huge[0x20..0x28].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(tree.at("huge"), &huge).unwrap();
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"bad\xff");
    fs::write(tree.root().join(name), &whole[..120]).unwrap();
    let done = tree.run(&["fixup", "."]);
    assert_eq!(status(&done), 2, "{done:?}");
    let told = err(&done);
    for expected in [
        r"cut\x1b[31m: malformed",
        "magic: malformed",
        "huge: malformed",
        r"bad\xff",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(!told.contains('\u{1b}'));
    assert!(runs(&tree.at("bin/tool")));
}

#[test]
fn unreadable_files_are_told() {
    let tree = tree();
    // Root reads everything: so this runs as an unprivileged user, on a copy of the binary that
    // only root can run.
    let binary = tree.at("cuda-fixup");
    crate::support::copy_binary(&binary);
    let set = |path: &std::path::Path, mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(path, mode).unwrap();
    };
    set(tree.root(), 0o755);
    set(&tree.at("lib/b/libtwo.so"), 0o000);
    fs::create_dir(tree.at("closed")).unwrap();
    set(&tree.at("closed"), 0o000);
    let args = ["fixup", "--dry-run", "--dlopen=off", "lib", "closed"];
    let as_root = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0;
    let mut command = if as_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&binary);
        command
    } else {
        Command::new(&binary)
    };
    let done = command
        .current_dir(tree.root())
        .args(args)
        .output()
        .unwrap();
    set(&tree.at("closed"), 0o755);
    assert_eq!(status(&done), 2, "{done:?}");
    let told = err(&done);
    assert!(
        told.contains("closed: cannot be read: Permission denied"),
        "{told}"
    );
    assert!(
        told.contains("libtwo.so: cannot be read: Permission denied"),
        "{told}"
    );
}

#[test]
fn hard_links_inside_are_one_file_and_one_outside_keeps_its_bytes() {
    let tree = tree();
    fs::hard_link(tree.at("bin/tool"), tree.at("bin/same")).unwrap();
    fs::hard_link(tree.at("lib/b/libtwo.so"), tree.at("outside/libtwo.so")).unwrap();
    let outside = fs::read(tree.at("outside/libtwo.so")).unwrap();
    let done = tree.run(&[
        "fixup",
        "--add-driver-runpath=all",
        "bin",
        "lib",
        "./bin",
        "--json",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    let lines = json(&done);
    assert_eq!(lines.len(), 4);
    assert_eq!(
        lines[0]["names"],
        serde_json::json!(["bin/same", "bin/tool"])
    );
    assert_eq!(fs::read(tree.at("outside/libtwo.so")).unwrap(), outside);
    assert_eq!(
        runpath(&tree.at("lib/b/libtwo.so")).as_deref(),
        Some(DRIVER)
    );
    assert_eq!(
        fs::read(tree.at("bin/same")).unwrap(),
        fs::read(tree.at("bin/tool")).unwrap()
    );
    assert!(runs(&tree.at("bin/same")));
}

#[test]
fn a_named_link_stands_for_its_target() {
    let tree = tree();
    symlink("bin/tool", tree.at("alias")).unwrap();
    let done = tree.run(&["fixup", "alias", "--lib", "lib/a", "--lib", "lib/b"]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert!(tree.at("alias").is_symlink());
    assert!(runpath(&tree.at("bin/tool")).unwrap().contains("lib/a"));
}

#[test]
fn directories_that_vanish_while_it_runs_do_no_harm() {
    let tree = tree();
    for n in 0..200 {
        fs::write(tree.at(&format!("many/{n}/file")), "text").unwrap();
    }
    let many = tree.root().join("many");
    let remover = std::thread::spawn(move || fs::remove_dir_all(many));
    let done = tree.run(&["fixup", "."]);
    remover.join().unwrap().unwrap();
    assert!(matches!(status(&done), 0), "{done:?}");
    assert!(runs(&tree.at("bin/tool")));
}

#[test]
fn files_that_change_while_it_runs_do_no_harm() {
    let tree = tree();
    let tool = tree.at("bin/tool");
    let whole = fs::read(&tool).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut length = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                length = (length + 977) % whole.len();
                fs::write(&tool, &whole[..length]).unwrap();
                fs::write(&tool, &whole).unwrap();
            }
        });
        for _ in 0..30 {
            let done = tree.run(&["fixup", "."]);
            assert!(matches!(status(&done), 0..=2), "{done:?}");
            assert!(!err(&done).contains("panicked"), "{done:?}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    fs::write(&tool, &whole).unwrap();
    assert_eq!(status(&tree.run(&["fixup", "."])), 0);
    assert!(runs(&tool));
}

#[test]
fn a_name_with_a_slash_is_opened_as_it_stands() {
    let tree = Tree::new();
    let lib = tree.library("lib/libone.so", &[]);
    let write = |needed: &str| {
        let mut file = Minimal::new(X86_64);
        file.needed = vec![needed.as_bytes().to_vec()];
        fs::write(tree.at("bin/user.so"), file.bytes()).unwrap();
    };
    for (needed, expected) in [
        ("$ORIGIN/../lib/libone.so", 0),
        (lib.to_str().unwrap(), 0),
        ("$ORIGIN/libone.so", 1),
        ("lib/libone.so", 1),
        ("/no/libone.so", 1),
    ] {
        write(needed);
        let done = tree.run(&["fixup", "--add-driver-runpath=all", "."]);
        assert_eq!(status(&done), expected, "{needed}: {done:?}");
        assert_eq!(runpath(&tree.at("bin/user.so")).as_deref(), Some(DRIVER));
    }
}

#[test]
fn two_copies_of_a_library_stay_with_those_who_had_them() {
    let tree = Tree::new();
    for side in ["left", "right"] {
        let two = tree.library(&format!("{side}/lib/libtwo.so"), &[]);
        let args = [two.to_str().unwrap(), "-Wl,-rpath,$ORIGIN/lib"];
        tree.library(&format!("{side}/libone.so"), &args);
    }
    assert_eq!(
        status(&tree.run(&["fixup", "--add-driver-runpath=all", "--relative=off", "."])),
        0
    );
    for side in ["left", "right"] {
        let file = tree.at(&format!("{side}/libone.so"));
        assert_eq!(runpath(&file), Some(format!("{DRIVER}:$ORIGIN/lib")));
    }
}

#[test]
fn hooks_pass_words_of_both_older_command_lines() {
    let tree = tree();
    fs::remove_file(tree.at("lib/b/libtwo.so")).unwrap();
    let done = tree.run(&[
        "fixup",
        "--lib=nothing",
        "--existing=replace",
        "--auto-patchelf-flag=--libs",
        "--auto-patchelf-flag=lib/a",
        "--auto-patchelf-flag=--ignore-missing",
        "--auto-patchelf-flag=libtwo*",
        "--patchelf-flag=--force-rpath",
        "--patchelf-flag=--page-size",
        "--patchelf-flag=65536",
        "--",
        "bin",
        "lib",
    ]);
    assert_eq!(status(&done), 0, "{done:?}");
    let dynamic = info(&tree.at("bin/tool")).dynamic.unwrap();
    assert!(dynamic.rpath.is_some() && dynamic.runpath.is_none());
}

/// Puts the program header table behind everything, in no segment: strip loses it after an edit.
fn move_table_to_end(file: &std::path::Path) {
    let mut bytes = fs::read(file).unwrap();
    let info = elf_edit::ElfInfo::read(&bytes[..]).unwrap();
    let mut header = info.header.clone();
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    header.phoff = bytes.len() as u64;
    let start = header.encode(&bytes);
    bytes[..start.len()].copy_from_slice(&start);
    for segment in &info.segments {
        segment.encode(info.format(), &mut bytes);
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_file_that_becomes_less_safe_and_copied_data_are_reported() {
    let tree = Tree::new();
    let library = tree.library("lib/libend.so", &[]);
    move_table_to_end(&library);
    let tail = tree.library("lib/libtail.so", &[]);
    let bytes = [fs::read(&tail).unwrap(), vec![b'x'; 1000]].concat();
    fs::write(&tail, bytes).unwrap();
    tree.library("lib/libplain.so", &[]);
    let long = format!("/{}", "r".repeat(300));
    let args = ["fixup", "--append-runpath", &long, "."];

    for dry_run in [true, false] {
        let with = |more: &[&str]| {
            let dry: &[&str] = if dry_run { &["--dry-run"] } else { &[] };
            tree.run(&[&args[..1], dry, more, &args[1..]].concat())
        };
        if dry_run {
            let words = out(&with(&["-v"])) + &err(&with(&["-v"]));
            assert_eq!(
                words.matches("its program headers have no room").count(),
                1,
                "{words}"
            );
            assert!(
                words.contains("copied to its new end, 1000 bytes"),
                "{words}"
            );
            assert!(words.contains("1 less safe than before"), "{words}");
        }
        let lines = json(&with(&["--json"]));
        let of = |name: &str| {
            let named = lines
                .iter()
                .find(|l| l["path"].as_str().is_some_and(|p| p.ends_with(name)));
            named.unwrap().clone()
        };
        assert_eq!(of("libend.so")["strip_safe"], false);
        assert_eq!(of("libend.so")["tail_copied"], 0);
        assert_eq!(of("libtail.so")["strip_safe"], true);
        assert_eq!(of("libtail.so")["tail_copied"], 1000);
        assert_eq!(of("libplain.so")["strip_safe"], true);
        let summary = lines.iter().find(|l| l["event"] == "summary").unwrap();
        assert_eq!(
            (&summary["not_strip_safe"], &summary["tail_copied"]),
            (&1.into(), &1000.into())
        );
    }
    // Nothing changes any more.
    let lines = json(&tree.run(&[&args[..1], &["--json"], &args[1..]].concat()));
    assert!(
        lines
            .iter()
            .filter(|l| l["event"] == "file")
            .all(|l| l["strip_safe"].is_null())
    );
}

/// For files that were linked against a toolkit's merged directory, by whatever means.
#[test]
fn provided_adds_what_the_given_directories_have_and_asks_for_nothing_else() {
    let tree = Tree::new();
    tree.minimal("real/libcudart.so.12", X86_64);
    let user = tree.at("out/u.so");
    let mut file = Minimal::new(X86_64);
    let needed = ["libgone.so", "libcudart.so.12", "libcuda.so.1"];
    file.needed = needed.map(|name| name.as_bytes().to_vec()).to_vec();
    file.runpath = Some(b"/farm/lib:/kept".to_vec());
    fs::write(&user, file.bytes()).unwrap();
    let real = tree.text("real");
    let args = [
        "fixup",
        "--dependencies=provided",
        "--add-driver-runpath=off",
        "--lib",
        &real,
        "--replace-runpath",
        &format!("/farm/lib=/other:{real}"),
        "out",
    ];
    let done = tree.run(&args);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(err(&done), "");
    assert_eq!(
        runpath(&user),
        Some(format!("{real}:{DRIVER}:/other:/kept"))
    );
    let before = tree.state();
    assert_eq!(status(&tree.run(&args)), 0);
    assert_eq!(tree.state(), before, "a second run changes nothing");
}

#[test]
fn a_driver_link_that_is_there_stays_in_front_of_what_replaces_the_rest() {
    let tree = Tree::new();
    tree.minimal("in/liba.so", X86_64);
    let user = tree.at("out/u.so");
    let mut file = Minimal::new(X86_64);
    file.needed = vec![b"liba.so".to_vec()];
    file.runpath = Some(format!("/old:{DRIVER}").into_bytes());
    fs::write(&user, file.bytes()).unwrap();
    let args = ["fixup", "--existing=replace", "--add-driver-runpath=off"];
    let done = tree.run(&[&args[..], &["--lib=in", "out"]].concat());
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(
        runpath(&user),
        Some(format!("{DRIVER}:{}", tree.text("in")))
    );
}
