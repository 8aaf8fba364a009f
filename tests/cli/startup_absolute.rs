//! `fixup --resolution absolute`: needed names become paths where every loader then loads the same
//! files, and stay names elsewhere.

use crate::support::BINARY;
use crate::support::peers::run;
use elf_edit::{ElfInfo, FileReader};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// A store made by a script, which finds `lib PREFIX NAME SOURCE FLAGS…` and `tool SOURCE FLAGS…`.
struct Store {
    _temp: tempfile::TempDir,
    dir: PathBuf,
}

const PRELUDE: &str = r#"
set -e
store=$PWD
lib() {
    mkdir -p "$1/lib"; out=$1/lib/$2; soname=$2; source=$3; shift 3
    echo "$source" | $CC -shared -fPIC -x c - -x none -o "$out" "-Wl,-soname,$soname" "$@"
}
tool() { mkdir -p app/bin; source=$1; shift; echo "$source" | $CC -x c - -x none -o app/bin/tool "$@"; }
"#;

impl Store {
    fn with(compiler: &str, script: &str) -> Store {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().canonicalize().unwrap();
        let script = format!("CC={compiler}\n{PRELUDE}{script}");
        run(Command::new("sh").current_dir(&dir).args(["-c", &script]));
        Store { _temp: temp, dir }
    }

    fn new(script: &str) -> Store {
        Store::with("cc", script)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn tool(&self) -> PathBuf {
        self.at("app/bin/tool")
    }

    /// Fixes the whole store, with each prefix's libraries; the JSON of each file.
    fn fixup(&self, more: &[&str]) -> Vec<Value> {
        let mut command = Command::new(BINARY);
        command.args(["fixup", "--json"]).args(more).arg(&self.dir);
        command
            .env("NIX_STORE", &self.dir)
            .env_remove("LD_LIBRARY_PATH");
        let out = command.output().unwrap();
        assert!(out.status.code() < Some(2), "{out:?}");
        let lines = String::from_utf8(out.stdout).unwrap();
        let lines = lines
            .lines()
            .map(|line| crate::support::schema::parsed(line));
        lines.collect()
    }

    fn absolute(&self, more: &[&str]) -> Vec<Value> {
        self.fixup(&[&["--resolution", "absolute"], more].concat())
    }

    fn needed(&self, file: &str) -> Vec<String> {
        let reader = FileReader::new(File::open(self.at(file)).unwrap()).unwrap();
        let info = ElfInfo::read(&reader).unwrap();
        let names = info.needed().iter();
        let store = format!("{}/", self.dir.display());
        names
            .map(|name| {
                String::from_utf8(name.clone())
                    .unwrap()
                    .replace(&store, "@")
            })
            .collect()
    }

    /// Cargo sets LD_LIBRARY_PATH for tests.
    fn run(&self) -> Command {
        let mut command = Command::new(self.tool());
        command.env_remove("LD_LIBRARY_PATH");
        command
    }

    fn status(&self) -> Option<i32> {
        self.run().status().unwrap().code()
    }

    fn runpath(&self, file: &str) -> Option<String> {
        let reader = FileReader::new(File::open(self.at(file)).unwrap()).unwrap();
        let info = ElfInfo::read(&reader).unwrap();
        let store = format!("{}/", self.dir.display());
        let path = String::from_utf8(info.runpath_or_rpath()?.to_vec()).unwrap();
        Some(path.replace(&store, "@"))
    }

    /// The files that the real loader loads for the program, in order.
    fn loaded(&self) -> Vec<PathBuf> {
        let out = self
            .run()
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let path = |line: &str| {
            let path = line
                .split("=> ")
                .last()
                .unwrap()
                .split_whitespace()
                .next()?;
            Path::new(path).canonicalize().ok()
        };
        text.lines().filter_map(path).collect()
    }

    /// Opens that fail when the program starts.
    fn failing_opens(&self) -> usize {
        let log = self.log();
        log.lines().filter(|line| line.contains("ENOENT")).count()
    }

    fn log(&self) -> String {
        let out = Command::new("strace")
            .args(["-e", "trace=open,openat"])
            .env_remove("LD_LIBRARY_PATH")
            .arg(self.tool())
            .output()
            .unwrap();
        String::from_utf8(out.stderr).unwrap()
    }

    fn states(&self) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
        let walk = walkdir::WalkDir::new(&self.dir)
            .sort_by_file_name()
            .into_iter();
        let files = walk.flatten().filter(|entry| entry.file_type().is_file());
        let state = |path: PathBuf| {
            let time = path.metadata().unwrap().modified().unwrap();
            (path.clone(), fs::read(path).unwrap(), time)
        };
        files.map(|entry| state(entry.into_path())).collect()
    }
}

