//! Programs that are one file with their data: an AppImage, and what the runtimes of Bun, Node and
//! Deno make of a script. They run, and find their data, after any number of edits.

use crate::support::succeeded;
use crate::torture::process::must;
use crate::torture::subject::rewrite;
use elf_edit::Edit;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An interpreter by a path as long as a store's.
fn interpreter(dir: &Path) -> Edit {
    let lib = dir.join("nix/store/0123456789abcdfghijklmnpqrsvwxyz-glibc-2.40-66/lib");
    fs::create_dir_all(&lib).unwrap();
    let link = lib.join("ld-linux-x86-64.so.2");
    symlink("/lib64/ld-linux-x86-64.so.2", &link).unwrap();
    Edit::SetInterpreter(link.to_str().unwrap().into())
}

/// Edits a program in all ways that a package needs, and looks at it after each edit. `most`: how
/// much it may grow.
fn edit_and_look(dir: &Path, program: &Path, most: u64, look: impl Fn(&Path)) {
    look(program);
    let before = fs::metadata(program).unwrap().len();
    rewrite(program, &[interpreter(dir)]).unwrap();
    look(program);
    for round in 1..=10 {
        let runpath = format!("/nix/store/{}", "r".repeat(90 * round));
        let mut edits = vec![Edit::SetRunpath(runpath.into())];
        if round % 4 == 1 {
            edits.push(Edit::AddNeeded(b"libm.so.6".to_vec()));
        }
        rewrite(program, &edits).unwrap();
        look(program);
    }
    rewrite(program, &[Edit::RemoveRunpath]).unwrap();
    look(program);
    let grown = fs::metadata(program).unwrap().len().saturating_sub(before);
    assert!(grown <= most, "grew by {grown} bytes, more than {most}");
}

/// Prints where its image begins, as the runtime of an AppImage finds it.
const RUNTIME: &str = r#"
#include <elf.h>
#include <stdio.h>
int main(void) {
    Elf64_Ehdr header;
    FILE *self = fopen("/proc/self/exe", "rb");
    if (!self || fread(&header, sizeof header, 1, self) != 1) return 1;
    printf("%lu\n", header.e_shoff + header.e_shnum * header.e_shentsize);
    return 0;
}
"#;

#[test]
fn the_image_of_an_appimage_is_found_after_edits() {
    for flags in [
        &["-static-pie"][..],
        &["-pie"],
        &["-no-pie", "-fuse-ld=lld"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let [source, image, root, files] =
            ["runtime.c", "image", "root", "files"].map(|name| dir.path().join(name));
        fs::write(&source, RUNTIME).unwrap();
        let program = dir.path().join("program.AppImage");
        let mut gcc = Command::new("gcc");
        let built = gcc.args(flags).arg("-o").args([&program, &source]).output();
        succeeded(&built.unwrap());
        fs::create_dir(&root).unwrap();
        fs::write(root.join("AppRun"), "an application\n").unwrap();
        must(
            "mksquashfs",
            [&root, &image]
                .map(|path| path.to_str().unwrap())
                .iter()
                .chain(&["-quiet", "-no-progress"]),
        );
        let file = OpenOptions::new().write(true).open(&program).unwrap();
        file.write_all_at(b"AI\x02", 8).unwrap();
        drop(file);
        let mut file = OpenOptions::new().append(true).open(&program).unwrap();
        file.write_all(&fs::read(&image).unwrap()).unwrap();
        drop(file);
        let look = |program: &Path| {
            let program = program.to_str().unwrap();
            let offset = must(program, [""; 0]);
            let _ = fs::remove_dir_all(&files);
            let files = files.to_str().unwrap();
            must(
                "unsquashfs",
                [
                    "-quiet",
                    "-no-progress",
                    "-offset",
                    offset.trim(),
                    "-dest",
                    files,
                    program,
                ],
            );
            let text = fs::read_to_string(Path::new(files).join("AppRun")).unwrap();
            assert_eq!(text, "an application\n");
        };
        if flags.contains(&"-static-pie") {
            // As most runtimes are: nothing to set.
            look(&program);
            assert!(rewrite(&program, &[Edit::SetRunpath(b"/lib".to_vec())]).is_err());
            look(&program);
        } else {
            edit_and_look(dir.path(), &program, 16 << 10, look);
        }
    }
}

/// A script in a directory of its own.
fn script() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("hello.js"),
        "console.log('hello from one file')\n",
    )
    .unwrap();
    let program = dir.path().join("program");
    (dir, program)
}

fn says_hello(program: &Path) {
    assert_eq!(
        must(program.to_str().unwrap(), [""; 0]),
        "hello from one file\n"
    );
}

/// Runs a runtime's compiler in the script's directory.
fn compile(dir: &Path, runtime: &Path, arguments: &[&str], variables: &[(&str, &Path)]) {
    let mut command = Command::new(runtime);
    command.current_dir(dir).args(arguments).env("HOME", dir);
    command.envs(variables.iter().copied());
    succeeded(&command.output().unwrap());
}

/// Bun before 1.3 reads its script from the end of its file.
#[test]
fn a_single_file_of_bun_keeps_its_script() {
    if !crate::support::long() {
        return;
    }
    let (dir, program) = script();
    let bun = crate::support::npm("bun-1.1.38").join("bin/bun");
    let arguments = ["build", "--compile", "./hello.js", "--outfile", "program"];
    compile(dir.path(), &bun, &arguments, &[]);
    edit_and_look(dir.path(), &program, 4 << 20, says_hello);
}

/// Node finds its script in a PT_NOTE, which LIEF adds, with the program headers elsewhere.
#[test]
fn a_single_file_of_node_keeps_its_script() {
    if !crate::support::long() {
        return;
    }
    let (dir, program) = script();
    let node = crate::support::npm("node-26.10.0").join("bin/node");
    let config =
        r#"{"main": "hello.js", "output": "program", "disableExperimentalSEAWarning": true}"#;
    fs::write(dir.path().join("sea.json"), config).unwrap();
    compile(dir.path(), &node, &["--build-sea", "sea.json"], &[]);
    edit_and_look(dir.path(), &program, 8 << 20, says_hello);
}

/// Deno finds its script in a PT_NOTE behind the program headers, which are at the end of the file.
/// No registry has the runtime that such a file begins with (denort), so Deno itself is in its
/// place, and the note is looked at.
#[test]
fn a_single_file_of_deno_keeps_its_script() {
    if !crate::support::long() {
        return;
    }
    let (dir, program) = script();
    let deno = crate::support::wheel("deno-2.9.8").join("deno-2.9.8.data/scripts/deno");
    let cache = dir.path().join("cache");
    let variables = [
        ("DENORT_BIN", deno.as_path()),
        ("DENO_DIR", cache.as_path()),
    ];
    let arguments = ["compile", "--output", "program", "hello.js"];
    compile(dir.path(), &deno, &arguments, &variables);
    let note = |program: &Path| {
        let notes = must("readelf", [Path::new("-nW"), program]);
        let note = notes
            .lines()
            .find(|line| line.trim_start().starts_with("SUI "));
        note.unwrap().to_owned()
    };
    let expected = note(&program);
    assert!(expected.len() > 1000, "{expected}");
    edit_and_look(dir.path(), &program, 1 << 20, |program| {
        assert_eq!(note(program), expected);
        let version = must(program.to_str().unwrap(), ["--version"]);
        assert!(version.starts_with("deno 2.9.8 "), "{version}");
    });
}
