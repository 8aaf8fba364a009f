//! References to a farm in files: text is rewritten to the real prefixes, others are reported.

use crate::support::{failed, split, split_farm, succeeded};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn leaks(farm: &Path, args: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new(crate::support::BINARY);
    command.args(["toolkit", "leaks", "--farm"]).arg(farm);
    command.args(args).args(paths).output().unwrap()
}

fn prefix(index: usize, place: &str) -> String {
    split()[index].join(place).display().to_string()
}

#[test]
fn text_of_known_syntax_gets_the_real_prefixes() {
    let (dir, farm) = split_farm();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let f = farm.display();
    let config = format!(
        "set(DIRS \"{f}/lib\")\n\
         set(INCLUDES \"{f}/include;{f}/include/cccl\")\n\
         set(LIBRARY \"{f}/lib64/libcudart.so\" {f}/bin/../lib/libcudadevrt.a)\n\
         set(NVCC {f}/bin/nvcc) # and {f}/bin/ptxas.\n\
         set(ROOT \"{f}\")\n\
         set(OTHER \"{f}2/lib\")\n"
    );
    fs::write(out.join("x.cmake"), &config).unwrap();
    fs::set_permissions(out.join("x.cmake"), fs::Permissions::from_mode(0o444)).unwrap();
    let pc =
        format!("Libs: -L{f}/lib -lcudart {f}/lib/libcudart_static.a\nCflags: -I{f}/include/crt\n");
    fs::write(out.join("x.pc"), &pc).unwrap();

    let dry = leaks(&farm, &["--dry-run"], &[&out]);
    assert_eq!(succeeded(&dry).matches("would rewrite").count(), 2);
    assert_eq!(fs::read_to_string(out.join("x.pc")).unwrap(), pc);
    assert_eq!(
        succeeded(&leaks(&farm, &[], &[&out]))
            .matches("rewrote")
            .count(),
        2
    );

    let all: Vec<String> = split().iter().map(|p| p.display().to_string()).collect();
    let includes: Vec<String> = [0, 1, 2, 3].map(|i| prefix(i, "include")).to_vec();
    let includes: Vec<String> = includes
        .into_iter()
        .filter(|dir| Path::new(dir).is_dir())
        .collect();
    let expected = format!(
        "set(DIRS \"{};{}\")\nset(INCLUDES \"{}\")\nset(LIBRARY \"{}\" {})\n\
         set(NVCC {}) # and {}.\nset(ROOT \"{}\")\nset(OTHER \"{f}2/lib\")\n",
        prefix(1, "lib"),
        prefix(3, "lib"),
        includes.join(";"),
        prefix(3, "lib/libcudart.so.13"),
        prefix(3, "lib/libcudadevrt.a"),
        prefix(0, "bin/nvcc"),
        prefix(0, "bin/ptxas"),
        all.join(";"),
    );
    assert_eq!(fs::read_to_string(out.join("x.cmake")).unwrap(), expected);
    let mode = fs::metadata(out.join("x.cmake"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o444);
    assert_eq!(
        fs::read_to_string(out.join("x.pc")).unwrap(),
        format!(
            "Libs: -L{} -L{} -lcudart {}\nCflags: -I{}\n",
            prefix(1, "lib"),
            prefix(3, "lib"),
            prefix(3, "lib/libcudart_static.a"),
            prefix(2, "include/crt"),
        )
    );
    assert_eq!(succeeded(&leaks(&farm, &[], &[&out])), "");
}

#[test]
fn what_has_no_one_answer_is_named() {
    let (dir, farm) = split_farm();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let f = farm.display();
    for (name, text, why) in [
        (
            "a.pc",
            format!("libdir={f}/lib\n"),
            "is merged from several directories",
        ),
        (
            "b.cmake",
            format!("\nset(X {f}/lib/lib${{NAME}}.so)\n"),
            "goes on with a variable",
        ),
        (
            "c.cmake",
            format!("set(X {f}/share/cuda-fixup/farm.json)\n"),
            "is in no prefix",
        ),
        (
            "d.cmake",
            format!("set(X {f}/../other)\n"),
            "is in no prefix",
        ),
        (
            "e.cmake",
            format!("set(X {f}/include/cccl)\n"),
            "is a directory of the farm only",
        ),
        ("f.h", format!("#define LIB \"{f}/lib\"\n"), "at byte 13"),
        ("g.bin", format!("\0\u{1}{f}/lib\0"), "at byte 2"),
    ] {
        fs::write(out.join(name), &text).unwrap();
        let told = failed(&leaks(&farm, &[], &[&out]), 1);
        assert!(told.contains(name) && told.contains(why), "{name}: {told}");
        assert_eq!(fs::read_to_string(out.join(name)).unwrap(), text, "{name}");
        fs::remove_file(out.join(name)).unwrap();
    }
    symlink(farm.join("lib/libcudart.so"), out.join("link")).unwrap();
    assert!(failed(&leaks(&farm, &[], &[&out]), 1).contains("a link to"));
}

#[test]
fn other_paths_are_found_and_never_rewritten() {
    let (dir, farm) = split_farm();
    let out = dir.path().join("out");
    let build = dir.path().join("build");
    fs::create_dir(&out).unwrap();
    fs::create_dir(&build).unwrap();
    let text = format!(
        "set(A {}/lib/libcudart.so)\nset(B {}/x)\n",
        farm.display(),
        build.display()
    );
    fs::write(out.join("x.cmake"), text).unwrap();
    let told = failed(
        &leaks(&farm, &["--forbid", build.to_str().unwrap()], &[&out]),
        1,
    );
    assert!(
        told.contains(&format!("{} at byte", build.display())),
        "{told}"
    );
}

#[test]
fn runpaths_alone() {
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("liba.so");
    let compiler = dir.path().join("gcc-of-nvcc/lib");
    let built = Command::new("gcc")
        .args(["-shared", "-x", "c", "/dev/null", "-o"])
        .arg(&library)
        .arg(format!(
            "-Wl,--enable-new-dtags,-rpath,/fine:{}",
            compiler.display()
        ))
        .status();
    assert!(built.unwrap().success());
    fs::write(dir.path().join("notes"), compiler.to_str().unwrap()).unwrap();
    let run = |args: &[&str]| -> Output {
        let mut command = Command::new(crate::support::BINARY);
        command
            .args(["toolkit", "leaks", "--forbid"])
            .arg(compiler.parent().unwrap());
        command.args(args).arg(dir.path()).output().unwrap()
    };
    let told = failed(&run(&["--runpaths"]), 1);
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.contains("liba.so: its RUNPATH has") && told.contains("gcc-of-nvcc"),
        "{told}"
    );
    assert_eq!(failed(&run(&[]), 1).lines().count(), 2);
}

#[test]
fn the_report_is_the_same_at_any_number_of_threads() {
    let (dir, farm) = split_farm();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let leak = format!("x {}/lib", farm.display());
    for at in 0..200 {
        fs::write(out.join(format!("{at}.txt")), &leak).unwrap();
    }
    let one = failed(&leaks(&farm, &["-j", "1"], &[&out]), 1);
    assert_eq!(one.lines().count(), 200);
    assert_eq!(failed(&leaks(&farm, &["-j", "4"], &[&out]), 1), one);
    let missing: PathBuf = dir.path().join("no such");
    assert!(failed(&leaks(&farm, &[], &[&missing]), 2).contains("no such"));
}
