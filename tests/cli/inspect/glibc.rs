//! Small cases for each rule of glibc's search.

use super::compare::{agree, need, text, tried_by_glibc, tried_by_us, via};
use super::workshop::Workshop;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const OLD: &str = "-Wl,--disable-new-dtags";
const NEW: &str = "-Wl,--enable-new-dtags";

/// Both, and the trail of `name` too.
fn agree_on_trail(shop: &Workshop, file: &Path, name: &str) -> serde_json::Value {
    let json = agree(shop, file, &[]);
    let loader = text(&json["loader"]["path"]);
    assert_eq!(
        tried_by_us(&json, name),
        tried_by_glibc(shop, &loader, file, name),
        "{json:#}"
    );
    json
}

#[test]
fn an_rpath_is_inherited_and_a_runpath_is_not() {
    let shop = Workshop::new();
    shop.lib("b/libb.so", &[]);
    shop.lib("a/liba.so", &["-Lb", "-lb"]);
    let flags = ["-La", "-la", "-Wl,-rpath,$ORIGIN/a:$ORIGIN/b"];
    let old = shop.exe("old", &[&flags[..], &[OLD]].concat());
    let json = agree_on_trail(&shop, &old, "liba.so");
    assert_eq!(via(&json, "liba.so"), "rpath");
    assert_eq!(json["loads"], true);
    assert_eq!(json["rpath"][1]["provides"][0], "libb.so");

    let new = shop.exe("new", &[&flags[..], &[NEW]].concat());
    let json = agree_on_trail(&shop, &new, "liba.so");
    assert_eq!(via(&json, "liba.so"), "runpath");
    assert_eq!(json["problems"][0]["name"], "libb.so");
    assert_eq!(json["runpath"][1]["marks"][0], "provides-nothing");
}

#[test]
fn a_runpath_shuts_off_rpaths_for_its_own_needs_only() {
    let shop = Workshop::new();
    shop.lib("c/libc3.so", &[]);
    shop.lib("b/libb.so", &["-Lc", "-lc3"]);
    shop.lib("a/liba.so", &["-Lb", "-lb", NEW, "-Wl,-rpath,$ORIGIN/../b"]);
    shop.lib("d/libd.so", &["-Lc", "-lc3", NEW, "-Wl,-rpath,/nowhere"]);
    let rpath = "-Wl,-rpath,$ORIGIN/a:$ORIGIN/c:$ORIGIN/d";
    let exe = shop.exe("exe", &["-La", "-la", OLD, rpath]);
    // libb has no RUNPATH, liba above it has, the program's RPATH still counts.
    assert_eq!(agree(&shop, &exe, &[])["loads"], true);
    let exe = shop.exe("exe2", &["-Ld", "-ld", OLD, rpath]);
    let json = agree(&shop, &exe, &[]);
    assert_eq!(json["problems"][0]["name"], "libc3.so");
    let considered = json["problems"][0]["considered"].as_array().unwrap();
    assert!(considered.iter().any(|c| c["why"] == "left-out"));
}

#[test]
fn an_rpath_beside_a_runpath_counts_for_nothing() {
    let shop = Workshop::new();
    shop.lib("b/libb.so", &[]);
    // Two tags in one file: the linker writes one, so rename the other's tag.
    let exe = shop.exe(
        "exe",
        &[
            "-Lb",
            "-lb",
            OLD,
            "-Wl,-rpath,$ORIGIN/b",
            "-Wl,-z,interpose",
        ],
    );
    let mut bytes = fs::read(&exe).unwrap();
    let flags_1 = 0x6fff_fffbu64.to_le_bytes();
    let at = bytes.windows(8).position(|w| w == flags_1).unwrap();
    bytes[at..at + 8].copy_from_slice(&29u64.to_le_bytes());
    // DT_RUNPATH at offset 1 of the string table: some name, no directory.
    bytes[at + 8..at + 16].copy_from_slice(&1u64.to_le_bytes());
    fs::write(&exe, bytes).unwrap();
    let json = agree(&shop, &exe, &[]);
    assert_eq!(via(&json, "libb.so"), "missing");
    assert_eq!(json["rpath"][0]["marks"][0], "ignored");
}

