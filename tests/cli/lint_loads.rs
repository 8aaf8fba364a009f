//! `lint` and `inspect --check` give one answer to whether a file loads.

use crate::lint::{PLAIN, codes, library, lint};
use crate::support::BINARY;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn program(dir: &Path, name: &str, source: &str, args: &[&str]) {
    fs::write(dir.join("m.c"), source).unwrap();
    let run = Command::new("gcc")
        .current_dir(dir)
        .args(["-w", "m.c", "-o", name])
        .args(args)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
}

/// What both say of one file that is linted alone.
fn loads(dir: &Path, file: &str) -> bool {
    let check = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .current_dir(dir)
        .env_remove("LD_LIBRARY_PATH")
        .args(["inspect", "--check", file])
        .output()
        .unwrap();
    let linted = lint(dir, &["--format=json", file]);
    assert_eq!(
        check.status.code(),
        linted.status.code(),
        "{file}: {check:?} {linted:?}"
    );
    check.status.success()
}

const USER: &str = "int f(); int g() { return f(); }";
const MAIN: &str = "int f(); int main(void) { return f(); }";

#[test]
fn needs_and_versions_below() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let origin = "-Wl,-rpath,$ORIGIN";
    library(dir, "libbase.so", PLAIN, &["-Wl,-soname,libbase.so"]);
    let base = ["-Wl,-soname,libmid.so", "./libbase.so", origin];
    library(dir, "libmid.so", USER, &base);
    let top = [
        "-Wl,--no-as-needed",
        "./libmid.so",
        "-Wl,--allow-shlib-undefined",
        origin,
    ];
    library(dir, "libtop.so", PLAIN, &top);
    program(dir, "prog", "int main(void) { return 0; }", &top);
    for file in ["libmid.so", "libtop.so", "prog"] {
        assert!(loads(dir, file), "{file}");
    }
    fs::rename(dir.join("libbase.so"), dir.join("gone")).unwrap();
    for file in ["libmid.so", "libtop.so", "prog"] {
        assert!(!loads(dir, file), "{file}");
    }
    assert!(codes(dir, &["libtop.so"]).contains("does-not-load"));
    // One finding for one cause: the library's own, where that is linted.
    assert!(codes(dir, &["libmid.so", "libtop.so", "prog"]).contains("needed-not-found"));
    assert!(!codes(dir, &["."]).contains("does-not-load"));
    // A version that the library below lacks.
    fs::rename(dir.join("gone"), dir.join("libbase.so")).unwrap();
    let versioned = |version: &str| {
        fs::write(
            dir.join("map"),
            format!("{version} {{ global: f; local: *; }};"),
        )
        .unwrap();
        let flags = ["-Wl,-soname,libbase.so", "-Wl,--version-script=map"];
        library(dir, "libbase.so", PLAIN, &flags);
    };
    versioned("V_2");
    library(dir, "libmid.so", USER, &base);
    assert!(loads(dir, "libtop.so"));
    versioned("V_1");
    assert!(!loads(dir, "libtop.so"));
    assert!(!loads(dir, "libmid.so"));
}

#[test]
fn symbols_and_interpreters() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let origin = "-Wl,-rpath,$ORIGIN";
    library(dir, "libdep.so", PLAIN, &["-Wl,-soname,libdep.so"]);
    for now in ["-Wl,-z,now", "-Wl,-z,lazy"] {
        library(dir, "libdep.so", PLAIN, &["-Wl,-soname,libdep.so"]);
        program(dir, "prog", MAIN, &["./libdep.so", origin, now]);
        assert!(loads(dir, "prog"));
        let other = "int h(void) { return 1; }";
        library(dir, "libdep.so", other, &["-Wl,-soname,libdep.so"]);
        let lazy = now == "-Wl,-z,lazy";
        assert_eq!(loads(dir, "prog"), lazy, "{now}");
        let found = codes(dir, &["prog"]);
        assert_eq!(found.contains("symbol-missing"), !lazy, "{found:?}");
    }
    let nowhere = "-Wl,--dynamic-linker=/nowhere/ld.so";
    program(dir, "prog", "int main(void) { return 0; }", &[nowhere]);
    assert!(!loads(dir, "prog"));
}

/// A library that loads in one program of the tree and not in another.
#[test]
fn one_of_two_programs() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("libs")).unwrap();
    library(
        &dir.join("libs"),
        "libbase.so",
        PLAIN,
        &["-Wl,-soname,libbase.so"],
    );
    library(
        dir,
        "libmid.so",
        USER,
        &["-Wl,-soname,libmid.so", "libs/libbase.so"],
    );
    let flags = |rpath: &'static str| {
        let lax = "-Wl,--unresolved-symbols=ignore-in-shared-libs";
        [
            "-Wl,--no-as-needed",
            "./libmid.so",
            lax,
            "-Wl,--disable-new-dtags",
            rpath,
        ]
    };
    let main = "int main(void) { return 0; }";
    program(dir, "good", main, &flags("-Wl,-rpath,$ORIGIN:$ORIGIN/libs"));
    program(dir, "bad", main, &flags("-Wl,-rpath,$ORIGIN"));
    assert!(loads(dir, "good") && !loads(dir, "bad"));
    let output = lint(dir, &["--format=json", "."]);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors: Vec<&str> = text.lines().filter(|l| l.contains("\"error\"")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    assert!(
        errors[0].contains("does-not-load") && errors[0].contains("./bad"),
        "{text}"
    );
}

