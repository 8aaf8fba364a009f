//! Every rule of lint: an example has the finding; the command of its help, or of its page, is run;
//! the finding is gone. Rules without a command say on their page why there is none.

use crate::lint::{PLAIN, library, lint};
use cuda_fixup::parts::{RULES, documentation};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_cuda-fixup");

/// A tree `t` that breaks a rule.
struct Example {
    _dir: TempDir,
    root: PathBuf,
    /// Arguments of lint before `t`.
    args: Vec<String>,
    /// The page's command, where the help has none that a machine could run.
    command: Option<String>,
    library_path: Option<PathBuf>,
}

impl Example {
    fn new() -> Example {
        let dir = TempDir::new().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for sub in ["t/bin", "t/lib", "out/more"] {
            fs::create_dir_all(root.join(sub)).unwrap();
        }
        Example {
            _dir: dir,
            root,
            args: vec!["--context=nix".to_owned()],
            command: None,
            library_path: None,
        }
    }

    fn lib(&self, name: &str, source: &str, flags: &[&str]) {
        let file_name = name.rsplit('/').next().unwrap();
        let soname = format!("-Wl,-soname,{file_name}");
        let all = [&[soname.as_str(), "-Wl,--no-as-needed"], flags].concat();
        library(&self.root, name, source, &all);
    }

    /// A library with this RUNPATH; `ROOT` is the example's directory.
    fn runpath(self, text: &str) -> Example {
        let text = text.replace("ROOT", self.root.to_str().unwrap());
        self.lib("t/lib/libx.so", PLAIN, &[&format!("-Wl,-rpath,{text}")]);
        self
    }

    /// A user of `t/lib/libdep.so`, with these flags.
    fn user(&self, flags: &[&str]) {
        self.program("int f(void); int main(void) { return f() - 1; }", flags);
    }

    fn program(&self, source: &str, flags: &[&str]) {
        fs::write(self.root.join("m.c"), source).unwrap();
        let run = Command::new("gcc")
            .current_dir(&self.root)
            .args(["m.c", "-o", "t/bin/app", "-Wl,--no-as-needed"])
            .args(flags)
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
    }

    fn option(mut self, text: &str) -> Example {
        let text = text.replace("ROOT", self.root.to_str().unwrap());
        self.args.push(text);
        self
    }

    fn by(mut self, command: &str) -> Example {
        self.command = Some(command.replace("ROOT", self.root.to_str().unwrap()));
        self
    }

    fn findings(&self) -> Vec<Value> {
        let mut command = Command::new(BINARY);
        command
            .current_dir(&self.root)
            .arg("lint")
            .env_remove("NIX_STORE");
        command.args(["--format=json"]).args(&self.args).arg("t");
        match &self.library_path {
            Some(path) => command.env("LD_LIBRARY_PATH", path),
            None => command.env_remove("LD_LIBRARY_PATH"),
        };
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| crate::support::schema::parsed(line))
            .collect()
    }

    fn finding(&self, code: &str) -> Option<Value> {
        self.findings().into_iter().find(|f| f["code"] == code)
    }

    fn run(&self, command: &str) {
        let command = command.replace("cuda-fixup ", &format!("{BINARY} "));
        let run = Command::new("sh")
            .current_dir(&self.root)
            .args(["-c", &command])
            .output()
            .unwrap();
        assert!(run.status.success(), "{command}: {run:?}");
    }
}

fn versioned(example: &Example, name: &str, version: &str) {
    let map = example.root.join("map");
    fs::write(&map, format!("{version} {{ global: f; local: *; }};")).unwrap();
    let script = format!("-Wl,--version-script={}", map.display());
    example.lib(name, PLAIN, &[&script]);
}