/// Why a name of a file is searched for.
fn why(report: &[Value], file: &str, name: &str) -> String {
    let is_it = |line: &&Value| {
        line["path"]
            .as_str()
            .is_some_and(|path| path.ends_with(file))
    };
    let file = report.iter().find(is_it).unwrap();
    let names = file["absolute"].as_array().unwrap();
    let of = |choice: &&Value| choice["old"] == name;
    let choice = names.iter().find(of).unwrap_or_else(|| panic!("{file}"));
    choice["searched"].as_str().unwrap_or_default().to_owned()
}

/// Libraries a, b and c, of which a needs b and c, b needs c, and a program that needs a and c.
const CHAIN: &str = r#"
lib c libc3.so.1 'int c(void) { return 1; }'
lib b libb.so.1 'int c(void); int b(void) { return c() + 2; }' c/lib/libc3.so.1
lib a liba.so.1 'int b(void); int c(void); int a(void) { return b() + c(); }' b/lib/libb.so.1 c/lib/libc3.so.1
tool 'int a(void); int c(void); int main(void) { return a() + c(); }' \
    a/lib/liba.so.1 c/lib/libc3.so.1 -Wl,--allow-shlib-undefined
"#;

#[test]
fn names_become_paths_and_the_same_files_are_loaded() {
    let store = Store::new(CHAIN);
    store.fixup(&[]);
    let (before, opens) = (store.loaded(), store.failing_opens());
    assert_eq!(store.status(), Some(5));
    assert!(before.len() >= 4 && opens > 3, "{before:?} {opens}");
    store.absolute(&[]);
    assert_eq!(
        store.needed("app/bin/tool"),
        ["@a/lib/liba.so.1", "@c/lib/libc3.so.1", "libc.so.6"]
    );
    assert_eq!(
        store.needed("a/lib/liba.so.1")[..2],
        ["@b/lib/libb.so.1", "@c/lib/libc3.so.1"]
    );
    assert_eq!(store.status(), Some(5));
    assert_eq!(store.loaded(), before);
    assert_eq!(store.failing_opens(), 0, "{}", store.log());
    // Nothing is searched for in these directories any more. A library keeps a RUNPATH, as without
    // one it would have its program's RPATH.
    assert_eq!(store.runpath("app/bin/tool"), None);
    assert_eq!(store.runpath("a/lib/liba.so.1").as_deref(), Some("@b/lib"));
    // A second run touches nothing, and without the mode nothing goes back.
    let states = store.states();
    store.absolute(&[]);
    store.fixup(&[]);
    assert!(store.states() == states);
}

/// What the model says of failing opens, and what lint finds.
#[test]
fn the_number_of_failing_opens_is_that_of_strace() {
    let mut script = String::from("mkdir -p none/lib\n");
    let (mut all, mut calls) = (String::new(), String::new());
    for n in 0..16 {
        // The first directories are searched for all of them, and one is not there.
        script.push_str(&format!(
            "lib p{n} lib{n}.so.1 'int f{n}(void) {{ return 1; }}' \
             $(if [ {n} != 0 ]; then echo p0/lib/lib0.so.1 -Wl,--no-as-needed -Wl,-rpath,$store/gone:$store/p0/lib; fi)\n"
        ));
        all.push_str(&format!(" p{n}/lib/lib{n}.so.1 -Wl,-rpath,$store/p{n}/lib"));
        calls.push_str(&format!("+f{n}()"));
    }
    let declared: String = (0..16).map(|n| format!("int f{n}(void);")).collect();
    script.push_str(&format!(
        "mkdir -p p3/lib/glibc-hwcaps/x86-64-v2 p5/lib/tls\n
         tool '{declared} int main(void) {{ return 0{calls}; }}' {all} -Wl,-rpath,$store/none/lib:$store/gone"
    ));
    let store = Store::new(&script);
    let failing = |store: &Store| {
        let out = Command::new(BINARY)
            .args(["inspect", "--json"])
            .env_remove("LD_LIBRARY_PATH")
            .arg(store.tool())
            .output()
            .unwrap();
        let page: Value = crate::support::schema::parsed(&out.stdout);
        let failing = &page["failing_opens"];
        ["directories", "for_processor"].map(|key| failing[key].as_u64().unwrap() as usize)
    };
    let strace_agrees = |store: &Store| {
        let [directories, for_processor] = failing(store);
        let all = directories + for_processor;
        assert_eq!(all, store.failing_opens(), "{}", store.log());
        directories
    };
    let found = |store: &Store| {
        let found = crate::lint::findings(&store.dir, &["app/bin/tool"]).into_iter();
        let about = found.filter(|(code, _)| code == "startup-search");
        about.map(|(_, message)| message).collect::<String>()
    };
    let directories = strace_agrees(&store);
    assert!(directories > 100, "{directories}");
    let message = found(&store);
    assert!(
        message.starts_with(&format!("{directories} attempts to open a file fail")),
        "{message}"
    );
    store.absolute(&[]);
    assert_eq!(found(&store), "");
    strace_agrees(&store);
}

