//! `cuda-fixup lint --fix`, `--diff`, `--statistics`, `--format github`, and what packages that
//! call lint from other tools get.

use crate::lint::{PLAIN, codes, library, lint, set};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

/// A tree with a library that breaks several rules, and one that breaks none.
fn broken() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("t")).unwrap();
    let flags = ["-Wl,-rpath,/etc:/etc::/nowhere", "-Wl,-z,execstack"];
    library(dir.path(), "t/libx.so", PLAIN, &flags);
    library(dir.path(), "t/libgood.so", PLAIN, &[]);
    dir
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn bytes(dir: &Path) -> Vec<Vec<u8>> {
    ["t/libx.so", "t/libgood.so"]
        .map(|n| fs::read(dir.join(n)).unwrap())
        .to_vec()
}

#[test]
fn diff_shows_what_fix_does_and_fix_removes_the_findings() {
    let dir = broken();
    let before = bytes(dir.path());
    let diff = lint(dir.path(), &["--diff", "t"]);
    assert_eq!(diff.status.code(), Some(1), "{diff:?}");
    assert_eq!(
        out(&diff),
        "--- t/libx.so\n+++ t/libx.so\n@@ -1,5 +1,1 @@\n-RUNPATH /etc\n-RUNPATH /etc\n\
         -RUNPATH (empty)\n-RUNPATH /nowhere\n-stack executable\n+stack not executable\n"
    );
    assert_eq!(bytes(dir.path()), before);
    let fix = lint(dir.path(), &["--fix", "t"]);
    assert_eq!((fix.status.code(), out(&fix)), (Some(0), String::new()));
    assert_eq!(err(&fix), "no findings; --fix removed 5\n");
    assert_eq!(bytes(dir.path())[1], before[1], "a file without findings");
    assert_eq!(codes(dir.path(), &["t"]), set(&[]));
    let again = lint(dir.path(), &["--diff", "t"]);
    assert_eq!((again.status.code(), out(&again)), (Some(0), String::new()));
}

/// A stack alone is no reason to touch a RUNPATH.
#[test]
fn fix_leaves_what_is_wanted_and_what_it_was_not_asked_for() {
    let dir = broken();
    let allowed = ["--allow=runpath-unused", "--fix", "t"];
    let fix = lint(dir.path(), &allowed);
    let text = err(&fix);
    assert!(
        text.contains("note: t/libx.so: all of its RUNPATH entries stay"),
        "{text}"
    );
    // What needs no --shrink is done all the same.
    assert_eq!(
        codes(dir.path(), &["t"]),
        set(&["runpath-missing", "runpath-unused"])
    );
    let dir = TempDir::new().unwrap();
    let flags = ["-Wl,-rpath,/etc", "-Wl,-z,execstack"];
    library(dir.path(), "libx.so", PLAIN, &flags);
    let exception = "[[exception]]\ncode = \"runpath-unused\"\nreason = \"plugins\"\n";
    fs::write(dir.path().join("cuda-fixup.toml"), exception).unwrap();
    lint(dir.path(), &["--fix", "."]);
    fs::remove_file(dir.path().join("cuda-fixup.toml")).unwrap();
    assert_eq!(codes(dir.path(), &["."]), set(&["runpath-unused"]));
}

#[test]
fn a_missing_library_is_found_by_fix_and_counted_by_name() {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    for sub in ["t", "t/lib", "t/bin"] {
        fs::create_dir(root.join(sub)).unwrap();
    }
    let source = "int f(void); int g(void) { return f(); }";
    for name in ["libnear.so", "libgone.so"] {
        let at = format!("t/lib/{name}");
        library(root, &at, PLAIN, &[&format!("-Wl,-soname,{name}")]);
    }
    for user in ["t/bin/a.so", "t/bin/b.so"] {
        let needs = ["-Wl,--no-as-needed", "t/lib/libnear.so", "t/lib/libgone.so"];
        library(root, user, source, &needs);
    }
    fs::remove_file(root.join("t/lib/libgone.so")).unwrap();
    let before = lint(root, &["t"]);
    let text = err(&before);
    assert!(
        text.starts_with(
            "not found:\n  libgone.so: 2 files need it\n  libnear.so: 2 files need it\n\
             4 findings in 2 files: 4 errors; --fix can remove 2, and --diff shows how\n"
        ),
        "{text}"
    );
    let help = "  help: add its directory: `cuda-fixup fixup --lib t/lib t/bin/a.so`\n";
    assert!(out(&before).contains(help), "{}", out(&before));
    let fix = lint(root, &["--fix", "t"]);
    assert_eq!(fix.status.code(), Some(1));
    let text = err(&fix);
    assert!(
        text.ends_with("2 findings in 2 files: 2 errors; --fix removed 2\n"),
        "{text}"
    );
}

