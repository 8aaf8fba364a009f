//! `cuda-fixup capabilities` as a user calls it.

#![allow(
    clippy::unwrap_used,
    reason = "a failure here is a failure of the test"
)]

use std::process::{Command, Output};

fn capabilities(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .arg("capabilities")
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn check_tells_what_is_wrong_and_exits_1() {
    let bad = capabilities(&["check", "--cuda", "12.4", "--capabilities", "9.0;12.0"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        text(&bad.stderr).contains("compute capability 12.0 exists from CUDA 12.8 on"),
        "{}",
        text(&bad.stderr)
    );
    let good = capabilities(&["check", "--cuda", "12.8", "--capabilities", "9.0, 12.0"]);
    assert_eq!(good.status.code(), Some(0));
    let no_list = capabilities(&["check", "--cuda", "12.8", "--capabilities", "ninety"]);
    assert_eq!(no_list.status.code(), Some(2));
}

#[test]
fn flags_in_three_forms() {
    let wanted = ["flags", "--cuda", "12.8", "--capabilities", "8.0;9.0a"];
    let lines = capabilities(&wanted);
    assert!(
        text(&lines.stdout).contains("cmakeCudaArchitectures=80;90a-real\n"),
        "{}",
        text(&lines.stdout)
    );
    let null = capabilities(&[&wanted[..], &["-0", "--only", "real"]].concat());
    assert_eq!(text(&null.stdout), "sm_80\0sm_90a\0");
    let json = capabilities(&[&wanted[..], &["--json"]].concat());
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(value["schema"], "cuda-fixup.capabilities/1");
    assert_eq!(value["cudaForwardCompat"], true);
    assert_eq!(
        value["gencode"][2],
        "-gencode=arch=compute_80,code=compute_80"
    );
}