/// The example of a rule's finding that a command removes.
fn example(code: &str) -> Option<Example> {
    let new = Example::new;
    let opens = |name: &str| format!("const char *name = \"{name}\";");
    Some(match code {
        "driver-link-missing" => {
            let e = new();
            e.lib("t/lib/libx.so", &opens("libcuda.so.1"), &[]);
            e
        }
        "driver-link-unneeded" => new().runpath("/run/opengl-driver/lib"),
        "driver-library-installed" => {
            let e = new();
            e.lib("t/lib/libcuda.so.1", PLAIN, &[]);
            e
        }
        "runpath-stubs" => new().runpath("/usr/local/cuda/lib64/stubs"),
        "runpath-missing" => new().runpath("/nowhere/lib"),
        "runpath-relative" => new().runpath("lib"),
        "runpath-empty" => new().runpath("$ORIGIN::$ORIGIN/../bin"),
        "runpath-build-directory" => new().runpath("/project/build/lib"),
        "runpath-fhs" => new().runpath("/usr/share"),
        "runpath-farm" => {
            let e = new();
            for (file, text) in [("farm/bin/nvcc", ""), ("farm/lib/x", "")] {
                fs::create_dir_all(e.root.join(file).parent().unwrap()).unwrap();
                fs::write(e.root.join(file), text).unwrap();
            }
            e.runpath("ROOT/farm/lib").option("--store=ROOT")
        }
        "host-compiler-leak" => new()
            .runpath("ROOT/out")
            .option("--store=ROOT")
            .option("--host-compiler=ROOT/out"),
        "runpath-outside-store" => new().runpath("/etc").option("--store=ROOT"),
        "runpath-duplicate" => new().runpath("$ORIGIN:$ORIGIN"),
        "runpath-unused" => new().runpath("/etc"),
        "rpath" => {
            let e = new();
            let flags = ["-Wl,--disable-new-dtags,-rpath,$ORIGIN"];
            e.lib("t/lib/libx.so", PLAIN, &flags);
            e
        }
        "executable-stack" => {
            let e = new();
            e.lib("t/lib/libx.so", PLAIN, &["-Wl,-z,execstack"]);
            e
        }
        "needed-not-found" => {
            let e = new();
            e.lib("t/lib/libdep.so", PLAIN, &[]);
            e.user(&["t/lib/libdep.so"]);
            e
        }
        "does-not-load" => {
            let e = new();
            e.lib("out/more/libbelow.so", PLAIN, &[]);
            let user = "int f(void); int g(void) { return f(); }";
            e.lib("out/libdep.so", user, &["out/more/libbelow.so"]);
            let links = ["-Wl,-rpath,$ORIGIN/../../out", "-Wl,-rpath-link,out/more"];
            let main = "int g(void); int main(void) { return g() - 1; }";
            e.program(main, &[&["out/libdep.so"], &links[..]].concat());
            e.by("cuda-fixup fixup --lib out/more out/libdep.so")
        }
        "needed-other-machine" => {
            let e = new();
            e.lib("t/lib/libdep.so", PLAIN, &[]);
            e.user(&["t/lib/libdep.so", "-Wl,-rpath,$ORIGIN/../arm"]);
            fs::create_dir(e.root.join("t/arm")).unwrap();
            fs::write(e.root.join("s.c"), PLAIN).unwrap();
            let cross = Command::new("aarch64-linux-gnu-gcc")
                .current_dir(&e.root)
                .args([
                    "-shared",
                    "-fPIC",
                    "-nostdlib",
                    "-o",
                    "t/arm/libdep.so",
                    "s.c",
                ])
                .status();
            assert!(cross.unwrap().success());
            e
        }
        "needed-through-environment" => {
            let mut e = new();
            e.lib("out/libdep.so", PLAIN, &[]);
            e.user(&["out/libdep.so"]);
            e.library_path = Some(e.root.join("out"));
            e.option("--env")
        }
        "needed-through-rpath" => {
            let e = new();
            e.lib("t/lib/libbelow.so", PLAIN, &[]);
            let user = "int f(void); int g(void) { return f(); }";
            e.lib("t/lib/libdep.so", user, &["t/lib/libbelow.so"]);
            let rpath = ["-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib"];
            let main = "int g(void); int main(void) { return g() - 1; }";
            e.program(main, &[&["t/lib/libdep.so"], &rpath[..]].concat());
            e
        }
        "needed-by-plugin" => {
            let e = new();
            e.lib("out/libdep.so", PLAIN, &[]);
            let user = "int f(void); int g(void) { return f(); }";
            e.lib("t/lib/transport_odd.so.3", user, &["out/libdep.so"]);
            e.lib("t/lib/libx.so", &opens("transport_%s.so.%d"), &[]);
            e.by("cuda-fixup fixup --lib out t/lib/transport_odd.so.3")
        }
        "needed-loaded-before" => {
            let mut e = new();
            e.lib("t/lib/libdep.so", PLAIN, &[]);
            let user = "int f(void); int g(void) { return f(); }";
            e.lib("t/bin/libuser.so", user, &["t/lib/libdep.so"]);
            e.args = vec!["--context=wheels".to_owned()];
            e.by("cuda-fixup fixup --lib t/lib t/bin/libuser.so")
        }
        "symbol-version-missing" => {
            let e = new();
            versioned(&e, "t/lib/libdep.so", "V_2");
            e.user(&["t/lib/libdep.so", "-Wl,-rpath,$ORIGIN/../old"]);
            fs::create_dir(e.root.join("t/old")).unwrap();
            versioned(&e, "t/old/libdep.so", "V_1");
            e
        }
        "symbol-missing" => {
            let e = new();
            e.lib("t/lib/libdep.so", PLAIN, &[]);
            e.user(&["t/lib/libdep.so", "-Wl,-z,now", "-Wl,-rpath,$ORIGIN/../lib"]);
            e.lib("t/lib/libf.so", PLAIN, &[]);
            e.lib("t/lib/libdep.so", "int other;", &[]);
            e.by("cuda-fixup patchelf --add-needed libf.so t/bin/app")
        }
        "dlopen-not-found" => {
            let e = new();
            e.lib("out/libplugin.so.7", PLAIN, &[]);
            e.lib("t/lib/libx.so", &opens("libplugin.so.7"), &[]);
            e.by("cuda-fixup fixup --dlopen auto --lib out t/lib/libx.so")
        }
        "nvrtc-builtins-not-found" => {
            let e = new();
            e.lib("out/libnvrtc-builtins.so.12.9", PLAIN, &[]);
            e.lib(
                "t/lib/libnvrtc.so.12",
                &opens("libnvrtc-builtins.so.12.9"),
                &[],
            );
            e.by("cuda-fixup fixup --dlopen auto --lib out t/lib/libnvrtc.so.12")
        }
        "cudnn-sublibrary-not-found" => {
            let e = new();
            e.lib("out/libcudnn_ops.so.9", PLAIN, &[]);
            e.lib("t/lib/libcudnn.so.9", &opens("libcudnn_ops.so.9"), &[]);
            e.by("cuda-fixup fixup --dlopen auto --lib out t/lib/libcudnn.so.9")
        }
        "resolution-cache-stale" => {
            let e = new();
            e.lib("out/libdep.so", PLAIN, &[]);
            let entries = format!("-Wl,-rpath,{0}/t/lib:{0}/out", e.root.display());
            e.user(&["out/libdep.so", &entries]);
            e.run("cuda-fixup fixup --relative off --resolution note t/bin/app");
            e.lib("t/lib/libdep.so", PLAIN, &[]);
            e.by("cuda-fixup fixup --relative off --resolution note t/bin/app")
        }
        "startup-search" => {
            let e = new();
            let names: Vec<String> = (0..15).map(|n| format!("out/{n}/lib{n}.so")).collect();
            let mut words = Vec::new();
            for (n, name) in names.iter().enumerate() {
                fs::create_dir(e.root.join(format!("out/{n}"))).unwrap();
                e.lib(name, PLAIN, &[&format!("-Wl,-soname,lib{n}.so")]);
                words.push(name.clone());
                words.push(format!("-Wl,-rpath,{}/out/{n}", e.root.display()));
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            e.user(&words);
            e.by("cuda-fixup fixup --relative off --resolution absolute t/bin/app")
        }
        "interpreter-missing" => {
            let e = new();
            e.lib("t/lib/libdep.so", PLAIN, &[]);
            let gone = "-Wl,--dynamic-linker,/nix/store/none-glibc/lib/ld-linux-x86-64.so.2";
            e.user(&["t/lib/libdep.so", "-Wl,-rpath,$ORIGIN/../lib", gone]);
            e
        }
        "interpreter-outside-store" => {
            let e = new();
            e.lib("t/lib/libdep.so", PLAIN, &[]);
            e.user(&["t/lib/libdep.so", "-Wl,-rpath,$ORIGIN/../lib"]);
            for file in [
                "/lib64/ld-linux-x86-64.so.2",
                "/lib/x86_64-linux-gnu/libc.so.6",
            ] {
                let name = Path::new(file).file_name().unwrap();
                fs::copy(file, e.root.join("out").join(name)).unwrap();
            }
            e.option("--store=ROOT")
                .by("cuda-fixup fixup --interpreter ROOT/out/ld-linux-x86-64.so.2 t/bin/app")
        }
        _ => return None,
    })
}

#[test]
fn every_finding_has_a_command_that_removes_it_or_a_reason_why_none_does() {
    let page = documentation();
    let mut commands = 0;
    for rule in RULES {
        let code = rule.code();
        let text = page.split(&format!("\n### {code}\n")).nth(1).unwrap();
        let text = text.split("\n### ").next().unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some(example) = example(&code) else {
            assert!(
                text.contains("No command"),
                "{code}: neither a command nor a reason"
            );
            continue;
        };
        assert!(!text.contains("No command"), "{code}: it has a command");
        if let Some(command) = &example.command {
            let words: Vec<&str> = command.split(' ').take(3).collect();
            let on_page = text.contains(&words.join(" ")) || text.contains(&words[..2].join(" "));
            assert!(on_page, "{code}: its page lacks {command}");
        }
        removed(&code, &example, &|command| command);
        commands += 1;
    }
    assert!(commands >= 26, "{commands} commands");
}

/// Runs the example's command, or that of the finding's help, with an addition: the finding is gone.
fn removed(code: &str, example: &Example, with: &dyn Fn(String) -> String) {
    let before = example.finding(code);
    let before = before.unwrap_or_else(|| panic!("{code}: {:?}", example.findings()));
    let command = match &example.command {
        Some(command) => command.clone(),
        None => {
            let mut helps = before["helps"].as_array().unwrap().iter();
            let command = helps.find_map(|h| h.as_str().unwrap().split('`').nth(1));
            let command = command.unwrap_or_else(|| panic!("{code}: {before}"));
            command.to_owned()
        }
    };
    example.run(&with(command.clone()));
    let after = example.finding(code);
    assert!(after.is_none(), "{code}: {command}: {after:?}");
}

/// `fixup --shrink` keeps an entry through which a library is found: the help has another command.
#[test]
fn entries_that_provide_a_library_can_be_dropped() {
    let user = |entry: &str| {
        let e = Example::new();
        fs::create_dir_all(e.root.join("tmp/lib")).unwrap();
        e.lib("tmp/lib/libdep.so", PLAIN, &[]);
        e.lib("t/lib/libdep.so", PLAIN, &[]);
        let entry = entry.replace("ROOT", e.root.to_str().unwrap());
        e.user(&["tmp/lib/libdep.so", &format!("-Wl,-rpath,{entry}")]);
        e
    };
    // "with `--lib DIR` for a library that is found there now"
    let with_lib = |command: String| command.replace(" fixup ", " fixup --lib t/lib ");
    removed("runpath-build-directory", &user("ROOT/tmp/lib"), &with_lib);
    // libc is found through it.
    let compiler = Command::new("gcc")
        .arg("-print-file-name=libc.so.6")
        .output();
    let libc = String::from_utf8(compiler.unwrap().stdout).unwrap();
    let libc = fs::canonicalize(libc.trim()).unwrap();
    let system = libc.parent().unwrap().to_str().unwrap();
    removed("runpath-fhs", &user(system), &with_lib);
    let in_store = user(system).option("--store=ROOT/t");
    removed("runpath-outside-store", &in_store, &with_lib);
}

/// The library that is opened is beside the file: the finding has the command.
#[test]
fn libraries_that_are_opened_may_be_beside() {
    for (code, file, beside) in [
        ("dlopen-not-found", "libx.so", "libplugin.so.7"),
        (
            "nvrtc-builtins-not-found",
            "libnvrtc.so.12",
            "libnvrtc-builtins.so.12.9",
        ),
        (
            "cudnn-sublibrary-not-found",
            "libcudnn.so.9",
            "libcudnn_ops.so.9",
        ),
    ] {
        let e = Example::new();
        e.lib(&format!("t/lib/{beside}"), PLAIN, &[]);
        let source = format!("const char *name = \"{beside}\";");
        e.lib(&format!("t/lib/{file}"), &source, &[]);
        removed(code, &e, &|command| command);
    }
}

/// Those of the files that have the finding, by `--fix`, where the help has the command.
#[test]
fn fix_does_what_the_helps_say() {
    for rule in RULES {
        let code = rule.code();
        let Some(example) = example(&code) else {
            continue;
        };
        let before = example.finding(&code);
        if before.unwrap_or_else(|| panic!("{code}"))["fixable"] != true {
            continue;
        }
        let mut args: Vec<&str> = example.args.iter().map(String::as_str).collect();
        args.extend(["--fix", "t"]);
        if example.library_path.is_some() {
            continue;
        }
        lint(&example.root, &args);
        let after = example.finding(&code);
        assert!(after.is_none(), "{code}: {after:?}");
    }
}