#[test]
fn a_name_that_is_loaded_already_is_taken() {
    let shop = Workshop::new();
    shop.lib("one/libx.so.1", &[]);
    shop.lib("two/libx.so.1", &[]);
    shop.lib("liba.so", &["two/libx.so.1", NEW, "-Wl,-rpath,$ORIGIN/two"]);
    let exe = shop.exe(
        "exe",
        &[
            "one/libx.so.1",
            "-L.",
            "-la",
            "-Wl,-rpath,$ORIGIN/one:$ORIGIN",
        ],
    );
    let json = agree(&shop, &exe, &[]);
    assert!(
        need(&json, "libx.so.1")["resolved"]
            .as_str()
            .unwrap()
            .ends_with("/one/libx.so.1")
    );
    assert_eq!(json["loaded"].as_array().unwrap().len(), 4);
}

#[test]
fn a_soname_stands_for_a_library_that_another_name_loaded() {
    let shop = Workshop::new();
    shop.lib("real/libreal.so.1", &[]);
    // Needed as libfile.so, as it has no SONAME when the program is linked.
    shop.cc("gcc", "libfile.so", "int f;", &["-shared", "-fPIC"]);
    shop.lib("liba.so", &["real/libreal.so.1"]);
    let exe = shop.exe("exe", &["-L.", "-lfile", "-la", "-Wl,-rpath,$ORIGIN"]);
    fs::copy(shop.at("real/libreal.so.1"), shop.at("libfile.so")).unwrap();
    let json = agree(&shop, &exe, &[]);
    assert_eq!(json["loads"], true, "{json:#}");
    // Without that SONAME nothing is found.
    shop.cc("gcc", "libfile.so", "int f;", &["-shared", "-fPIC"]);
    let json = agree(&shop, &exe, &[]);
    assert_eq!(json["problems"][0]["name"], "libreal.so.1");
}

#[test]
fn one_file_by_two_names_is_loaded_once() {
    let shop = Workshop::new();
    shop.cc("gcc", "libx.so", "int x;", &["-shared", "-fPIC"]);
    symlink("libx.so", shop.at("liby.so")).unwrap();
    fs::hard_link(shop.at("libx.so"), shop.at("libz.so")).unwrap();
    let exe = shop.exe("exe", &["-L.", "-lx", "-ly", "-lz", "-Wl,-rpath,$ORIGIN"]);
    let json = agree(&shop, &exe, &[]);
    assert_eq!(
        need(&json, "libx.so")["resolved"],
        need(&json, "liby.so")["resolved"]
    );
    assert_eq!(
        need(&json, "libx.so")["resolved"],
        need(&json, "libz.so")["resolved"]
    );
}

#[test]
fn a_path_in_needed_is_taken_as_it_is() {
    let shop = Workshop::new();
    shop.cc("gcc", "sub/libx.so", "int x;", &["-shared", "-fPIC"]);
    let absolute = shop.at("sub/libx.so");
    let exe = shop.exe("exe", &[absolute.to_str().unwrap(), "-Wl,-rpath,/nowhere"]);
    let json = agree(&shop, &exe, &[]);
    assert_eq!(via(&json, absolute.to_str().unwrap()), "absolute");
    // Relative to the current directory, and gone afterwards.
    let exe = shop.exe("exe2", &["./sub/libx.so"]);
    agree(&shop, &exe, &[]);
    fs::remove_file(&absolute).unwrap();
    let json = agree(&shop, &exe, &[]);
    assert_eq!(json["loads"], false);
}

