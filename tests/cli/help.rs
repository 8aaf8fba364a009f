//! The help of every command, the manual pages and the completions.

use crate::support::{self, BINARY, succeeded};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(BINARY).args(args).output().unwrap()
}

/// Every command by its words: applets and their subcommands.
fn commands() -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut at = 0;
    while at < all.len() {
        let words: Vec<String> = all[at].clone();
        let help = help(&words);
        let part = help.split("\nCommands:\n").nth(1).unwrap_or_default();
        let names = part.lines().take_while(|line| line.starts_with("  "));
        let names = names.filter(|line| !line.starts_with("   "));
        for name in names.filter_map(|line| line.split_whitespace().next()) {
            if name != "help" {
                all.push([&words[..], &[name.to_owned()]].concat());
            }
        }
        at += 1;
    }
    all
}

/// `help` in front: some applets give `--help` to the program that they run.
fn help(words: &[String]) -> String {
    let words = words.iter().map(String::as_str);
    let args: Vec<&str> = ["help"].into_iter().chain(words).collect();
    succeeded(&run(&args))
}

/// The examples of a help text: what is behind each `$`.
fn examples(help: &str) -> Vec<String> {
    let part = help.split("\nExamples:\n").nth(1).unwrap_or_default();
    let lines = part
        .lines()
        .filter_map(|line| line.trim().strip_prefix("$ "));
    lines.map(str::to_owned).collect()
}

/// What the examples are about: a sample tree, CUDA's parts as prefixes, manifests, an archive.
fn workplace(dir: &Path) {
    succeeded(&run(&["demo", "--keep", dir.to_str().unwrap()]));
    fs::create_dir(dir.join("prefixes")).unwrap();
    for (number, prefix) in support::split().iter().enumerate() {
        symlink(prefix, dir.join(format!("prefixes/{number}"))).unwrap();
    }
    let manifests = support::root().join("nix/cuda-packages/manifests");
    symlink(&manifests, dir.join("manifests")).unwrap();
    let one = dir.join("redistrib_9.2.1.json");
    symlink(manifests.join("cudnn/9.2.1.json"), one).unwrap();
    fs::create_dir_all(dir.join("archive/include")).unwrap();
    fs::write(dir.join("archive/include/x.h"), "").unwrap();
    fs::write(dir.join("archive/LICENSE"), "").unwrap();
    let bin = dir.join("path");
    fs::create_dir(&bin).unwrap();
    symlink(BINARY, bin.join("cuda-fixup")).unwrap();
    fs::write(dir.join("kernel.ptx"), PTX).unwrap();
    let ptxas = support::split()[0].join("bin/ptxas");
    let made = Command::new(ptxas)
        .current_dir(dir)
        .args(["-arch=sm_80", "-o", "kernel.cubin", "kernel.ptx"])
        .output();
    succeeded(&made.unwrap());
}

const PTX: &str = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k() { ret; }\n";

/// Applets whose output is that of the program that they run.
const OF_OTHERS: [&str; 2] = ["cmake", "nvcc"];

fn shell(dir: &Path, line: &str) -> Command {
    let others = std::env::var("PATH").unwrap();
    let path = format!("{}:{others}", dir.join("path").display());
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(dir);
    shell.env("PATH", path).env_remove("LD_LIBRARY_PATH");
    shell
}

/// Asserts that a command which can't write its output says so and fails.
fn fails_on_full_output(dir: &Path, line: &str) {
    // The status of a pipe, and what is in a file, are another program's.
    if line.contains(['|', '>', ';', '&']) {
        return;
    }
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let done = shell(dir, line).stdout(full).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    let code = if line.starts_with("cuda-fixup patchelf") {
        1
    } else {
        2
    };
    assert_eq!(done.status.code(), Some(code), "{line}: {error}");
    assert!(error.contains("No space left on device"), "{line}: {error}");
    assert!(
        code == 1 || error.contains("standard output: "),
        "{line}: {error}"
    );
}

#[test]
fn every_help_has_examples_and_they_run() {
    let commands = commands();
    assert!(commands.len() > 30, "{commands:?}");
    for words in &commands {
        let lines = examples(&help(words));
        assert!(!lines.is_empty(), "{words:?} has no example");
        let dir = tempfile::tempdir().unwrap();
        workplace(dir.path());
        for line in lines {
            let before = tempfile::tempdir().unwrap();
            let copied = Command::new("cp")
                .arg("-a")
                .args([&dir.path().join("."), before.path()])
                .output();
            succeeded(&copied.unwrap());
            let done = shell(dir.path(), &line).output().unwrap();
            if !done.stdout.is_empty() && !OF_OTHERS.contains(&&words[..].join(" ")[..]) {
                fails_on_full_output(before.path(), &line);
            }
            let error = String::from_utf8_lossy(&done.stderr);
            // 1: the sample tree has findings, and this machine may have no GPU.
            assert!(matches!(done.status.code(), Some(0 | 1)), "{line}: {error}");
            assert!(!error.contains("error: unexpected"), "{line}: {error}");
            assert!(
                !done.stdout.is_empty()
                    || line.contains('>')
                    || error.is_empty()
                    || done.status.success(),
                "{line}: {error}"
            );
        }
    }
}