#[test]
fn a_dry_run_says_what_becomes_a_path_and_writes_nothing() {
    let store = Store::new(CHAIN);
    let before = store.states();
    let report = store.absolute(&["--dry-run"]);
    assert!(store.states() == before);
    assert_eq!(why(&report, "bin/tool", "liba.so.1"), "");
    assert_eq!(why(&report, "bin/tool", "libc.so.6"), "it is the libc's");
    let out = Command::new(BINARY)
        .args(["fixup", "-n", "--resolution=absolute"])
        .arg(&store.dir)
        .env("NIX_STORE", &store.dir)
        .output()
        .unwrap();
    let page = String::from_utf8(out.stdout).unwrap();
    let line = format!(
        "  needed liba.so.1, as {}/a/lib/liba.so.1",
        store.dir.display()
    );
    assert!(page.contains(&line), "{page}");
}

#[test]
fn a_library_that_moved_is_found_again() {
    let store = Store::new(CHAIN);
    store.absolute(&[]);
    fs::rename(store.at("c"), store.at("d")).unwrap();
    assert_ne!(store.status(), Some(5));
    store.absolute(&[]);
    assert_eq!(store.needed("app/bin/tool")[1], "@d/lib/libc3.so.1");
    assert_eq!(store.status(), Some(5));
    // What nothing provides stays as it is, and is reported.
    fs::remove_file(store.at("d/lib/libc3.so.1")).unwrap();
    let report = store.absolute(&[]);
    assert_eq!(store.needed("app/bin/tool")[1], "@d/lib/libc3.so.1");
    assert!(report.last().unwrap()["missing"].as_u64() > Some(0));
}

#[test]
fn what_opens_libraries_itself_keeps_its_runpath() {
    let store = Store::new(
        r#"
        lib a liba.so.1 'int a(void) { return 3; }'
        lib plugin libplugin.so 'int p(void) { return 4; }'
        tool '#include <dlfcn.h>
            int a(void); int main(void) { return a() + (dlopen("libplugin.so", RTLD_NOW) ? 1 : 0); }' \
            a/lib/liba.so.1
        cp -r plugin/lib/. a/lib
        "#,
    );
    store.absolute(&[]);
    assert_eq!(store.needed("app/bin/tool")[0], "@a/lib/liba.so.1");
    assert_eq!(store.runpath("app/bin/tool").as_deref(), Some("@a/lib"));
    assert_eq!(store.status(), Some(4));
}

#[test]
fn versions_follow_the_name() {
    let store = Store::new(
        r#"
        echo 'V1 { global: f; local: *; };' >map
        lib a liba.so.1 'int f(void) { return 3; }' -Wl,--version-script=map
        tool 'int f(void); int main(void) { return f(); }' a/lib/liba.so.1
        "#,
    );
    store.absolute(&[]);
    assert_eq!(store.needed("app/bin/tool")[0], "@a/lib/liba.so.1");
    assert_eq!(store.status(), Some(3));
    let shown = run(Command::new("readelf").arg("-VW").arg(store.tool()));
    let file = format!("File: {}/a/lib/liba.so.1", store.dir.display());
    assert!(shown.contains(&file), "{shown}");
}