#[test]
fn findings_for_other_tools() {
    let dir = broken();
    let statistics = lint(dir.path(), &["--statistics", "t"]);
    assert_eq!(
        out(&statistics),
        "     1  warning  runpath-missing  (--fix)\n     1  error    runpath-empty  (--fix)\n     \
         1  note     runpath-duplicate  (--fix)\n     1  note     runpath-unused  (--fix)\n     \
         1  warning  executable-stack  (--fix)\n"
    );
    let json = lint(dir.path(), &["--statistics", "--format=json", "t"]);
    let first: Value = crate::support::schema::parsed(out(&json).lines().next().unwrap());
    assert_eq!(
        (&first["count"], &first["code"]),
        (&1.into(), &"runpath-missing".into())
    );

    let odd = dir.path().join("a,b:c%d\ne.so");
    fs::rename(dir.path().join("t/libx.so"), &odd).unwrap();
    let github = lint(
        dir.path(),
        &["--format=github", "--allow=runpath-unused", "."],
    );
    let text = out(&github);
    for line in text.lines() {
        let (head, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let (command, properties) = head.split_once(' ').unwrap();
        assert!(["error", "warning", "notice"].contains(&command), "{line}");
        let [file, title] = properties.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        assert_eq!(file, "file=./a%2Cb%3Ac%25d\\x0ae.so");
        assert!(title.starts_with("title=") && !message.is_empty(), "{line}");
    }
    assert_eq!(text.lines().count(), 4, "{text}");
    for format in ["--format=sarif", "--format=github"] {
        let both = lint(dir.path(), &["--statistics", format, "t"]);
        assert_eq!(both.status.code(), Some(2), "{both:?}");
    }
}

#[test]
fn messages_about_the_configuration_name_file_and_line() {
    let dir = broken();
    let with = |text: &str| {
        fs::write(dir.path().join("cuda-fixup.toml"), text).unwrap();
        err(&lint(dir.path(), &["t/libgood.so"]))
    };
    for (text, line, what) in [
        (
            "\n[[exception]]\ncode = 'rpat'\nreason = 'x'\n",
            3,
            "did you mean `rpath`?",
        ),
        ("[severity]\n\nrpat = 'error'\n", 3, "did you mean `rpath`?"),
        (
            "[severity]\nrpath = 'fatal'\n",
            2,
            "unknown variant `fatal`",
        ),
        (
            "[[exception]]\ncode = 'rpath'\nreason = ' '\n",
            2,
            "has an empty reason",
        ),
        (
            "[[exception]]\ncode = 'rpath'\nreason = 'x'\n",
            2,
            "covers no finding",
        ),
        ("[[exception]\n", 1, "expected"),
    ] {
        let said = with(text);
        let place = format!("cuda-fixup.toml:{line}: ");
        let found = said.lines().find(|l| l.contains(&place));
        assert!(found.is_some_and(|l| l.contains(what)), "{text}: {said}");
    }
}

/// The shell's LD_LIBRARY_PATH counts with `--env` alone.
#[test]
fn the_shells_library_path_counts_where_it_is_asked_for() {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    fs::create_dir(root.join("elsewhere")).unwrap();
    library(
        root,
        "elsewhere/libdep.so",
        PLAIN,
        &["-Wl,-soname,libdep.so"],
    );
    let source = "int f(void); int g(void) { return f(); }";
    library(root, "libuser.so", source, &["elsewhere/libdep.so"]);
    let of = |more: &[&str]| {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
            .current_dir(root)
            .env("LD_LIBRARY_PATH", root.join("elsewhere"))
            .arg("lint")
            .args(more)
            .arg("libuser.so")
            .output();
        out(&run.unwrap())
    };
    assert!(of(&[]).starts_with("error[needed-not-found]"));
    let with = of(&["--env"]);
    assert!(
        with.starts_with("warning[needed-through-environment]"),
        "{with}"
    );
    of(&["--env", "--fix"]);
    let after = of(&[]);
    assert!(!after.contains("[needed-"), "{after}");
}

/// The lines of a block of a YAML file, without their indentation.
fn block(text: &str, head: &str) -> String {
    let mut lines = text.lines().skip_while(|line| line.trim() != head);
    let first = lines.next().unwrap_or_else(|| panic!("no {head}"));
    let indent = first.len() - first.trim_start().len();
    let inside = lines.take_while(|line| line.len() - line.trim_start().len() > indent);
    inside
        .map(|line| format!("{}\n", line.trim_start()))
        .collect()
}

/// The script of the GitHub Action and the entry of the pre-commit hook, run as those tools do.
#[test]
fn the_action_and_the_hook_lint() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(repository.join(name)).unwrap();
    let dir = broken();
    let bin = dir.path().join("cuda-fixup/bin");
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cuda-fixup"), bin.join("cuda-fixup")).unwrap();
    let run = |script: &str, variables: &[(&str, &str)]| {
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let mut shell = std::process::Command::new("bash");
        shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]);
        shell.current_dir(dir.path()).env("RUNNER_TEMP", dir.path());
        shell.env("PATH", path).envs(variables.iter().copied());
        shell.output().unwrap()
    };
    let script = block(&read("action.yml"), "run: |");
    let action = run(
        &script,
        &[
            ("INPUT_PATHS", "t/libx.so\n"),
            ("INPUT_ARGS", "--allow=runpath-missing\n"),
        ],
    );
    assert_eq!(action.status.code(), Some(1), "{action:?}");
    assert!(out(&action).contains("::error file=t/libx.so,title=runpath-empty::"));
    assert!(!out(&action).contains("runpath-missing"));
    let clean = run(
        &script,
        &[("INPUT_PATHS", "t/libgood.so"), ("INPUT_ARGS", "")],
    );
    assert_eq!(clean.status.code(), Some(0), "{clean:?}");

    let hooks = read(".pre-commit-hooks.yaml");
    let entry = hooks
        .lines()
        .find_map(|l| l.trim().strip_prefix("entry: "))
        .unwrap();
    let hook = run(&format!("{entry} t/libx.so t/libgood.so"), &[]);
    assert_eq!(hook.status.code(), Some(1), "{hook:?}");
    let clean = run(&format!("{entry} t/libgood.so"), &[]);
    assert_eq!(clean.status.code(), Some(0), "{clean:?}");
}

