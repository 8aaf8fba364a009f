//! `auto-patchelf` as nixpkgs' hook calls it: each numbered rule of its decisions.

use crate::support::trees::*;
use elf_edit::Platform;
use elf_fixtures::Minimal;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

/// A tree with a fake binutils wrapper: the interpreter is an ELF file of this machine, and the
/// libc has libc.so.6 and libm.so.6.
struct Build(Tree);

impl Build {
    fn new() -> Build {
        let tree = Tree::new();
        let ld = tree.at("glibc/lib/ld.so");
        fs::copy("/proc/self/exe", &ld).unwrap();
        for name in ["libc.so.6", "libm.so.6"] {
            tree.minimal(&format!("glibc/lib/{name}"), X86_64);
        }
        let support =
            |name, text: &str| fs::write(tree.at("bintools/nix-support").join(name), text);
        fs::create_dir_all(tree.at("bintools/nix-support")).unwrap();
        support("dynamic-linker", &format!("{}\n", ld.display())).unwrap();
        support("orig-libc", &format!("{}\n", tree.text("glibc"))).unwrap();
        Build(tree)
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(BINARY)
            .current_dir(self.0.root())
            .arg("auto-patchelf")
            .args(args)
            .env("NIX_BINTOOLS", self.0.text("bintools"))
            .env("NIX_STORE", self.0.root())
            .output()
            .unwrap()
    }

    /// Runs it and expects success.
    fn fine(&self, args: &[&str]) -> Output {
        let done = self.run(args);
        assert_eq!(status(&done), 0, "{done:?}");
        done
    }

    fn elf(&self, name: &str, needed: &[&str], change: impl FnOnce(&mut Minimal)) -> Elf<'_> {
        let path = self.0.at(name);
        let mut file = Minimal::new(X86_64);
        file.needed = needed.iter().map(|n| n.as_bytes().to_vec()).collect();
        change(&mut file);
        fs::write(&path, file.bytes()).unwrap();
        Elf {
            build: self,
            name: name.to_owned(),
        }
    }

    fn lib(&self, name: &str, needed: &[&str]) -> Elf<'_> {
        self.elf(name, needed, |_| {})
    }

    fn program(&self, name: &str, needed: &[&str]) -> Elf<'_> {
        self.elf(name, needed, |file| {
            file.interpreter = Some(b"/lib64/ld.so".to_vec())
        })
    }

    fn with_runpath(&self, name: &str, needed: &[&str], runpath: &str) -> Elf<'_> {
        self.elf(name, needed, |file| {
            file.runpath = Some(runpath.as_bytes().to_vec())
        })
    }
}

struct Elf<'a> {
    build: &'a Build,
    name: String,
}

impl Elf<'_> {
    fn path(&self) -> std::path::PathBuf {
        self.build.0.at(&self.name)
    }

    /// The RUNPATH, with the tree's root as `~`; empty if there is none.
    fn runpath(&self) -> String {
        let root = self.build.0.root().to_str().unwrap();
        runpath(&self.path()).unwrap_or_default().replace(root, "~")
    }
}

#[test]
fn rule_1_interpreter_and_libc_come_from_the_binutils_wrapper() {
    let build = Build::new();
    let program = build.program("out/p", &["libc.so.6", "libm.so.6"]);
    build.fine(&["--paths", "out"]);
    assert_eq!(
        interpreter(&program.path()),
        build.0.text("glibc/lib/ld.so")
    );
    assert_eq!(program.runpath(), "");
    let without = build.0.run(&["auto-patchelf", "--paths", "out"]);
    assert_eq!(status(&without), 2);
    assert!(err(&without).contains("neither NIX_BINTOOLS nor"));
}

