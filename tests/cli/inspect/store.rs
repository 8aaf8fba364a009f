//! A glibc of another prefix: its loader reads neither the system's cache nor its directories.

use super::compare::{agree, need, text, via};
use super::workshop::Workshop;
use std::fs;
use std::path::{Path, PathBuf};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// Overwrites every occurrence of a string with one of the same length.
fn patch(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let mut found = false;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
            found = true;
        }
    }
    assert!(found, "{}", String::from_utf8_lossy(from));
}

/// A loader whose default directories are `dir` and `dir/lib`, and whose cache is not there,
/// as a build for that prefix would give it; in `dir/lib`, with the libc beside it.
fn store(dir: &Path, libc: &str) -> PathBuf {
    let mut bytes = fs::read(LOADER).unwrap();
    let dir = dir.to_str().unwrap();
    patch(
        &mut bytes,
        b"/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0",
        format!("{dir}/\0{dir}/lib/\0/abc/\0/abc/lib/\0").as_bytes(),
    );
    patch(&mut bytes, b"/etc/ld.so.cache\0", b"/abc/ld.so.cache\0");
    let lib = Path::new(dir).join("lib");
    fs::create_dir_all(&lib).unwrap();
    let loader = lib.join("ld-linux-x86-64.so.2");
    fs::write(&loader, bytes).unwrap();
    let mut permissions = fs::metadata(&loader).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs::set_permissions(&loader, permissions).unwrap();
    fs::copy(libc, lib.join("libc.so.6")).unwrap();
    loader
}

/// A directory whose name is as long as the place in the loader.
fn prefix() -> tempfile::TempDir {
    let dir = tempfile::Builder::new()
        .prefix("store")
        .rand_bytes(11)
        .tempdir_in("/tmp")
        .unwrap();
    assert_eq!(dir.path().as_os_str().len(), "/lib/x86_64-linux-gnu".len());
    dir
}

#[test]
fn a_store_loader_searches_its_own_prefix_only() {
    let shop = Workshop::new();
    let store_dir = prefix();
    let plain = shop.json(&shop.exe("plain", &["-lm"]), &[]);
    let libc = text(&need(&plain, "libc.so.6")["resolved"]);
    let loader = store(store_dir.path(), &libc);
    let with = format!("-Wl,--dynamic-linker,{}", loader.display());
    let exe = shop.exe("exe", &["-lm", &with]);
    let json = agree(&shop, &exe, &[]);
    assert_eq!(via(&json, "libc.so.6"), "default");
    assert_eq!(via(&json, "libm.so.6"), "missing");
    assert_eq!(json["loader"]["cache"], "/abc/ld.so.cache");
    let considered = need(&json, "libm.so.6")["considered"].as_array().unwrap();
    let places: Vec<&str> = considered
        .iter()
        .filter_map(|c| c["place"].as_str())
        .collect();
    assert!(
        !places
            .iter()
            .any(|p| p.starts_with("/usr/lib") || p.starts_with("/etc")),
        "{places:?}"
    );

    // A library of that world, on its own: its RUNPATH leads to the libc and so to the loader.
    let lib = store_dir.path().join("lib");
    let rpath = format!("-Wl,-rpath,{}", lib.display());
    shop.lib("liba.so", &["-lm", &rpath]);
    let json = agree(&shop, &shop.at("liba.so"), &[]);
    assert_eq!(json["loader"]["path"], loader.to_str().unwrap());
    assert_eq!(via(&json, "libm.so.6"), "missing");
}

#[test]
fn a_copy_of_the_systems_loader_stays_the_systems() {
    let shop = Workshop::new();
    fs::create_dir_all(shop.at("copy/lib")).unwrap();
    let loader = shop.at("copy/lib/ld-linux-x86-64.so.2");
    fs::copy(LOADER, &loader).unwrap();
    let with = format!("-Wl,--dynamic-linker,{}", loader.display());
    let exe = shop.exe("exe", &["-lm", &with]);
    let json = agree(&shop, &exe, &[]);
    assert_eq!(via(&json, "libm.so.6"), "ld.so.cache");
    assert_eq!(json["loads"], true);
}

#[test]
fn an_interpreter_that_is_not_there_is_said_so_and_its_prefix_assumed() {
    let shop = Workshop::new();
    let lib = shop.at("glibc-2.99/lib");
    let with = format!(
        "-Wl,--dynamic-linker,{}/ld-linux-x86-64.so.2",
        lib.display()
    );
    let exe = shop.exe("exe", &[&with]);
    let json = shop.json(&exe, &[]);
    assert_eq!(json["loader"]["exists"], false);
    assert_eq!(json["loader"]["directories"][0], lib.to_str().unwrap());
    assert_eq!(via(&json, "libc.so.6"), "missing");
    assert_eq!(json["problems"][0]["problem"], "interpreter");
    assert_eq!(shop.inspect(&["--check", "exe"]).status.code(), Some(1));
}

#[test]
fn another_loader_is_not_guessed_at() {
    let shop = Workshop::new();
    shop.write("ld-elf.so.1", fs::read(shop.exe("plain", &[])).unwrap());
    let with = format!("-Wl,--dynamic-linker,{}", shop.at("ld-elf.so.1").display());
    let exe = shop.exe("exe", &[&with]);
    let json = shop.json(&exe, &[]);
    assert_eq!(via(&json, "libc.so.6"), "missing");
    assert!(text(&need(&json, "libc.so.6")["considered"][0]["message"]).contains("not known"));
}
