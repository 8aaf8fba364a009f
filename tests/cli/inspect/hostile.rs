//! Files in the way: other machines, no ELF at all, cycles of links, names that bite.

use super::compare::{agree, need, text, tried_by_glibc, tried_by_us};
use super::workshop::{BINARY, Workshop};
use elf_edit::{Class, Endianness, Platform};
use elf_fixtures::Minimal;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const X86_64: Platform = Platform {
    machine: 62,
    class: Class::Elf64,
    endian: Endianness::Little,
    os_abi: 0,
};

fn minimal(platform: Platform) -> Vec<u8> {
    Minimal {
        soname: Some(b"libx.so".to_vec()),
        ..Minimal::new(platform)
    }
    .bytes()
}

/// A program that needs libx.so, and looks in `first` and then in `second`, where it is.
fn program(shop: &Workshop) -> std::path::PathBuf {
    shop.lib("second/libx.so", &[]);
    fs::create_dir_all(shop.at("first")).unwrap();
    let rpath = "-Wl,-rpath,$ORIGIN/first:$ORIGIN/second";
    shop.exe("exe", &["-Lsecond", "-lx", rpath])
}

#[test]
fn files_for_other_machines_are_looked_past() {
    let shop = Workshop::new();
    let exe = program(&shop);
    let others = [
        (
            Platform {
                machine: 183,
                ..X86_64
            },
            "other-machine",
        ),
        (
            Platform {
                machine: 3,
                class: Class::Elf32,
                ..X86_64
            },
            "other-class",
        ),
        (
            Platform {
                class: Class::Elf32,
                ..X86_64
            },
            "other-class",
        ),
        (
            Platform {
                endian: Endianness::Big,
                ..X86_64
            },
            "other-byte-order",
        ),
    ];
    for (platform, why) in others {
        shop.write("first/libx.so", minimal(platform));
        let json = agree(&shop, &exe, &[]);
        let loader = text(&json["loader"]["path"]);
        assert_eq!(need(&json, "libx.so")["considered"][0]["why"], why);
        assert_eq!(
            tried_by_us(&json, "libx.so"),
            tried_by_glibc(&shop, &loader, &exe, "libx.so")
        );
    }
}

/// The loader stops where inspect says that it does.
fn stops(shop: &Workshop, exe: &Path, code: &str, complaint: &str) {
    let json = shop.json(exe, &[]);
    let need = need(&json, "libx.so");
    let last = need["considered"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(last["why"], code, "{json:#}");
    assert!(text(&last["message"]).contains("stops"), "{last}");
    assert_eq!(json["loads"], false);
    let loader = text(&json["loader"]["path"]);
    let real = Command::new(loader)
        .arg("--list")
        .arg(exe)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&real.stderr).into_owned();
    assert!(!real.status.success(), "{code}: {real:?} {json:#}");
    assert!(said.contains(complaint), "{code}: {said}");
    assert!(said.contains("libx.so"), "{said}");
}

#[test]
fn files_that_are_no_library_stop_the_loader() {
    let shop = Workshop::new();
    let exe = program(&shop);
    let first = "first/libx.so";
    shop.write(first, "INPUT(-lother)\n".repeat(10));
    stops(&shop, &exe, "not-elf", "invalid ELF header");
    shop.write(first, "");
    stops(&shop, &exe, "too-short", "file too short");
    let mut swapped = fs::read(shop.at("second/libx.so")).unwrap();
    swapped[5] = 2;
    shop.write(first, swapped);
    stops(&shop, &exe, "broken", "data encoding not little-endian");
    let free_bsd = Platform {
        os_abi: 9,
        ..X86_64
    };
    shop.write(first, minimal(free_bsd));
    stops(&shop, &exe, "broken", "OS ABI invalid");
    shop.cc("gcc", first, "int x;", &["-c"]);
    stops(&shop, &exe, "broken", "only ET_DYN and ET_EXEC");
    shop.cc("gcc", first, "int main(void) { return 0; }", &["-no-pie"]);
    stops(&shop, &exe, "broken", "cannot dynamically load executable");
    shop.cc("gcc", first, "int main(void) { return 0; }", &["-pie"]);
    stops(
        &shop,
        &exe,
        "broken",
        "cannot dynamically load position-independent executable",
    );
    fs::remove_file(shop.at(first)).unwrap();
    fs::create_dir(shop.at(first)).unwrap();
    stops(&shop, &exe, "not-a-file", "cannot read file data");
}

