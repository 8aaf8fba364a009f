//! Symbols that nothing has, compared with programs that run and with `ldd -r`.

use super::workshop::Workshop;
use std::collections::BTreeSet;
use std::process::Command;

/// What `ldd -r` calls undefined.
fn undefined(shop: &Workshop, file: &str) -> bool {
    let run = Command::new("ldd")
        .current_dir(&shop.path)
        .arg("-r")
        .arg(file)
        .output()
        .unwrap();
    [run.stdout, run.stderr]
        .concat()
        .windows(16)
        .any(|w| w == b"undefined symbol")
}

/// Whether a program starts, and inspect's answer, which must be the same.
fn starts(shop: &Workshop, file: &str) -> bool {
    let run = Command::new(shop.at(file))
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    let json = shop.json(&shop.at(file), &[]);
    assert_eq!(json["loads"], run.status.success(), "{run:?}");
    run.status.success()
}

#[test]
fn a_symbol_that_went_away_stops_a_program_that_binds_now() {
    let both = "int kept(void) { return 0; } int gone(void) { return 0; } int data = 1;";
    let less = "int kept(void) { return 0; } int data = 1;";
    let main =
        "int kept(void), gone(void); int main(int c, char **v) { return c > 1 ? gone() : kept(); }";
    let shared = ["-shared", "-fPIC", "-Wl,-soname,libx.so"];
    for (bind, ends) in [("-Wl,-z,now", false), ("-Wl,-z,lazy", true)] {
        let shop = Workshop::new();
        shop.cc("gcc", "libx.so", both, &shared);
        shop.cc(
            "gcc",
            "app",
            main,
            &["-L.", "-lx", "-Wl,-rpath,$ORIGIN", bind],
        );
        assert!(starts(&shop, "app") && !undefined(&shop, "./app"));
        shop.cc("gcc", "libx.so", less, &shared);
        assert_eq!(starts(&shop, "app"), ends, "{bind}");
        assert!(undefined(&shop, "./app"));
        let told = String::from_utf8(shop.inspect(&["app"]).stdout).unwrap();
        assert!(told.contains("gone"), "{told}");
    }
    // A pointer to it is no lazy call.
    let shop = Workshop::new();
    shop.cc("gcc", "libx.so", both, &shared);
    let pointer = "int gone(void); int (*p)(void) = gone; int main(void) { return p == 0; }";
    shop.cc(
        "gcc",
        "app",
        pointer,
        &["-L.", "-lx", "-Wl,-rpath,$ORIGIN", "-Wl,-z,lazy"],
    );
    assert!(starts(&shop, "app"));
    shop.cc("gcc", "libx.so", less, &shared);
    assert!(!starts(&shop, "app"));
    // A weak one may be missing.
    let weak = "int gone(void) __attribute__((weak)); int main(void) { return gone ? gone() : 0; }";
    shop.cc(
        "gcc",
        "app",
        weak,
        &["-L.", "-lx", "-Wl,-rpath,$ORIGIN", "-Wl,-z,now"],
    );
    assert!(starts(&shop, "app"));
}

#[test]
fn names_of_any_length_in_tables_of_any_size() {
    // One name is longer than a page, and thousands of others make tables that are not read at once.
    for (others, length) in [(0, 5000), (3000, 20_000), (3000, 4)] {
        let name = "n".repeat(length);
        let fillers: String = (0..others)
            .map(|n| format!("int filler_with_a_long_name_{n}(void) {{ return {n}; }}\n"))
            .collect();
        let calls: String = (0..others)
            .step_by(3)
            .map(|n| format!("filler_with_a_long_name_{n}() + "))
            .collect();
        let declared: String = (0..others)
            .map(|n| format!("int filler_with_a_long_name_{n}(void);\n"))
            .collect();
        let shop = Workshop::new();
        let shared = ["-shared", "-fPIC", "-Wl,-soname,libx.so"];
        let library = format!("{fillers} int {name}(void) {{ return 0; }}");
        shop.cc("gcc", "libx.so", &library, &shared);
        let main = format!(
            "{declared} int {name}(void); int main(int c, char **v) {{ return c > 1 ? {calls} {name}() : 0; }}"
        );
        let flags = ["-L.", "-lx", "-Wl,-rpath,$ORIGIN", "-Wl,-z,now"];
        shop.cc("gcc", "app", &main, &flags);
        assert!(starts(&shop, "app"), "{others} {length}");
        shop.cc("gcc", "libx.so", &format!("{fillers} int q;"), &shared);
        assert!(!starts(&shop, "app"), "{others} {length}");
        assert_eq!(
            by_inspect(&shop.json(&shop.at("app"), &[])),
            BTreeSet::from([name])
        );
    }
}

