//! `cuda-fixup lint` on public wheels: what each rule finds, and whether that is right.
//!
//! Errors are judged by what really decides: the loader, the dynamic section as readelf prints it,
//! NVRTC itself. What no program can judge was looked at one by one; the numbers are below, so that
//! a finding that is new needs a look. `./test --long` runs this; CUDA_FIXUP_BLESS=1 writes the page.

use crate::lint::lint;
use crate::support::wheels;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Findings that were looked at by hand: rule, how many are right, and why.
const BY_HAND: [(&str, usize, &str); 11] = [
    (
        "cudart-static",
        26,
        "each has the strings of a runtime, and a version by its code",
    ),
    (
        "dlopen-not-found",
        13,
        "each name is a string of its own, of a library that the wheel does not have",
    ),
    (
        "no-forward-ptx",
        1,
        "cuobjdump --list-ptx shows none in libfaiss",
    ),
    (
        "libdevice-not-found",
        1,
        "XLA has it from nvidia-cuda-nvcc, which this tree lacks",
    ),
    (
        "needed-loaded-before",
        33,
        "modules of UCX: the library that opens them is loaded then",
    ),
    (
        "duplicate-library",
        2,
        "UCX's wheel has a file for each link, as wheels have no links",
    ),
    (
        "device-code-uncompressed",
        4,
        "the containers' headers say no compression",
    ),
    ("cufile-config-not-found", 1, "there is no /etc/cufile.json"),
    (
        "symbol-of-program",
        3,
        "libucs defines them and loads libucm",
    ),
    ("cuda-mixed-majors", 0, "no wheel has two"),
    ("cuda-library-older", 0, "no wheel has one"),
];
/// Rules whose findings are entries of the dynamic section.
const ENTRIES: [&str; 6] = [
    "runpath-empty",
    "runpath-build-directory",
    "runpath-duplicate",
    "runpath-fhs",
    "runpath-missing",
    "runpath-stubs",
];

const LD_SO: &str = "/lib64/ld-linux-x86-64.so.2";

/// Compiles one kernel with the NVRTC at argv[1]: 0, or the error.
const NVRTC: &str = "
import ctypes, sys
nvrtc = ctypes.CDLL(sys.argv[1])
program = ctypes.c_void_p()
source = b'extern \"C\" __global__ void f(float *x) { x[0] = 1; }'
assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b'a.cu', 0, None, None) == 0
sys.exit(nvrtc.nvrtcCompileProgram(program, 0, None))
";

fn output(program: &str, args: &[&str], path: &Path) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(args).arg(path).env_remove("LD_LIBRARY_PATH");
    if program == LD_SO {
        command.env("LD_TRACE_LOADED_OBJECTS", "1");
    }
    let run = command.output().unwrap();
    (
        run.status.success(),
        String::from_utf8_lossy(&run.stdout).into_owned(),
    )
}

/// Whether a finding is right, where a program can say it.
fn judged(code: &str, path: &Path, message: &str) -> Option<bool> {
    let search_path = || output("readelf", &["-dW"], path).1;
    let entry = || message.rsplit(' ').next().unwrap_or_default().to_owned();
    Some(match code {
        "needed-not-found" | "needed-by-plugin" => {
            let name = message.split(' ').next().unwrap_or_default();
            let (_, trace) = output(LD_SO, &[], path);
            trace.contains(&format!("{name} => not found"))
        }
        // The library alone does not find it.
        "needed-through-rpath" => {
            let name = message.split(' ').next().unwrap_or_default();
            let (_, trace) = output(LD_SO, &[], path);
            trace.contains(&format!("{name} => not found"))
        }
        "nvrtc-builtins-not-found" => !output("python3", &["-c", NVRTC], path).0,
        "runpath-empty" => {
            let text = search_path();
            ["[:", "::", ":]"].iter().any(|empty| text.contains(empty))
        }
        "runpath-duplicate" => {
            let text = search_path();
            let entry = message.split(' ').nth(2).unwrap_or_default();
            let list = text
                .split('[')
                .find(|part| part.starts_with('$') || part.starts_with('/'));
            let list = list
                .and_then(|list| list.split(']').next())
                .unwrap_or_default();
            list.split(':')
                .filter(|e| e.trim_end_matches('/') == entry.trim_end_matches('/'))
                .count()
                > 1
        }
        _ if ENTRIES.contains(&code) => search_path().contains(&entry()),
        _ => return None,
    })
}