#[test]
fn tokens_stand_for_what_the_loader_says() {
    let shop = Workshop::new();
    shop.lib("lib/libx.so", &[]);
    let rpath = [
        "$ORIGIN/$LIB",
        "${ORIGIN}/$PLATFORM",
        "$ORIGINAL/lib",
        "$ORIGIN/${LIB",
        "$NOTHING",
        "$ORIGIN/lib//",
        "$ORIGIN/lib",
    ];
    let exe = shop.exe(
        "exe",
        &["-Llib", "-lx", &format!("-Wl,-rpath,{}", rpath.join(":"))],
    );
    let json = agree_on_trail(&shop, &exe, "libx.so");
    let marks = &json["runpath"][6]["marks"];
    assert!(
        marks.as_array().unwrap().iter().any(|m| m == "duplicate"),
        "{marks}"
    );
    for dir in ["$LIB", "$PLATFORM"] {
        let json = shop.json(&exe, &[]);
        let entries = json["runpath"].as_array().unwrap();
        let entry = entries
            .iter()
            .find(|e| text(&e["entry"]).ends_with(dir))
            .unwrap();
        let into = text(&entry["directory"]);
        fs::create_dir_all(&into).unwrap();
        let from = Path::new(&into).join("libx.so");
        fs::copy(shop.at("lib/libx.so"), &from).unwrap();
        let json = agree_on_trail(&shop, &exe, "libx.so");
        assert_eq!(need(&json, "libx.so")["resolved"], from.to_str().unwrap());
        fs::remove_file(from).unwrap();
    }
    // A library's $ORIGIN is where it is, by the name it was opened by.
    shop.lib(
        "deep/liby.so",
        &["-Llib", "-lx", NEW, "-Wl,-rpath,$ORIGIN/../lib"],
    );
    fs::create_dir_all(shop.at("links/in")).unwrap();
    symlink("../../deep/liby.so", shop.at("links/in/liby.so")).unwrap();
    let exe = shop.exe(
        "exe2",
        &["-Ldeep", "-ly", NEW, "-Wl,-rpath,$ORIGIN/links/in"],
    );
    let json = agree(&shop, &exe, &[]);
    assert_eq!(json["problems"][0]["name"], "libx.so");
}

#[test]
fn no_default_library_means_neither_cache_nor_default_directories() {
    let shop = Workshop::new();
    let exe = shop.exe("exe", &["-lm", "-Wl,-z,nodefaultlib"]);
    let json = agree_on_trail(&shop, &exe, "libm.so.6");
    assert_eq!(via(&json, "libm.so.6"), "missing");
    let why: Vec<String> = need(&json, "libm.so.6")["considered"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| text(&c["message"]))
        .collect();
    assert!(why.iter().all(|w| w.contains("NODEFLIB")), "{why:?}");
    // The found library doesn't pass the flag on.
    shop.lib("liba.so", &["-lm"]);
    let exe = shop.exe(
        "exe2",
        &[
            "-L.",
            "-la",
            "-nostdlib",
            "-Wl,-e,main,-z,nodefaultlib,-rpath,$ORIGIN",
        ],
    );
    assert_eq!(agree(&shop, &exe, &[])["loads"], true);
}

#[test]
fn the_environment_goes_between_rpath_and_runpath() {
    let shop = Workshop::new();
    for dir in ["own", "env"] {
        shop.lib(&format!("{dir}/libx.so"), &[]);
    }
    let path = format!(
        "{};:{}:$ORIGIN/env",
        shop.at("nowhere").display(),
        shop.at("env").display()
    );
    let env = [("LD_LIBRARY_PATH", path.as_str())];
    for (tags, want) in [(OLD, "rpath"), (NEW, "ld_library_path")] {
        let exe = shop.exe("exe", &["-Lown", "-lx", tags, "-Wl,-rpath,$ORIGIN/own"]);
        let json = agree(&shop, &exe, &env);
        assert_eq!(via(&json, "libx.so"), want);
    }
    // An empty element is the current directory.
    shop.lib("libx.so", &[]);
    let json = agree(&shop, &shop.at("exe"), &env);
    assert_eq!(need(&json, "libx.so")["resolved"], "libx.so");
    let json = agree(&shop, &shop.at("exe"), &[("LD_LIBRARY_PATH", "")]);
    assert_eq!(via(&json, "libx.so"), "runpath");
}

