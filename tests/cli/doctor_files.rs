//! `doctor PATH`: how files find the driver, and whether they run, on machines laid out in a
//! directory and on made-up ones.

use super::doctor::{DRIVER, Machine, gcc};
use crate::support::{BINARY, wheel};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The machines have no libc.
const ALONE: [&str; 2] = ["-nostdlib", "-Wl,-e,main"];

fn output(args: &[&str], paths: &[&Path]) -> Output {
    Command::new(BINARY)
        .args(["doctor", "--json"])
        .args(args)
        .args(paths)
        .output()
        .unwrap()
}

fn value(output: &Output) -> Value {
    crate::support::schema::parsed(&output.stdout)
}

/// Codes of findings about files; others are about the machine.
const CODES: [&str; 6] = [
    "driver-not-found",
    "driver-is-a-stub",
    "driver-of-another-version",
    "runtime-newer-than-driver",
    "no-code-for-gpu",
    "does-not-load",
];

fn files(value: &Value) -> &[Value] {
    value["paths"][0]["files"].as_array().unwrap()
}

fn codes(value: &Value) -> Vec<&str> {
    let findings = value["findings"].as_array().unwrap().iter();
    let about_files = findings.filter(|finding| {
        let code = finding["code"].as_str().unwrap();
        CODES.contains(&code)
    });
    about_files
        .map(|finding| {
            assert!(!finding["help"].as_str().unwrap().is_empty(), "{finding}");
            finding["code"].as_str().unwrap()
        })
        .collect()
}

impl Machine {
    fn judge(&self, paths: &[&Path]) -> Value {
        let output = output(&["--root", self.dir.path().to_str().unwrap()], paths);
        let value = value(&output);
        let findings = value["findings"].as_array().unwrap().iter();
        let broken = findings.clone().any(|f| f["severity"] == "error");
        assert_eq!(output.status.code(), Some(i32::from(broken)), "{value}");
        value
    }

    /// A program that opens libcuda.so.1 with dlopen.
    fn opener(&self, path: &str, flags: &[&str]) -> PathBuf {
        let code = "const char *name = \"libcuda.so.1\"; int main(void) { return 0; }";
        let source = self.write("/tmp/opener.c", code);
        let program = self.make(path);
        gcc(
            &[&[source.to_str().unwrap()], &ALONE[..], flags].concat(),
            &program,
        );
        program
    }

    /// A library that has the name of the CUDA runtime, and a program that needs it.
    fn with_shared_cudart(&self, program_flags: &[&str], library_flags: &[&str]) -> PathBuf {
        let source = self.write(
            "/tmp/cudart.c",
            "const char *driver = \"libcuda.so.1\"; int cudaFree(void *p) { return !p; }",
        );
        let library = self.make("/opt/lib/libcudart.so.13");
        let flags = [
            "-shared",
            "-fPIC",
            "-nostdlib",
            "-Wl,-soname,libcudart.so.13",
        ];
        let flags = [&flags[..], library_flags, &[source.to_str().unwrap()]].concat();
        gcc(&flags, &library);
        let code = "int cudaFree(void *p); int main(void) { return cudaFree(0); }";
        let source = self.write("/tmp/user.c", code);
        let program = self.make("/opt/bin/user");
        let paths = [source.to_str().unwrap(), library.to_str().unwrap()];
        gcc(&[&paths[..], &ALONE[..], program_flags].concat(), &program);
        program
    }

    /// NVIDIA's nvJPEG: a static cudart 13.4, cubins from sm_75 to sm_121, PTX of compute_121.
    fn nvjpeg(&self) -> PathBuf {
        let empty = self.write("/tmp/empty.c", "");
        for name in [
            "librt.so.1",
            "libpthread.so.0",
            "libdl.so.2",
            "libm.so.6",
            "libgcc_s.so.1",
            "libc.so.6",
        ] {
            let flags = ["-shared", "-fPIC", "-nostdlib", empty.to_str().unwrap()];
            gcc(&flags, &self.make(&format!("{}/{name}", self.lib)));
        }
        let to = self.make("/opt/lib/libnvjpeg.so.13");
        fs::copy(nvjpeg(), &to).unwrap();
        to
    }
}

fn nvjpeg() -> PathBuf {
    wheel("nvidia-nvjpeg-13.3.2.43").join("nvidia/cu13/lib/libnvjpeg.so.13")
}

fn old_driver(machine: &Machine) {
    let source = machine.write("/tmp/old.c", &DRIVER.replace("13000", "12020"));
    let file = machine.make(&format!("{}/libcuda.so.535.261.03", machine.lib));
    let flags = ["-shared", "-fPIC", "-Wl,-rpath,$ORIGIN"];
    gcc(&[&flags[..], &[source.to_str().unwrap()]].concat(), &file);
}

