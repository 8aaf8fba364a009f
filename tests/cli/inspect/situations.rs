//! Situations in which people ask about "cannot open shared object file", each as it comes: cause,
//! remedy, and that the remedy works.

use super::workshop::{BINARY, Workshop};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Inspects with these variables.
fn inspect_with(shop: &Workshop, variables: &[(&str, String)], args: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.current_dir(&shop.path).arg("inspect").args(args);
    command.env_remove("LD_LIBRARY_PATH");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.output().unwrap()
}

/// Runs the commands of all helps that have one.
fn run_helps(shop: &Workshop, report: &str) -> usize {
    let helps = report.lines().filter_map(|line| line.split_once("help: "));
    let commands = helps.filter_map(|(_, help)| help.split('`').nth(1));
    let mut count = 0;
    for command in commands.filter(|command| !command.starts_with("pip ")) {
        let command = command.replace("cuda-fixup ", &format!("{BINARY} "));
        let run = Command::new("sh")
            .current_dir(&shop.path)
            .args(["-c", &command])
            .output()
            .unwrap();
        assert!(run.status.success(), "{command}: {run:?}");
        count += 1;
    }
    count
}

const PACKAGES: &str = "py/lib/python3.11/site-packages";

/// `import extension` before `import torch`.
#[test]
fn an_extension_of_a_wheel_needs_the_libraries_of_another() {
    for args in [vec!["_C.so"], vec!["py"]] {
        let shop = Workshop::new();
        let at = |name: &str| format!("{PACKAGES}/{name}");
        shop.lib(&at("torch/lib/libc10.so"), &[]);
        shop.lib(&at("nvidia/cublas/lib/libcublas.so.12"), &[]);
        let [torch, cublas] = ["torch/lib/libc10.so", "nvidia/cublas/lib/libcublas.so.12"].map(at);
        shop.lib(&at("extension/_C.so"), &[&torch, &cublas]);
        let args: Vec<String> = args
            .iter()
            .map(|arg| arg.replace("_C.so", &at("extension/_C.so")))
            .collect();
        let report = text(&shop.inspect(&args));
        assert!(
            report.contains("torch/lib/libc10.so is there, but no search leads to its directory"),
            "{report}"
        );
        assert!(report.contains("the Python package torch"), "{report}");
        assert!(!report.contains("the Python package nvidia"), "{report}");
        assert!(!report.contains("pip install"), "it is there: {report}");
        assert_eq!(run_helps(&shop, &report), 1, "{report}");
        assert_eq!(shop.inspect(&args).status.code(), Some(0));
    }
}

#[test]
fn the_library_is_elsewhere_in_the_inspected_tree() {
    let shop = Workshop::new();
    shop.lib("t/a/b/c/d/libx.so", &[]);
    shop.exe("t/programs/app", &["t/a/b/c/d/libx.so"]);
    let report = text(&shop.inspect(&["t"]));
    assert!(report.contains("t/a/b/c/d/libx.so is there"), "{report}");
    assert_eq!(run_helps(&shop, &report), 1);
    assert_eq!(shop.inspect(&["t"]).status.code(), Some(0));
}

#[test]
fn from_inside_bin_the_prefix_is_above() {
    let shop = Workshop::new();
    shop.lib("p/lib/libx.so", &[]);
    shop.exe("p/bin/app", &["p/lib/libx.so"]);
    let run = Command::new(BINARY)
        .current_dir(shop.at("p/bin"))
        .args(["inspect", "app"])
        .output()
        .unwrap();
    let report = text(&run);
    assert!(report.contains("fixup --lib ../lib app`"), "{report}");
}