#[test]
fn an_empty_element_and_a_relative_one_depend_on_the_current_directory() {
    let shop = Workshop::new();
    shop.lib("libx.so", &[]);
    shop.lib("rel/liby.so", &[]);
    let exe = shop.exe(
        "exe",
        &["-L.", "-lx", "-Lrel", "-ly", "-Wl,-rpath,/nowhere::./rel"],
    );
    let json = agree(&shop, &exe, &[]);
    assert_eq!(need(&json, "libx.so")["resolved"], "libx.so");
    assert_eq!(need(&json, "liby.so")["resolved"], "./rel/liby.so");
    assert_eq!(json["runpath"][1]["marks"][0], "empty");
    assert_eq!(json["runpath"][2]["marks"][0], "relative");
}

#[test]
fn libraries_that_need_each_other() {
    let shop = Workshop::new();
    shop.lib("libb.so", &[]);
    shop.lib("liba.so", &["-L.", "-lb", "-Wl,-rpath,$ORIGIN"]);
    shop.lib("libb.so", &["-L.", "-la", "-Wl,-rpath,$ORIGIN"]);
    let exe = shop.exe("exe", &["-L.", "-la", "-Wl,-rpath,$ORIGIN"]);
    assert_eq!(agree(&shop, &exe, &[])["loads"], true);
    // And one that needs itself, looked at on its own.
    let json = agree(&shop, &shop.at("liba.so"), &[]);
    assert_eq!(json["on_its_own"], true);
    let tree = shop.inspect(&["--tree", exe.to_str().unwrap()]);
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(
        tree.lines()
            .any(|l| l.contains("liba.so") && l.ends_with("cycle")),
        "{tree}"
    );
}

#[test]
fn a_program_run_through_a_link_has_its_own_origin() {
    let shop = Workshop::new();
    shop.lib("app/lib/libx.so", &[]);
    let exe = shop.exe(
        "app/bin/exe",
        &["-Lapp/lib", "-lx", "-Wl,-rpath,$ORIGIN/../lib"],
    );
    symlink(&exe, shop.at("exe")).unwrap();
    // The kernel resolves the link, so the program itself is the judge, not `ld.so --list`.
    assert!(
        std::process::Command::new(shop.at("exe"))
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(shop.json(&shop.at("exe"), &[])["loads"], true);
}

#[test]
fn deep_chains_come_in_the_loaders_order() {
    let shop = Workshop::new();
    // A diamond with a tail: breadth first, left to right.
    shop.lib("libe.so", &[]);
    shop.lib("libd.so", &["-L.", "-le"]);
    shop.lib("libc1.so", &["-L.", "-ld"]);
    shop.lib("libb1.so", &["-L.", "-lm", "-ld"]);
    let exe = shop.exe("exe", &["-L.", "-lb1", "-lc1", OLD, "-Wl,-rpath,$ORIGIN"]);
    let json = agree(&shop, &exe, &[]);
    let sonames: Vec<&str> = json["loaded"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["soname"].as_str().unwrap())
        .collect();
    assert_eq!(
        sonames,
        [
            "libb1.so",
            "libc1.so",
            "libc.so.6",
            "libm.so.6",
            "libd.so",
            "ld-linux-x86-64.so.2",
            "libe.so"
        ]
    );
}

#[test]
fn a_librarys_loader_is_beside_the_libc_that_its_runpath_names_by_any_spelling() {
    let shop = Workshop::new();
    fs::create_dir_all(shop.at("lib")).unwrap();
    let loader = shop.at("lib/ld-linux-x86-64.so.2");
    fs::copy("/lib64/ld-linux-x86-64.so.2", &loader).unwrap();
    let of = |runpath: &str| {
        shop.lib("libx.so", &[&format!("-Wl,-rpath,{runpath}")]);
        shop.json(&shop.at("libx.so"), &[])["loader"]["path"].clone()
    };
    for own in ["$ORIGIN/lib", "${ORIGIN}/lib"] {
        assert_eq!(of(own), loader.to_str().unwrap(), "{own}");
    }
    for other in ["$ORIGINAL/lib", "/x$ORIGIN/lib", "$ORIGINlib"] {
        assert_eq!(of(other), "/lib64/ld-linux-x86-64.so.2", "{other}");
    }
}
