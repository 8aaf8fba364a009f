//! Who loads a library, and what the environment hides: compared with programs that run.

use super::workshop::{BINARY, Workshop};
use std::path::Path;
use std::process::{Command, Output};

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn starts(shop: &Workshop, program: &str) -> bool {
    let mut command = Command::new(shop.at(program));
    command
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap()
        .status
        .success()
}

/// A program with an RPATH, whose library finds its own needs through it alone.
fn inherited(shop: &Workshop) {
    shop.lib("t/lib/libg.so", &[]);
    shop.lib("t/lib/libf.so", &["-Lt/lib", "-lg"]);
    let rpath = ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../lib"];
    shop.exe(
        "t/bin/app",
        &[&["-Lt/lib", "-lf", "-Wl,-rpath-link,t/lib"], &rpath[..]].concat(),
    );
    assert!(starts(shop, "t/bin/app"));
}

#[test]
fn a_library_is_judged_in_the_process_of_its_trees_program() {
    let shop = Workshop::new();
    inherited(&shop);
    let code = |args: &[&str]| shop.inspect(args).status.code();
    assert_eq!(code(&["--check", "t/lib/libf.so"]), Some(1));
    let alone = text(&shop.inspect(&["--check", "t/lib/libf.so"]));
    assert!(alone.contains("will not load (on its own)"), "{alone}");
    assert_eq!(code(&["--check", "t"]), Some(0));
    let json = shop.inspect(&["--json", "t"]);
    let lines: Vec<serde_json::Value> = text(&json)
        .lines()
        .map(|l| crate::support::schema::parsed(l))
        .collect();
    let libf = lines.iter().find(|l| l["path"] == "t/lib/libf.so").unwrap();
    assert_eq!(libf["loaded_by"]["how"], "needed");
    assert_eq!(
        libf["loaded_by"]["program"],
        shop.at("t/bin/app").to_str().unwrap()
    );
    // It comes first, with what it needs; the program is named as the RPATH's owner.
    assert_eq!(libf["needed"][0]["via"], "rpath");
    assert_eq!(
        libf["needed"][0]["of"],
        shop.at("t/bin/app").to_str().unwrap()
    );
    let loaded = libf["loaded"].as_array().unwrap();
    assert!(
        loaded
            .iter()
            .all(|l| !l["path"].as_str().unwrap().ends_with("app"))
    );
    let told = text(&shop.inspect(&["t"]));
    assert!(
        told.contains(&format!("as {} loaded it", shop.at("t/bin/app").display())),
        "{told}"
    );
    // lint says nothing of it either.
    let lint = Command::new(BINARY)
        .current_dir(&shop.path)
        .args(["lint", "t"])
        .output()
        .unwrap();
    assert!(!text(&lint).contains("needed-not-found"), "{}", text(&lint));
    // Named on its own, with the program.
    assert_eq!(
        code(&["--check", "--loaded-by", "t/bin/app", "t/lib/libf.so"]),
        Some(0)
    );
    assert_eq!(code(&["--loaded-by", "nowhere", "t/lib/libf.so"]), Some(2));
}

#[test]
fn what_is_loaded_before_is_found() {
    let shop = Workshop::new();
    shop.lib("t/lib/libg.so", &[]);
    shop.lib("t/lib/libf.so", &["-Lt/lib", "-lg"]);
    shop.exe(
        "t/app",
        &["-Lt/lib", "-lg", "-lf", "-Wl,-rpath,$ORIGIN/lib"],
    );
    assert!(starts(&shop, "t/app"));
    assert_eq!(shop.inspect(&["--check", "t"]).status.code(), Some(0));
    // The other way round libf comes first, but all of the program's needs come before its own.
    shop.exe(
        "t/app",
        &["-Lt/lib", "-lf", "-lg", "-Wl,-rpath,$ORIGIN/lib"],
    );
    assert!(starts(&shop, "t/app"));
    assert_eq!(shop.inspect(&["--check", "t"]).status.code(), Some(0));
    // And a program that doesn't load it makes the library fail, as the program does.
    shop.exe(
        "t/app",
        &[
            "-Lt/lib",
            "-lf",
            "-Wl,-rpath-link,t/lib",
            "-Wl,-rpath,$ORIGIN/lib",
        ],
    );
    assert!(!starts(&shop, "t/app"));
    let told = text(&shop.inspect(&["--check", "t"]));
    assert!(told.contains("t/app: will not load"), "{told}");
    assert!(told.contains("t/lib/libf.so: will not load (in "), "{told}");
}