#[test]
fn rule_2_own_files_come_first_by_file_name_then_inputs_in_order() {
    let build = Build::new();
    // The SONAME doesn't count.
    build.elf("out/z/libx.so.1", &[], |f| {
        f.soname = Some(b"libother.so".to_vec())
    });
    build.lib("in1/libx.so.1", &[]);
    build.lib("in1/liby.so", &[]);
    build.lib("in1/sub/libdeep.so", &[]);
    build.lib("in2/liby.so", &[]);
    build.lib("in2/libz.so", &[]);
    let user = build.lib(
        "out/libuser.so",
        &["libz.so", "libx.so.1", "liby.so", "libdeep.so"],
    );
    let args = [
        "--paths",
        "out",
        "--libs",
        "in1",
        "in2",
        "--ignore-missing",
        "libdeep.so",
    ];
    build.fine(&args);
    assert_eq!(user.runpath(), "~/in2:~/out/z:~/in1");
    // Left out with --ignore-existing; a single file is that file.
    let user = build.lib("out/libuser.so", &["libx.so.1", "libz.so"]);
    build.fine(&[
        "--paths",
        "out",
        "--ignore-existing",
        "--libs",
        "in1",
        "in2/libz.so",
    ]);
    assert_eq!(user.runpath(), "~/in1:~/in2");
}

#[test]
fn rule_2_without_recursion_only_a_directory_s_own_files_count() {
    let build = Build::new();
    build.lib("out/sub/libx.so", &[]);
    let user = build.lib("out/libuser.so", &["libx.so"]);
    let deep = build.lib("out/sub/libdeep.so", &["libuser.so"]);
    let done = build.run(&["--paths", "out", "--no-recurse"]);
    assert_eq!(status(&done), 1, "{done:?}");
    assert_eq!(
        (user.runpath(), deep.runpath()),
        (String::new(), String::new())
    );
    build.fine(&["--paths", "out"]);
    assert_eq!(
        (user.runpath(), deep.runpath()),
        ("~/out/sub".into(), "~/out".into())
    );
}

#[test]
fn rule_2_runpaths_of_libraries_are_searched_but_not_origin_or_those_of_programs() {
    let build = Build::new();
    build.lib("far/libfar.so", &[]);
    build.lib("near/libnear.so", &[]);
    let far = build.0.text("far");
    build.with_runpath("in/liba.so", &[], &format!("$ORIGIN/../near::{far}"));
    let user = build.lib("out/libuser.so", &["libfar.so", "libnear.so"]);
    let done = build.run(&["--paths", "out", "--libs", "in"]);
    assert_eq!(status(&done), 1, "{done:?}");
    assert!(
        err(&done).contains("nothing provides libnear.so"),
        "{done:?}"
    );
    assert_eq!(user.runpath(), "~/far");
}

#[test]
fn rule_2_links_and_separate_debug_files() {
    let build = Build::new();
    build.lib("real/libx.so.1.2", &[]);
    build.lib("real/liby.so", &[]);
    build.0.at("in/x");
    symlink("../real/libx.so.1.2", build.0.at("in/libx.so.1")).unwrap();
    symlink("../real/liby.so", build.0.at("in/liby.so")).unwrap();
    let debug = build.0.library("in/libz.so", &["-g"]);
    let strip = Command::new("objcopy")
        .arg("--only-keep-debug")
        .arg(&debug)
        .status();
    assert!(strip.unwrap().success());
    let user = build.lib("out/libuser.so", &["libx.so.1", "liby.so", "libz.so"]);
    let done = build.run(&["--paths", "out", "--libs", "in"]);
    assert_eq!(status(&done), 1, "{done:?}");
    assert!(err(&done).contains("nothing provides libz.so"), "{done:?}");
    assert_eq!(user.runpath(), "~/in:~/real");
}

