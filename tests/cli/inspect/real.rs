//! Real files: this machine's programs and libraries, and NVIDIA's wheels.

use super::compare::{judge, text};
use super::workshop::BINARY;
use crate::support::wheel;
use rayon::prelude::*;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// One line a file, without the summary.
fn inspect(paths: &[PathBuf], threads: &str) -> Vec<Value> {
    let output = inspect_raw(paths, threads);
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| crate::support::schema::parsed(line))
        .filter(|value: &Value| value["summary"].is_null())
        .collect()
}

fn inspect_raw(paths: &[PathBuf], threads: &str) -> Output {
    let output = Command::new(BINARY)
        .env_remove("LD_LIBRARY_PATH")
        .args(["inspect", "--json", "-j", threads])
        .args(paths)
        .output()
        .unwrap();
    assert!(
        output.status.code() < Some(2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Asks the real loader about each file.
fn compare(lines: &[Value]) {
    lines.par_iter().for_each(|json| {
        let file = PathBuf::from(text(&json["path"]));
        let loader = PathBuf::from(text(&json["loader"]["path"]));
        judge(json, &loader, &file, Path::new("/"), &[]);
    });
}

fn every_nth(lines: Vec<Value>, most: usize) -> Vec<Value> {
    let glibc = |l: &Value| {
        l["loader"]["rules"]
            .as_str()
            .is_some_and(|r| r.starts_with("glibc 2"))
    };
    let lines: Vec<Value> = lines.into_iter().filter(glibc).collect();
    let step = lines.len() / most + 1;
    lines.into_iter().step_by(step).collect()
}

#[test]
fn programs_of_this_machine() {
    let lines = every_nth(inspect(&["/usr/bin".into(), "/usr/sbin".into()], "2"), 300);
    assert!(lines.len() > 100, "{}", lines.len());
    compare(&lines);
}

#[test]
fn libraries_of_this_machine() {
    let lines = every_nth(inspect(&["/usr/lib/x86_64-linux-gnu".into()], "2"), 300);
    assert!(lines.len() > 100, "{}", lines.len());
    compare(&lines);
}

#[test]
fn nvidias_wheels() {
    let names = [
        "nvidia-cuda-runtime-13.5.37",
        "nvidia-cuda-runtime-cu12-12.9.79",
        "nvidia-cuda-nvrtc-13.5.37",
        "nvidia-nvjitlink-13.5.37",
        "nvidia-cuda-cupti-13.5.25",
        "nvidia-cufile-1.20.0.107",
        "nvidia-npp-13.2.0.93",
    ];
    let lines = inspect(&names.map(wheel), "2");
    assert!(lines.len() > 20, "{}", lines.len());
    compare(&lines);
}

#[test]
fn a_wheel_for_another_machine_is_read_without_that_machines_loader() {
    let lines = inspect(&[wheel("nvidia-cuda-runtime-cu12-12.9.79-aarch64")], "1");
    let cudart = lines
        .iter()
        .find(|l| text(&l["path"]).ends_with("libcudart.so.12"))
        .unwrap();
    assert_eq!(cudart["machine"], "aarch64");
    assert_eq!(cudart["on_its_own"], true);
    // Nothing of this machine's is taken for it.
    for need in cudart["needed"].as_array().unwrap() {
        let path = need["resolved"].as_str().unwrap_or("");
        assert!(!path.contains("x86_64"), "{need}");
    }
}

#[test]
fn the_report_is_the_same_at_any_number_of_threads() {
    let paths = ["/usr/lib/x86_64-linux-gnu".into(), "/usr/bin".into()];
    let one = inspect_raw(&paths, "1").stdout;
    for threads in ["2", "7"] {
        assert!(
            one == inspect_raw(&paths, threads).stdout,
            "{threads} threads"
        );
    }
}
