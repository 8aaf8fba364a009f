//! Names on the command line, and the messages for unknown ones.

use super::workshop::{BINARY, Workshop};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// With these directories alone as PATH, which find no script of this machine.
fn inspect(shop: &Workshop, args: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", shop.at("bin").display());
    let mut command = Command::new(BINARY);
    command.current_dir(&shop.path).env("PATH", path);
    command.env_remove("LD_LIBRARY_PATH");
    command.arg("inspect").args(args).output().unwrap()
}

fn script(shop: &Workshop, name: &str, text: &str) {
    let path = shop.write(name, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_word_without_slash_is_a_file_here_or_a_program_on_path() {
    let shop = Workshop::new();
    shop.exe("bin/tool", &[]);
    let found = out(&inspect(&shop, &["tool"]));
    let expected = format!("{}: PIE", shop.at("bin/tool").display());
    assert!(found.starts_with(&expected), "{found}");
    shop.exe("tool", &[]);
    assert!(out(&inspect(&shop, &["tool"])).starts_with("tool: PIE"));
    // What isn't executable is no program.
    shop.write("bin/text", "text");
    for name in ["text", "nonesuch"] {
        let none = inspect(&shop, &[name]);
        assert_eq!(none.status.code(), Some(2));
        let error = err(&none);
        assert!(
            error.contains("no program of that name is on PATH"),
            "{error}"
        );
    }
    let slash = err(&inspect(&shop, &["./nonesuch"]));
    assert!(!slash.contains("PATH"), "{slash}");
}

#[test]
fn a_script_leads_to_its_interpreter() {
    let shop = Workshop::new();
    let tool = shop.exe("bin/tool", &[]);
    let shown = tool.display();
    script(&shop, "direct", &format!("#! {shown} -x\n"));
    script(&shop, "env", "#!/usr/bin/env tool\n");
    script(&shop, "split", "#!/usr/bin/env -S A=b tool -u\n");
    script(
        &shop,
        "twice",
        &format!("#!{}\n", shop.at("direct").display()),
    );
    for (name, line) in [
        ("direct", format!("{shown} -x")),
        ("env", "/usr/bin/env tool".to_owned()),
        ("split", "/usr/bin/env -S A=b tool -u".to_owned()),
        ("twice", shop.at("direct").display().to_string()),
    ] {
        let text = out(&inspect(&shop, &[name]));
        assert!(
            text.starts_with(&format!("{name}: script, run by {line}\n")),
            "{text}"
        );
        assert!(text.contains(&format!("\n{shown}: PIE")), "{text}");
        let json = inspect(&shop, &["--json", name]);
        let json: serde_json::Value = crate::support::schema::parsed(&json.stdout);
        assert_eq!(json["path"], tool.to_str().unwrap());
        assert_eq!(json["scripts"][0]["path"], name);
        assert_eq!(json["scripts"][0]["line"], line.as_str());
    }
    // Two scripts of one program: it is inspected once.
    let both = out(&inspect(&shop, &["direct", "env"]));
    assert_eq!(both.matches(": PIE").count(), 1, "{both}");
    assert_eq!(both.matches(": script").count(), 2, "{both}");
    // Scripts that are each other's interpreters come to an end.
    script(&shop, "loop", &format!("#!{}\n", shop.at("loop").display()));
    assert_eq!(inspect(&shop, &["loop"]).status.code(), Some(2));
}

#[test]
fn a_script_whose_interpreter_is_missing_gets_a_command_that_helps() {
    let shop = Workshop::new();
    shop.exe("bin/tool", &[]);
    for line in ["#!/nowhere/tool -u", "#!/bin/sh\r"] {
        for name in ["my script", "it's", "two\nlines", "a`b"] {
            script(&shop, name, &format!("{line}\n"));
            let before = inspect(&shop, &[name]);
            assert_eq!(before.status.code(), Some(1));
            let error = err(&before);
            assert!(error.contains(": its interpreter "), "{error}");
            let help = error.lines().find_map(|line| line.strip_prefix("help: "));
            let mut mended = Command::new("bash");
            mended.current_dir(&shop.path).args(["-c", help.unwrap()]);
            assert!(mended.status().unwrap().success());
            assert_eq!(inspect(&shop, &[name]).status.code(), Some(0), "{error}");
        }
    }
    script(&shop, "gone", "#!/usr/bin/env nonesuch\n");
    let gone = inspect(&shop, &["gone"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(err(&gone).contains("no program nonesuch on PATH"));
}

#[test]
fn why_offers_the_nearest_name() {
    let shop = Workshop::new();
    shop.lib("libmodel.so.1", &[]);
    shop.exe("exe", &["-L.", "-l:libmodel.so.1", "-Wl,-rpath,$ORIGIN"]);
    for typo in ["libmodle.so.1", "libmodel.so.2", "model", "libmodel.so"] {
        let none = inspect(&shop, &["--why", typo, "exe"]);
        assert_eq!(none.status.code(), Some(1));
        assert!(none.stdout.is_empty());
        let said = err(&none);
        assert!(
            said.contains(&format!("nothing of the name {typo}")),
            "{said}"
        );
        assert!(said.contains("--why libmodel.so.1\n"), "{said}");
    }
    let other = err(&inspect(&shop, &["--why", "libtotallyelse.so.1", "exe"]));
    assert!(!other.contains("did you mean"), "{other}");
    let found = inspect(&shop, &["--why", "libmodel.so.1", "exe"]);
    assert!(found.stderr.is_empty());
}

#[test]
fn a_checked_tree_ends_in_totals() {
    let shop = Workshop::new();
    shop.lib("libgone.so", &[]);
    shop.exe("t/good", &[]);
    shop.exe("t/fine", &[]);
    shop.write("t/text", "text");
    let fine = inspect(&shop, &["--check", "t"]);
    assert_eq!(out(&fine), "2 files: all load; 1 other file passed over\n");
    fs::create_dir(shop.path.join("text")).unwrap();
    fs::write(shop.path.join("text/page"), "text").unwrap();
    let none = shop.inspect(&["--check", "text"]);
    assert_eq!(
        out(&none),
        "no dynamic ELF file; 1 other file passed over\n"
    );
    shop.exe("t/bad", &["-L.", "-lgone"]);
    let bad = out(&inspect(&shop, &["--check", "t"]));
    assert!(
        bad.ends_with("\n3 files: 1 will not load; 1 other file passed over\n"),
        "{bad}"
    );
    // A file that was named and is fine gets a line, but not on standard output.
    let one = inspect(&shop, &["--check", "t/good"]);
    assert_eq!(
        (out(&one).as_str(), err(&one).as_str()),
        ("", "1 file: it loads\n")
    );
}

#[test]
fn files_for_another_machine_ask_for_a_root() {
    let shop = Workshop::new();
    let source = "int main(void) { return 0; }";
    for name in ["t/one", "t/two"] {
        shop.cc::<&str>("aarch64-linux-gnu-gcc", name, source, &[]);
    }
    shop.exe("t/native", &[]);
    let check = inspect(&shop, &["--check", "t"]);
    assert_eq!(check.status.code(), Some(1));
    let said = err(&check);
    assert!(
        said.contains("help: 2 files are for aarch64: give --root DIR"),
        "{said}"
    );
    let root = "/usr/aarch64-linux-gnu";
    if fs::create_dir_all(shop.at("root")).is_ok() {
        fs::copy(shop.at("t/one"), shop.at("root/one")).unwrap();
        std::os::unix::fs::symlink("lib", shop.at("root/lib64")).unwrap();
        let copy = Command::new("cp")
            .args(["-a", &format!("{root}/lib")])
            .arg(shop.at("root"))
            .status();
        assert!(copy.unwrap().success());
    }
    let rooted = inspect(&shop, &["--check", "--root", "root", "root/one"]);
    assert_eq!(
        rooted.status.code(),
        Some(0),
        "{}{}",
        out(&rooted),
        err(&rooted)
    );
}

#[test]
fn a_tree_shows_the_reasons_of_misses_and_hides_the_libc() {
    let shop = Workshop::new();
    shop.lib("libgone.so", &[]);
    shop.lib("libm1.so", &["-lm"]);
    shop.exe(
        "exe",
        &["-L.", "-lm1", "-lgone", "-lm", "-Wl,-rpath,$ORIGIN"],
    );
    shop.write("sub/text", "");
    fs::rename(shop.at("libgone.so"), shop.at("sub/libgone.so")).unwrap();
    let tree = out(&inspect(&shop, &["--tree", "exe"]));
    let dir = shop.path.display();
    let expected = format!(
        "exe
├── libm1.so => {dir}/libm1.so (RUNPATH)
└── libgone.so => not found
    1. RUNPATH {dir}/libgone.so: no such file
"
    );
    assert!(tree.starts_with(&expected), "{tree}");
    assert!(tree.contains("no entry of that name"), "{tree}");
    assert!(tree.contains("\nnote: "), "{tree}");
    assert!(
        !tree.contains("libc.so.6") && !tree.contains("already loaded"),
        "{tree}"
    );
    let all = out(&inspect(&shop, &["--tree", "-v", "exe"]));
    assert!(
        all.contains("libc.so.6 => ") && all.contains("libm.so.6 => "),
        "{all}"
    );
    assert!(!all.contains("already loaded"), "{all}");
}

#[test]
fn paths_of_json_can_be_told_apart() {
    let shop = Workshop::new();
    let names: [&[u8]; 4] = [b"t/a\n", b"t/a\\x0a", b"t/a\\n", b"t/a\xff"];
    shop.exe("t/first", &[]);
    for name in names {
        fs::copy(shop.at("t/first"), shop.path.join(OsStr::from_bytes(name))).unwrap();
    }
    let applets: [&[&str]; 2] = [
        &["inspect", "--json", "t"],
        &["fixup", "--json", "--dry-run", "t"],
    ];
    for args in applets {
        let run = Command::new(BINARY)
            .current_dir(&shop.path)
            .args(args)
            .output();
        let lines = out(&run.unwrap());
        let lines = lines
            .lines()
            .map(|line| crate::support::schema::parsed(line));
        let values: Vec<serde_json::Value> = lines.collect();
        let paths = values.iter().filter_map(|value| value["path"].as_str());
        let paths: std::collections::BTreeSet<&str> = paths.collect();
        assert_eq!(paths.len(), names.len() + 1, "{args:?}: {paths:?}");
    }
}