#[test]
fn a_plugin_that_a_program_opens_uses_the_programs_rpath() {
    let shop = Workshop::new();
    shop.lib("t/lib/libg.so", &[]);
    shop.lib("t/plugins/libplug.so", &["-Lt/lib", "-lg"]);
    let open = r#"#include <dlfcn.h>
        int main(int c, char **v) { return dlopen(v[1], RTLD_NOW) ? 0 : 7; }"#;
    let build = |flag: &str| {
        shop.cc(
            "gcc",
            "t/bin/host",
            open,
            &[flag, "-Wl,-rpath,$ORIGIN/../lib"],
        );
        let plugin = shop.at("t/plugins/libplug.so");
        let real = Command::new(shop.at("t/bin/host"))
            .arg(plugin)
            .status()
            .unwrap();
        let told = shop.inspect(&["--check", "t"]);
        let named = [
            "--check",
            "--loaded-by",
            "t/bin/host",
            "t/plugins/libplug.so",
        ];
        let named = shop.inspect(&named).status.code();
        let expected = if real.success() { Some(0) } else { Some(1) };
        assert_eq!(
            (told.status.code(), named),
            (expected, expected),
            "{}",
            text(&told)
        );
        real.success()
    };
    assert!(build("-Wl,--disable-new-dtags"));
    assert!(!build("-Wl,--enable-new-dtags"));
}

#[test]
fn an_extension_loads_the_libraries_of_its_tree() {
    let shop = Workshop::new();
    shop.lib("t/lib/libg.so", &[]);
    shop.lib("t/lib/libf.so", &["-Lt/lib", "-lg"]);
    let rpath = ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/lib"];
    shop.lib("t/_C.so", &[&["-Lt/lib", "-lf"], &rpath[..]].concat());
    assert_eq!(shop.inspect(&["--check", "t/lib"]).status.code(), Some(1));
    assert_eq!(shop.inspect(&["--check", "t"]).status.code(), Some(0));
}

#[test]
fn libraries_that_the_environment_hides_are_named_with_both_paths() {
    let shop = Workshop::new();
    shop.lib("new/libx.so", &[]);
    shop.lib("old/libx.so", &[]);
    let exe = shop.exe("app", &["-Lnew", "-lx", "-Wl,-rpath,$ORIGIN/new"]);
    let ask = |variable: &str, value: &Path, args: &[&str]| {
        let mut command = Command::new(BINARY);
        command
            .current_dir(&shop.path)
            .env_remove("LD_LIBRARY_PATH")
            .env(variable, value);
        command.args(args).arg(&exe).output().unwrap()
    };
    let (old, new) = (shop.at("old"), shop.at("new"));
    for (variable, value) in [
        ("LD_LIBRARY_PATH", &old),
        ("LD_PRELOAD", &old.join("libx.so")),
    ] {
        let told = text(&ask(variable, value, &["inspect"]));
        let line = format!(
            "{variable} hides libx.so: {} is loaded, not {}",
            old.join("libx.so").display(),
            new.join("libx.so").display()
        );
        assert!(told.contains(&line), "{told}");
        let json: serde_json::Value =
            crate::support::schema::parsed(&ask(variable, value, &["inspect", "--json"]).stdout);
        assert_eq!(json["hidden"][0]["variable"], variable);
        // What the loader itself lists.
        let mut list = Command::new(&exe);
        list.env("LD_TRACE_LOADED_OBJECTS", "1")
            .env(variable, value);
        let real = text(&list.output().unwrap());
        assert!(
            real.contains("old/libx.so") && !real.contains("new/libx.so"),
            "{real}"
        );
    }
    // The same directory hides nothing, nor does an empty variable.
    assert!(!text(&ask("LD_LIBRARY_PATH", &new, &["inspect"])).contains("hides"));
    assert!(!text(&ask("LD_LIBRARY_PATH", Path::new(""), &["inspect"])).contains("hides"));
}

#[test]
fn a_preload_that_is_not_there_is_no_fault_of_the_program() {
    let shop = Workshop::new();
    let exe = shop.exe("app", &[]);
    let mut command = Command::new(BINARY);
    command
        .args(["inspect", "--json"])
        .arg(&exe)
        .env("LD_PRELOAD", "libnone.so:/no/file.so");
    let json: serde_json::Value = crate::support::schema::parsed(&command.output().unwrap().stdout);
    assert_eq!(json["loads"], true);
    assert_eq!(json["preloads"][1]["resolved"], serde_json::Value::Null);
}

#[test]
fn lint_does_not_depend_on_the_shell_unless_asked() {
    let shop = Workshop::new();
    shop.lib("opt/libx.so", &[]);
    shop.exe("app", &["-Lopt", "-lx"]);
    let lint = |more: &[&str]| {
        let mut command = Command::new(BINARY);
        command
            .current_dir(&shop.path)
            .arg("lint")
            .args(more)
            .arg("app");
        text(
            &command
                .env("LD_LIBRARY_PATH", shop.at("opt"))
                .output()
                .unwrap(),
        )
    };
    assert!(
        lint(&[]).contains("error[needed-not-found]"),
        "{}",
        lint(&[])
    );
    let asked = lint(&["--env"]);
    assert!(asked.contains("[needed-through-environment]"), "{asked}");
    assert!(!asked.contains("needed-not-found"), "{asked}");
}

#[test]
fn only_cudas_stub_directories_are_stubs() {
    let shop = Workshop::new();
    let flag = "-Wl,-rpath,/opt/game/lib/stubs:/usr/local/cuda/lib64/stubs";
    let exe = shop.exe("app", &[flag]);
    let json = shop.json(&exe, &[]);
    let has = |at: usize| {
        json["runpath"][at]["marks"]
            .to_string()
            .contains("\"stubs\"")
    };
    assert!(!has(0) && has(1), "{json}");
}
