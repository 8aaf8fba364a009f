//! Symbol versions that the found library lacks.

use super::compare::{agree, need};
use super::workshop::Workshop;
use std::fs;

const BOTH: &str = "V_1 { global: one; };\nV_2 { global: two; } V_1;\n";
const SOURCE: &str = "int one(void) { return 1; }\nint two(void) { return 2; }\n";

fn versioned(shop: &Workshop, output: &str, script: &str, source: &str) {
    shop.write("script", script);
    let flags = [
        "-shared",
        "-fPIC",
        "-Wl,-soname,libv.so",
        "-Wl,--version-script,script",
    ];
    shop.cc("gcc", output, source, &flags);
}

#[test]
fn versions_that_the_found_file_lacks() {
    let shop = Workshop::new();
    versioned(&shop, "libv.so", BOTH, SOURCE);
    let main = "int one(void), two(void);\nint main(void) { return one() + two(); }";
    shop.cc("gcc", "exe", main, &["-L.", "-lv", "-Wl,-rpath,$ORIGIN"]);
    let exe = shop.at("exe");
    assert_eq!(agree(&shop, &exe, &[])["loads"], true);

    let first = SOURCE.lines().next().unwrap();
    versioned(&shop, "libv.so", "V_1 { global: one; };\n", first);
    let json = agree(&shop, &exe, &[]);
    assert_eq!(json["loads"], false);
    assert_eq!(need(&json, "libv.so")["missing_versions"][0], "V_2");
    let text = String::from_utf8(shop.inspect(&["exe"]).stdout).unwrap();
    assert!(text.contains("V_2 not found in it"), "{text}");

    // A library with no versions at all goes with any: the loader only warns.
    shop.cc(
        "gcc",
        "libv.so",
        SOURCE,
        &["-shared", "-fPIC", "-Wl,-soname,libv.so"],
    );
    let json = shop.json(&exe, &[]);
    assert_eq!(json["loads"], true);
    assert!(
        std::process::Command::new(&exe)
            .output()
            .unwrap()
            .status
            .code()
            == Some(3)
    );
}

#[test]
fn versions_wanted_further_down() {
    let shop = Workshop::new();
    versioned(&shop, "libv.so", BOTH, SOURCE);
    let user = "int two(void);\nint user(void) { return two(); }";
    let flags = [
        "-shared",
        "-fPIC",
        "-Wl,-soname,liba.so",
        "-L.",
        "-lv",
        "-Wl,-rpath,$ORIGIN",
    ];
    shop.cc("gcc", "liba.so", user, &flags);
    let exe = shop.exe("exe", &["-L.", "-la", "-Wl,-rpath,$ORIGIN"]);
    assert_eq!(agree(&shop, &exe, &[])["loads"], true);
    versioned(&shop, "libv.so", "V_1 { global: one; };\n", SOURCE);
    let json = agree(&shop, &exe, &[]);
    assert_eq!(json["problems"][0]["versions"][0], "V_2");
    assert_eq!(shop.inspect(&["--check", "exe"]).status.code(), Some(1));
}

#[test]
fn a_libc_that_is_too_old() {
    let shop = Workshop::new();
    let exe = shop.exe("exe", &[]);
    // The same length, so that a name in place is enough; its hash stays the old one's, so it
    // has to be changed too.
    let hash = |name: &[u8]| {
        name.iter().fold(0u32, |h, &b| {
            let h = (h << 4).wrapping_add(b.into());
            (h ^ ((h & 0xf000_0000) >> 24)) & 0x0fff_ffff
        })
    };
    let mut bytes = fs::read(&exe).unwrap();
    let (old, new) = (b"GLIBC_2.34", b"GLIBC_2.99");
    for (from, to) in [
        (old.to_vec(), new.to_vec()),
        (
            hash(old).to_le_bytes().to_vec(),
            hash(new).to_le_bytes().to_vec(),
        ),
    ] {
        let at: Vec<usize> = (0..bytes.len() - from.len())
            .filter(|&i| bytes[i..].starts_with(&from))
            .collect();
        assert!(!at.is_empty());
        for at in at {
            bytes[at..at + to.len()].copy_from_slice(&to);
        }
    }
    fs::write(&exe, bytes).unwrap();
    let json = agree(&shop, &exe, &[]);
    assert_eq!(
        need(&json, "libc.so.6")["missing_versions"][0],
        "GLIBC_2.99"
    );
}
