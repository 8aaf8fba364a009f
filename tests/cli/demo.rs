//! `cuda-fixup demo`: the first thing that a new user runs, on a machine with nothing on it.

use elf_fixtures::{Class, Endianness, Minimal, Platform};
use object::elf;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The files of the sample tree: what each needs, its RUNPATH, and whether it is a program.
const SAMPLES: [(&str, &[&str], Option<&str>, bool); 3] = [
    (
        "train",
        &["libmodel.so.1", "libc.so.6"],
        Some("/project/build/app/lib:$ORIGIN/../lib"),
        true,
    ),
    (
        "libmodel.so.1",
        &["libcudart.so.13", "libcuda.so.1", "libc.so.6"],
        Some("/usr/local/cuda-13.5/lib64/stubs::/project/build/deps"),
        false,
    ),
    ("libcudart.so.13", &["libc.so.6"], None, false),
];

/// The files that the program embeds are those that elf-fixtures makes; `CUDA_FIXUP_BLESS=1 cargo
/// test --test cli demo` writes them.
#[test]
fn the_embedded_files_are_generated() {
    for (machine, dir, loader) in [
        (elf::EM_X86_64, "x86_64", "/lib64/ld-linux-x86-64.so.2"),
        (elf::EM_AARCH64, "aarch64", "/lib/ld-linux-aarch64.so.1"),
    ] {
        for (name, needed, runpath, is_program) in SAMPLES {
            let mut file = Minimal::new(Platform {
                machine,
                class: Class::Elf64,
                endian: Endianness::Little,
                os_abi: elf::ELFOSABI_SYSV,
            });
            file.needed = needed.iter().map(|n| n.as_bytes().to_vec()).collect();
            file.runpath = runpath.map(|text| text.as_bytes().to_vec());
            if is_program {
                file.interpreter = Some(loader.as_bytes().to_vec());
            } else {
                file.soname = Some(name.as_bytes().to_vec());
            }
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("src/applets/demo")
                .join(dir)
                .join(name);
            if std::env::var_os("CUDA_FIXUP_BLESS").is_some() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, file.bytes()).unwrap();
            }
            let embedded = fs::read(&path).unwrap_or_default();
            assert!(embedded == file.bytes(), "{} is stale", path.display());
        }
    }
}

#[test]
fn the_demo_needs_nothing_and_shows_all_steps() {
    let done = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .arg("demo")
        .env_clear()
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    let told = String::from_utf8(done.stdout).unwrap();
    let mut rest = told.as_str();
    for expected in [
        "$ cuda-fixup inspect app",
        "libcudart.so.13 => not found",
        "--dry-run",
        "has libcudart.so.13",
        "3 ELF files: 3 to change, 0 failed, 0 dependencies missing",
        "3 ELF files: 3 changed",
        "3 ELF files: 0 changed",
        "$ cuda-fixup inspect app",
        "provides libcudart.so.13",
    ] {
        let at = rest.find(expected);
        assert!(at.is_some(), "no {expected:?} in its place: {told}");
        rest = &rest[at.unwrap() + expected.len()..];
    }
    assert!(!rest.contains("libcudart.so.13 => not found"));
}

/// lint finds no fault in the results of fixup: the demo's tree and the README's wheel.
#[test]
fn lint_is_silent_after_fixup() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"));
        command
            .current_dir(dir.path())
            .env_remove("LD_LIBRARY_PATH");
        command.env_remove("NIX_STORE").args(args).output().unwrap()
    };
    assert!(run(&["demo", "--keep", "demo"]).status.success());
    let wheel = crate::support::wheel("nvidia-cufile-1.20.0.107");
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(wheel).arg(dir.path().join("wheels"));
    assert!(copy.status().unwrap().success());
    run(&["fixup", "--ignore-missing", "lib[mri]*.so.1", "wheels"]);
    for tree in ["demo", "wheels"] {
        let lint = run(&["lint", "--format=json", "--context=nix", tree]);
        let text = String::from_utf8(lint.stdout).unwrap();
        for line in text.lines() {
            let finding: serde_json::Value = crate::support::schema::parsed(line);
            // RDMA's libraries and cufile.json belong to the system.
            let system = [
                "needed-by-plugin",
                "cufile-config-not-found",
                "dlopen-not-found",
            ];
            let code = finding["code"].as_str().unwrap();
            let of_wheel = tree == "wheels" && system.contains(&code);
            let of_build = ["cudart-static", "duplicate-library", "no-forward-ptx"];
            assert!(of_wheel || of_build.contains(&code), "{tree}: {line}");
            assert_eq!(finding["fixable"], false, "{tree}: {line}");
        }
    }
}