#[test]
fn a_driver_that_is_not_found_has_its_trail() {
    let machine = Machine::with_driver("580.159.04");
    machine.remove(&machine.lib.clone());
    let program = machine.opener("/opt/bin/opener", &["-Wl,-rpath,/opt/none"]);
    let value = machine.judge(&[&program]);
    assert_eq!(codes(&value), ["driver-not-found"], "{value}");
    let tried = files(&value)[0]["tried"].as_array().unwrap();
    assert_eq!(tried[0]["step"], "RUNPATH", "{value}");
    assert!(tried.iter().any(|tried| tried["step"] == "default"));
}

#[test]
fn with_a_shared_cudart_its_own_runpath_counts_or_the_rpath_of_the_program() {
    let machine = Machine::with_driver("580.159.04");
    machine.remove(&machine.lib.clone());
    machine.libcuda("/opt/driver", "580.159.04");
    let both = "-Wl,-rpath,/opt/lib:/opt/driver";
    let tree = machine.dir.path().join("opt");
    let program = machine.with_shared_cudart(&[both, "-Wl,--enable-new-dtags"], &[]);
    for path in [&program, &tree] {
        assert_eq!(
            codes(&machine.judge(&[path])),
            ["driver-not-found"],
            "{path:?}"
        );
    }
    let program = machine.with_shared_cudart(&[both, "-Wl,--disable-new-dtags"], &[]);
    for path in [&program, &tree] {
        assert_eq!(codes(&machine.judge(&[path])), [""; 0], "{path:?}");
    }
    let program = machine.with_shared_cudart(&["-Wl,-rpath,/opt/lib"], &["-Wl,-rpath,/opt/driver"]);
    assert_eq!(codes(&machine.judge(&[&program])), [""; 0]);
}

#[test]
fn a_forward_compatibility_package_in_the_runpath_runs_newer_runtimes() {
    let machine = Machine::with_driver("535.261.03");
    old_driver(&machine);
    let library = machine.nvjpeg();
    let value = machine.judge(&[&library]);
    assert_eq!(codes(&value), ["runtime-newer-than-driver"], "{value}");
    assert_eq!(files(&value)[0]["cudart"]["minDriver"], "580");
    machine.libcuda("/usr/local/cuda-13.0/compat", "580.95.05");
    assert_eq!(
        codes(&machine.judge(&[&library])),
        ["runtime-newer-than-driver"]
    );
    let set = Command::new(BINARY)
        .args(["patchelf", "--set-rpath", "/usr/local/cuda-13.0/compat"])
        .arg(&library)
        .status();
    assert!(set.unwrap().success());
    assert_eq!(codes(&machine.judge(&[&library])), [""; 0]);
}

#[test]
fn made_up_machines_judge_runtimes_and_device_code() {
    let library = nvjpeg();
    for (gpu, driver, expected, image) in [
        ("9.0", "13.4", "", json!("sm_90")),
        // Minor version compatibility.
        ("9.0", "13.0", "", json!("sm_90")),
        ("8.8", "14.0", "", json!("sm_86")),
        ("9.0", "12.9", "runtime-newer-than-driver", json!("sm_90")),
        ("7.0", "13.4", "no-code-for-gpu", json!(null)),
        (
            "7.0",
            "12.9",
            "runtime-newer-than-driver no-code-for-gpu",
            json!(null),
        ),
        // A Jetson's, for which code of the desktop does nothing.
        ("8.7", "13.4", "no-code-for-gpu", json!(null)),
        // Only PTX would do there, and it is of a newer version than this driver knows.
        ("13.0", "13.4", "", json!("compute_121")),
        ("13.0", "13.0", "no-code-for-gpu", json!(null)),
    ] {
        let output = output(
            &["--capabilities", gpu, "--max-driver-cuda", driver],
            &[&library],
        );
        let value = value(&output);
        assert_eq!(codes(&value).join(" "), expected, "{gpu} {driver}: {value}");
        assert_eq!(files(&value)[0]["images"][gpu], image, "{gpu} {driver}");
        assert_eq!(files(&value)[0]["runsOn"][gpu], !image.is_null());
        let text = value["findings"].to_string();
        let too_new = "its PTX is of version 9.4, too new for a driver of CUDA 13.0";
        assert_eq!(
            text.contains(too_new),
            gpu == "13.0" && driver == "13.0",
            "{text}"
        );
        assert_eq!(text.contains("Jetson"), gpu == "8.7", "{text}");
    }
}

#[test]
fn the_answer_is_the_same_at_any_number_of_threads() {
    let tree = wheel("nvidia-nvjpeg-13.3.2.43");
    let of = |jobs| {
        output(
            &[jobs, "--capabilities=9.0", "--max-driver-cuda=13.0"],
            &[&tree],
        )
        .stdout
    };
    assert_eq!(of("-j1"), of("-j4"));
}
