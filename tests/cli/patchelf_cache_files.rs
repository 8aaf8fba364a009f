//! `patchelf --build-resolution-cache` as other tools see it: readelf, objcopy and the loader, for
//! files at fixed addresses, with kept relocations, and with a foreign section of the note's name.

use crate::patchelf_cache::{description, exit_status, info, named_sections, program};
use crate::support::peers::{our_patchelf, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Setup {
    _temp: tempfile::TempDir,
    dir: PathBuf,
    patchelf: PathBuf,
    main: PathBuf,
}

impl Setup {
    fn new() -> Setup {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().canonicalize().unwrap();
        Setup {
            patchelf: our_patchelf(&dir),
            main: program(&dir),
            _temp: temp,
            dir,
        }
    }

    /// The program, linked again with these options.
    fn linked(&self, options: &str) -> PathBuf {
        let line = format!(
            "echo 'int foo(void), bar(void); int main(void) {{ return foo() + bar(); }}' |
             cc {options} -x c - -o linked -La -lfoo -Lb -lbar"
        );
        run(Command::new("sh")
            .current_dir(&self.dir)
            .args(["-c", &line]));
        self.dir.join("linked")
    }

    fn patchelf(&self, words: &[&str], file: &Path) -> Output {
        let mut command = Command::new(&self.patchelf);
        command.args(words).arg(file).output().unwrap()
    }

    fn edit(&self, words: &[&str], file: &Path) {
        let out = self.patchelf(words, file);
        assert!(out.status.success(), "{out:?}");
        // Debian 13's compiler links some of these programs without room for program headers.
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let room = |line: &str| line.ends_with(": don't strip it");
        assert!(said.lines().all(room), "{said}");
    }

    /// A RUNPATH that finds both libraries.
    fn both(&self) -> String {
        format!("{0}/a:{0}/b", self.dir.display())
    }
}

fn readelf(words: &[&str], file: &Path) -> String {
    let mut command = Command::new("readelf");
    command.env("LC_ALL", "C").args(words).arg(file);
    let out = command.output().unwrap();
    assert!(out.stderr.is_empty(), "{out:?}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn readelf_sees_one_note_that_is_loaded() {
    let s = Setup::new();
    s.edit(&["--set-rpath", &s.both()], &s.main);
    for _ in 0..2 {
        s.edit(&["--build-resolution-cache"], &s.main);
        let notes = readelf(&["-nW"], &s.main);
        assert_eq!(notes.matches("NixOS").count(), 1, "{notes}");
        let sections = readelf(&["-SW"], &s.main);
        let is_cache = |line: &&str| line.contains(".note.nixos.ldcache");
        let lines: Vec<&str> = sections.lines().filter(is_cache).collect();
        assert!(
            matches!(lines[..], [line] if line.contains(" A ")),
            "{lines:?}"
        );
    }
    assert_eq!(exit_status(&s.main, &s.dir), Some(42));
}

#[test]
fn a_search_path_in_rpath_counts_and_none_is_a_warning() {
    let s = Setup::new();
    s.edit(&["--force-rpath", "--set-rpath", &s.both()], &s.main);
    assert!(info(&s.main).dynamic.unwrap().rpath.is_some());
    s.edit(&["--build-resolution-cache"], &s.main);
    let found = format!("={}/a/libfoo.so", s.dir.display());
    let cache = description(&s.main).unwrap();
    assert!(memchr::memmem::find(&cache, found.as_bytes()).is_some());
    s.edit(&["--remove-rpath"], &s.main);
    let out = s.patchelf(&["--build-resolution-cache"], &s.main);
    let warning = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{warning}");
    assert!(
        warning.contains("no DT_NEEDED entries or run path"),
        "{warning}"
    );
    assert_eq!(named_sections(&s.main), 0);
}

#[test]
fn a_foreign_section_of_the_name_is_never_replaced() {
    let s = Setup::new();
    let empty = s.dir.join("empty");
    fs::create_dir(&empty).unwrap();
    for contents in ["x", "stale", "a note's header is longer than this"] {
        for runpath in [s.both().as_str(), empty.to_str().unwrap(), ""] {
            let file = s.dir.join("copy");
            fs::copy(&s.main, &file).unwrap();
            match runpath {
                "" => s.edit(&["--remove-rpath"], &file),
                path => s.edit(&["--set-rpath", path], &file),
            }
            let section = s.dir.join("section");
            fs::write(&section, contents).unwrap();
            let option = format!("--add-section=.note.nixos.ldcache={}", section.display());
            run(Command::new("objcopy").arg(option).arg(&file));
            let before = fs::read(&file).unwrap();
            let out = s.patchelf(&["--build-resolution-cache"], &file);
            let message = String::from_utf8_lossy(&out.stderr);
            assert_eq!(out.status.code(), Some(1), "{message}");
            assert!(message.contains("already present"), "{message}");
            assert!(!message.contains("No such file"), "{message}");
            assert_eq!(fs::read(&file).unwrap(), before);
        }
    }
}

/// Moves the table of section headers, which is the end of the file, to the end of a page.
fn end_at_page(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let header = info(file).header;
    let table = header.shoff as usize;
    assert_eq!(table + 64 * header.shnum as usize, bytes.len());
    let padding = bytes.len().next_multiple_of(4096) - bytes.len();
    bytes.splice(table..table, vec![0; padding]);
    bytes[40..48].copy_from_slice(&((table + padding) as u64).to_le_bytes());
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_program_at_fixed_addresses_whose_headers_end_at_a_page() {
    let s = Setup::new();
    let file = s.linked(&format!(
        "-no-pie -Wl,--disable-new-dtags,-rpath,{}",
        s.both()
    ));
    end_at_page(&file);
    s.edit(&["--build-resolution-cache"], &file);
    assert!(readelf(&["-nW"], &file).contains("NixOS"));
    assert!(readelf(&["-hW"], &file).contains("EXEC"));
    let found = format!("={}/a/libfoo.so", s.dir.display());
    let cache = description(&file).unwrap();
    assert!(memchr::memmem::find(&cache, found.as_bytes()).is_some());
    assert_eq!(exit_status(&file, &s.dir), Some(42));
}

/// Names of the sections that section symbols mean.
fn section_symbols(file: &Path) -> Vec<String> {
    let table = readelf(&["-sW"], file);
    let lines = table.lines().filter(|line| line.contains(" SECTION "));
    let name = |line: &str| line.split_whitespace().last().unwrap().to_owned();
    let mut names: Vec<String> = lines.map(name).collect();
    names.sort();
    names
}

#[test]
fn section_symbols_mean_their_sections_after_it_went() {
    let s = Setup::new();
    let file = s.linked("-Wl,--emit-relocs");
    let before = section_symbols(&file);
    assert!(before.len() > 5, "{before:?}");
    s.edit(&["--set-rpath", &s.both()], &file);
    s.edit(&["--build-resolution-cache"], &file);
    assert_eq!(section_symbols(&file), before);
    let longer = format!("{}:/{}", s.both(), "x".repeat(300));
    s.edit(&["--set-rpath", &longer], &file);
    assert_eq!(description(&file), None);
    assert_eq!(section_symbols(&file), before);
    assert_eq!(exit_status(&file, &s.dir), Some(42));
}