#[derive(Default)]
struct Row {
    severity: String,
    fired: usize,
    right: usize,
    wrong: usize,
}

/// The directories of the set `rules`.
fn directories() -> Vec<&'static str> {
    crate::support::wheels_of_set("rules")
}

#[test]
fn every_error_on_public_wheels_is_right() {
    if !crate::support::long() {
        return;
    }
    let wheels = wheels();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (code, ..) in BY_HAND {
        rows.entry(code.to_owned()).or_default();
    }
    for directory in directories() {
        let run = lint(&wheels, &["--format=json", directory]);
        assert!(run.stderr.is_empty(), "{run:?}");
        for line in str::from_utf8(&run.stdout).unwrap().lines() {
            let finding: Value = crate::support::schema::parsed(line);
            let text = |key: &str| finding[key].as_str().unwrap();
            let row = rows.entry(text("code").to_owned()).or_default();
            row.severity = text("severity").to_owned();
            row.fired += 1;
            match judged(text("code"), &wheels.join(text("path")), text("message")) {
                Some(true) => row.right += 1,
                Some(false) => {
                    row.wrong += 1;
                    wrong.push(line.to_owned());
                }
                None => {}
            }
        }
    }
    for (code, right, _) in BY_HAND {
        let row = rows.get_mut(code).unwrap();
        row.right = right.min(row.fired);
        row.wrong = row.fired - row.right;
        if row.fired > right {
            wrong.push(format!(
                "{code}: {} findings, {right} were looked at",
                row.fired
            ));
        }
    }
    rows.retain(|_, row| row.fired > 0);
    for (code, row) in &rows {
        assert_eq!(row.fired, row.right + row.wrong, "{code}: not judged yet");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lint-wheels.md");
    let text = document(&rows);
    if std::env::var_os("CUDA_FIXUP_BLESS").is_some() {
        fs::write(&page, &text).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&page).unwrap_or_default(),
        text,
        "{}",
        page.display()
    );
}

fn document(rows: &BTreeMap<String, Row>) -> String {
    let mut text = "# The rules of lint on public wheels\n\n\
        `tests/cli/lint_wheels.rs` makes this page (`./test --long`) from the wheels of the set `rules` \
        in\n`testdata/wheels.txt`, each unpacked alone, without the wheels that it depends on. \
        `needed-not-found`,\n`needed-by-plugin` and `needed-through-rpath` are judged by glibc's ld.so, entries of RUNPATHs by readelf,\n\
        `nvrtc-builtins-not-found` by NVRTC, which compiles a kernel; the others by hand, with the \
        reason below.\n\n| rule | severity | fired | right | wrong |\n|---|---|---|---|---|\n"
        .to_owned();
    for (code, row) in rows {
        let Row {
            severity,
            fired,
            right,
            wrong,
        } = row;
        text.push_str(&format!(
            "| [`{code}`](lint.md#{code}) | {severity} | {fired} | {right} | {wrong} |\n"
        ));
    }
    text.push_str("\nWheels:\n\n");
    for directory in directories() {
        text.push_str(&format!("- {directory}\n"));
    }
    text.push_str("\nJudged by hand:\n\n");
    for (code, _, why) in BY_HAND {
        if rows.contains_key(code) {
            text.push_str(&format!("- `{code}`: {why}.\n"));
        }
    }
    text
}