#[test]
fn examples_fit_a_terminal_of_80_columns() {
    for words in commands() {
        let help = help(&words);
        let part = help.split("\nExamples:\n").nth(1).unwrap_or_default();
        for line in part.lines() {
            let whole = line.starts_with("  $ ") || line.starts_with("  # ");
            assert!(whole && line.len() <= 80, "{words:?}: {line}");
        }
    }
}

#[test]
fn manual_pages_have_all_sections() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let listed = succeeded(&run(&["man", "--out", dir]));
    assert_eq!(listed.lines().count(), commands().len());
    let reference = regex::Regex::new(r"cuda\\-fixup(\\-[a-z]+)*\(1\)").unwrap();
    for file in listed.lines() {
        let page = fs::read_to_string(file).unwrap();
        let sections = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"];
        let more = [
            "EXIT STATUS",
            "ENVIRONMENT",
            "FILES",
            "EXAMPLES",
            "SEE ALSO",
        ];
        for section in sections.iter().chain(&more) {
            let quoted = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
            assert!(
                quoted.iter().any(|text| page.contains(text)),
                "{file}: no {section}"
            );
        }
        assert!(!page.contains("Examples:"), "{file}");
        for other in reference.find_iter(&page) {
            let name = other.as_str().replace('\\', "").replace("(1)", ".1");
            assert!(Path::new(dir).join(&name).exists(), "{file}: no {name}");
        }
        let options = page.split(".SH \"EXIT STATUS\"").next().unwrap();
        for variable in ["NIX\\_BUILD\\_CORES", "NIX_BUILD_CORES"] {
            let twice = page.matches(variable).count() > options.matches(variable).count();
            assert!(!options.contains(variable) || twice, "{file}: {variable}");
        }
        let checked = Command::new("man")
            .args(["-l", "--warnings", file])
            .output();
        if let Ok(checked) = checked {
            assert!(checked.stderr.is_empty(), "{checked:?}");
        }
    }
    let one = succeeded(&run(&["man", "inspect"]));
    assert_eq!(
        one,
        fs::read_to_string(format!("{dir}/cuda-fixup-inspect.1")).unwrap()
    );
    let inner = succeeded(&run(&["man", "redist", "check"]));
    let file = format!("{dir}/cuda-fixup-redist-check.1");
    assert_eq!(inner, fs::read_to_string(file).unwrap());
    for none in [&["man", "nonesuch"][..], &["man", "redist", "nonesuch"]] {
        assert_eq!(run(none).status.code(), Some(2));
    }
}

#[test]
fn completions_know_codes_and_values() {
    for shell in ["bash", "zsh", "fish"] {
        let script = succeeded(&run(&["completions", shell]));
        for word in [
            "runpath-stubs",
            "symbol-missing",
            "sarif",
            "never",
            "install-links",
        ] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    // bash itself completes a code behind --allow, and an applet behind man.
    let script = succeeded(&run(&["completions", "bash"]));
    let ask = r#"
        complete=($(complete -p cuda-fixup)); for ((i = 0; i < ${#complete[@]}; i++)); do
            [[ ${complete[i]} != -F ]] || complete=${complete[i + 1]}
        done
        COMP_WORDS=(cuda-fixup lint --allow runpath-st); COMP_CWORD=3
        $complete cuda-fixup runpath-st --allow; echo "${COMPREPLY[@]}"
        COMP_WORDS=(cuda-fixup man insp); COMP_CWORD=2
        $complete cuda-fixup insp man; echo "${COMPREPLY[@]}""#;
    let bash = Command::new("bash").args(["-c", &(script + ask)]).output();
    assert_eq!(succeeded(&bash.unwrap()), "runpath-stubs\ninspect\n");
}

#[test]
fn links_of_all_applets_or_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let made = run(&["install-links", path]);
    let links = succeeded(&made);
    let reason = String::from_utf8(made.stderr).unwrap();
    let all = succeeded(&run(&["install-links", "--all", path]));
    for applet in succeeded(&run(&["--list"])).lines() {
        let link = |list: &str| {
            list.lines()
                .any(|line| line.ends_with(&format!("/{applet}")))
        };
        assert!(link(&all), "{applet}");
        assert!(
            link(&links) || reason.contains(applet),
            "{applet}: {reason}"
        );
    }
    for link in all.lines() {
        assert_eq!(fs::read_link(link).unwrap(), Path::new(BINARY));
    }
}

#[test]
fn dry_run_is_n_everywhere() {
    for words in commands() {
        let help = help(&words);
        if help.contains("--dry-run\n")
            || help.contains("--dry-run ") && !help.contains("fixup --dry-run app")
        {
            assert!(help.contains("-n, --dry-run"), "{words:?}");
        }
    }
}

#[test]
fn patchelf_says_whose_it_is() {
    let version = succeeded(&run(&["patchelf", "--version"]));
    assert!(version.starts_with("patchelf 0.19.3\n"), "{version}");
    for text in [
        version,
        String::from_utf8(run(&["patchelf", "--help"]).stderr).unwrap(),
    ] {
        assert!(text.contains("cuda-fixup "), "{text}");
    }
}
