//! Directories that glibc searches for some processors only. QEMU runs the real loader and
//! `inspect` on the same processor, so that no test depends on the one that it runs on.

use super::compare::{need, text, tried_by_us, tried_in_log};
use super::workshop::{BINARY, Workshop};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// From those that glibc has no name for to those with one, and some that lack one feature.
const PROCESSORS: [&str; 16] = [
    "qemu64",
    "Conroe",
    "Nehalem",
    "Westmere",
    "IvyBridge",
    "Haswell",
    "Skylake-Server",
    "KnightsMill",
    "Opteron_G3",
    "Dhyana",
    "EPYC",
    "max",
    "Haswell,lahf-lm=off",
    "Haswell,movbe=off",
    "Haswell,f16c=off",
    "EPYC,avx=off",
];

/// Parts of the old subdirectories, in the order in which they are combined.
const PARTS: [&str; 7] = [
    "tls", "haswell", "xeon_phi", "i686", "avx512_1", "x86_64", "sse2",
];

/// A program that needs `libx.so`. Every subdirectory that a loader might try is there and is
/// empty, so that the list of files that were tried shows them all.
fn program(shop: &Workshop, compiler: &str, flags: &[&str]) -> PathBuf {
    let library = ["-shared", "-nostdlib", "-Wl,-soname,libx.so"];
    shop.cc(compiler, "lib/libx.so", "int x;", &library);
    let runpath = "-Wl,--enable-new-dtags,-rpath,$ORIGIN/$PLATFORM:$ORIGIN/lib";
    let all = [
        &["-nostdlib", "-Wl,-e,main", "-Llib", "-lx", runpath],
        flags,
    ]
    .concat();
    shop.cc(compiler, "exe", "int main(void) { return 0; }", &all);
    let mut dirs: Vec<PathBuf> = PARTS.iter().map(|part| shop.at(part)).collect();
    for level in ["v2", "v3", "v4"] {
        dirs.push(shop.at("lib/glibc-hwcaps").join(format!("x86-64-{level}")));
    }
    for mask in 0..1 << PARTS.len() {
        let chosen = (0..PARTS.len()).filter(|i| mask & (1 << i) != 0);
        dirs.push(chosen.fold(shop.at("lib"), |dir, i| dir.join(PARTS[i])));
    }
    dirs.push(shop.at("lib/x86_64/x86_64"));
    dirs.push(shop.at("lib/tls/x86_64/x86_64"));
    dirs.iter().for_each(|dir| fs::create_dir_all(dir).unwrap());
    shop.at("exe")
}

/// Runs a program on a processor.
fn emulate(shop: &Workshop, emulator: &str, cpu: &str, command: &[&str]) -> Output {
    let output = Command::new(emulator)
        .current_dir(&shop.path)
        // Not in the environment of the emulator itself: it is loaded dynamically, too.
        .args(["-U", "LD_LIBRARY_PATH", "-E", "LD_DEBUG=libs", "-cpu", cpu])
        .args(command)
        .output()
        .unwrap();
    assert!(output.status.success(), "{cpu}: {output:?}");
    output
}

/// What the loader tries for `libx.so` on this processor, and what `inspect` says it tries.
fn both(shop: &Workshop, emulator: &str, cpu: &str, exe: &Path) -> (Vec<String>, Value) {
    let exe = exe.to_str().unwrap();
    let ours = emulate(
        shop,
        "qemu-x86_64",
        cpu,
        &[BINARY, "inspect", "--json", exe],
    );
    let json: Value = crate::support::schema::parsed(&ours.stdout);
    let loader = text(&json["loader"]["path"]);
    let theirs = emulate(shop, emulator, cpu, &[&loader, "--list", exe]);
    let log = String::from_utf8(theirs.stderr).unwrap();
    (tried_in_log(shop, &log, "libx.so"), json)
}

#[test]
fn subdirectories_are_those_of_the_processor() {
    let shop = Workshop::new();
    let exe = program(&shop, "gcc", &[]);
    let mut trails = Vec::new();
    for cpu in PROCESSORS {
        let (theirs, json) = both(&shop, "qemu-x86_64", cpu, &exe);
        assert_eq!(tried_by_us(&json, "libx.so"), theirs, "{cpu}: {json:#}");
        trails.push(theirs);
    }
    trails.sort();
    trails.dedup();
    assert!(
        trails.len() >= 4,
        "the processors are all alike: {trails:?}"
    );
}

#[test]
fn the_best_subdirectory_is_taken() {
    let shop = Workshop::new();
    let exe = program(&shop, "gcc", &[]);
    // From the least wanted to the most: each one that the processor uses takes over.
    let subs = [
        "x86_64",
        "tls",
        "haswell",
        "tls/haswell/x86_64",
        "glibc-hwcaps/x86-64-v2",
        "glibc-hwcaps/x86-64-v3",
    ];
    for sub in subs {
        let copy = shop.at("lib").join(sub).join("libx.so");
        fs::copy(shop.at("lib/libx.so"), copy).unwrap();
        for cpu in ["Nehalem", "Haswell", "EPYC"] {
            let (theirs, json) = both(&shop, "qemu-x86_64", cpu, &exe);
            assert_eq!(tried_by_us(&json, "libx.so"), theirs, "{cpu}: {json:#}");
            let taken = text(&need(&json, "libx.so")["resolved"]);
            assert_eq!(Some(&taken), theirs.last(), "{cpu}");
            if cpu == "Haswell" && sub.starts_with("glibc-hwcaps") {
                assert_eq!(taken, format!("{}/lib/{sub}/libx.so", shop.path.display()));
            }
        }
    }
}

#[test]
fn a_program_for_i386_has_subdirectories_of_its_own() {
    let shop = Workshop::new();
    let loader = "-Wl,--dynamic-linker=/usr/i686-linux-gnu/lib/ld-linux.so.2";
    let exe = program(&shop, "i686-linux-gnu-gcc", &[loader]);
    for cpu in ["Nehalem", "Haswell", "EPYC"] {
        let (theirs, json) = both(&shop, "qemu-i386", cpu, &exe);
        assert_eq!(tried_by_us(&json, "libx.so"), theirs, "{cpu}: {json:#}");
    }
}
