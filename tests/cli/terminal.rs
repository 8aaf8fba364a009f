//! Output on a terminal: colours, progress, and failing writes.

use crate::support::{BINARY, failed};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The environment of a terminal without wishes about colour.
fn program(args: &[&str]) -> Command {
    let mut program = Command::new(BINARY);
    program.args(args);
    // anstream takes a dumb terminal of a CI service for one that shows colours.
    let variables = [
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "CI",
        "LD_LIBRARY_PATH",
    ];
    for name in variables {
        program.env_remove(name);
    }
    program
}

/// Runs it on a terminal and gives what that gets.
fn on_terminal(program: &Command) -> String {
    let mut words = vec![program.get_program()];
    words.extend(program.get_args());
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    let mut script = Command::new("script");
    script.args(["-qec", &words.join(" "), "/dev/null"]);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    String::from_utf8(script.output().unwrap().stdout).unwrap()
}

fn both(done: &Output) -> String {
    let (out, err) = (&done.stdout, &done.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

/// A tree that gives every applet something to say: a finding, a miss, a file that is no ELF file.
fn tree(dir: &Path) -> String {
    let tree = dir.join("demo");
    let made = program(&["demo", "--keep", tree.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    fs::remove_file(tree.join("app/cuda/lib/libcudart.so.13")).unwrap();
    tree.to_str().unwrap().to_owned()
}

fn speaking(tree: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["inspect", tree],
        vec!["inspect", "--tree", tree],
        vec!["inspect", "--check", tree],
        vec!["inspect", "/nonexistent"],
        vec!["lint", tree],
        vec!["lint", "/nonexistent"],
        vec!["fixup", "--dry-run", tree],
        vec!["fixup", "/nonexistent"],
        vec!["add-driver-runpath", "/nonexistent"],
        vec!["auto-patchelf", "--paths", "/nonexistent"],
        vec!["elf-files", "/nonexistent"],
        vec!["device-code", "list", "/nonexistent"],
        vec!["doctor"],
        vec!["toolkit", "leaks", "--forbid", "/x", "/nonexistent"],
        vec!["redist", "check", "/nonexistent"],
        vec!["lint", "--no-such-option"],
        vec!["lint", "--help"],
    ]
}

#[test]
fn every_applet_colours_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let coloured = |program: &mut Command| both(&program.output().unwrap()).contains('\x1b');
    for args in speaking(&tree) {
        let with = |more: &[&str]| program(&[&args[..], more].concat());
        assert!(!coloured(&mut with(&[])), "{args:?}: a pipe");
        assert!(
            !coloured(with(&[]).env("TERM", "xterm").env("CLICOLOR", "1")),
            "{args:?}: CLICOLOR asks for colour on terminals only"
        );
        assert!(
            coloured(with(&[]).env("CLICOLOR_FORCE", "1")),
            "{args:?}: CLICOLOR_FORCE"
        );
        assert!(
            coloured(&mut with(&["--color", "always"])),
            "{args:?}: --color always"
        );
        assert!(
            coloured(with(&["--color=always"]).env("NO_COLOR", "1")),
            "{args:?}: the option comes before NO_COLOR"
        );
        assert!(
            !coloured(with(&["--color", "never"]).env("CLICOLOR_FORCE", "1")),
            "{args:?}: --color never"
        );
        assert!(
            coloured(&mut program(&[&["--color", "always"][..], &args].concat())),
            "{args:?}: --color in front of the applet"
        );
    }
}

#[test]
fn terminals_get_colours_unless_they_are_dumb_or_nobody_wants_them() {
    let inspect = |envs: &[(&str, &str)]| {
        let mut inspect = program(&["inspect", "/bin/sh", "/nonexistent"]);
        inspect.env("TERM", "xterm").envs(envs.iter().copied());
        on_terminal(&inspect).matches("\x1b[").count()
    };
    assert!(inspect(&[]) > 4);
    assert!(
        inspect(&[("NO_COLOR", "")]) > 4,
        "an empty NO_COLOR is none"
    );
    assert_eq!(inspect(&[("NO_COLOR", "1")]), 0);
    assert_eq!(inspect(&[("TERM", "dumb")]), 0);
    assert_eq!(inspect(&[("CLICOLOR", "0")]), 0);
}

#[test]
fn the_words_are_the_same_with_and_without_colours() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let codes = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap();
    for args in speaking(&tree) {
        let plain = both(&program(&args).output().unwrap());
        let mut coloured = program(&args);
        let coloured = both(&coloured.env("CLICOLOR_FORCE", "1").output().unwrap());
        assert_eq!(codes.replace_all(&coloured, ""), plain, "{args:?}");
    }
}

/// Yellow, white and the bright colours can't be read on a light background, black and blue not on
/// a dark one.
#[test]
fn colours_can_be_read_on_light_and_dark_backgrounds() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let codes = regex::Regex::new("\x1b\\[([0-9;]*)m").unwrap();
    let readable = [
        "0", "1", "2", "4", "22", "24", "31", "32", "35", "36", "39", "49",
    ];
    for args in speaking(&tree) {
        let mut coloured = program(&args);
        let coloured = both(&coloured.env("CLICOLOR_FORCE", "1").output().unwrap());
        for code in codes.captures_iter(&coloured) {
            for code in code[1].split(';') {
                assert!(readable.contains(&code), "{args:?}: {code}");
            }
        }
    }
}

