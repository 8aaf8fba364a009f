//! Cause and remedy of each miss: the finding, the command that is offered, the finding gone.

use super::workshop::{BINARY, Workshop};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

fn told(shop: &Workshop, file: &str) -> String {
    String::from_utf8(shop.inspect(&[file]).stdout).unwrap()
}

/// Runs the command behind the first `help:` of a report.
fn remedy(shop: &Workshop, file: &str) {
    let text = told(shop, file);
    let help = text
        .lines()
        .find(|l| l.contains("help: "))
        .unwrap_or_else(|| panic!("{text}"));
    let command = help.split('`').nth(1).unwrap_or_else(|| panic!("{text}"));
    let command = command.replace("cuda-fixup ", &format!("{BINARY} "));
    let run = Command::new("bash")
        .current_dir(&shop.path)
        .args(["-c", &command])
        .output()
        .unwrap();
    assert!(run.status.success(), "{command}: {run:?}");
}

/// The program doesn't start; the remedy is run; it does, and inspect says so.
fn mends(shop: &Workshop, file: &str, cause: &str) {
    let starts = || {
        let run = Command::new(shop.at(file))
            .env_remove("LD_LIBRARY_PATH")
            .output();
        run.is_ok_and(|run| run.status.success())
    };
    assert!(!starts());
    let text = told(shop, file);
    assert!(text.contains(cause), "{cause}: {text}");
    assert_eq!(shop.inspect(&[file]).status.code(), Some(1));
    remedy(shop, file);
    assert!(starts(), "{text}");
    assert_eq!(shop.inspect(&["--check", file]).status.code(), Some(0));
}

#[test]
fn a_library_beside_the_program_or_in_its_tree() {
    for (library, program) in [
        ("p/libx.so", "p/app"),
        ("p/deep/er/libx.so", "p/app"),
        ("p/lib/libx.so", "p/bin/app"),
        ("p/a dir/libx.so", "p/app"),
        ("p/lib/libx.so", "p/programs/app"),
        ("p/lib64/libx.so", "p/app/app"),
        // A colon ends an entry, a dollar sign begins a token: only $ORIGIN leads there.
        ("p:q/lib/libx.so", "p:q/bin/app"),
        ("p$LIB/lib/libx.so", "p$LIB/bin/app"),
        ("it's ${ORIGIN}/lib/libx.so", "it's ${ORIGIN}/bin/app"),
    ] {
        let shop = Workshop::new();
        shop.lib(library, &[]);
        let dir = library.rsplit_once('/').unwrap().0;
        shop.exe(program, &[&format!("-L{dir}"), "-lx"]);
        mends(
            &shop,
            program,
            "is there, but no search leads to its directory",
        );
    }
}

/// The command is one of a shell for names that no word can hold as they are.
#[test]
fn names_that_a_shell_reads_in_another_way() {
    for odd in [
        "it's",
        "a`touch ran`b",
        "$(touch ran)",
        "two\nlines",
        "tab\t\"quotes\"",
        "-n",
        "*",
        "back\\slash",
        "\u{9b}31m",
        "a;touch ran",
    ] {
        let shop = Workshop::new();
        let (library, program) = (format!("{odd}/lib/libx.so"), format!("{odd}/bin/app"));
        shop.lib(&library, &[]);
        shop.exe("app", &[&format!("-L./{odd}/lib"), "-lx"]);
        fs::create_dir(shop.at(odd).join("bin")).unwrap();
        fs::rename(shop.at("app"), shop.at(&program)).unwrap();
        let program = shop.at(&program);
        mends(
            &shop,
            program.to_str().unwrap(),
            "is there, but no search leads",
        );
        assert!(!shop.at("ran").exists(), "{odd}");
    }
}

