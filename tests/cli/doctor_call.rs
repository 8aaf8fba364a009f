//! `doctor` calls cuInit of the driver in a child process: made-up drivers that answer, refuse,
//! crash, hang and don't load.

use super::doctor::gcc;
use crate::support::BINARY;
use cuda_fixup::parts::driver_program;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Two GPUs; INIT is what cuInit does. Large enough to be no stub.
const DRIVER: &str = r#"
#include <unistd.h>
const char bulk[2 << 20] = {1};
int cuInit(unsigned flags) { INIT; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = 40 + ordinal; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    switch (attribute) {
    case 75: *value = device == 40 ? 9 : 12; return 0;
    case 76: *value = device == 40 ? 0 : 1; return 0;
    case 33: *value = device == 40 ? 6 : 0xaf; return 0;
    case 34: *value = 0; return 0;
    case 50: *value = 1; return 0;
    }
    return 1;
}
"#;

fn driver(dir: &Path, compiler: &str, init: &str, more: &[&str]) -> PathBuf {
    let source = dir.join("driver.c");
    fs::write(&source, DRIVER.replace("INIT", init)).unwrap();
    let library = dir.join("libcuda.so.1");
    let flags = ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"];
    let built = Command::new(compiler)
        .args(flags)
        .arg(&source)
        .args(more)
        .arg("-o")
        .arg(&library)
        .status();
    assert!(built.unwrap().success());
    library
}

/// What doctor says of a driver that LD_LIBRARY_PATH brings.
fn asked(init: &str, more: &[&str], args: &[&str]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let library = driver(dir.path(), "gcc", init, more);
    let output = Command::new(BINARY)
        .args(["doctor", "--json"])
        .args(args)
        .env("LD_LIBRARY_PATH", dir.path())
        .output()
        .unwrap();
    let value: Value = crate::support::schema::parsed(&output.stdout);
    if args.is_empty() {
        assert_eq!(value["cuInit"]["library"], library.to_str().unwrap());
    }
    value
}

#[test]
fn the_driver_answers_with_its_version_and_the_gpus_that_a_program_sees() {
    // A driver may write to standard output, too.
    let value = asked("return write(1, \"hello\\n\", 6) != 6", &[], &[]);
    let answer = &value["cuInit"];
    assert_eq!(answer["result"], 0, "{value}");
    assert_eq!(answer["error"], Value::Null);
    assert_eq!(answer["cuda"], "13.0");
    let gpus = json!([
        { "bus": "0001:06:00.0", "capability": "9.0" },
        { "bus": "0001:af:00.0", "capability": "12.1" },
    ]);
    assert_eq!(answer["gpus"], gpus);
    assert_eq!(value["driverCuda"], "13.0");
    assert_eq!(
        asked("return 0", &[], &["--no-cuinit"])["cuInit"],
        Value::Null
    );
}

#[test]
fn a_driver_that_refuses_crashes_or_does_not_load_takes_nothing_down() {
    let error = |init: &str, more: &[&str]| {
        let value = asked(init, more, &[]);
        value["cuInit"]["error"].as_str().unwrap().to_owned()
    };
    let refused = asked("return 803", &[], &[]);
    assert_eq!(refused["cuInit"]["result"], 803);
    assert_eq!(
        refused["cuInit"]["error"],
        "error 803, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
    );
    assert_eq!(refused["cuInit"]["gpus"], json!([]));
    assert_eq!(error("return 4711", &[]), "error 4711");
    assert_eq!(
        error("*(volatile int *)0 = 1; return 0", &[]),
        "ended by signal 11"
    );
    // A library that it needs is not there.
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("libgone.so.1");
    let source = dir.path().join("gone.c");
    fs::write(&source, "").unwrap();
    gcc(
        &[
            "-shared",
            "-Wl,-soname,libgone.so.1",
            source.to_str().unwrap(),
        ],
        &gone,
    );
    let needs = ["-Wl,--no-as-needed", gone.to_str().unwrap()];
    let words = error("return 0", &needs);
    assert!(words.starts_with("not reached: libgone.so.1: "), "{words}");
}

#[test]
fn a_driver_that_hangs_is_given_up() {
    let start = Instant::now();
    let value = asked("for (;;) sleep(1)", &[], &[]);
    assert_eq!(value["cuInit"]["error"], "no answer");
    assert!(start.elapsed().as_secs() < 60);
}

/// The other machine's code, too.
#[test]
fn of_an_emulated_processor_the_program_answers() {
    let dir = tempfile::tempdir().unwrap();
    let library = driver(dir.path(), "aarch64-linux-gnu-gcc", "return 0", &[]);
    let interpreter = b"/lib/ld-linux-aarch64.so.1";
    let library = library.to_str().unwrap().as_bytes();
    let program = driver_program(goblin::elf::header::EM_AARCH64, interpreter, library).unwrap();
    let file = dir.path().join("program");
    fs::write(&file, program).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new("qemu-aarch64")
        .args(["-L", "/usr/aarch64-linux-gnu"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(&output.stdout[..8], b"cuInit:\0");
    let words: Vec<u32> = output.stdout[8..96]
        .chunks_exact(4)
        .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    let first = [
        0, 0, 13000, 0, 2, 0, 40, 0, 9, 0, 6, 0, 1, 0, 41, 0, 12, 1, 0xaf, 0, 1, 0,
    ];
    assert_eq!(words, first);
}
