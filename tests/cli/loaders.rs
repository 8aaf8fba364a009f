//! Files that no RUNPATH suits: dynamic loaders, vDSO images, code for GPUs, files of other systems.

use crate::support::BINARY;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn ours(words: &[&str], file: &Path) -> Output {
    Command::new(BINARY).args(words).arg(file).output().unwrap()
}

/// A library that needs nothing.
fn library(dir: &Path) -> Vec<u8> {
    let (source, out) = (dir.join("l.c"), dir.join("l.so"));
    fs::write(&source, "int f(void) { return 1; }\n").unwrap();
    let words = ["-shared", "-fPIC", "-nostdlib", "-o"];
    let built = Command::new("gcc")
        .args(words)
        .args([&out, &source])
        .status();
    assert!(built.unwrap().success());
    fs::read(out).unwrap()
}

/// The image that the kernel mapped into this process.
fn vdso() -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).unwrap();
    let (start, rest) = line.split_once('-').unwrap();
    let end = rest.split(' ').next().unwrap();
    let number = |text| u64::from_str_radix(text, 16).unwrap();
    let mut bytes = vec![0; (number(end) - number(start)) as usize];
    let memory = fs::File::open("/proc/self/mem").unwrap();
    memory.read_exact_at(&mut bytes, number(start)).unwrap();
    bytes
}

/// Name, bytes, and the key under which it is counted.
fn unfit(dir: &Path) -> Vec<(String, Vec<u8>, &'static str)> {
    let mut all = Vec::new();
    for loader in [
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/ld-musl-x86_64.so.1",
        "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1",
        "/usr/i686-linux-gnu/lib/ld-linux.so.2",
        "/usr/powerpc64le-linux-gnu/lib/ld64.so.2",
        "/usr/s390x-linux-gnu/lib/ld64.so.1",
        "/usr/riscv64-linux-gnu/lib/ld-linux-riscv64-lp64d.so.1",
    ] {
        all.push((loader.to_owned(), fs::read(loader).unwrap(), "loader"));
    }
    all.push(("vdso".to_owned(), vdso(), "vdso"));
    let library = library(dir);
    // AMDGPU, BPF, CUDA, Intel's GPUs, and no machine at all.
    for machine in [224u16, 247, 190, 205, 0xbeef] {
        let mut bytes = library.clone();
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        all.push((format!("machine {machine}"), bytes, "device"));
    }
    all
}

#[test]
fn what_no_runpath_suits_is_passed_over_and_counted_and_patchelf_refuses() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes, key) in unfit(dir.path()) {
        let tree = tempfile::tempdir().unwrap();
        // By what it is: the name says nothing.
        let file: PathBuf = tree.path().join("libplain.so.1");
        fs::write(&file, &bytes).unwrap();
        let out = ours(
            &["fixup", "--json", "--append-runpath", "/opt/x"],
            tree.path(),
        );
        let stdout = String::from_utf8_lossy(&out.stdout);
        let counted = format!("\"{key}\":1");
        assert!(
            out.status.success() && stdout.contains(&counted),
            "{name}: {stdout}"
        );
        ours(&["add-driver-runpath"], tree.path());
        assert!(
            fs::read(&file).unwrap() == bytes,
            "{name}: changed by a fixup"
        );
        for named in [
            &["fixup", "--append-runpath", "/opt/x"][..],
            &["add-driver-runpath"],
        ] {
            let out = ours(named, &file);
            let stderr = String::from_utf8_lossy(&out.stderr);
            assert_eq!(out.status.code(), Some(2), "{name} {named:?}: {stderr}");
            assert!(
                stderr.contains("libplain.so.1: is a") || stderr.contains("libplain.so.1: is no "),
                "{name}: {stderr}"
            );
            assert!(fs::read(&file).unwrap() == bytes, "{name} {named:?}");
        }
        for edit in [
            &["patchelf", "--set-rpath", "/opt/x"][..],
            &["patchelf", "--force-rpath", "--set-rpath", "/opt/x"],
            &["patchelf", "--no-default-lib"],
            &["patchelf", "--add-needed", "libm.so.6"],
        ] {
            let out = ours(edit, &file);
            let stderr = String::from_utf8_lossy(&out.stderr);
            assert_eq!(out.status.code(), Some(1), "{name} {edit:?}");
            assert!(
                stderr.contains(" is a") || stderr.contains(" is no "),
                "{name}: {stderr}"
            );
            assert!(fs::read(&file).unwrap() == bytes, "{name} {edit:?}");
        }
    }
}

#[test]
fn a_file_of_another_system_is_passed_over_and_a_plain_library_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path());
    for (os_abi, counted) in [(9, true), (12, true), (6, true), (0, false), (3, false)] {
        let tree = tempfile::tempdir().unwrap();
        let file = tree.path().join("liba.so");
        let mut bytes = library.clone();
        bytes[7] = os_abi;
        fs::write(&file, &bytes).unwrap();
        let out = ours(
            &["fixup", "--json", "--append-runpath", "/opt/x"],
            tree.path(),
        );
        let stdout = String::from_utf8_lossy(&out.stdout);
        assert_eq!(
            stdout.contains("\"foreign_os_abi\":1"),
            counted,
            "{os_abi}: {stdout}"
        );
        assert_eq!(fs::read(&file).unwrap() == bytes, counted, "{os_abi}");
    }
}

#[test]
fn a_static_pie_of_a_linker_without_df_1_pie_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("p.c"), dir.path().join("p"));
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let mut gcc = Command::new("gcc");
    let built = gcc.args(["-static-pie", "-o"]).args([&program, &source]);
    assert!(built.status().unwrap().success());
    let mut bytes = fs::read(&program).unwrap();
    // DT_FLAGS_1 with DF_1_PIE alone.
    let entry = [0x6fff_fffbu64.to_le_bytes(), 0x0800_0000u64.to_le_bytes()].concat();
    let at = bytes
        .windows(16)
        .position(|window| window == entry)
        .unwrap();
    bytes[at + 8..at + 16].fill(0);
    fs::write(&program, &bytes).unwrap();
    let out = ours(&["patchelf", "--set-rpath", "/opt/x"], &program);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("is a static PIE"), "{stderr}");
    let out = ours(
        &["fixup", "--json", "--append-runpath", "/opt/x"],
        dir.path(),
    );
    let stdout = String::from_utf8_lossy(&out.stdout);
    assert!(stdout.contains("\"static\":1"), "{stdout}");
    assert!(fs::read(&program).unwrap() == bytes);
}