#[test]
fn rule_3_only_dynamic_files_of_the_interpreter_s_platform_are_patched() {
    let build = Build::new();
    build.lib("in/liba.so", &[]);
    let ours = build.lib("out/ours.so", &["liba.so"]);
    let foreign = build.elf("out/foreign.so", &["liba.so"], |f| f.platform = AARCH64);
    let bsd = build.elf("out/bsd.so", &["liba.so"], |f| {
        f.platform = Platform {
            os_abi: 9,
            ..X86_64
        };
    });
    symlink("ours.so", build.0.at("out/link.so")).unwrap();
    symlink("../elsewhere.so", build.0.at("out/outside.so")).unwrap();
    let outside = build.lib("elsewhere.so", &["liba.so"]);
    fs::write(build.0.at("out/broken.so"), "\x7fELF").unwrap();
    fs::write(build.0.at("out/script"), "#!/bin/sh").unwrap();
    let kept = fs::read(foreign.path()).unwrap();
    build.fine(&["--paths", "out", "--libs", "in"]);
    assert_eq!(ours.runpath(), "~/in");
    assert_eq!(bsd.runpath(), "~/in", "System V goes with all");
    assert_eq!(fs::read(foreign.path()).unwrap(), kept);
    assert_eq!(outside.runpath(), "");
    // A link, a script and a file for another machine are no files to patch when named either.
    let named = ["out/outside.so", "out/script", "out/foreign.so", "gone"];
    build.fine(&[&["--libs", "in", "--paths"], &named[..]].concat());
    assert_eq!(outside.runpath(), "");
}

#[test]
fn rule_4_runtime_dependencies_are_the_first_entries_of_executables() {
    let build = Build::new();
    build.lib("in/liba.so", &[]);
    let program = build.program("out/p", &["liba.so"]);
    let library = build.lib("out/l.so", &["liba.so"]);
    build.fine(&[
        "--paths",
        "out",
        "--libs",
        "in",
        "--runtime-dependencies",
        "/rt/lib",
        "/rt2/lib",
    ]);
    assert_eq!(program.runpath(), "/rt/lib:/rt2/lib:~/in");
    assert_eq!(library.runpath(), "~/in");
}

#[test]
fn rule_5_absolute_names_and_the_libc() {
    let build = Build::new();
    let there = build.lib("far/libabs.so", &[]);
    build.lib("in/libm.so.6", &[]);
    let absolute = there.path().to_str().unwrap().to_owned();
    let user = build.lib("out/u.so", &[&absolute, "libm.so.6", "libc.so.6"]);
    build.fine(&["--paths", "out", "--libs", "in"]);
    assert_eq!(user.runpath(), "");
    // With --keep-libc the index comes first, and what only the libc has is found all the same.
    build.fine(&["--paths", "out", "--libs", "in", "--keep-libc"]);
    assert_eq!(user.runpath(), "~/in");
    let lost = build.lib("out/u.so", &["/no/such/libgone.so"]);
    assert_eq!(status(&build.run(&["--paths", "out", "--libs", "far"])), 1);
    assert_eq!(lost.runpath(), "");
}

/// nixpkgs takes the file name, so that builds pass; the program needs the right directory.
#[test]
fn rule_5_a_name_with_a_slash_is_found_by_its_file_name_with_a_warning() {
    let build = Build::new();
    build.lib("out/lib/libown.so", &[]);
    let names = ["lib/libown.so", "/no/such/libown.so", "./libown.so"];
    for (number, name) in names.iter().enumerate() {
        let user = build.lib(&format!("out/{number}.so"), &[name]);
        let done = build.fine(&["--paths", "out"]);
        assert_eq!(user.runpath(), "~/out/lib", "{name}");
        let warning = format!("warning: {name}, which out/{number}.so needs: a name with a slash");
        assert!(err(&done).contains(&warning), "{}", err(&done));
        assert!(err(&done).contains("right directory only"));
    }
    let done = build.0.run(&["fixup", "out/0.so", "--lib", "out/lib"]);
    assert_eq!(status(&done), 1, "{done:?}");
    assert!(err(&done).contains("right directory only"), "{done:?}");
    build.lib("out/0.so", &["./libgone.so"]);
    build.fine(&["--paths", "out", "--ignore-missing", "libgone.so"]);
}