/// A symbol as `ldd -r` and inspect name it: its name alone, Python's own left out of libraries.
fn by_ldd(file: &str, library: bool) -> BTreeSet<String> {
    let run = Command::new("ldd").arg("-r").arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    let name = |line: &str| -> Option<String> {
        let rest = match line.strip_prefix("undefined symbol: ") {
            Some(rest) => rest,
            None => {
                let rest = line.strip_prefix("symbol ")?;
                line.contains(" not defined in file ").then_some(rest)?
            }
        };
        let name = rest.split([',', '\t', ' ']).next()?;
        let python = library && (name.starts_with("Py") || name.starts_with("_Py"));
        (!python).then(|| name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

fn by_inspect(json: &serde_json::Value) -> BTreeSet<String> {
    let symbols = json["missing_symbols"].as_array().unwrap().iter();
    symbols
        .map(|symbol| symbol["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn versions_inside_a_version_and_old_hash_tables() {
    let new = "int kept(void) { return 0; } int gone(void) { return 0; } int data = 1;";
    let old = "int kept(void) { return 0; }";
    let main = "int kept(void), gone(void); extern int data;
        int main(int c, char **v) { return c > 1 ? gone() + data : kept(); }";
    for hash in ["sysv", "gnu", "both"] {
        let shop = Workshop::new();
        let hash = format!("-Wl,--hash-style={hash}");
        shop.write("map", "V1 { global: kept; gone; data; local: *; };");
        let flags = ["-shared", "-fPIC", "-Wl,-soname,libx.so", &hash];
        let with_map = [&flags[..], &["-Wl,--version-script=map"]].concat();
        shop.cc("gcc", "libx.so", new, &with_map);
        // A variable that the program has a copy of, and a call.
        let flags_of_app = [
            "-L.",
            "-lx",
            "-Wl,-rpath,$ORIGIN",
            "-no-pie",
            "-fno-pic",
            &hash,
        ];
        shop.cc("gcc", "app", main, &flags_of_app);
        assert!(starts(&shop, "app"));
        // The version is still there, but two of its symbols aren't.
        shop.cc("gcc", "libx.so", old, &with_map);
        assert!(!starts(&shop, "app"), "{hash}");
        let json = shop.json(&shop.at("app"), &[]);
        let app = shop.at("app");
        assert_eq!(by_inspect(&json), by_ldd(app.to_str().unwrap(), false));
        let data = json["missing_symbols"].as_array().unwrap();
        let data = data.iter().find(|symbol| symbol["name"] == "data").unwrap();
        assert_eq!(
            (&data["version"], &data["fatal"]),
            (&"V1".into(), &true.into())
        );
        let text = String::from_utf8(shop.inspect(&["--check", "app"]).stdout).unwrap();
        assert!(text.contains("needs the symbol data, version V1"), "{text}");
        // Symbols of that name in another version don't count; without versions they do.
        shop.write("map", "V2 { global: kept; gone; data; local: *; }; V1 { };");
        shop.cc("gcc", "libx.so", new, &with_map);
        assert!(!starts(&shop, "app"), "{hash}");
        shop.cc("gcc", "libx.so", new, &flags);
        assert!(starts(&shop, "app"), "{hash}");
    }
}

#[test]
fn an_older_copy_in_front_is_named_with_the_one_that_has_the_symbol() {
    let shop = Workshop::new();
    let shared = ["-shared", "-fPIC", "-Wl,-soname,libjit.so.1"];
    let old = "int kept(void) { return 0; }";
    let new = "int kept(void) { return 0; } int added(void) { return 0; }";
    shop.cc("gcc", "new/libjit.so.1", new, &shared);
    shop.cc("gcc", "old/libjit.so.1", old, &shared);
    let main = "int added(void); int main(void) { return added(); }";
    let flags = ["new/libjit.so.1", "-Wl,-rpath,$ORIGIN/new", "-Wl,-z,now"];
    shop.cc("gcc", "app", main, &flags);
    let run = |path: &str, program: &str, args: &[&str]| {
        Command::new(program)
            .current_dir(&shop.path)
            .env("LD_LIBRARY_PATH", path)
            .args(args)
            .output()
            .unwrap()
    };
    let check = |path: &str| {
        run(
            path,
            super::workshop::BINARY,
            &["inspect", "--check", "app"],
        )
    };
    assert_eq!(check("").status.code(), Some(0));
    assert!(run("", "./app", &[]).status.success());
    assert!(!run("old", "./app", &[]).status.success());
    let hidden = check("old");
    assert_eq!(hidden.status.code(), Some(1));
    let text = String::from_utf8(hidden.stdout).unwrap();
    assert!(
        text.contains("needs the symbol added, which nothing"),
        "{text}"
    );
    let place = shop.at("new/libjit.so.1");
    assert!(
        text.contains(&format!("{} has added, but ", place.display())),
        "{text}"
    );
    // The command that is offered works.
    let help = text.split("try `LD_LIBRARY_PATH=").nth(1).unwrap();
    let path = help.split('`').next().unwrap();
    assert_eq!(check(path).status.code(), Some(0));
    assert!(run(path, "./app", &[]).status.success());
}

#[test]
fn a_library_that_is_near_has_it() {
    let shop = Workshop::new();
    let extra = "int extra(void) { return 0; }";
    shop.cc(
        "gcc",
        "libextra.so",
        extra,
        &["-shared", "-fPIC", "-Wl,-soname,libextra.so"],
    );
    // The library that the program was linked with no longer has it.
    let shared = ["-shared", "-fPIC", "-Wl,-soname,libx.so"];
    shop.cc("gcc", "libx.so", extra, &shared);
    let main = "int extra(void); int main(void) { return extra(); }";
    let flags = ["-L.", "-lx", "-Wl,-rpath,$ORIGIN", "-Wl,-z,now"];
    shop.cc("gcc", "app", main, &flags);
    shop.cc("gcc", "libx.so", "int other;", &shared);
    assert!(!starts(&shop, "app"));
    let text = String::from_utf8(shop.inspect(&["--check", "app"]).stdout).unwrap();
    let command = text
        .split("belongs there: `")
        .nth(1)
        .unwrap_or_else(|| panic!("{text}"));
    let command = command.split('`').next().unwrap();
    let rest = command.strip_prefix("cuda-fixup patchelf ").unwrap();
    let done = Command::new(super::workshop::BINARY)
        .current_dir(&shop.path)
        .arg("patchelf")
        .args(rest.split(' '))
        .status();
    assert!(done.unwrap().success());
    assert!(starts(&shop, "app"));
}

#[test]
fn a_library_may_leave_symbols_to_its_program() {
    let shop = Workshop::new();
    let source =
        "int PyErr_Occurred(void), hook(void); int f(void) { return PyErr_Occurred() + hook(); }";
    let now = ["-shared", "-fPIC", "-Wl,-soname,libplug.so", "-Wl,-z,now"];
    shop.cc("gcc", "t/libplug.so", source, &now);
    let json = shop.json(&shop.at("t/libplug.so"), &[]);
    assert_eq!(json["loads"], true);
    assert_eq!(by_inspect(&json), BTreeSet::from(["hook".to_owned()]));
    assert_eq!(json["missing_symbols"][0]["fatal"], false);
    let text = String::from_utf8(shop.inspect(&["t/libplug.so"]).stdout).unwrap();
    assert!(text.contains("leaves to its program: hook\n"), "{text}");
    assert!(shop.inspect(&["--check", "t/libplug.so"]).stdout.is_empty());
    // A program that has it, and one that hasn't.
    let host = |hook: &str| {
        let open = format!(
            r#"#include <dlfcn.h>
            int PyErr_Occurred(void) {{ return 0; }} {hook}
            int main(int c, char **v) {{ return dlopen(v[1], RTLD_NOW) ? 0 : 7; }}"#
        );
        shop.cc("gcc", "t/host", &open, &["-rdynamic"]);
        let plug = shop.at("t/libplug.so");
        let run = Command::new(shop.at("t/host")).arg(&plug).status().unwrap();
        let args = ["--loaded-by", "t/host"];
        let json = shop.json(&plug, &args);
        assert_eq!(by_inspect(&json).is_empty(), run.success());
        run.success()
    };
    assert!(host("int hook(void) { return 0; }"));
    assert!(!host(""));
}

/// `ldd -r` and inspect name the same symbols in the programs and libraries of this machine:
/// all of them with `./test --long`, else about 200.
#[test]
fn ldd_r_finds_the_same_symbols_on_this_machine() {
    let shop = Workshop::new();
    let listed = Command::new(super::workshop::BINARY)
        .args(["elf-files", "/usr/bin", "/usr/lib"])
        .output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let every = match crate::support::long() {
        true => 1,
        // A minimal system has a few hundred.
        false => (listed.lines().count() / 200).max(1),
    };
    let files = listed.lines().step_by(every);
    let args: Vec<&str> = ["--json", "--dlopen", "off"]
        .into_iter()
        .chain(files)
        .collect();
    let run = shop.inspect(&args);
    let lines = String::from_utf8(run.stdout).unwrap();
    let (mut compared, mut complaints) = (0, Vec::new());
    let native = |json: &&serde_json::Value| json["machine"] == NATIVE && json["kind"].is_string();
    let lines = lines
        .lines()
        .map(|line| crate::support::schema::parsed(line));
    let all: Vec<serde_json::Value> = lines.collect();
    for json in all.iter().filter(native) {
        let path = json["path"].as_str().unwrap();
        let how = json["loaded_by"]["how"].as_str().unwrap();
        let fails = json["problems"].as_array().unwrap();
        // ldd looks at libraries on their own, and prints no symbols where libraries are missing.
        if !matches!(how, "itself" | "first") || fails.iter().any(|p| p["problem"] != "symbol") {
            continue;
        }
        compared += 1;
        let (ours, ldd) = (by_inspect(json), by_ldd(path, how == "first"));
        // Of more than 64, inspect keeps the first.
        let same = if ours.len() < 64 {
            ours == ldd
        } else {
            ours.is_subset(&ldd)
        };
        if !same {
            complaints.push(format!("{path}: inspect {ours:?}, ldd -r {ldd:?}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(compared > 30, "only {compared} files were compared");
}

/// The machine whose programs `ldd` can start.
const NATIVE: &str = if cfg!(target_arch = "aarch64") {
    "aarch64"
} else {
    "x86-64"
};
