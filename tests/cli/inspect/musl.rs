//! musl's rules, against musl's own loader.

use super::compare::{Answer, of_json};
use super::workshop::{BINARY, Workshop};
use std::path::Path;
use std::process::Command;

const LOADER: &str = "/lib/ld-musl-x86_64.so.1";
const NEW: &str = "-Wl,--enable-new-dtags";
const OLD: &str = "-Wl,--disable-new-dtags";

fn lib(shop: &Workshop, output: &str, flags: &[&str]) {
    let name = Path::new(output).file_name().unwrap().to_str().unwrap();
    let soname = format!("-Wl,-soname,{name}");
    let mut all = vec!["-shared", "-fPIC", &soname];
    all.extend(flags);
    shop.cc("musl-gcc", output, "int x(void) { return 0; }", &all);
}

/// The output of musl's `ldd`, which reports a missing library on stderr and continues.
fn of_musl(shop: &Workshop, file: &Path, env: &[(&str, &str)]) -> Answer {
    let output = Command::new(LOADER)
        .current_dir(&shop.path)
        .arg("--list")
        .arg(file)
        .env_remove("LD_LIBRARY_PATH")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let mut answer = Answer::default();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let entry = line.trim();
        let path = match entry.split_once(" => ") {
            Some((_, path)) => path,
            None => entry,
        };
        let path = path.rsplit_once(" (").unwrap().0;
        answer.loaded.push(path.into());
    }
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        let miss = line.strip_prefix("Error loading shared library ");
        if let Some((name, _)) = miss.and_then(|rest| rest.split_once(": ")) {
            answer.missing.insert(name.into());
        }
    }
    answer
}

fn agree(shop: &Workshop, file: &Path, env: &[(&str, &str)]) -> serde_json::Value {
    let output = Command::new(BINARY)
        .current_dir(&shop.path)
        .env_remove("LD_LIBRARY_PATH")
        .envs(env.iter().copied())
        .args(["inspect", "--json"])
        .arg(file)
        .output()
        .unwrap();
    let json: serde_json::Value = crate::support::schema::parsed(&output.stdout);
    // musl lists its libc first, and twice when it is needed by name; we list each file once.
    let tidy = |mut answer: Answer| {
        answer.loaded.retain(|path| path != LOADER);
        answer.loaded.sort();
        answer.loaded.dedup();
        answer
    };
    assert_eq!(
        tidy(of_json(&json)),
        tidy(of_musl(shop, file, env)),
        "{json:#}"
    );
    json
}

#[test]
fn a_runpath_is_inherited_too_and_the_environment_goes_first() {
    let shop = Workshop::new();
    lib(&shop, "b/libb.so", &[]);
    lib(&shop, "e/libb.so", &[]);
    lib(&shop, "a/liba.so", &["-Lb", "-lb"]);
    for tags in [NEW, OLD] {
        let flags = ["-La", "-la", tags, "-Wl,-rpath,$ORIGIN/a:$ORIGIN/b"];
        shop.cc("musl-gcc", "exe", "int main(void) { return 0; }", &flags);
        let json = agree(&shop, &shop.at("exe"), &[]);
        assert_eq!(json["loads"], true, "{json:#}");
        let path = shop.at("e");
        let json = agree(
            &shop,
            &shop.at("exe"),
            &[("LD_LIBRARY_PATH", path.to_str().unwrap())],
        );
        assert_eq!(json["loaded"][2]["via"], "ld_library_path", "{json:#}");
    }
}

#[test]
fn names_of_libc_are_libc_and_misses_are_missed() {
    let shop = Workshop::new();
    lib(&shop, "gone/libgone.so", &[]);
    lib(
        &shop,
        "a/liba.so",
        &["-Lgone", "-lgone", "-lm", "-lpthread"],
    );
    let flags = ["-La", "-la", "-lm", "-Wl,-rpath,${ORIGIN}/a:$LIB/x"];
    shop.cc("musl-gcc", "exe", "int main(void) { return 0; }", &flags);
    // $LIB is no token of musl's: the whole RUNPATH is void.
    let json = agree(&shop, &shop.at("exe"), &[]);
    assert_eq!(json["problems"][0]["name"], "liba.so");
    assert_eq!(json["loader"]["rules"], "musl");
    let flags = ["-La", "-la", "-lm", "-Wl,-rpath,${ORIGIN}/a"];
    shop.cc("musl-gcc", "exe", "int main(void) { return 0; }", &flags);
    let json = agree(&shop, &shop.at("exe"), &[]);
    assert_eq!(json["problems"][0]["name"], "libgone.so");
    // On its own, a library of musl's is looked at by musl's rules.
    let json = agree(&shop, &shop.at("a/liba.so"), &[]);
    assert_eq!(json["loader"]["path"], LOADER);
}

#[test]
fn a_soname_counts_for_nothing() {
    let shop = Workshop::new();
    shop.cc("musl-gcc", "libfile.so", "int f;", &["-shared", "-fPIC"]);
    lib(&shop, "real/libreal.so.1", &[]);
    lib(&shop, "liba.so", &["real/libreal.so.1"]);
    let flags = ["-L.", "-lfile", "-la", "-Wl,-rpath,$ORIGIN"];
    shop.cc("musl-gcc", "exe", "int main(void) { return 0; }", &flags);
    std::fs::copy(shop.at("real/libreal.so.1"), shop.at("libfile.so")).unwrap();
    let json = agree(&shop, &shop.at("exe"), &[]);
    assert_eq!(json["problems"][0]["name"], "libreal.so.1");
}

#[test]
fn the_path_file_is_that_of_the_interpreters_prefix() {
    let shop = Workshop::new();
    lib(&shop, "own/libx.so", &[]);
    shop.write(
        "prefix/etc/ld-musl-x86_64.path",
        format!("/nowhere\n{}\n", shop.at("own").display()),
    );
    std::fs::create_dir_all(shop.at("prefix/lib")).unwrap();
    let loader = shop.at("prefix/lib/ld-musl-x86_64.so.1");
    std::fs::copy(LOADER, &loader).unwrap();
    let with = format!("-Wl,--dynamic-linker,{}", loader.display());
    shop.cc(
        "musl-gcc",
        "exe",
        "int main(void) { return 0; }",
        &["-Lown", "-lx", &with],
    );
    let json = shop.json(&shop.at("exe"), &[]);
    assert_eq!(json["loads"], true, "{json:#}");
    assert_eq!(json["needed"][0]["via"], "default");
    assert!(Command::new(shop.at("exe")).status().unwrap().success());
}