/// As in nixpkgs, whose program has the default of the package in it.
#[test]
fn without_a_stdenv_the_wrapped_binutils_are_the_packages() {
    let build = Build::new();
    let run = |args: &[&str], default: Option<&str>| {
        let mut command = Command::new(BINARY);
        command.current_dir(build.0.root()).arg("auto-patchelf");
        command.env_remove("NIX_BINTOOLS").args(args);
        if let Some(default) = default {
            command.env("DEFAULT_BINTOOLS", build.0.text(default));
        }
        command.output().unwrap()
    };
    build.lib("in/liba.so", &[]);
    let user = build.lib("out/u.so", &["liba.so", "libc.so.6"]);
    let args = ["--paths", "out", "--libs", "in"];
    assert_eq!(status(&run(&args, None)), 0, "no file needs an interpreter");
    assert_eq!(user.runpath(), "~/in");
    let program = build.program("out/p", &["liba.so"]);
    let done = run(&args, None);
    assert_eq!(status(&done), 2);
    assert!(
        err(&done).contains("out/p: this program needs an interpreter, and neither NIX_BINTOOLS")
    );
    assert_eq!(status(&run(&args, Some("bintools"))), 0);
    assert_eq!(
        interpreter(&program.path()),
        build.0.text("glibc/lib/ld.so")
    );
}