#[test]
fn what_shows_nothing_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    for (args, expected) in [
        (&["inspect", path][..], "note: no dynamic ELF file\n"),
        (&["inspect", "--tree", path], "note: no dynamic ELF file\n"),
        (
            &["inspect", "--why", "libx.so", path],
            "note: no dynamic ELF file\n",
        ),
        (&["inspect", "--check", path], "no dynamic ELF file\n"),
        (&["lint", path], "no findings\n"),
        (&["device-code", "list", path], "note: no device code\n"),
    ] {
        let done = program(args).output().unwrap();
        assert_eq!(both(&done), expected, "{args:?}");
    }
    // Machines get an empty list.
    for args in [
        &["inspect", "--headers", path][..],
        &["device-code", "list", "--json", path],
    ] {
        assert_eq!(both(&program(args).output().unwrap()), "", "{args:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let file = format!("{tree}/app/bin/train");
    let links = dir.path().join("links");
    let links = links.to_str().unwrap();
    let commands: &[&[&str]] = &[
        &["--list"],
        &["--help"],
        &["--version"],
        &["help", "lint"],
        &["lint", "--help"],
        &["lint", "--list"],
        &["lint", "--explain", "rpath"],
        &["lint", &tree],
        &["lint", "--format", "json", &tree],
        &["lint", "--format", "sarif", &tree],
        &["inspect", &file],
        &["inspect", "--json", &file],
        &["inspect", "--tree", &file],
        &["inspect", "--check", &file],
        &["inspect", "--headers", &tree],
        &["inspect", "--why", "libc.so.6", &file],
        &["inspect", &tree],
        &["fixup", "-n", &tree],
        &["fixup", "-n", "--json", &tree],
        &["auto-patchelf", "--paths", &tree],
        &["elf-files", &tree],
        &["elf-files", "-0", &tree],
        &["device-code", "list", &file],
        &["device-code", "list", "--json", &file],
        &["doctor"],
        &["doctor", "--json"],
        &["demo"],
        &["man"],
        &["completions", "bash"],
        &["completions", "fish"],
        &["install-links", links],
        &["capabilities", "flags", "--cuda", "12.8"],
        &["patchelf", "--version"],
        &["patchelf", "--print-rpath", &file],
        &["patchelf", "--print-needed", &file],
    ];
    for args in commands {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let done = program(args).stdout(full).output().unwrap();
        let code = if args[0] == "patchelf" { 1 } else { 2 };
        let error = failed(&done_without_output(done), code);
        assert!(
            error.contains("No space left on device"),
            "{args:?}: {error}"
        );
        assert!(!error.contains("os error"), "{args:?}: {error}");
    }
}

/// What `failed` wants to see: it prints nothing, for it could not.
fn done_without_output(done: Output) -> Output {
    assert!(done.stdout.is_empty());
    done
}

#[test]
fn what_takes_over_a_second_shows_progress_on_a_terminal_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file0");
    // A large dynamic program.
    fs::copy(std::env::current_exe().unwrap(), &file).unwrap();
    let path = dir.path().to_str().unwrap();
    let inspect = || program(&["inspect", "--check", "--dlopen", "all", "-j1", path]);
    // As many links to the file as take long, on a machine that does other things meanwhile.
    let (mut links, mut more) = (0, 8);
    let seen = loop {
        for link in links + 1..=links + more {
            fs::hard_link(&file, dir.path().join(format!("file{link}"))).unwrap();
        }
        (links, more) = (links + more, links + more);
        let start = Instant::now();
        let seen = on_terminal(inspect().env("TERM", "xterm"));
        if start.elapsed() > Duration::from_millis(1500) {
            break seen;
        }
    };
    let all = format!("of {} files inspected", links + 1);
    assert!(seen.contains(&all), "{seen:?}");
    assert!(
        seen.contains(
            "\r\x1b[K26 files: all"
                .replace("26", &(links + 1).to_string())
                .as_str()
        ),
        "the line is cleared: {seen:?}"
    );
    let dumb = on_terminal(inspect().env("TERM", "dumb"));
    assert!(!dumb.contains("files inspected"), "{dumb:?}");
    let piped = both(&inspect().output().unwrap());
    assert_eq!(piped, format!("{} files: all load\n", links + 1));
}

/// Ctrl-C: the shell's prompt begins on an empty line.
#[test]
fn a_signal_leaves_no_progress_behind() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::copy(std::env::current_exe().unwrap(), &file).unwrap();
    let path = dir.path().to_str().unwrap();
    // More files for a machine that has inspected all before the signal comes, more time for one
    // that has drawn nothing until then.
    let (mut links, mut seconds) = (0, 2);
    let seen = loop {
        for link in links..links + 20_000 {
            fs::hard_link(&file, dir.path().join(format!("file{link}"))).unwrap();
        }
        links += 20_000;
        let mut timeout = Command::new("timeout");
        timeout.args(["--foreground", "-s", "INT", &seconds.to_string(), BINARY]);
        timeout.args(["inspect", "--check", "--dlopen", "all", "-j1", path]);
        for name in ["NO_COLOR", "LD_LIBRARY_PATH"] {
            timeout.env_remove(name);
        }
        let seen = on_terminal(timeout.env("TERM", "xterm"));
        let was_ended = !seen.contains("files: all load");
        if was_ended && seen.contains("files inspected") {
            break seen;
        }
        // A file has 65,000 names on ext4.
        assert!(links < 60_000, "after {seconds} s: {seen:?}");
        seconds *= if was_ended { 4 } else { 1 };
    };
    assert!(seen.ends_with("\r\x1b[K"), "{seen:?}");
}