#[test]
fn a_file_that_the_user_may_not_read() {
    let shop = Workshop::new();
    shop.lib("libx.so", &[]);
    shop.exe("app", &["libx.so", "-Wl,-rpath,$ORIGIN"]);
    let binary = shop.at("cuda-fixup");
    crate::support::copy_binary(&binary);
    fs::set_permissions(&shop.path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(shop.at("libx.so"), fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = Command::new(&binary);
    command.current_dir(&shop.path).args(["inspect", "app"]);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let report = text(&command.output().unwrap());
    assert!(report.contains("Permission denied\n"), "{report}");
    assert!(report.contains("this user may not read it"), "{report}");
    assert_eq!(run_helps(&shop, &report), 1, "{report}");
    let report = text(&command.output().unwrap());
    assert!(!report.contains("help: "), "{report}");
}

/// NixOS has a program in the loader's place that prints a message.
#[test]
fn a_stub_in_the_place_of_the_loader() {
    let shop = Workshop::new();
    let message = "NixOS cannot run dynamically linked executables intended for generic";
    let source = format!("#include <stdio.h>\nint main(void) {{ return puts(\"{message}\"); }}");
    shop.cc("gcc", "stub-ld", &source, &["-static"]);
    shop.cc(
        "gcc",
        "other-ld",
        "int main(void) { return 1; }",
        &["-static"],
    );
    for (loader, cause) in [
        ("stub-ld", "is NixOS's message in place of a loader"),
        (
            "other-ld",
            "is no loader of glibc or musl that is known here",
        ),
    ] {
        let interpreter = format!("-Wl,--dynamic-linker,{}", shop.at(loader).display());
        shop.exe("app", &[&interpreter]);
        let run = shop.inspect(&["--check", "app"]);
        let report = text(&run);
        assert!(
            report.starts_with("app: unknown whether it loads\n"),
            "{report}"
        );
        assert_eq!(run.status.code(), Some(1));
        let err = String::from_utf8(run.stderr).unwrap();
        assert!(!err.contains("loads"), "{err}");
        assert!(report.contains(cause), "{report}");
        assert!(!report.contains("ldconfig"), "{report}");
        assert_eq!(run_helps(&shop, &report), 1, "{report}");
        assert_eq!(shop.inspect(&["--check", "app"]).status.code(), Some(0));
    }
}

#[test]
fn a_program_for_another_machine() {
    let shop = Workshop::new();
    let source = "int main(void) { return 0; }";
    shop.cc::<&str>("aarch64-linux-gnu-gcc", "app", source, &[]);
    let report = text(&shop.inspect(&["--check", "app"]));
    assert!(
        report.contains("note: the program is for aarch64"),
        "{report}"
    );
    assert!(report.contains("qemu-user"), "{report}");
    assert!(!report.contains("apt"), "{report}");
}

#[test]
fn a_library_of_ld_preload_for_another_word_size_or_none() {
    let shop = Workshop::new();
    shop.exe("app", &[]);
    let source = "int x;";
    shop.cc("gcc", "lib32.so", source, &["-m32", "-shared", "-nostdlib"]);
    let list = format!(
        "{}:/none/libgone.so:libgone.so.1",
        shop.at("lib32.so").display()
    );
    let report = text(&inspect_with(&shop, &[("LD_PRELOAD", list)], &["app"]));
    for line in [
        "lib32.so, which is left out: other word size",
        "help: where programs of both word sizes run, put $LIB",
        "LD_PRELOAD names /none/libgone.so, which is left out: no such file",
        "LD_PRELOAD names libgone.so.1, which is left out: not found",
    ] {
        assert!(report.contains(line), "{line}: {report}");
    }
}

/// `sudo`, services and cron start the program without it.
#[test]
fn a_library_that_this_shell_alone_finds() {
    let shop = Workshop::new();
    shop.lib("far/away/libx.so", &[]);
    shop.exe("p/app", &["far/away/libx.so"]);
    let far = shop.at("far/away").display().to_string();
    let variables = [("LD_LIBRARY_PATH", far)];
    let report = text(&inspect_with(&shop, &variables, &["p/app"]));
    assert!(
        report.contains("far/away/libx.so is found through LD_LIBRARY_PATH alone, which sudo"),
        "{report}"
    );
    assert_eq!(run_helps(&shop, &report), 1);
    let report = text(&inspect_with(&shop, &variables, &["p/app"]));
    assert!(!report.contains("alone"), "{report}");
    assert_eq!(shop.inspect(&["p/app"]).status.code(), Some(0));
}

#[test]
fn a_set_uid_program_whose_library_is_in_the_variable() {
    let shop = Workshop::new();
    shop.lib("far/away/libx.so", &[]);
    let program = shop.exe("p/app", &["far/away/libx.so"]);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let far = shop.at("far/away").display().to_string();
    let args = ["--user", "4711", "p/app"];
    let report = text(&inspect_with(&shop, &[("LD_LIBRARY_PATH", far)], &args));
    assert!(
        report.contains("is in LD_LIBRARY_PATH, which the loader ignores for this program"),
        "{report}"
    );
    assert_eq!(run_helps(&shop, &report), 1);
    assert_eq!(shop.inspect(&args).status.code(), Some(0));
}

/// An older libstdc++ of conda's, in LD_LIBRARY_PATH or bundled.
#[test]
fn an_older_copy_hides_the_one_that_has_the_version() {
    let shop = Workshop::new();
    let library = |name: &str, version: &str| {
        let map = shop.write(
            "map",
            format!("{version} {{ global: libx_so; local: *; }};"),
        );
        shop.lib(name, &[&format!("-Wl,--version-script={}", map.display())]);
    };
    library("new/libx.so", "GLIBCXX_3.4.30");
    library("old/libx.so", "V_1");
    let source = "int libx_so(void); int main(void) { return libx_so(); }";
    shop.cc(
        "gcc",
        "p/app",
        source,
        &["new/libx.so", "-Wl,-rpath,$ORIGIN/../new"],
    );
    let old = shop.at("old").display().to_string();
    let run = inspect_with(&shop, &[("LD_LIBRARY_PATH", old.clone())], &["p/app"]);
    let report = text(&run);
    assert!(
        report.contains("new/libx.so has it, but LD_LIBRARY_PATH hides it"),
        "{report}"
    );
    let help = format!("help: take {old} out of LD_LIBRARY_PATH");
    assert!(report.contains(&help), "{report}");
    assert_eq!(shop.inspect(&["p/app"]).status.code(), Some(0));
}

/// The libc's directory has an older library of that name.
#[test]
fn a_newer_libstdcxx_is_beside_the_program() {
    let shop = Workshop::new();
    let map = shop.write("map", "GLIBCXX_9.9 { global: libstdc___so_6; local: *; };");
    let map = format!("-Wl,--version-script={}", map.display());
    shop.lib("p/lib/libstdc++.so.6", &[&map]);
    let source = "int libstdc___so_6(void); int main(void) { return libstdc___so_6(); }";
    shop.cc("gcc", "p/bin/app", source, &["p/lib/libstdc++.so.6"]);
    let report = text(&shop.inspect(&["p/bin/app"]));
    assert!(report.contains("GLIBCXX_9.9 not found in it"), "{report}");
    assert!(report.contains("p/lib/libstdc++.so.6 has it"), "{report}");
    assert_eq!(run_helps(&shop, &report), 1, "{report}");
    assert_eq!(shop.inspect(&["p/bin/app"]).status.code(), Some(0));
}

/// The loader of the system's glibc can't load another libc.
#[test]
fn a_newer_libc_is_beside_the_program() {
    let shop = Workshop::new();
    let map = shop.write("map", "GLIBC_9.9 { global: libc_so_6; local: *; };");
    let map = format!("-Wl,--version-script={}", map.display());
    shop.lib("p/lib/libc.so.6", &["-nostdlib", &map]);
    let source = "int libc_so_6(void); int user(void) { return libc_so_6(); }";
    let flags = ["-shared", "-fPIC", "-nostdlib", "p/lib/libc.so.6"];
    shop.cc("gcc", "p/lib/libuser.so", source, &flags);
    let report = text(&shop.inspect(&["p/lib/libuser.so"]));
    assert!(report.contains("GLIBC_9.9 not found in it"), "{report}");
    assert!(
        report.contains("help: run it on a newer system"),
        "{report}"
    );
    assert!(!report.contains("fixup --lib"), "{report}");
    assert!(!report.contains("--keep-libc"), "{report}");
}

#[test]
fn a_set_uid_program_whose_own_entry_has_origin() {
    let shop = Workshop::new();
    shop.lib("p/lib/libx.so", &[]);
    let program = shop.exe("p/bin/app", &["p/lib/libx.so", "-Wl,-rpath,$ORIGIN/../lib"]);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let args = ["--user", "4711", "p/bin/app"];
    let report = text(&shop.inspect(&args));
    assert!(
        report.contains("but the loader ignores it in a set-uid"),
        "{report}"
    );
    assert!(
        !report.contains("serves only the file that has it"),
        "{report}"
    );
    assert_eq!(run_helps(&shop, &report), 1);
    assert_eq!(shop.inspect(&args).status.code(), Some(0));
}

/// Elsewhere in the tree, without any search that leads there.
#[test]
fn a_namesake_of_a_loaded_library_has_the_symbol() {
    let shop = Workshop::new();
    let shared = ["-shared", "-fPIC", "-Wl,-soname,libjit.so.1"];
    shop.cc(
        "gcc",
        "p/new/er/libjit.so.1",
        "int added(void) { return 0; }",
        &shared,
    );
    shop.cc(
        "gcc",
        "p/libjit.so.1",
        "int kept(void) { return 0; }",
        &shared,
    );
    let main = "int added(void); int main(void) { return added(); }";
    let flags = ["p/new/er/libjit.so.1", "-Wl,-rpath,$ORIGIN", "-Wl,-z,now"];
    shop.cc("gcc", "p/app", main, &flags);
    let report = text(&shop.inspect(&["p/app"]));
    assert!(
        report.contains("p/new/er/libjit.so.1 has added, but "),
        "{report}"
    );
    let path = report.split("try `LD_LIBRARY_PATH=").nth(1).unwrap();
    let path = path.split('`').next().unwrap().to_owned();
    let with = inspect_with(&shop, &[("LD_LIBRARY_PATH", path)], &["p/app"]);
    assert_eq!(with.status.code(), Some(0));
    assert!(!report.contains("take the other out"), "{report}");
}

#[test]
fn why_names_the_remedy() {
    let shop = Workshop::new();
    shop.lib("p/lib/libx.so", &[]);
    shop.lib("p/libf.so", &["p/lib/libx.so"]);
    let flags = ["p/libf.so", "-Wl,-rpath,$ORIGIN", "-Wl,-rpath-link,p/lib"];
    shop.exe("p/app", &flags);
    let why = ["--why", "libx.so", "p/app"];
    let report = text(&shop.inspect(&why));
    assert!(report.contains("needs libx.so => not found"), "{report}");
    assert_eq!(run_helps(&shop, &report), 1, "{report}");
    let report = text(&shop.inspect(&why));
    assert!(!report.contains("help: "), "{report}");
    assert_eq!(shop.inspect(&["p/app"]).status.code(), Some(0));
}

#[test]
fn a_dangling_link_is_named_once() {
    let shop = Workshop::new();
    shop.lib("p/lib/libx.so", &[]);
    shop.exe("p/bin/app", &["p/lib/libx.so", "-Wl,-rpath,$ORIGIN/../lib"]);
    fs::remove_file(shop.at("p/lib/libx.so")).unwrap();
    std::os::unix::fs::symlink("libx.so.9", shop.at("p/lib/libx.so")).unwrap();
    let report = text(&shop.inspect(&["p/bin/app"]));
    assert_eq!(
        report.matches("is a link to libx.so.9").count(),
        1,
        "{report}"
    );
}

#[test]
fn a_program_or_an_interpreter_that_is_not_there() {
    let shop = Workshop::new();
    shop.lib("libx.so", &[]);
    for (option, name) in [
        ("--loaded-by", "no-such-program"),
        ("--interpreter", "/no/such"),
    ] {
        let run = shop.inspect(&[option, name, "libx.so"]);
        assert_eq!(run.status.code(), Some(2));
        let error = String::from_utf8(run.stderr).unwrap();
        assert!(
            error.contains(&format!("{option} {name}: no such file")),
            "{error}"
        );
    }
    // A program is looked for on PATH.
    let run = shop.inspect(&["--loaded-by", "gcc", "libx.so"]);
    assert_eq!(run.status.code(), Some(0), "{run:?}");
}

/// The command of a script's help leaves its argument.
#[test]
fn a_script_whose_interpreter_is_elsewhere() {
    let shop = Workshop::new();
    shop.write("script", "#! /no/such/sh -e\nexit 0\n");
    let run = shop.inspect(&["script"]);
    let error = String::from_utf8(run.stderr).unwrap();
    let help = error.lines().find_map(|line| line.strip_prefix("help: "));
    let command = help.unwrap();
    let mut shell = Command::new("sh");
    shell.current_dir(&shop.path).args(["-c", command]);
    assert!(shell.status().unwrap().success(), "{error}");
    let text = fs::read_to_string(shop.at("script")).unwrap();
    assert!(
        text.starts_with("#!/") && text.contains("/sh -e\n"),
        "{text}"
    );
}

#[test]
fn a_linker_script_is_needed() {
    let shop = Workshop::new();
    shop.lib("p/libx.so.6", &[]);
    shop.lib("stub/libx.so", &[]);
    shop.exe("p/app", &["stub/libx.so", "-Wl,-rpath,$ORIGIN"]);
    let script = "/* GNU ld script */\nGROUP ( /lib/libx.so.6  AS_NEEDED ( /lib/libxv.so.1 ) )\n";
    shop.write("p/libx.so", script);
    let report = text(&shop.inspect(&["p/app"]));
    assert!(
        report.contains("--replace-needed libx.so libx.so.6 p/app`"),
        "{report}"
    );
    run_helps(&shop, &report);
    assert_eq!(shop.inspect(&["p/app"]).status.code(), Some(0));
}

/// A system below another root, with its program in `bin/app`, which lacks a library.
fn system_without(library: &str, files: &[(&str, &str)]) -> Workshop {
    let shop = Workshop::new();
    shop.exe_without("root/bin/app", library);
    for (name, text) in files {
        shop.write(&format!("root/{name}"), text);
    }
    // The loader and the libc, so that nothing else is missing.
    for name in ["ld-linux-x86-64.so.2", "libc.so.6"] {
        let asked = Command::new("gcc")
            .arg(format!("-print-file-name={name}"))
            .output();
        let file = String::from_utf8(asked.unwrap().stdout).unwrap();
        let file = fs::read(file.trim_end()).unwrap();
        shop.write(&format!("root/lib64/{name}"), &file);
        shop.write(&format!("root/lib/x86_64-linux-gnu/{name}"), &file);
    }
    shop
}

/// The report of inspect; lint gives the same advice.
fn inspect_below_root(shop: &Workshop) -> String {
    let report = text(&shop.inspect(&["--root", "root", "root/bin/app"]));
    let lint = Command::new(BINARY)
        .current_dir(&shop.path)
        .args(["lint", "--root", "root", "root/bin/app"])
        .output()
        .unwrap();
    // A machine without a driver is no fault of a package.
    if report.contains("comes with NVIDIA's driver") {
        return report;
    }
    let advice = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| line.starts_with("note: ") || line.starts_with("help: "));
        lines.map(str::to_owned).collect()
    };
    let (of_inspect, of_lint) = (advice(&report), advice(&text(&lint)));
    assert!(
        of_inspect.is_subset(&of_lint),
        "{of_inspect:#?}\n{of_lint:#?}"
    );
    report
}