/// A file that has versions of a library, and doesn't need it: glibc looks for the library by the
/// name that something has asked for, and stops with an assertion.
#[test]
fn versions_without_a_need_keep_the_name() {
    let store = Store::new(
        r#"
        echo 'V1 { global: f; local: *; };' >map
        lib a liba.so.1 'int f(void) { return 3; }' -Wl,--version-script=map
        lib b libb.so.1 'int f(void); int g(void) { return f(); }' a/lib/liba.so.1
        tool 'int f(void), g(void); int main(void) { return f() + g(); }' a/lib/liba.so.1 b/lib/libb.so.1
        "#,
    );
    let patchelf = crate::support::peers::our_patchelf(&store.dir);
    let library = store.at("b/lib/libb.so.1");
    run(Command::new(&patchelf)
        .args(["--remove-needed", "liba.so.1"])
        .arg(&library));
    let report = store.absolute(&[]);
    assert_eq!(
        store.needed("app/bin/tool")[..2],
        ["liba.so.1", "@b/lib/libb.so.1"]
    );
    let words = why(&report, "bin/tool", "liba.so.1");
    assert!(words.contains("asks for versions"), "{words}");
    assert_eq!(store.status(), Some(6));
    // The real loader agrees that it would not do, and so does the model.
    let path = store.at("a/lib/liba.so.1");
    run(Command::new(&patchelf)
        .args(["--replace-needed", "liba.so.1"])
        .arg(path)
        .arg(store.tool()));
    assert_ne!(store.status(), Some(6));
    let out = Command::new(BINARY)
        .arg("inspect")
        .arg(store.tool())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1), "{out:?}");
}

#[test]
fn a_name_that_is_no_soname_stays() {
    let store = Store::new(
        r#"
        lib a liba.so.1 'int f(void) { return 3; }' -Wl,-soname,libother.so.1
        cp a/lib/liba.so.1 a/lib/libother.so.1
        tool 'int f(void); int main(void) { return f(); }' a/lib/liba.so.1
        "#,
    );
    // The linker took the last -soname.
    assert_eq!(store.needed("app/bin/tool")[0], "libother.so.1");
    let patchelf = crate::support::peers::our_patchelf(&store.dir);
    let words = ["--replace-needed", "libother.so.1", "liba.so.1"];
    run(Command::new(&patchelf).args(words).arg(store.tool()));
    fs::remove_file(store.at("a/lib/libother.so.1")).unwrap();
    let report = store.absolute(&[]);
    assert_eq!(store.needed("app/bin/tool")[0], "liba.so.1");
    assert_eq!(
        why(&report, "bin/tool", "liba.so.1"),
        "its DT_SONAME is libother.so.1"
    );
    assert_eq!(store.status(), Some(3));
}

/// Two versions of one library: the first that is loaded serves all, by its name. A path would load
/// the second one, too.
#[test]
fn a_name_that_means_two_files_stays() {
    let store = Store::new(
        r#"
        lib old libz9.so.1 'int z(void) { return 1; }'
        lib new libz9.so.1 'int z(void) { return 10; }'
        lib a liba.so.1 'int z(void); int a(void) { return z(); }' old/lib/libz9.so.1 -Wl,-rpath,$store/old/lib
        lib b libb.so.1 'int z(void); int b(void) { return z(); }' new/lib/libz9.so.1 -Wl,-rpath,$store/new/lib
        tool 'int a(void), b(void); int main(void) { return a() + b(); }' a/lib/liba.so.1 b/lib/libb.so.1 \
            -Wl,-rpath,$store/a/lib:$store/b/lib
        "#,
    );
    let before = store.loaded();
    let report = store.absolute(&["--dependencies=off", "--old-entries=keep"]);
    assert_eq!(
        store.needed("app/bin/tool")[..2],
        ["@a/lib/liba.so.1", "@b/lib/libb.so.1"]
    );
    assert_eq!(store.needed("a/lib/liba.so.1")[0], "libz9.so.1");
    let words = why(&report, "liba.so.1", "libz9.so.1");
    assert_eq!(words, "it means another file for another object");
    assert_eq!((store.loaded(), store.status()), (before, Some(2)));
}

/// Libraries named like the driver's, like any other, and beside a directory for processors.
const UNDECIDED: &str = r#"
lib cuda libcuda.so.1 'int f(void) { return 1; }'
lib a liba.so.1 'int a(void) { return 2; }'
lib hw libhw.so.1 'int h(void) { return 4; }'
mkdir hw/lib/glibc-hwcaps
tool 'int f(void), a(void), h(void); int main(void) { return f() + a() + h(); }' \
    cuda/lib/libcuda.so.1 a/lib/liba.so.1 hw/lib/libhw.so.1
"#;

