//! `cuda-fixup demo`: the first thing that a new user runs, on a machine with nothing on it.

use std::process::Command;

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