/// `fixup --lib` refuses directories that no entry can name: here all of them.
#[test]
fn current_directories_that_no_entry_can_name() {
    for odd in ["p:q", "p$LIB", "${ORIGIN}"] {
        let shop = Workshop::below(odd);
        shop.lib("lib/libx.so", &[]);
        shop.exe("bin/app", &["-Llib", "-lx"]);
        mends(&shop, "bin/app", "is there, but no search leads");
        let runpath = told(&shop, "bin/app");
        assert!(runpath.contains("$ORIGIN/../lib"), "{runpath}");
        // The library that this one needs is beside it.
        shop.lib("lib/libz1.so", &[]);
        shop.lib("lib/libx.so", &["-Llib", "-lz1"]);
        mends(&shop, "bin/app", "libz1.so");
    }
}

#[test]
fn a_runpath_of_another_file_serves_only_that_file() {
    let shop = Workshop::new();
    shop.lib("p/lib/libg.so", &[]);
    shop.lib("p/lib/libf.so", &["-Lp/lib", "-lg"]);
    let flags = [
        "-Lp/lib",
        "-lf",
        "-Wl,-rpath,$ORIGIN/lib",
        "-Wl,-rpath-link,p/lib",
    ];
    shop.exe("p/app", &flags);
    mends(&shop, "p/app", "a RUNPATH serves only the file that has it");
}

#[test]
fn the_interpreter_is_missing() {
    let shop = Workshop::new();
    shop.exe(
        "app",
        &["-Wl,--dynamic-linker,/nix/store/none-glibc/lib/ld-linux-x86-64.so.2"],
    );
    mends(&shop, "app", "a shell says \"No such file or directory\"");
}

#[test]
fn the_link_to_the_library_is_missing() {
    let shop = Workshop::new();
    shop.lib("p/libx.so.1", &[]);
    shop.exe("p/app", &["p/libx.so.1", "-Wl,-rpath,$ORIGIN"]);
    fs::rename(shop.at("p/libx.so.1"), shop.at("p/libx.so.1.2")).unwrap();
    mends(
        &shop,
        "p/app",
        "is that library, but the link libx.so.1 is missing",
    );
}

#[test]
fn the_link_to_a_library_elsewhere_is_not_missing() {
    let shop = Workshop::new();
    shop.lib("p/lib/libx.so.1", &["-Wl,-soname,libx.so.1"]);
    shop.exe("p/bin/app", &["p/lib/libx.so.1"]);
    fs::copy(shop.at("p/lib/libx.so.1"), shop.at("p/lib/libx.so.1.2")).unwrap();
    let text = told(&shop, "p/bin/app");
    assert!(text.contains("p/lib/libx.so.1 is there"), "{text}");
    assert!(!text.contains("is missing"), "{text}");
}

#[test]
fn files_in_the_librarys_place_are_named_for_what_they_are() {
    let shop = Workshop::new();
    shop.lib("p/libx.so", &[]);
    shop.exe("p/app", &["-Lp", "-lx", "-Wl,-rpath,$ORIGIN"]);
    let library = shop.at("p/libx.so");
    let is = |cause: &str| {
        let text = told(&shop, "p/app");
        assert!(text.contains(cause), "{cause}: {text}");
        // lint says so, too.
        let lint = Command::new(BINARY)
            .current_dir(&shop.path)
            .args(["lint", "p/app"])
            .output();
        let text = String::from_utf8(lint.unwrap().stdout).unwrap();
        assert!(text.contains("needed-"), "{text}");
        fs::remove_file(&library).unwrap();
    };
    let whole = fs::read(&library).unwrap();
    fs::write(
        &library,
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    )
    .unwrap();
    is("is a Git LFS pointer");
    fs::write(
        &library,
        format!("/* GNU ld script */\nINPUT({})\n", "-lx ".repeat(20)),
    )
    .unwrap();
    is("is a linker script");
    fs::write(&library, &whole[..whole.len() / 8]).unwrap();
    is("note: ");
    symlink("libx.so.1.2.3", &library).unwrap();
    is("is a link to libx.so.1.2.3, which is not there");
    shop.cc(
        "aarch64-linux-gnu-gcc",
        "p/libx.so",
        "int x;",
        &["-shared", "-nostdlib"],
    );
    is("aarch64");
    shop.lib("p/libx.so.2", &[]);
    let text = told(&shop, "p/app");
    assert!(text.contains("libx.so.2 is another version"), "{text}");
}

