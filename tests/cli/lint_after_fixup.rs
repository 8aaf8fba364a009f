//! Wheels after `fixup`: `lint` finds no error, and its own commands remove every warning.

use crate::support::{BINARY, long, wheel};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const CUDA_13: &[&str] = &[
    "nvidia-cuda-runtime-13.5.37",
    "nvidia-cuda-nvrtc-13.5.37",
    "nvidia-nvjitlink-13.5.37",
    "nvidia-cuda-cupti-13.5.25",
    "nvidia-cufile-1.20.0.107",
    "nvidia-npp-13.2.0.93",
    "nvidia-nvjpeg-13.3.2.43",
    "nvidia-cusparselt-cu13-0.10.0",
];
const CUDA_12: &[&str] = &[
    "nvidia-cuda-runtime-cu12-12.9.79",
    "nvidia-nvimgcodec-cu12-0.9.0.20",
    "nvidia-nvtiff-cu12-0.8.0.82",
];
const PYTORCH: &[&str] = &["torch-2.15.0"];

fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.current_dir(dir).args(args);
    for variable in ["NIX_STORE", "LD_LIBRARY_PATH", "LD_PRELOAD"] {
        command.env_remove(variable);
    }
    command.output().unwrap()
}

fn findings(dir: &Path, path: &str) -> Vec<Value> {
    let output = run(dir, &["lint", "--format=json", path]);
    assert!(output.status.code() != Some(2), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines();
    lines.map(crate::support::schema::parsed).collect()
}

fn codes(findings: &[Value], severity: &str) -> BTreeSet<String> {
    let of = findings.iter().filter(|f| f["severity"] == severity);
    of.map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}

fn set(codes: &[&str]) -> BTreeSet<String> {
    codes.iter().map(|&code| code.to_owned()).collect()
}

/// The commands of this program in a finding's helps, alternatives in their order.
fn commands(finding: &Value) -> Vec<&str> {
    let helps = finding["helps"].as_array().unwrap().iter();
    let quoted = helps.filter_map(|help| help.as_str()?.split('`').nth(1));
    quoted
        .filter(|text| text.starts_with("cuda-fixup "))
        .collect()
}

/// Files of a wheel, to be changed.
fn copied(wheels: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let site = dir.path().join("site-packages");
    fs::create_dir(&site).unwrap();
    for name in wheels {
        let mut copy = Command::new("cp");
        copy.args(["-rL", "--reflink=auto"]);
        copy.arg(wheel(name).join(".")).arg(&site);
        assert!(copy.status().unwrap().success());
    }
    dir
}

/// What lint finds before and after a fixup; then runs every command, and asserts that its finding
/// is gone and that notes are all that is left.
struct Wheels {
    /// Codes of errors and warnings.
    before: BTreeSet<String>,
    errors: BTreeSet<String>,
    warnings: BTreeSet<String>,
    notes: BTreeSet<String>,
}

fn fixed(wheels: &[&str]) -> Wheels {
    let copy = copied(wheels);
    let dir = copy.path();
    let all = findings(dir, "site-packages");
    let before = &codes(&all, "error") | &codes(&all, "warning");
    let done = run(dir, &["fixup", "site-packages"]);
    // 1 where a plugin lacks a library.
    assert!(matches!(done.status.code(), Some(0 | 1)), "{done:?}");
    let after = findings(dir, "site-packages");
    for finding in &after {
        let (code, path) = (&finding["code"], finding["path"].as_str().unwrap());
        let commands = commands(finding);
        let is_note = finding["severity"] == "note";
        assert!(is_note || !commands.is_empty(), "{finding}");
        for command in commands {
            let text = command.replacen("cuda-fixup", BINARY, 1);
            let mut shell = Command::new("bash");
            shell
                .current_dir(dir)
                .args(["-c", &text])
                .env_remove("NIX_STORE");
            let output = shell.output().unwrap();
            assert!(output.status.code() < Some(2), "{command}: {output:?}");
            let left = match command.contains(" lint ") {
                // The command itself shows what is left.
                true => String::from_utf8_lossy(&output.stdout).contains(&format!("[{code}]")),
                false => {
                    let message = &finding["message"];
                    let same = |f: &Value| f["code"] == *code && f["message"] == *message;
                    findings(dir, path).iter().any(same)
                }
            };
            assert!(!left, "{command}: {finding}");
        }
    }
    let left = run(dir, &["lint", "site-packages"]);
    assert_eq!(left.status.code(), Some(0), "{left:?}");
    let left = findings(dir, "site-packages");
    let above = &codes(&left, "error") | &codes(&left, "warning");
    assert!(above.is_empty(), "{above:?}");
    Wheels {
        before,
        errors: codes(&after, "error"),
        warnings: codes(&after, "warning"),
        notes: codes(&left, "note"),
    }
}

#[test]
fn nothing_is_wrong_with_nvidias_wheels() {
    let wheels = fixed(CUDA_13);
    assert_eq!(wheels.before, set(&["runpath-empty"]));
    assert_eq!(&wheels.errors | &wheels.warnings, set(&[]));
    // A cudart in the library, and libibverbs, which no wheel has.
    for note in ["cudart-static", "needed-by-plugin"] {
        assert!(wheels.notes.contains(note), "{:?}", wheels.notes);
    }

    // The system's CUDA may be what the wheel wants: --shrink drops it.
    let wheels = fixed(CUDA_12);
    assert_eq!(wheels.errors, set(&[]));
    assert_eq!(wheels.warnings, set(&["runpath-fhs"]));
}

/// The wheel's libnvrtc has no RUNPATH, and what it opens is beside it.
#[test]
fn the_builtins_of_nvrtc_are_beside_it() {
    let wheels = fixed(&["nvidia-cuda-nvrtc-13.0.88"]);
    assert_eq!(wheels.errors, set(&["nvrtc-builtins-not-found"]));
    assert_eq!(wheels.notes, set(&[]));
}

#[test]
fn nothing_is_wrong_with_pytorch() {
    if !long() {
        return;
    }
    let wheels = fixed(PYTORCH);
    for code in ["runpath-build-directory", "runpath-empty"] {
        assert!(wheels.before.contains(code), "{:?}", wheels.before);
    }
    assert_eq!(&wheels.errors | &wheels.warnings, set(&[]));
}
