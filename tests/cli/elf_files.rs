//! The applet `elf-files` on compiled C and on what isn't.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

fn elf_files(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .arg("elf-files")
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap()
}

fn compile(dir: &Path, args: &[&str]) {
    let status = Command::new("gcc")
        .args(args)
        .current_dir(dir)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn only_what_a_loader_reads_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("main.c"), "int main(void) { return 0; }").unwrap();
    fs::create_dir(dir.join("a dir")).unwrap();
    compile(dir, &["-o", "a dir/program", "main.c"]);
    compile(dir, &["-static", "-o", "static", "main.c"]);
    compile(dir, &["-c", "-o", "main.o", "main.c"]);
    compile(dir, &["-shared", "-fPIC", "-o", "lib\nx.so", "main.c"]);
    symlink("a dir/program", dir.join("link")).unwrap();
    fs::hard_link(dir.join("a dir/program"), dir.join("again")).unwrap();
    let library = fs::read(dir.join("lib\nx.so")).unwrap();
    fs::write(dir.join("cut.so"), &library[..200]).unwrap();

    let output = elf_files(dir, &["--null", "--", "."]);
    assert!(output.status.success(), "{output:?}");
    let listed = String::from_utf8(output.stdout).unwrap();
    let mut listed: Vec<_> = listed.split_terminator('\0').collect();
    listed.sort_unstable();
    assert_eq!(listed, ["./a dir/program", "./again", "./lib\nx.so"]);

    // Named files of other kinds are neither listed nor an error.
    let named = elf_files(dir, &["main.c", "static", "main.o", "cut.so", "link"]);
    assert!(named.status.success(), "{named:?}");
    assert_eq!(String::from_utf8(named.stdout).unwrap(), "link\n");

    let gone = elf_files(dir, &["main.c", "not-there"]);
    assert_eq!(gone.status.code(), Some(2));
    let says = String::from_utf8(gone.stderr).unwrap();
    assert!(says.contains("not-there"), "{says}");
}