#[test]
fn a_package_of_the_distribution_may_have_it() {
    let debian = ("etc/os-release", "ID=debian\n");
    let list = (
        "var/lib/apt/lists/deb.example.org_dists_x_main_binary-amd64_Packages",
        "Package: libodd2.0-3t64\nArchitecture: amd64\n\nPackage: libother1\n",
    );
    let report = |library: &str, more: &[(&str, &str)]| {
        let files = [&[debian, list], more].concat();
        inspect_below_root(&system_without(library, &files))
    };
    let odd = report("libodd-2.0.so.3", &[]);
    let rule =
        "help: by Debian's rule for names it is in libodd2.0-3t64: `apt install libodd2.0-3t64`";
    assert!(odd.contains(rule), "{odd}");
    let other = report("libz.so.99", &[]);
    let search =
        "`apt update && apt install apt-file && apt-file update && apt-file search /libz.so.99`";
    assert!(other.contains(search), "{other}");
    let other = report("libz.so.99", &[("usr/bin/apt-file", "")]);
    assert!(other.contains("`apt-file search /libz.so.99`"), "{other}");
    let renamed = report("libodd-1a2b3c4d.so.3", &[]);
    assert!(
        renamed.contains("a name that auditwheel gave it"),
        "{renamed}"
    );
    for (os, command) in [
        ("fedora", "`dnf install 'libodd.so.3()(64bit)'`"),
        ("opensuse-leap", "`zypper install 'libodd.so.3()(64bit)'`"),
        ("arch", "`pacman -Fy libodd.so.3`"),
        ("alpine", "`apk add so:libodd.so.3`"),
        (
            "nixos",
            "nix-locate --whole-name --at-root /lib/libodd.so.3",
        ),
    ] {
        let os = format!("ID={os}\nID_LIKE=\"suse opensuse\"\n");
        let report = inspect_below_root(&system_without("libodd.so.3", &[("etc/os-release", &os)]));
        assert!(report.contains(command), "{report}");
    }
}

