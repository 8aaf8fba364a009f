//! What the architecture promises and no compiler checks: who may import what, sizes of files,
//! links of the documentation, workflows.

#![allow(clippy::unwrap_used, reason = "a test that fails must show where")]

use regex::bytes::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_cuda-fixup");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `dir` that is or will be committed, by its path from the root.
fn files_below(dir: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(root().join(dir))
        .into_iter()
        .filter_entry(|entry| {
            let name = entry.file_name().to_string_lossy();
            !matches!(
                name.as_ref(),
                "target" | ".git" | ".cache" | ".gpu" | "corpus"
            ) && !name.starts_with("result")
        })
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(root()).unwrap().to_owned())
        .collect();
    files.sort();
    files
}

fn with_extension(files: Vec<PathBuf>, extension: &str) -> Vec<PathBuf> {
    let has = |file: &PathBuf| file.extension().is_some_and(|e| e == extension);
    files.into_iter().filter(has).collect()
}

fn text(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(root().join(file)).unwrap()).into_owned()
}

/// Lines of a source file with their numbers, without its tests.
fn code_lines(file: &Path) -> Vec<(usize, String)> {
    text(file)
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .map(str::to_owned)
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .collect()
}

/// The line without its comment, which may speak of anything.
fn without_comment(line: &str) -> &str {
    line.find("//").map_or(line, |at| &line[..at])
}

/// A pattern over bytes: the crate is built without Unicode's tables.
fn regex(pattern: &str) -> Regex {
    Regex::new(&format!("(?-u){pattern}")).unwrap()
}

