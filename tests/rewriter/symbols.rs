//! Renamed dynamic symbols: on every machine, with each style of hash table, and in files whose
//! relocations name symbols in a form that is not rewritten.

use crate::torture::process::{must, run};
use crate::torture::subject::rewrite;
use crate::torture::target::CROSS;
use elf_edit::{Edit, ElfInfo};
use object::elf;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Functions of the library. Their sum is what the program prints.
const FUNCTIONS: usize = 60;
const SUM: &str = "1770";

/// A library with functions `f0`, `f1`, … and pointers to them, and a program that calls them.
fn sources(dir: &Path) -> (PathBuf, PathBuf) {
    let (library, program) = (dir.join("l.c"), dir.join("m.c"));
    let each = |text: &dyn Fn(usize) -> String| (0..FUNCTIONS).map(text).collect::<String>();
    let functions =
        each(&|i| format!("int f{i}(void) {{ return {i}; }}\nint (*t{i})(void) = f{i};\n"));
    fs::write(&library, functions).unwrap();
    let declared = each(&|i| format!("int f{i}(void);\nextern int (*t{i})(void);\n"));
    let called = each(&|i| format!("if (f{i}() != t{i}()) return 1; sum += f{i}();\n"));
    let main = format!("int sum = 0; {called} printf(\"%d\\n\", sum); return 0;");
    let text = format!("#include <stdio.h>\n{declared}int main(void) {{ {main} }}\n");
    fs::write(&program, text).unwrap();
    (library, program)
}

fn renames() -> Edit {
    let name = |i| (format!("f{i}"), format!("f{i}_by_another_name"));
    let pairs = (0..FUNCTIONS).map(name);
    Edit::RenameSymbols(
        pairs
            .map(|(a, b)| (a.into_bytes(), b.into_bytes()))
            .collect(),
    )
}

fn lint(file: &Path) -> Vec<String> {
    let ran = run(Command::new("eu-elflint").arg("--gnu-ld").arg(file));
    let lines = ran.stdout.lines().chain(ran.stderr.lines());
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Renames all functions in library and program, which must still find each other.
fn try_machine(triple: &str, qemu: &str, style: &str) {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let (library_source, program_source) = sources(d);
    let (library, program) = (d.join("libl.so"), d.join("m"));
    let compiler = format!("{triple}-gcc");
    let style = format!("-Wl,--hash-style={style}");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let rpath = format!("-Wl,-rpath,{}", d.display());
    let common = ["-O1", "-w", &style];
    let output = [path(&library), path(&library_source)];
    let words = ["-shared", "-fPIC", "-Wl,-soname,libl.so", "-o"];
    must(
        &compiler,
        common
            .iter()
            .chain(&words)
            .map(|w| (*w).to_owned())
            .chain(output),
    );
    let output = ["-o".to_owned(), path(&program), path(&program_source)];
    let libraries = [path(&library), rpath];
    must(
        &compiler,
        common
            .iter()
            .map(|w| (*w).to_owned())
            .chain(output)
            .chain(libraries),
    );
    let start = || {
        let root = format!("/usr/{triple}");
        let mut command = match qemu {
            "" => Command::new(&program),
            machine => {
                let mut command = Command::new(format!("qemu-{machine}"));
                command.args(["-L", &root]).arg(&program);
                command
            }
        };
        if triple == "i686-linux-gnu" {
            command.env("LD_LIBRARY_PATH", format!("{root}/lib"));
        }
        run(&mut command)
    };
    let what = format!("{triple} {style}");
    let before = start();
    assert_eq!(before.stdout.trim(), SUM, "{what}: {}", before.stderr);
    let complaints = [&library, &program].map(|file| lint(file));
    for file in [&library, &program] {
        rewrite(file, &[renames()]).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let after = start();
    assert_eq!(after.stdout.trim(), SUM, "{what}: {}", after.stderr);
    let names = must("nm", ["-D".to_owned(), path(&library)]);
    assert!(names.contains(" f7_by_another_name"), "{what}: {names}");
    assert_eq!(
        [&library, &program].map(|file| lint(file)),
        complaints,
        "{what}"
    );
}

#[test]
fn library_and_program_find_each_other_by_new_names_on_every_machine() {
    for (triple, qemu) in CROSS {
        // The order of symbols is that of the GOT there: a library's can't be renamed.
        if triple.starts_with("mips") {
            continue;
        }
        for style in ["sysv", "gnu", "both"] {
            try_machine(triple, qemu, style);
        }
    }
}

/// A library by lld.
fn library(dir: &Path, flags: &[&str]) -> PathBuf {
    let (source, _) = sources(dir);
    let library = dir.join("libl.so");
    let files = [library.to_str().unwrap(), source.to_str().unwrap()];
    let words = ["-fuse-ld=lld", "-shared", "-fPIC", "-nostdlib", "-o"];
    must("clang", words.iter().chain(&files).chain(flags));
    library
}

#[track_caller]
fn refused(library: &Path, tag: i64) {
    let before = fs::read(library).unwrap();
    let why = rewrite(library, &[renames()]).unwrap_err();
    assert!(why.contains(&format!("{tag:#x}")), "{tag:#x}: {why}");
    assert!(fs::read(library).unwrap() == before, "{tag:#x}: changed");
}

#[test]
fn symbols_that_packed_relocations_name_are_not_renamed() {
    const DT_ANDROID_REL: i64 = 0x6000_000f;
    const DT_ANDROID_RELA: i64 = 0x6000_0011;
    for (machine, tag) in [
        ("x86_64-linux-gnu", DT_ANDROID_RELA),
        ("aarch64-linux-gnu", DT_ANDROID_RELA),
        ("i686-linux-gnu", DT_ANDROID_REL),
        ("arm-linux-gnueabihf", DT_ANDROID_REL),
    ] {
        for packed in ["android", "android+relr"] {
            let dir = tempfile::tempdir().unwrap();
            let target = format!("--target={machine}");
            let packed = format!("-Wl,--pack-dyn-relocs={packed}");
            refused(&library(dir.path(), &[&target, &packed]), tag);
        }
    }
    // Those of the form that is rewritten, and packed ones that name no symbol.
    for packed in ["none", "relr"] {
        let dir = tempfile::tempdir().unwrap();
        let packed = format!("-Wl,--pack-dyn-relocs={packed}");
        rewrite(&library(dir.path(), &[&packed]), &[renames()]).unwrap();
    }
}

#[test]
fn symbols_that_a_table_of_unknown_form_may_name_are_not_renamed() {
    // DT_CREL, DT_SYMTAB_SHNDX, DT_SYMINFO, DT_MOVETAB, SPARC's DT_REGISTER, and two unassigned ones,
    // one of them among the tags of addresses.
    for tag in [
        0x4000_0026,
        elf::DT_SYMTAB_SHNDX,
        elf::DT_SYMINFO,
        elf::DT_MOVETAB,
        0x7000_0101,
        0x6123_4567,
        0x6fff_fe01,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let library = library(dir.path(), &["-Wl,-soname,libl.so"]);
        let mut bytes = fs::read(&library).unwrap();
        let info = ElfInfo::read(&bytes[..]).unwrap();
        let dynamic = info.dynamic.unwrap();
        let index = dynamic
            .entries
            .iter()
            .position(|entry| entry.tag == elf::DT_SONAME);
        let at = dynamic.offset as usize + 16 * index.unwrap();
        bytes[at..at + 8].copy_from_slice(&tag.to_le_bytes());
        fs::write(&library, bytes).unwrap();
        refused(&library, tag);
    }
}