/// Where the program lacks the driver, the remedy depends on the system.
#[test]
fn each_kind_of_system_has_its_way_to_the_driver() {
    for (file, help) in [
        (".dockerenv", "start the container with `--gpus all`"),
        ("run/.containerenv", "start the container with `--gpus all`"),
        ("etc/NIXOS", "set `hardware.graphics.enable`"),
        (
            "etc/nv_tegra_release",
            "install it with JetPack: `apt install nvidia-l4t-cuda`",
        ),
        (
            "etc/debian_version",
            "install the driver: `apt install libcuda1`",
        ),
        (
            "etc/fedora-release",
            "install NVIDIA's driver by the system's package",
        ),
    ] {
        let shop = system_without("libcuda.so.1", &[(file, "")]);
        let report = inspect_below_root(&shop);
        assert!(
            report.contains("comes with NVIDIA's driver, never"),
            "{report}"
        );
        assert!(report.contains(&format!("help: {help}")), "{report}");
        // The state of this machine's kernel says nothing about that system.
        assert!(!report.contains("driver runs"), "{report}");
        // The driver is brought into the loader's own directory.
        shop.lib("root/lib/x86_64-linux-gnu/libcuda.so.1", &[]);
        let mended = inspect_below_root(&shop);
        assert!(!mended.contains("not found"), "{mended}");
    }
}