/// Fails with all that `complaints` holds.
fn no_complaints(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Complains of every code line below `dir` that matches.
fn forbid(dir: &str, pattern: &str, why: &str, complaints: &mut Vec<String>) {
    let pattern = regex(pattern);
    let sources = with_extension(files_below(dir), "rs");
    for file in sources {
        for (number, line) in code_lines(&file) {
            // A machine that the gABI lists, by the name that it has there.
            if line.contains("EM_CUDA") {
                continue;
            }
            if let Some(found) = pattern.find(without_comment(&line).as_bytes()) {
                let found = String::from_utf8_lossy(found.as_bytes());
                complaints.push(format!("{}:{number}: `{found}`: {why}", file.display()));
            }
        }
    }
}

#[test]
fn the_rewriter_knows_bytes_only() {
    let mut complaints = Vec::new();
    forbid(
        "crates/elf-edit/src",
        r#"(?i)(?:^|[^".])\bnix|cuda|nvidia|opengl-driver"#,
        "elf-edit knows no policy: this belongs to plan or cuda",
        &mut complaints,
    );
    forbid(
        "crates/elf-edit/src/read",
        r"crate::rewrite",
        "reading needs nothing of rewriting",
        &mut complaints,
    );
    no_complaints(complaints);
}

/// The rooms of `src` and which rooms each may use, lowest first: a room uses only rooms above
/// it in this list, so there is no circle. `docs/architecture.md` draws the same picture.
const ROOMS: [(&str, &[&str]); 28] = [
    ("signals", &[]),
    ("terminal", &["signals"]),
    ("escape", &[]),
    ("archive", &["escape", "signals"]),
    ("parallel", &[]),
    ("path_list", &[]),
    ("scan", &["parallel"]),
    ("store", &["scan"]),
    ("cuda", &[]),
    ("build_directories", &[]),
    ("loader", &["build_directories", "cuda", "path_list"]),
    ("advice", &["cuda", "escape"]),
    (
        "near",
        &["advice", "archive", "cuda", "loader", "path_list", "scan"],
    ),
    ("rodata", &["cuda"]),
    (
        "doctor",
        &["advice", "cuda", "escape", "loader", "rodata", "scan"],
    ),
    ("redist", &[]),
    ("features", &["cuda", "escape", "redist", "rodata", "scan"]),
    ("resolution", &["cuda", "loader"]),
    ("soname_index", &["scan"]),
    ("plan", &["build_directories", "cuda", "rodata"]),
    ("toolkit", &["cuda", "escape", "rodata", "scan"]),
    (
        "fixup",
        &[
            "loader",
            "parallel",
            "plan",
            "resolution",
            "rodata",
            "scan",
            "soname_index",
        ],
    ),
    (
        "lint",
        &[
            "advice",
            "cuda",
            "loader",
            "near",
            "parallel",
            "path_list",
            "plan",
            "resolution",
            "rodata",
            "scan",
            "toolkit",
        ],
    ),
    ("survey", &["cuda", "escape", "lint", "loader", "scan"]),
    (
        "report",
        &[
            "advice", "cuda", "doctor", "escape", "features", "fixup", "lint", "loader", "plan",
            "scan", "store", "survey", "terminal",
        ],
    ),
    (
        "applets",
        &[
            "advice",
            "archive",
            "cuda",
            "doctor",
            "escape",
            "features",
            "fixup",
            "lint",
            "loader",
            "near",
            "plan",
            "redist",
            "report",
            "resolution",
            "rodata",
            "scan",
            "store",
            "survey",
            "terminal",
            "toolkit",
        ],
    ),
    ("cli", &["applets", "terminal"]),
    ("main", &["cli"]),
];

fn room_of(file: &Path) -> String {
    let name = file.components().nth(1).unwrap().as_os_str();
    name.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let order: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let mut complaints = Vec::new();
    for (at, (room, uses)) in ROOMS.iter().enumerate() {
        for used in *uses {
            if !order[..at].contains(used) {
                complaints.push(format!("ROOMS: {room} uses {used}, which is not below it"));
            }
        }
    }
    let used = regex(r"\bcrate::([a-z_]+)");
    let groups = regex(r"\bcrate::\{");
    for file in with_extension(files_below("src"), "rs") {
        let room = room_of(&file);
        if room == "lib" {
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            complaints.push(format!("{}: no room of that name in ROOMS", file.display()));
            continue;
        };
        for (number, line) in code_lines(&file) {
            let line = without_comment(&line).as_bytes();
            if groups.is_match(line) {
                complaints.push(format!(
                    "{}:{number}: name each room in a `use` of its own",
                    file.display()
                ));
            }
            for (_, [name]) in used.captures_iter(line).map(|found| found.extract()) {
                let name = str::from_utf8(name).unwrap();
                if name != room && !allowed.contains(&name) {
                    complaints.push(format!(
                        "{}:{number}: {room} uses {name}; ROOMS in tests/tidy.rs does not allow it",
                        file.display()
                    ));
                }
            }
        }
    }
    no_complaints(complaints);
}

/// Which file a name leads to is one type, so that all rooms mean the same by it.
#[test]
fn one_type_says_which_file_is_which() {
    let mut complaints = Vec::new();
    for dir in ["src", "crates/elf-edit/src/rewrite"] {
        forbid(
            dir,
            r"\.ino\(\)|st_ino",
            "use elf_edit::FileId",
            &mut complaints,
        );
    }
    let reading = "crates/elf-edit/src/read";
    let file_id = Path::new(reading).join("file_id.rs");
    for file in with_extension(files_below(reading), "rs") {
        let uses = code_lines(&file)
            .iter()
            .any(|(_, line)| line.contains(".ino()"));
        if uses != (file == file_id) {
            complaints.push(format!("{}: FileId is the one place", file.display()));
        }
    }
    no_complaints(complaints);
}

/// How many files are worked on at once is decided in one place for all applets.
#[test]
fn one_function_says_how_many_of_a_thing() {
    let own = regex(r#"if .* == 1 .*\{ "s?" \}|\b1 => .*"1 [a-z]+"#);
    let mut complaints = Vec::new();
    for file in with_extension(files_below("src"), "rs") {
        for (number, line) in code_lines(&file) {
            if own.is_match(without_comment(&line).as_bytes()) {
                complaints.push(format!(
                    "{}:{number}: call escape::counted: {line}",
                    file.display()
                ));
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn one_place_says_how_many_threads() {
    let mut complaints = Vec::new();
    let sources = with_extension(files_below("src"), "rs").into_iter();
    for file in sources.filter(|file| file != Path::new("src/applets/jobs.rs")) {
        let pattern = r"NIX_BUILD_CORES|ThreadPoolBuilder|build_global";
        let why = "src/applets/jobs.rs decides this";
        forbid(file.to_str().unwrap(), pattern, why, &mut complaints);
    }
    no_complaints(complaints);
}

#[test]
fn planners_of_layouts_call_neither_each_other_nor_an_encoder() {
    let mut complaints = Vec::new();
    let layout = "crates/elf-edit/src/rewrite/layout";
    for planner in ["in_place", "segment", "journal", "current"] {
        let others = ["in_place", "segment", "journal", "encode"].into_iter();
        let others: Vec<&str> = others.filter(|other| *other != planner).collect();
        forbid(
            &format!("{layout}/{planner}.rs"),
            &format!(
                r"(super|layout)::({})\b|\bPatch\b|\bStep\b",
                others.join("|")
            ),
            "a planner makes a Layout and calls no other; encode gives the writes",
            &mut complaints,
        );
    }
    forbid(
        &format!("{layout}/encode"),
        r"(super|layout)::(in_place|segment|journal|obstacles)\b",
        "encode compares layouts and plans none",
        &mut complaints,
    );
    no_complaints(complaints);
}

#[test]
fn pure_rooms_ask_nothing_of_the_system() {
    let mut complaints = Vec::new();
    forbid(
        "src/plan",
        r"std::(env|fs|time|process|net|thread)|\bFile::|SystemTime|Instant",
        "plan takes headers and gives edits: no environment, no files, no clock, no output",
        &mut complaints,
    );
    forbid(
        "src/redist",
        r"std::(env|fs|time|process|net|thread)|\bFile::|SystemTime|Instant",
        "redist takes texts and gives values: no environment, no files, no clock, no output",
        &mut complaints,
    );
    forbid(
        "src/report",
        r"std::(env|fs|process|time)|\bFile::",
        "report only shows values that it is given",
        &mut complaints,
    );
    no_complaints(complaints);
}

/// Pages that code, scripts and Nix files name exist.
#[test]
fn pages_that_code_names_exist() {
    let page = regex(r"\bdocs/[A-Za-z0-9_/-]+\.md");
    let mut complaints = Vec::new();
    let places = ["src", "crates", "tests", "hooks", "nix", "benches"];
    for file in places.iter().flat_map(|place| files_below(place)) {
        for found in page.find_iter(text(&file).as_bytes()) {
            let found = str::from_utf8(found.as_bytes()).unwrap();
            if !root().join(found).exists() {
                complaints.push(format!("{}: no such page: {found}", file.display()));
            }
        }
    }
    no_complaints(complaints);
}

/// Every room, and every file or folder of the crate, is on the map.
#[test]
fn every_kind_of_json_has_its_schema() {
    let name = regex(r#""cuda-fixup\.([a-z-]+)/(\d+)""#);
    let mut printed = BTreeSet::new();
    for file in with_extension(files_below("src"), "rs") {
        let lines: String = code_lines(&file)
            .into_iter()
            .map(|(_, line)| line)
            .collect();
        let found = name.captures_iter(lines.as_bytes());
        printed.extend(found.map(|found| String::from_utf8(found[1].to_vec()).unwrap()));
    }
    let described: BTreeSet<String> = with_extension(files_below("docs/schemas"), "json")
        .iter()
        .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        printed, described,
        "left: the kinds of JSON that src prints, right: the files in docs/schemas. A new kind \
         needs its JSON Schema, and a command in tests/cli/schemas.rs"
    );
}

#[test]
fn every_room_is_on_the_map() {
    let map = text(Path::new("docs/architecture.md"));
    let mut complaints = Vec::new();
    for (room, uses) in ROOMS {
        let row = map
            .lines()
            .find(|line| line.starts_with(&format!("| `{room}`")));
        let Some(row) = row else {
            complaints.push(format!("docs/architecture.md has no row for `{room}`"));
            continue;
        };
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let shown: BTreeSet<&str> = last
            .split(',')
            .map(|word| word.trim().trim_matches('`'))
            .filter(|word| !word.is_empty() && *word != "–" && *word != "elf-edit")
            .collect();
        let expected: BTreeSet<&str> = uses.iter().copied().collect();
        if shown != expected {
            complaints.push(format!(
                "{room}: the map says {shown:?}, ROOMS says {expected:?}"
            ));
        }
    }
    no_complaints(complaints);
}

#[test]
fn nothing_is_left_undone_and_nothing_panics_on_purpose() {
    let mut complaints = Vec::new();
    for dir in ["src", "crates"] {
        forbid(
            dir,
            r"\b(todo|unimplemented|dbg|panic)!|process::exit|static mut",
            "not in this program",
            &mut complaints,
        );
    }
    let unfinished = regex(&["TO", "DO|FIX", "ME|XX", "X\\b"].concat());
    for file in with_extension(files_below("."), "rs") {
        for (number, line) in text(&file).lines().enumerate() {
            if unfinished.is_match(line.as_bytes()) {
                complaints.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    no_complaints(complaints);
}

/// Files that are longer for a reason, and how long they may be.
const LONGER: [(&str, usize); 0] = [];

#[test]
fn files_are_short() {
    let mut complaints = Vec::new();
    for file in with_extension([files_below("src"), files_below("crates")].concat(), "rs") {
        let most = LONGER
            .iter()
            .find(|(longer, _)| Path::new(longer) == file)
            .map_or(400, |(_, most)| *most);
        let lines = code_lines(&file).len();
        if lines > most {
            let file = file.display();
            complaints.push(format!(
                "{file}: {lines} lines before its tests, more than {most}: split it"
            ));
        }
    }
    for file in with_extension(files_below("hooks"), "sh") {
        let lines = text(&file).lines().count();
        if lines > 250 {
            let file = file.display();
            complaints.push(format!("{file}: {lines} lines, more than 250: split it"));
        }
    }
    no_complaints(complaints);
}

/// A type's name says which one it is, wherever it is read: no name is used more than three times.
/// `Args` and `Command` are clap's words for the options and subcommands of an applet.
#[test]
fn names_of_types_say_which() {
    let defines = regex(r"^ *(?:pub(?:\([a-z]+\))? )?(?:struct|enum|trait) ([A-Z][A-Za-z]+)");
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in with_extension([files_below("src"), files_below("crates")].concat(), "rs") {
        for (_, line) in code_lines(&file) {
            if let Some(found) = defines.captures(line.as_bytes()) {
                let name = String::from_utf8_lossy(&found[1]).into_owned();
                let places = names.entry(name).or_default();
                places.push(file.display().to_string());
            }
        }
    }
    let many = names
        .into_iter()
        .filter(|(name, places)| places.len() > 3 && !["Args", "Command"].contains(&name.as_str()));
    no_complaints(
        many.map(|(name, places)| format!("{name}: {places:?}"))
            .collect(),
    );
}

/// A function that fits on a screen, by rustfmt's indentation.
#[test]
fn functions_are_short() {
    let starts = regex(r"^ *(pub(\([a-z]+\))? )?((const|async|unsafe) )*fn [a-z]");
    let mut complaints = Vec::new();
    let mut functions = 0;
    for file in with_extension([files_below("src"), files_below("crates")].concat(), "rs") {
        let lines = code_lines(&file);
        for (at, (number, line)) in lines.iter().enumerate() {
            if !starts.is_match(line.as_bytes()) {
                continue;
            }
            functions += 1;
            let indent = line.len() - line.trim_start().len();
            let end = format!("{}}}", &line[..indent]);
            let rest = lines[at..].iter();
            let length = 1 + rest.take_while(|(_, line)| *line != end).count();
            if length >= 70 && !line.trim_end().ends_with(';') {
                let file = file.display();
                complaints.push(format!("{file}:{number}: {length} lines, not under 70"));
            }
        }
    }
    assert!(functions > 1000, "{functions} functions");
    no_complaints(complaints);
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    // In pieces, so that this file passes too.
    let forbidden = [
        ["/wo", "rk/"],
        ["/tmp", "/wt"],
        ["/ro", "ot/."],
        [".cargo", "/registry"],
        ["pypi", ".org"],
        ["pythonhosted", ".org"],
        ["deb.debian", ".org"],
        ["npmjs", ".org"],
        ["index.crates", ".io"],
        ["static.crates", ".io"],
    ]
    .map(|pieces| pieces.concat());
    let mut complaints = Vec::new();
    for file in files_below(".") {
        // Cargo writes the registry into lock files.
        if file.ends_with("Cargo.lock") {
            continue;
        }
        let text = text(&file);
        for (number, line) in text.lines().enumerate() {
            for word in forbidden.iter().filter(|word| line.contains(*word)) {
                let file = file.display();
                complaints.push(format!("{file}:{}: names {word}", number + 1));
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn links_of_the_documentation_resolve() {
    let link = regex(r"\]\(([^)\s]+)\)");
    let mut complaints = Vec::new();
    for file in with_extension(files_below("."), "md") {
        let mut fenced = false;
        for (number, line) in text(&file).lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            if fenced {
                continue;
            }
            for (_, [target]) in link
                .captures_iter(line.as_bytes())
                .map(|found| found.extract())
            {
                let target = str::from_utf8(target).unwrap();
                let path = target.split('#').next().unwrap();
                if target.contains("://") || target.starts_with("mailto:") || path.is_empty() {
                    continue;
                }
                let from_root = file.parent().unwrap().join(path);
                if !root().join(&from_root).exists() {
                    let file = file.display();
                    complaints.push(format!("{file}:{}: no such file: {target}", number + 1));
                }
            }
        }
    }
    no_complaints(complaints);
}

fn applets() -> Vec<String> {
    let list = Command::new(BINARY).arg("--list").output().unwrap();
    assert!(list.status.success());
    let names: Vec<String> = String::from_utf8(list.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(names.iter().any(|name| name == "man"), "{names:?}");
    names
}

#[test]
fn every_applet_is_documented() {
    let pages = tempfile::tempdir().unwrap();
    let man = Command::new(BINARY)
        .args(["man", "--out"])
        .arg(pages.path())
        .output()
        .unwrap();
    assert!(man.status.success(), "{man:?}");
    let printed = String::from_utf8(man.stdout).unwrap();
    let readme = text(Path::new("README.md"));
    let mut complaints = Vec::new();
    for name in applets() {
        let page = pages.path().join(format!("cuda-fixup-{name}.1"));
        let text = fs::read_to_string(&page).unwrap_or_default();
        let title = format!(".TH cuda-fixup-{name} 1");
        // An applet without words of its own has nothing behind the dash.
        let says = regex(&format!(
            r"(?m)^cuda\\-fixup\\-{} \\- \S",
            name.replace('-', r"\\-")
        ));
        if !text.contains(&title) || !says.is_match(text.as_bytes()) {
            complaints.push(format!("{name}: no manual page, or one that says nothing"));
        }
        if !printed.contains(&format!("{}\n", page.display())) {
            complaints.push(format!("{name}: `man --out` does not print its page"));
        }
        if !readme.contains(&format!("`{name}`")) {
            complaints.push(format!("{name}: README.md does not mention `{name}`"));
        }
    }
    no_complaints(complaints);
}

#[test]
fn completions_name_every_applet() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Command::new(BINARY)
            .args(["completions", shell])
            .output()
            .unwrap();
        assert!(script.status.success(), "{shell}");
        let script = String::from_utf8(script.stdout).unwrap();
        for name in applets() {
            assert!(script.contains(&name), "{shell} does not complete {name}");
        }
        if shell == "bash" {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("completions");
            fs::write(&file, script).unwrap();
            let status = Command::new("bash").arg("-n").arg(&file).status().unwrap();
            assert!(status.success(), "bash does not understand the script");
        }
    }
}

/// A tag of an action can be moved to other code, a commit can't. The comment is for readers and
/// for tools that update both.
#[test]
fn workflows_pin_actions_by_commit() {
    let pinned = regex(r"^[A-Za-z0-9-]+/[A-Za-z0-9-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$");
    let mut complaints = Vec::new();
    let mut actions = 0;
    for file in with_extension(files_below(".github"), "yml") {
        for (number, line) in text(&file).lines().enumerate() {
            let Some((_, action)) = line.split_once("uses: ") else {
                continue;
            };
            actions += 1;
            if !pinned.is_match(action.as_bytes()) {
                complaints.push(format!(
                    "{}:{}: pin it as OWNER/NAME@COMMIT # vX.Y.Z: {action}",
                    file.display(),
                    number + 1
                ));
            }
        }
    }
    assert!(actions > 5, "{actions} actions in .github/workflows");
    no_complaints(complaints);
}

/// The oldest Rust that works is said in Cargo.toml; CI tests it and the pages name it.
#[test]
fn the_oldest_rust_is_the_same_everywhere() {
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    for (file, says) in [
        (
            ".github/workflows/test.yml",
            format!("container: rust:{oldest}-"),
        ),
        ("README.md", format!("Rust {oldest} or newer")),
        ("CONTRIBUTING.md", format!("Rust {oldest}")),
    ] {
        assert!(text(Path::new(file)).contains(&says), "{file}: no {says:?}");
    }
}

/// Keep a Changelog 1.1.0: versions with a date, changes in its six groups.
#[test]
fn the_changelog_keeps_its_form() {
    let version = regex(r"^## \[[0-9]+\.[0-9]+\.[0-9]+\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$");
    let groups = [
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    ];
    let (mut in_group, mut complaints) = (false, Vec::new());
    let text = text(Path::new("CHANGELOG.md"));
    assert!(text.starts_with("# Changelog\n") && text.contains("\n## [Unreleased]\n"));
    for (number, line) in text.lines().enumerate() {
        let good = if let Some(group) = line.strip_prefix("### ") {
            in_group = true;
            groups.contains(&group)
        } else if line.starts_with("## ") {
            in_group = false;
            line == "## [Unreleased]" || version.is_match(line.as_bytes())
        } else {
            in_group || !line.starts_with("- ")
        };
        if !good {
            complaints.push(format!("CHANGELOG.md:{}: {line}", number + 1));
        }
    }
    no_complaints(complaints);
}

/// Paths in code spans of the pages exist.
#[test]
fn paths_that_pages_name_exist() {
    let path = regex(
        r"`((?:\.ci|\.github|benches|crates|differential|docs|fuzz|hooks|nix|src|testdata|tests)/[A-Za-z0-9_./-]+)`",
    );
    let mut complaints = Vec::new();
    for file in with_extension(files_below("."), "md") {
        let text = text(&file);
        for (_, [path]) in path.captures_iter(text.as_bytes()).map(|c| c.extract()) {
            let path = str::from_utf8(path).unwrap();
            let from_crate = file.parent().unwrap().join(path);
            if path.contains("NAME") {
                continue; // a placeholder
            }
            if !root().join(path).exists() && !root().join(from_crate).exists() {
                complaints.push(format!("{}: no such file: {path}", file.display()));
            }
        }
    }
    no_complaints(complaints);
}

/// fuzz/ is a package with a lock of its own, which cargo updates only where someone fuzzes.
#[test]
fn the_lock_of_the_fuzz_targets_is_up_to_date() {
    let read = |file: &str| text(Path::new(file)).parse::<toml::Table>().unwrap();
    let lock = read("fuzz/Cargo.lock");
    let mut complaints = Vec::new();
    for (name, manifest) in [
        ("cuda-fixup", "Cargo.toml"),
        ("elf-edit", "crates/elf-edit/Cargo.toml"),
        ("elf-fixtures", "crates/elf-fixtures/Cargo.toml"),
    ] {
        let packages = lock["package"].as_array().unwrap();
        let package = packages.iter().find(|p| p["name"].as_str() == Some(name));
        let locked: BTreeSet<&str> = package.unwrap()["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dependency| dependency.as_str().unwrap().split(' ').next().unwrap())
            .collect();
        for (wanted, _) in read(manifest)["dependencies"].as_table().unwrap() {
            if !locked.contains(wanted.as_str()) {
                complaints.push(format!(
                    "{name}: no {wanted} in fuzz/Cargo.lock: cargo update --workspace --manifest-path fuzz/Cargo.toml"
                ));
            }
        }
    }
    no_complaints(complaints);
}

/// Words of sentences that puzzle an engineer who reads them alone, as hits in 10,000 lines.
#[test]
fn comments_and_docs_use_the_words_of_the_field() {
    const MOST: usize = 60;
    let words = regex(
        r"(?i)\b(?:stands?|tells?|told|what (?:is|are|was|were|has)|nobody|somebody|whoever|shall)\b",
    );
    let groups: [(&[&str], &str, &str); 4] = [
        (&["src", "crates"], "rs", "//"),
        (&["tests", "benches", "fuzz"], "rs", "//"),
        (&["hooks", "nix"], "", "#"),
        (&["docs"], "md", ""),
    ];
    let mut complaints = Vec::new();
    for (dirs, extension, comment) in groups {
        let files = dirs.iter().flat_map(|dir| files_below(dir));
        let files = files.filter(|file| {
            extension.is_empty() || file.extension().is_some_and(|found| found == extension)
        });
        let mut lines = 0;
        let mut hits = Vec::new();
        for file in files {
            for (index, line) in text(&file).lines().enumerate() {
                if !line.trim_start().starts_with(comment) {
                    continue;
                }
                lines += 1;
                for found in words.find_iter(line.as_bytes()) {
                    let found = String::from_utf8_lossy(found.as_bytes());
                    hits.push(format!("{}:{}: `{found}`", file.display(), index + 1));
                }
            }
        }
        if hits.len() * 10_000 > lines * MOST {
            complaints.push(format!(
                "{dirs:?}: {} of {lines} lines, where {MOST} in 10,000 are the most:",
                hits.len()
            ));
            complaints.extend(hits);
        }
    }
    no_complaints(complaints);
}