/// An entry through which a library outside of the tree is found: to drop it could break the file.
#[test]
fn what_fix_leaves_is_not_counted_as_fixable() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("elsewhere")).unwrap();
    let soname = ["-Wl,-soname,liby.so"];
    library(dir.path(), "elsewhere/liby.so", PLAIN, &soname);
    fs::create_dir(dir.path().join("t")).unwrap();
    let entry = format!("-Wl,-rpath,{}/elsewhere", dir.path().display());
    let flags = ["-Wl,--no-as-needed", "elsewhere/liby.so", &entry];
    library(dir.path(), "t/libx.so", PLAIN, &flags);
    let select = "--select=runpath-build-directory";
    let found = lint(dir.path(), &["--context=nix", select, "--format=json", "t"]);
    let found: Value = serde_json::from_str(&out(&found)).unwrap();
    assert_eq!(found["code"], "runpath-build-directory", "{found}");
    assert_eq!(found["fixable"], false, "{found}");
    let human = lint(dir.path(), &["--context=nix", select, "t"]);
    assert!(!err(&human).contains("--fix can"), "{human:?}");
    let diff = lint(dir.path(), &["--context=nix", "--diff", "t"]);
    assert_eq!((diff.status.code(), out(&diff)), (Some(0), String::new()));
}

/// `fixup` does not look at the environment, and neither does any other shell.
#[test]
fn an_entry_that_only_the_environment_hides_has_a_use() {
    let dir = TempDir::new().unwrap();
    for other in ["a", "b"] {
        fs::create_dir(dir.path().join(other)).unwrap();
        let flags = ["-Wl,-soname,liby.so"];
        library(dir.path(), &format!("{other}/liby.so"), PLAIN, &flags);
    }
    let flags = ["-Wl,--no-as-needed", "a/liby.so", "-Wl,-rpath,$ORIGIN/a"];
    library(dir.path(), "libx.so", PLAIN, &flags);
    for variable in ["LD_LIBRARY_PATH", "LD_PRELOAD"] {
        let value = match variable {
            "LD_PRELOAD" => dir.path().join("b/liby.so"),
            _ => dir.path().join("b"),
        };
        let done = std::process::Command::new(crate::support::BINARY)
            .args(["lint", "--env", "--context=nix", "libx.so"])
            .current_dir(dir.path())
            .env(variable, value)
            .output()
            .unwrap();
        let (out, err) = (out(&done), err(&done));
        assert!(!out.contains("runpath-unused"), "{variable}: {out}{err}");
    }
}