#[test]
fn the_driver_of_windows_is_in_a_directory_of_its_own() {
    let shop = system_without("libcuda.so.1", &[]);
    shop.lib("root/usr/lib/wsl/lib/libcuda.so.1", &[]);
    let report = inspect_below_root(&shop);
    assert!(report.contains("/usr/lib/wsl/lib"), "{report}");
    assert_eq!(run_helps(&shop, &report), 1, "{report}");
    let mended = inspect_below_root(&shop);
    assert!(!mended.contains("not found"), "{mended}");
}

#[test]
fn an_interpreter_that_the_other_system_has() {
    let shop = system_without("libodd.so.3", &[]);
    shop.lib("root/lib/x86_64-linux-gnu/libodd.so.3", &[]);
    let flags = [
        "root/lib/x86_64-linux-gnu/libodd.so.3",
        "-Wl,--dynamic-linker,/nix/store/none/ld-linux-x86-64.so.2",
    ];
    shop.exe("root/bin/app", &flags);
    let report = inspect_below_root(&shop);
    assert!(
        report.contains("the interpreter /nix/store/none/"),
        "{report}"
    );
    assert_eq!(run_helps(&shop, &report), 1, "{report}");
    let mended = shop.inspect(&["--check", "--root", "root", "root/bin/app"]);
    assert_eq!(mended.status.code(), Some(0), "{mended:?}");
}