/// A library that finds what it needs through the RPATH of its user: a note, not an error.
#[test]
fn needs_that_an_rpath_above_serves() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("libs")).unwrap();
    library(dir, "libs/libb.so", PLAIN, &["-Wl,-soname,libb.so"]);
    let needs_b = ["-Wl,-soname,liba.so", "libs/libb.so"];
    library(dir, "libs/liba.so", USER, &needs_b);
    let user = |tags: &str| {
        let rpath = format!("-Wl,--{tags}-new-dtags,-rpath,$ORIGIN/libs");
        let lax = "-Wl,--no-as-needed,--allow-shlib-undefined";
        library(dir, "ext.so", PLAIN, &[lax, "libs/liba.so", &rpath]);
        let mut found = codes(dir, &["--context=wheels", "."]);
        found.retain(|code| code.starts_with("needed-"));
        found.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(user("disable"), ["needed-through-rpath"]);
    // A RUNPATH serves the file alone.
    assert_eq!(user("enable"), ["needed-loaded-before"]);
}

/// A library that another one opens by name, and none needs, may lack what it needs.
#[test]
fn a_plugin_that_lacks_a_library_is_no_error_of_the_tree() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    fs::create_dir_all(dir.join("t")).unwrap();
    library(dir, "libgone.so", PLAIN, &["-Wl,-soname,libgone.so"]);
    let lacking = |name: &str| {
        let soname = format!("-Wl,-soname,{name}");
        let flags = [&soname, "-Wl,--no-as-needed", "libgone.so"];
        library(dir, &format!("t/{name}"), USER, &flags);
    };
    for name in [
        "net_odd.so.3",
        "libexact.so.1",
        "libalone.so",
        "libneeded.so",
    ] {
        lacking(name);
    }
    let names = "const char *a = \"net_%s.so.%d\", *b = \"libexact.so.1\", *c = \"libneeded.so\";";
    library(dir, "t/libhost.so", names, &[]);
    let needs = ["-Wl,--no-as-needed", "t/libneeded.so", "-Wl,-rpath,$ORIGIN"];
    library(dir, "t/libuser.so", USER, &needs);
    fs::remove_file(dir.join("libgone.so")).unwrap();
    let found = |args: &[&str]| {
        let run = lint(dir, &[&["--format=json"], args].concat());
        let mut found: Vec<(String, String)> = Vec::new();
        for line in str::from_utf8(&run.stdout).unwrap().lines() {
            let finding: serde_json::Value = crate::support::schema::parsed(line);
            let text = |key: &str| finding[key].as_str().unwrap().to_owned();
            if text("code").starts_with("needed-") {
                found.push((text("path"), text("code")));
            }
        }
        found.sort();
        found
    };
    let pair = |path: &str, code: &str| (path.to_owned(), code.to_owned());
    let all = [
        pair("t/libalone.so", "needed-not-found"),
        pair("t/libexact.so.1", "needed-by-plugin"),
        pair("t/libneeded.so", "needed-not-found"),
        pair("t/net_odd.so.3", "needed-by-plugin"),
    ];
    assert_eq!(found(&["t"]), all);
    // The same by these rules alone, and with the remedy of the help.
    assert_eq!(
        found(&["--select=needed-not-found", "t"]),
        [all[0].clone(), all[2].clone()]
    );
    assert_eq!(
        found(&["--allow=needed-by-plugin", "t"]),
        [all[0].clone(), all[2].clone()]
    );
    fs::remove_file(dir.join("t/libalone.so")).unwrap();
    for name in ["t/libneeded.so", "t/libuser.so"] {
        fs::remove_file(dir.join(name)).unwrap();
    }
    let run = lint(dir, &["t"]);
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(
        text.contains("libhost.so opens this plugin if it can"),
        "{text}"
    );
    assert!(
        text.contains("`cuda-fixup lint --allow needed-by-plugin t/"),
        "{text}"
    );
    // Of the files themselves inspect says that they do not load, as docs/inspect.md explains.
    let status = |args: &[&str]| {
        let run = Command::new(BINARY).current_dir(dir).args(args).output();
        run.unwrap().status.code()
    };
    assert_eq!(status(&["inspect", "--check", "t"]), Some(1));
    assert_eq!(status(&["lint", "--deny=needed-by-plugin", "t"]), Some(1));
}