#[test]
fn the_drivers_and_cudas_libraries_have_their_sources() {
    let shop = Workshop::new();
    for (name, cause) in [
        ("libcuda.so.1", "comes with NVIDIA's driver"),
        ("libnvidia-ml.so.1", "comes with NVIDIA's driver"),
        (
            "libcublas.so.12",
            "the wheel nvidia-cublas-cu12, Debian's package libcublas12",
        ),
        ("libnvJitLink.so.13", "nixpkgs' cudaPackages.libnvjitlink"),
    ] {
        shop.exe_without("bin/app", name);
        let text = told(&shop, "bin/app");
        assert!(text.contains(cause) && text.contains("help: "), "{text}");
    }
}

#[test]
fn nix_locate_is_asked_where_it_is_installed() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Workshop::new();
    shop.exe_without("bin/app", "libodd.so.3");
    let script =
        "#!/bin/sh\nfor last; do :; done\n[ $last = /lib/libodd.so.3 ] && echo oddPackage.out\n";
    let tool = shop.write("tools/nix-locate", script);
    fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", shop.at("tools").display());
    let mut command = Command::new(BINARY);
    command
        .args(["inspect", "--json"])
        .arg(shop.at("bin/app"))
        .env("PATH", path);
    let json: serde_json::Value = crate::support::schema::parsed(&command.output().unwrap().stdout);
    let help = json["problems"][0]["helps"][0].as_str().unwrap();
    assert!(help.contains("-A oddPackage.out"), "{help}");
}

#[test]
fn a_tree_ends_in_what_it_lacks_by_name() {
    let shop = Workshop::new();
    for program in ["t/a", "t/b"] {
        shop.exe_without(program, "libgone.so.3");
    }
    for args in [&["t"][..], &["--check", "t"], &["--tree", "t"]] {
        let text = String::from_utf8(shop.inspect(args).stdout).unwrap();
        assert!(
            text.contains("\nnot found:\n  libgone.so.3: 2 files need it\n"),
            "{text}"
        );
    }
}

#[test]
fn an_executable_stack_has_its_command() {
    let shop = Workshop::new();
    shop.lib("p/libx.so", &["-Wl,-z,execstack"]);
    let text = told(&shop, "p/libx.so");
    let loader = "cannot enable executable stack as shared object requires";
    assert!(text.contains(loader), "{text}");
    remedy(&shop, "p/libx.so");
    let text = told(&shop, "p/libx.so");
    assert!(!text.contains("executable stack"), "{text}");
}

#[test]
fn a_missing_version_names_what_it_was_built_for_and_what_has_it() {
    let shop = Workshop::new();
    let library = |name: &str, version: &str| {
        let map = format!("{version} {{ global: libx_so; local: *; }};");
        let map = shop.write("map", map);
        shop.lib(name, &[&format!("-Wl,--version-script={}", map.display())]);
    };
    library("p/lib/libx.so", "GLIBC_2.99");
    let source = "int libx_so(void); int main(void) { return libx_so(); }";
    let flags = ["p/lib/libx.so", "-Wl,-rpath,$ORIGIN/old"];
    shop.cc("gcc", "p/app", source, &flags);
    library("p/old/libx.so", "V_1");
    mends(&shop, "p/app", "built for a library with GLIBC_2.99");
    // Nothing near has it.
    fs::remove_dir_all(shop.at("p/lib")).unwrap();
    shop.cc(
        "gcc",
        "p/app",
        "int main(void) { return 0; }",
        &["p/old/libx.so"],
    );
    library("q/libx.so", "V_2");
    shop.cc("gcc", "q/app", source, &["q/libx.so", "-Wl,-rpath,$ORIGIN"]);
    library("q/libx.so", "V_1");
    let text = told(&shop, "q/app");
    assert!(text.contains("help: bring the newer library"), "{text}");
}
