//! What several tests share: peers from PyPI, our own link, and what readelf says of a file.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A link in `dir` by whose name our binary is patchelf.
pub fn our_patchelf(dir: &Path) -> PathBuf {
    let link = dir.join("patchelf");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cuda-fixup"), &link).unwrap();
    link
}

/// Runs a command that has to succeed, and returns its stdout.
pub fn run(command: &mut Command) -> String {
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}: {:?}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A command of a package of crates.io, installed below `root` where it is missing.
pub fn cargo_install(root: &Path, package: &str, version: &str, command: &str) -> PathBuf {
    let installed = root.join("bin").join(command);
    if !installed.exists() {
        run(Command::new(env!("CARGO"))
            .args(["install", "--quiet", "--locked", "--debug", "--root"])
            .arg(root)
            .arg(format!("{package}@{version}")));
    }
    installed
}

/// The loader's view of a file, from readelf: header, interpreter, stack, the dynamic entries with
/// a meaning of their own, and the dynamic symbols with their versions.
pub fn semantics(path: &Path) -> String {
    let out = Command::new("readelf")
        .args(["-W", "-h", "-l", "-d", "--dyn-syms"])
        .arg(path)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let mut text = String::new();
    let mut symbols = Vec::new();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        // Binding of a unique symbol, with a space in it.
        let line = line.trim().replace("<OS specific>: ", "OS-");
        let line = line.as_str();
        let kept = [
            "OS/ABI:",
            "Type:",
            "Entry point address:",
            "[Requesting program interpreter",
        ];
        if kept.iter().any(|start| line.starts_with(start)) {
            symbols.push(line.to_owned());
        } else if line.starts_with("GNU_STACK") {
            let flags = line.split_whitespace().nth(6).unwrap();
            symbols.push(format!("stack {flags}"));
        } else if line.starts_with("0x") && line.contains('(') {
            let entry = line.split_once('(').unwrap().1;
            let tags = [
                "NEEDED)", "SONAME)", "RPATH)", "RUNPATH)", "FLAGS", "DEBUG)", "BIND_NOW",
            ];
            if tags.iter().any(|tag| entry.starts_with(tag)) {
                symbols.push(entry.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        } else if let [number, _, size, rest @ ..] =
            line.split_whitespace().collect::<Vec<_>>().as_slice()
            && number
                .strip_suffix(':')
                .is_some_and(|n| n.parse::<u32>().is_ok())
        {
            // The index of the section changes when sections are sorted.
            let defined = rest.get(3).is_some_and(|index| *index != "UND");
            // The name shown of a section's symbol is that of the section with its index, which
            // means nothing at run time.
            let of_section = rest.first() == Some(&"SECTION");
            let name = rest.get(4..).filter(|_| !of_section);
            let name = name.unwrap_or_default().join(" ");
            symbols.push(format!(
                "symbol {name} {size} {} {defined}",
                rest[..3].join(" ")
            ));
        }
    }
    // The order of NEEDED has a meaning; that of other entries and of symbols has none.
    let needed: Vec<String> = symbols
        .iter()
        .filter(|s| s.starts_with("NEEDED"))
        .cloned()
        .collect();
    symbols.retain(|s| !s.starts_with("NEEDED"));
    symbols.sort();
    for line in needed.iter().chain(&symbols) {
        writeln!(text, "{line}").unwrap();
    }
    text
}