#[test]
fn a_link_that_leads_nowhere_is_no_file_and_one_in_a_cycle_ends_the_list() {
    let shop = Workshop::new();
    let exe = program(&shop);
    symlink("nowhere", shop.at("first/libx.so")).unwrap();
    assert_eq!(agree(&shop, &exe, &[])["loads"], true);
    fs::remove_file(shop.at("first/libx.so")).unwrap();
    symlink("libx.so", shop.at("first/libx.so")).unwrap();
    let json = agree(&shop, &exe, &[]);
    // glibc gives up this RUNPATH, but not the steps behind it.
    assert_eq!(json["loads"], false);
    let considered = need(&json, "libx.so")["considered"].as_array().unwrap();
    assert_eq!(considered[0]["why"], "unreadable");
    assert_ne!(considered[1]["step"], "runpath");
}

#[test]
fn a_fifo_in_the_way_does_not_hang_us() {
    let shop = Workshop::new();
    let exe = program(&shop);
    let fifo = shop.at("first/libx.so");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let json = shop.json(&exe, &[]);
    assert_eq!(need(&json, "libx.so")["considered"][0]["why"], "not-a-file");
    // In a tree it is passed over, named it is a message.
    let output = shop.inspect(&[".", "-v"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 special"));
    assert_eq!(shop.inspect(&[fifo]).status.code(), Some(2));
}

#[test]
fn names_that_bite_are_shown_with_their_teeth_out() {
    let shop = Workshop::new();
    let evil = OsString::from_vec(b"lib\x1b[31m\xffx.so".to_vec());
    let mut soname = OsString::from("-Wl,-soname,");
    soname.push(&evil);
    shop.cc(
        "gcc",
        "libx.so",
        "int x;",
        &[OsStr::new("-shared"), OsStr::new("-fPIC"), &soname],
    );
    let exe = shop.exe("exe", &["-L.", "-lx"]);
    let named = shop.path.join(OsStr::from_bytes(b"\x1b]0;title\x07\xfe"));
    fs::copy(&exe, &named).unwrap();
    for flags in [&["--json"][..], &["--tree"], &["--check"], &[]] {
        let mut args: Vec<&OsStr> = flags.iter().map(OsStr::new).collect();
        args.push(named.as_os_str());
        let output = shop.inspect(&args);
        assert!(
            output.stdout.iter().all(|&b| b != 0x1b && b != 7),
            "{flags:?}"
        );
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains(r"lib\x1b[31m\xffx.so") || text.contains(r"lib\\x1b[31m\\xffx.so"),
            "{text}"
        );
    }
    let why = shop.inspect(&[OsStr::new("--why"), &evil, named.as_os_str()]);
    assert!(why.status.success());
    // A library by that name is found under it.
    fs::copy(shop.at("libx.so"), shop.path.join(&evil)).unwrap();
    let exe = shop.exe("exe2", &["-L.", "-lx", "-Wl,-rpath,$ORIGIN"]);
    assert_eq!(shop.json(&exe, &[])["loads"], true);
}

#[test]
fn every_truncation_of_a_program_and_of_its_library_has_an_answer() {
    let shop = Workshop::new();
    let exe = program(&shop);
    let mut cut = Vec::new();
    for file in [exe.clone(), shop.at("second/libx.so")] {
        let bytes = fs::read(&file).unwrap();
        for (i, len) in (0..bytes.len()).step_by(bytes.len() / 150 + 1).enumerate() {
            let name = file.file_name().unwrap().to_str().unwrap();
            cut.push(shop.write(&format!("cut/{name}.{i}"), &bytes[..len]));
        }
    }
    let output = shop.inspect(&[OsStr::new("--json"), shop.at("cut").as_os_str()]);
    assert!(matches!(output.status.code(), Some(0 | 2)), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.lines().count() > 1);
    let bytes = fs::read(shop.at("second/libx.so")).unwrap();
    for len in (0..bytes.len()).step_by(bytes.len() / 20) {
        shop.write("first/libx.so", &bytes[..len]);
        let json = shop.json(&exe, &[]);
        assert!(json["needed"].is_array());
    }
}

#[test]
fn a_flipped_byte_anywhere_in_the_headers_has_an_answer() {
    let shop = Workshop::new();
    let exe = program(&shop);
    let bytes = fs::read(&exe).unwrap();
    for at in 0..bytes.len().min(1200) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0xff;
        shop.write(&format!("flipped/{at}"), bytes);
    }
    let output = shop.inspect(&["--json", "--dlopen", "all", "flipped"]);
    assert!(
        matches!(output.status.code(), Some(0 | 2)),
        "{:?}",
        output.status
    );
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let _: Value = crate::support::schema::parsed(line);
    }
}

