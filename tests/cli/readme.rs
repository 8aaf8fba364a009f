//! Runs the README's examples: each command after `$` must print the lines below it.
//!
//! `CUDA_FIXUP_BLESS=1 cargo test --test cli readme` updates the README with the current output.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The directory that the README's examples run in, as it shows it.
const HOME: &str = "/home/you/demo";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command of the README, and returns its output. For `pip`, copies the wheel that
/// `testdata/fetch-wheels` has fetched.
fn run(line: &str, dir: &Path) -> String {
    let mut shell = Command::new("sh");
    if let Some(wheel) = line.strip_prefix("pip install --no-deps --target wheels ") {
        let unpacked = crate::support::wheel(&wheel.replace("==", "-"));
        shell.arg("-c").arg("cp -r \"$0\" wheels").arg(unpacked);
    } else {
        shell.arg("-c").arg(format!("{line} 2>&1"));
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let out = shell
        .current_dir(dir)
        .env("PATH", path)
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let text = text.replace(dir.to_str().unwrap(), HOME);
    // Debian 12's, whichever this machine has.
    let version = regex::Regex::new(r"\(glibc 2\.\d+\)").unwrap();
    let text = version.replace_all(&text, "(glibc 2.36)");
    // The remedy depends on the system and its package lists.
    let own = |text: &&str| line.contains("--why") && text.trim_start().starts_with("help: ");
    text.lines()
        .filter(|text| !own(text))
        .map(columns)
        .collect()
}

/// A line with two spaces between its columns: how wide they are depends on the directory.
fn columns(line: &str) -> String {
    let text = line.trim_start();
    let parts = text
        .split("  ")
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let indent = &line[..line.len() - text.len()];
    format!("{indent}{}\n", parts.collect::<Vec<_>>().join("  "))
}

#[test]
fn examples_print_what_the_readme_says() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().canonicalize().unwrap();
    let mut now = String::new();
    let mut in_console = false;
    let mut commands = 0;
    for line in readme.lines() {
        match line {
            "```console" => in_console = true,
            "```" => in_console = false,
            _ => {}
        }
        let is_output = in_console && line != "```console" && !line.starts_with("$ ");
        if !is_output {
            now.push_str(line);
            now.push('\n');
        }
        if in_console && let Some(command) = line.strip_prefix("$ ") {
            now.push_str(&run(command, &home));
            commands += 1;
        }
    }
    assert!(commands >= 5, "only {commands} commands were found");
    if std::env::var_os("CUDA_FIXUP_BLESS").is_some() {
        fs::write(root().join("README.md"), &now).unwrap();
    }
    assert!(
        now == readme,
        "the README shows something else than its commands print; see the head of tests/readme.rs"
    );
}

/// The flake of docs/hooks.md, which tests/nix builds.
#[test]
fn the_flake_is_that_of_the_hooks_page() {
    let flake = |page: &str| {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let block = text.split("```nix\n").nth(1).unwrap();
        block.split("```").next().unwrap().to_owned()
    };
    assert_eq!(flake("README.md"), flake("docs/hooks.md"));
}