/// A path is no name of a library in a package.
#[test]
fn a_library_that_is_needed_by_a_path() {
    let shop = Workshop::new();
    let library = shop.at("lib/libabs.so").display().to_string();
    shop.cc("gcc", "lib/libabs.so", "int x;", &["-shared", "-fPIC"]);
    shop.exe("bin/app", &[&library]);
    fs::rename(shop.at("lib"), shop.at("moved")).unwrap();
    let report = text(&shop.inspect(&["bin/app"]));
    assert!(
        report.contains("let it be searched by its name"),
        "{report}"
    );
    assert_eq!(run_helps(&shop, &report), 1, "{report}");
    fs::rename(shop.at("moved"), shop.at("lib")).unwrap();
    let report = text(&shop.inspect(&["bin/app"]));
    assert_eq!(run_helps(&shop, &report), 1, "{report}");
    assert_eq!(shop.inspect(&["bin/app"]).status.code(), Some(0));
}

/// dpkg knows of it, in a directory that no search reaches.
#[test]
fn a_library_that_a_package_has_in_a_directory_of_its_own() {
    let list = "/.\n/usr/lib/private\n/usr/lib/private/libodd.so.3\n";
    let lists = [("var/lib/dpkg/info/odd.list", list)];
    let shop = system_without("libodd.so.3", &lists);
    shop.lib("root/usr/lib/private/libodd.so.3", &[]);
    let report = inspect_below_root(&shop);
    let cause = "/usr/lib/private/libodd.so.3 is there, but no search leads to its directory";
    assert!(report.contains(cause), "{report}");
    assert_eq!(run_helps(&shop, &report), 1, "{report}");
    assert!(!inspect_below_root(&shop).contains("not found"), "{report}");
}