#[test]
fn a_hostile_search_path_costs_bounded_time_and_memory() {
    let shop = Workshop::new();
    let elements = |n: usize| -> Vec<u8> {
        let dirs: Vec<String> = (0..n).map(|i| format!("/{i}")).collect();
        dirs.join(":").into_bytes()
    };
    let file = Minimal {
        interpreter: Some(b"/lib64/ld-linux-x86-64.so.2".to_vec()),
        needed: (0..200)
            .map(|i| format!("libx{i}.so").into_bytes())
            .collect(),
        runpath: Some(elements(20_000)),
        ..Minimal::new(X86_64)
    };
    let path = shop.write("many", file.bytes());
    let output = Command::new("prlimit")
        .args([
            "--as=1000000000",
            "--cpu=60",
            super::workshop::BINARY,
            "inspect",
            "--json",
            "-j1",
        ])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let json: Value = crate::support::schema::parsed(&output.stdout);
    assert_eq!(json["loads"], false);
}

/// The loader of PowerPC has one path for both byte orders, which read another cache each: what is
/// said of a file doesn't depend on the one before it.
#[test]
fn files_of_two_byte_orders_have_a_loader_each() {
    let shop = Workshop::new();
    // A cache of one empty entry, in the byte order of the first file.
    let mut cache = b"glibc-ld.so.cache1.1".to_vec();
    cache.extend(1_u32.to_le_bytes());
    cache.resize(96, 0);
    shop.write("root/etc/ld.so.cache", cache);
    let orders = [("little", Endianness::Little), ("big", Endianness::Big)];
    for (name, endian) in orders {
        let library = Minimal {
            needed: vec![b"libnowhere.so".to_vec()],
            ..Minimal::new(Platform {
                machine: object::elf::EM_PPC64,
                endian,
                ..X86_64
            })
        };
        shop.write(&format!("root/lib/{name}.so"), library.bytes());
    }
    let said = |names: &[&str]| {
        let mut command = Command::new(BINARY);
        command.current_dir(&shop.path);
        command.args(["inspect", "--json", "-j1", "--root", "root"]);
        let files = names.iter().map(|name| format!("root/lib/{name}.so"));
        let output = command.args(files).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let alone = [said(&["big"]), said(&["little"])].concat();
    assert_eq!(alone.len(), 2, "{alone:?}");
    assert!(alone[0].contains("not a ld.so.cache"), "{}", alone[0]);
    assert!(!alone[1].contains("not a ld.so.cache"), "{}", alone[1]);
    assert_eq!(said(&["little", "big"]), alone);
    assert_eq!(said(&["big", "little"]), alone);
}