#[test]
fn the_driver_and_what_lies_behind_undecided_directories_stay() {
    let store = Store::new(UNDECIDED);
    let link = format!("--driver-link={}/run/driver", store.dir.display());
    let report = store.absolute(&["--add-driver-runpath=all", &link]);
    assert_eq!(
        store.needed("app/bin/tool")[..3],
        ["libcuda.so.1", "@a/lib/liba.so.1", "libhw.so.1"]
    );
    assert!(why(&report, "bin/tool", "libcuda.so.1").starts_with("the driver's"));
    assert!(why(&report, "bin/tool", "libhw.so.1").contains("hw/lib is known only when"));
    assert_eq!(store.status(), Some(7));
    // Outside of the store, a directory that isn't there may come.
    let store = Store::new(UNDECIDED);
    let report = store.absolute(&["--runtime-dependency=/nowhere/lib", &link]);
    assert_eq!(store.needed("app/bin/tool")[1], "liba.so.1");
    let words = why(&report, "bin/tool", "liba.so.1");
    assert!(words.contains("/nowhere/lib"), "{words}");
    assert_eq!(store.status(), Some(7));
}

#[test]
fn a_tree_that_may_be_moved_keeps_its_names() {
    let store = Store::new(CHAIN);
    let out = Command::new(BINARY)
        .args(["fixup", "--resolution=absolute"])
        .arg(&store.dir)
        .output()
        .unwrap();
    assert!(out.status.success(), "{out:?}");
    assert_eq!(
        store.needed("app/bin/tool")[..2],
        ["liba.so.1", "libc3.so.1"]
    );
    let other = store.dir.with_extension("moved");
    fs::rename(&store.dir, &other).unwrap();
    assert_eq!(
        Command::new(other.join("app/bin/tool"))
            .status()
            .unwrap()
            .code(),
        Some(5)
    );
    fs::rename(&other, &store.dir).unwrap();
}

#[test]
fn relative_entries_of_a_store_become_paths() {
    let store = Store::new(
        r#"
        lib app liba.so.1 'int a(void) { return 2; }'
        tool 'int a(void); int main(void) { return a(); }' app/lib/liba.so.1 '-Wl,-rpath,$ORIGIN/../lib'
        "#,
    );
    store.absolute(&["--relative=store"]);
    assert_eq!(store.needed("app/bin/tool")[0], "@app/lib/liba.so.1");
    assert_eq!(store.status(), Some(2));
    let states = store.states();
    store.absolute(&["--relative=store"]);
    assert!(store.states() == states);
}

/// musl knows a library that was loaded by its path by no name, so every object has to find it.
#[test]
fn under_musl_only_what_all_find_by_themselves() {
    let script = r#"
        lib c libc3.so.1 'int c(void) { return 1; }'
        lib b libb.so.1 'int c(void); int b(void) { return c() + 2; }' c/lib/libc3.so.1
        tool 'int b(void), c(void); int main(void) { return b() + c(); }' \
            c/lib/libc3.so.1 b/lib/libb.so.1 -Wl,-rpath,$store/b/lib:$store/c/lib
        "#;
    let keep = ["--dependencies=off", "--old-entries=keep"];
    let store = Store::with("musl-gcc", script);
    assert_eq!(store.status(), Some(4));
    let report = store.absolute(&keep);
    assert_eq!(
        store.needed("app/bin/tool")[..2],
        ["libc3.so.1", "@b/lib/libb.so.1"]
    );
    assert!(why(&report, "bin/tool", "libc3.so.1").starts_with("musl knows"));
    assert_eq!(store.status(), Some(4));
    // With a RUNPATH of its own, the library finds it.
    let store = Store::with("musl-gcc", script);
    store.absolute(&[]);
    assert_eq!(
        store.needed("app/bin/tool")[..2],
        ["@c/lib/libc3.so.1", "@b/lib/libb.so.1"]
    );
    assert_eq!(store.needed("b/lib/libb.so.1")[0], "@c/lib/libc3.so.1");
    assert_eq!(store.status(), Some(4));
}

#[test]
fn under_musl_a_name_for_dlopen_stays() {
    let script = r#"
        lib c libc3.so.1 'int c(void) { return 1; }'
        lib b libb.so.1 '#include <dlfcn.h>
            int b(void) { return dlopen("libc3.so.1", RTLD_NOW) ? 2 : 0; }'
        tool 'int b(void), c(void); int main(void) { return b() + c(); }' \
            c/lib/libc3.so.1 b/lib/libb.so.1
        "#;
    let store = Store::with("musl-gcc", script);
    store.absolute(&[]);
    assert_eq!(
        store.needed("app/bin/tool")[..2],
        ["libc3.so.1", "@b/lib/libb.so.1"]
    );
    assert_eq!(store.status(), Some(3));
}