#[test]
fn flatpak_and_snap_have_their_own_way_to_the_driver_and_conda_its_packages() {
    let shop = Workshop::new();
    let flatpak = "flatpak/app/org.x.App/x86_64/stable/active/files/bin/app";
    let cases = [
        (
            flatpak,
            "libcuda.so.1",
            "org.freedesktop.Platform.GL.nvidia-VERSION",
        ),
        (
            "snap/app/12/bin/app",
            "libcuda.so.1",
            "`snap connect NAME:opengl`",
        ),
        (
            "env/bin/app",
            "libcudart.so.12",
            "`conda install -c conda-forge cuda-cudart`",
        ),
    ];
    fs::create_dir_all(shop.path.join("env/conda-meta")).unwrap();
    for (program, library, help) in cases {
        shop.exe_without(program, library);
        let report = text(&shop.inspect(&[program]));
        let helps: Vec<&str> = report.lines().filter(|l| l.contains("help: ")).collect();
        assert_eq!(helps.len(), 1, "{report}");
        assert!(helps[0].contains(help), "{report}");
    }
    // Of CUDA, but not in conda-forge by that name: the wheel.
    shop.exe_without("env/bin/sparse", "libcusparseLt.so.0");
    let report = text(&shop.inspect(&["env/bin/sparse"]));
    assert!(
        report.contains("`pip install nvidia-cusparselt-cu12`"),
        "{report}"
    );
}