/// A library with `.note.dlopen` entries, each a list of alternatives.
fn with_notes(build: &Build, name: &str, alternatives: &[&[&str]]) {
    let entries: Vec<_> = alternatives
        .iter()
        .map(|sonames| serde_json::json!({ "soname": sonames, "priority": "required" }))
        .collect();
    // A quote inside a string of the assembler inside one of C.
    let text = serde_json::to_string(&entries)
        .unwrap()
        .replace('"', r#"\\\""#);
    let source = format!(
        "__asm__(\".pushsection .note.dlopen,\\\"a\\\",@note\\n.balign 4\\n\
         .long 4, 2f-1f, 0x407c0c0a\\n.asciz \\\"FDO\\\"\\n1: .asciz \\\"{}\\\"\\n2: .balign 4\\n\
         .popsection\\n\");",
        text
    );
    fs::write(build.0.at("note.c"), source).unwrap();
    let done = Command::new("gcc")
        .args(["-shared", "-fPIC", "-nostdlib", "-o"])
        .args([build.0.at(name), build.0.at("note.c")])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn rule_5_dlopen_notes_need_one_of_their_alternatives() {
    let build = Build::new();
    build.lib("in/libzstd.so.1", &[]);
    with_notes(
        &build,
        "out/l.so",
        &[&["libnone.so", "libzstd.so.1"], &["libm.so.6"]],
    );
    build.fine(&["--paths", "out", "--libs", "in"]);
    let path = build.0.at("out/l.so");
    assert_eq!(runpath(&path), Some(build.0.text("in")));
    with_notes(&build, "out/l.so", &[&["libno1.so", "libno2.so"]]);
    let done = build.run(&["--paths", "out", "--libs", "in"]);
    assert_eq!(status(&done), 1, "{done:?}");
    assert!(
        err(&done).contains("nothing provides any(libno1.so, libno2.so)"),
        "{done:?}"
    );
    assert_eq!(runpath(&path), None);
}

#[test]
fn rule_6_appended_entries_come_last_and_a_list_replaces() {
    let build = Build::new();
    build.lib("in/liba.so", &[]);
    let user = build.with_runpath("out/u.so", &["liba.so"], "$ORIGIN:/old");
    let plain = build.with_runpath("out/p.so", &[], "$ORIGIN:/old");
    build.fine(&["--paths", "out", "--libs", "in"]);
    assert_eq!(user.runpath(), "~/in");
    assert_eq!(
        plain.runpath(),
        "$ORIGIN:/old",
        "an empty list replaces nothing"
    );
    let a = build.0.text("in");
    build.fine(&[
        "--paths",
        "out",
        "--libs",
        "in",
        "--append-rpaths",
        "/x",
        &a,
        "/x",
        "/y",
    ]);
    assert_eq!(user.runpath(), "~/in:/x:/y");
    assert_eq!(plain.runpath(), "/x:~/in:/y");
}

#[test]
fn rule_7_all_misses_are_told_after_all_files_are_patched() {
    let build = Build::new();
    build.lib("in/liba.so", &[]);
    build.elf("in/libfar.so", &[], |f| f.platform = AARCH64);
    let first = build.lib("out/1.so", &["libfar.so", "liba.so"]);
    let second = build.lib("out/2.so", &["libgone.so.3", "liba.so"]);
    let done = build.run(&["--paths", "out", "--libs", "in"]);
    assert_eq!(status(&done), 1, "{done:?}");
    assert_eq!(
        (first.runpath(), second.runpath()),
        ("~/in".into(), "~/in".into())
    );
    for expected in [
        "nothing provides libfar.so, which out/1.so needs (there is one for aarch64 in",
        "nothing provides libgone.so.3, which out/2.so needs",
        "searched, in this order:\n  out\n  in\n",
        "--ignore-missing libfar.so libgone.so.3",
    ] {
        assert!(err(&done).contains(expected), "{expected}: {}", err(&done));
    }
    for patterns in [&["lib[f-g]*.so", "libgone.so.?"][..], &["1"], &["*"]] {
        let args = [
            &["--paths", "out", "--libs", "in", "--ignore-missing"],
            patterns,
        ]
        .concat();
        let done = build.fine(&args);
        assert_eq!(err(&done).matches("warning: nothing provides").count(), 2);
    }
    // Case counts, and so does the whole name.
    let args = [
        "--paths",
        "out",
        "--libs",
        "in",
        "--ignore-missing",
        "LIB*",
        "gone",
    ];
    assert_eq!(status(&build.run(&args)), 1);
}

#[test]
fn lists_take_any_number_of_values_and_the_last_one_counts() {
    let build = Build::new();
    build.lib("in1/liba.so", &[]);
    build.lib("in2/libb.so", &[]);
    let user = build.lib("out/u.so", &["liba.so", "libb.so"]);
    let args = [
        "--libs=in1",
        "--paths",
        "nowhere",
        "--ignore-missing",
        "--paths=out",
        "--libs",
        "in1",
        "in2",
        "--append-rpaths",
        "--runtime-dependencies",
    ];
    build.fine(&args);
    assert_eq!(user.runpath(), "~/in1:~/in2");
    // Afresh: the RUNPATH that it has now is searched too.
    build.lib("out/u.so", &["liba.so", "libb.so"]);
    let done = build.run(&["--paths", "out", "--libs", "in1", "--libs", "in2"]);
    assert_eq!(status(&done), 1);
    assert_eq!(status(&build.run(&["--paths"])), 1, "as nixpkgs");
    assert_eq!(status(&build.run(&["--libs", "in1"])), 2);
    assert_eq!(
        status(&build.run(&["--paths=out", "in1"])),
        2,
        "--flag=x is one value"
    );
}

#[test]
fn extra_args_take_the_rest_of_the_command_line() {
    let build = Build::new();
    build.lib("in/liba.so", &[]);
    let user = build.lib("out/u.so", &["liba.so"]);
    build.fine(&[
        "--paths",
        "out",
        "--libs",
        "in",
        "--extra-args",
        "--force-rpath",
        "--page-size",
        "65536",
        "--add-needed",
        "libm.so.6",
    ]);
    let dynamic = info(&user.path()).dynamic.unwrap();
    assert_eq!(dynamic.runpath, None);
    assert_eq!(dynamic.rpath, Some(build.0.text("in").into_bytes()));
    assert_eq!(dynamic.needed[0], b"libm.so.6");
    let bad = build.run(&["--paths", "out", "--extra-args", "--libs", "in"]);
    assert_eq!(status(&bad), 2, "{bad:?}");
    assert!(err(&bad).contains("--libs"), "{bad:?}");
}

#[test]
fn origin_entries_and_relative_ones() {
    let build = Build::new();
    build.lib("out/sub/liba.so", &[]);
    build.lib("in/libb.so", &[]);
    let runpath = "$ORIGIN/sub:/old:$ORIGIN/gone:${ORIGIN}";
    let user = build.with_runpath("out/u.so", &["liba.so", "libb.so"], runpath);
    build.fine(&["--paths", "out", "--libs", "in", "--preserve-origin"]);
    assert_eq!(user.runpath(), "$ORIGIN/sub:~/in:$ORIGIN/gone:${ORIGIN}");
    build.fine(&["--paths", "out", "--libs", "in", "--relativize-rpath"]);
    assert_eq!(user.runpath(), "$ORIGIN/sub:~/in");
    build.fine(&[
        "--paths",
        "out",
        "--libs",
        "in",
        "--relative-rpaths",
        "--append-rpaths",
        "/far",
    ]);
    assert_eq!(user.runpath(), "$ORIGIN/sub:$ORIGIN/../in:/far");
}

#[test]
fn structured_logs_are_json_lines() {
    let build = Build::new();
    build.lib("in/liba.so", &[]);
    build.lib("out/u.so", &["liba.so", "libgone.so"]);
    build.program("out/p", &["libskip.so"]);
    build.elf("out/far.so", &[], |f| f.platform = AARCH64);
    let args = [
        "--paths",
        "out",
        "--libs",
        "in",
        "--ignore-missing",
        "libs*",
    ];
    let done = build.run(&[&args[..], &["--structured-logs"]].concat());
    assert_eq!(status(&done), 1, "{done:?}");
    let root = build.0.root().to_str().unwrap().to_owned();
    let lines: Vec<String> = out(&done)
        .lines()
        .map(|line| line.replace(&root, "~"))
        .collect();
    assert_eq!(
        lines,
        [
            r#"{"SetInterpreter":{"file":"out/p","interpreter":"~/glibc/lib/ld.so"}}"#,
            r#"{"Dependency":{"file":"out/p","found":false,"location":null,"name":"libskip.so"}}"#,
            r#"{"IgnoredDependency":{"file":"out/p","name":"libskip.so","pattern":"libs*"}}"#,
            r#"{"Dependency":{"file":"out/u.so","found":true,"location":"~/in","name":"liba.so"}}"#,
            r#"{"Dependency":{"file":"out/u.so","found":false,"location":null,"name":"libgone.so"}}"#,
            r#"{"SetRpath":{"file":"out/u.so","rpath":"~/in"}}"#,
            r#"{"SkipFile":{"file":"out/far.so","reason":"for another machine than the target"}}"#,
        ]
    );
    // The same through the hook's list of flags.
    let by_hook = build.0.run(&[
        "fixup",
        "--existing=replace",
        "--dry-run",
        "--auto-patchelf-flag=--structured-logs",
        "--lib=in",
        "out/u.so",
    ]);
    assert!(out(&by_hook).contains(r#"{"Dependency":{"file":"out/u.so""#));
}

#[test]
fn what_is_patched_already_is_not_touched() {
    let build = Build::new();
    build.lib("in/liba.so", &[]);
    build.program("out/p", &["liba.so"]);
    build.fine(&["--paths", "out", "--libs", "in"]);
    let before = build.0.state();
    build.fine(&["--paths", "out", "--libs", "in"]);
    assert_eq!(build.0.state(), before);
}

#[test]
fn a_real_program_runs_with_the_real_loader() {
    let tree = Tree::new();
    let one = tree.library("in/libone.so.1", &[]);
    let program = tree.program("out/bin/p", "one", &[one.to_str().unwrap()]);
    assert!(!runs(&program));
    let ld = fs::canonicalize(interpreter(&program)).unwrap();
    fs::create_dir_all(tree.at("b/nix-support")).unwrap();
    fs::create_dir_all(tree.at("libc")).unwrap();
    symlink(ld.parent().unwrap(), tree.at("libc/lib")).unwrap();
    fs::write(
        tree.at("b/nix-support/dynamic-linker"),
        ld.to_str().unwrap(),
    )
    .unwrap();
    fs::write(tree.at("b/nix-support/orig-libc"), tree.text("libc")).unwrap();
    let done = Command::new(BINARY)
        .args([
            "auto-patchelf",
            "--paths",
            &tree.text("out"),
            "--libs",
            &tree.text("in"),
        ])
        .env("NIX_BINTOOLS", tree.at("b"))
        .output()
        .unwrap();
    assert_eq!(status(&done), 0, "{done:?}");
    assert!(runs(&program));
    assert_eq!(Path::new(&interpreter(&program)), ld);
}
