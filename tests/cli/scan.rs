//! Walking trees and indexing libraries: visited and skipped files, precedence.

use cuda_fixup::parts::scan::{self, Skip, Visit, Walk};
use cuda_fixup::parts::soname_index::{self, Index, LibraryInfo, RunpathDirectories};
use elf_edit::{ElfInfo, FileReader, Kind, Platform};
use elf_fixtures::Minimal;
use object::elf;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

const X86_64: Platform = Platform::X86_64;
const AARCH64: Platform = Platform {
    machine: elf::EM_AARCH64,
    ..X86_64
};

fn library(path: &Path, platform: Platform) {
    library_with(path, platform, None);
}

fn library_with(path: &Path, platform: Platform, runpath: Option<&str>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = Minimal::new(platform);
    file.runpath = runpath.map(|text| text.as_bytes().to_vec());
    fs::write(path, file.bytes()).unwrap();
}

fn visit(roots: &[PathBuf]) -> Visit<()> {
    scan::visit(Walk::of(roots), |_, file| {
        scan::dynamic_info(file).map(|_| ())
    })
}

/// An index of `trees`, then `libs`, as auto-patchelf makes it.
fn index(trees: &[PathBuf], libs: &[PathBuf]) -> Index {
    let runpaths = RunpathDirectories::default();
    let walk = Walk {
        wanted_link: &soname_index::is_library_name,
        ..Walk::of(trees)
    };
    let found: Visit<LibraryInfo> = scan::visit(walk, |walked, file| {
        soname_index::see(&runpaths, &walked.path, file)
    });
    let mut index = Index::new(runpaths);
    index.add_trees(&found.roots, &found.files, &found.links);
    index.add_directories(libs);
    index
}

fn first(index: &Index, name: &str, platform: Platform) -> Option<PathBuf> {
    index
        .find(name.as_bytes(), platform)
        .next()
        .map(Path::to_owned)
}

#[test]
fn what_is_no_dynamic_elf_file_is_counted_not_told() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    library(&at("libreal.so"), X86_64);
    fs::write(at("text"), "hello").unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::write(at("lib.a"), "!<arch>\nrest").unwrap();
    fs::write(at("t.c"), "int main(void){return 0;}").unwrap();
    let run = |program: &str, args: &[&str]| {
        let status = Command::new(program)
            .args(args)
            .current_dir(dir.path())
            .status();
        assert!(status.unwrap().success(), "{program} {args:?}");
    };
    let gcc = |args: &[&str]| run("gcc", args);
    gcc(&["-c", "t.c", "-o", "t.o"]);
    gcc(&["-static", "t.c", "-o", "static"]);
    gcc(&["-static-pie", "t.c", "-o", "static-pie"]);
    gcc(&["-g", "t.c", "-o", "program"]);
    run(
        "objcopy",
        &["--only-keep-debug", "program", "program.debug"],
    );
    run("mkfifo", &["fifo"]);
    symlink("libreal.so", at("link")).unwrap();
    symlink("nothing", at("dangling")).unwrap();
    symlink("cycle", at("cycle")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let found = visit(&[dir.path().to_owned()]);
    assert_eq!(found.problems, []);
    let names: Vec<_> = found.files.iter().map(|f| f.names.clone()).collect();
    assert_eq!(names, [vec![at("libreal.so")], vec![at("program")]]);
    let counts: Vec<_> = found.skipped.counts().collect();
    assert_eq!(
        counts,
        [
            (Skip::NotElf, 2),
            (Skip::Empty, 1),
            (Skip::Archive, 1),
            (Skip::ObjectFile, 1),
            (Skip::Static, 2),
            (Skip::SeparateDebug, 1),
            (Skip::Link, 1),
            (Skip::DanglingLink, 2),
            (Skip::Special, 2),
        ]
    );
}

#[test]
fn a_named_path_that_cannot_be_handled_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("text"), "hello").unwrap();
    fs::write(at("cut"), &Minimal::new(X86_64).bytes()[..70]).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(at("fifo"))
            .status()
            .unwrap()
            .success()
    );
    symlink("cycle", at("cycle")).unwrap();
    let named = ["absent", "cut", "cycle", "fifo", "text"].map(at);
    let found = visit(&named);
    let told: Vec<_> = found.problems.iter().map(|p| p.path.clone()).collect();
    assert_eq!(told, named);
    assert!(found.problems[1].what.contains("malformed"));
    assert!(found.problems[3].what.contains("a FIFO"));
    assert!(found.problems[4].what.contains("not an ELF file"));
    assert_eq!(found.files.len(), 0);
}

#[test]
fn an_inode_is_visited_once_and_keeps_all_its_names() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    library(&at("a/lib1.so"), X86_64);
    fs::create_dir(at("b")).unwrap();
    fs::hard_link(at("a/lib1.so"), at("b/lib2.so")).unwrap();
    symlink(dir.path(), at("a/up")).unwrap();
    // Overlapping roots, one of them by another spelling, add no names.
    let roots = [at(""), at("b"), at("a/../b"), at("b/lib2.so")];
    let found = visit(&roots);
    assert_eq!(found.problems, []);
    assert_eq!(found.files.len(), 1);
    assert_eq!(found.files[0].names, [at("a/lib1.so"), at("b/lib2.so")]);
}

#[test]
fn own_trees_come_before_inputs_and_the_first_match_wins() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    library(&dir.join("out/z/libx.so.1"), X86_64);
    library(&dir.join("out/libx.so.1"), AARCH64);
    library(&dir.join("in1/libx.so.1"), X86_64);
    library(&dir.join("in1/sub/libdeep.so"), X86_64);
    library(&dir.join("in2/libx.so.1"), X86_64);
    library(&dir.join("in2/liby.so"), X86_64);
    let index = index(
        &[dir.join("out")],
        &[dir.join("in1"), dir.join("in2/liby.so")],
    );
    assert_eq!(first(&index, "libx.so.1", X86_64), Some(dir.join("out/z")));
    assert_eq!(first(&index, "libx.so.1", AARCH64), Some(dir.join("out")));
    assert_eq!(index.find(b"libx.so.1", X86_64).count(), 2);
    // --libs are not searched recursively; a single file is that file.
    assert_eq!(first(&index, "libdeep.so", X86_64), None);
    assert_eq!(first(&index, "liby.so", X86_64), Some(dir.join("in2")));
    let (other, place) = index.elsewhere(b"libx.so.1", X86_64).unwrap();
    assert_eq!((other, place), (AARCH64, dir.join("out").as_path()));
}

#[test]
fn the_name_is_that_of_the_entry_and_a_link_stands_for_its_target_by_the_same_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    library(&dir.join("real/libx.so.1.2"), X86_64);
    library(&dir.join("real/libsame.so.1"), X86_64);
    fs::create_dir(dir.join("links")).unwrap();
    symlink("../real/libx.so.1.2", dir.join("links/libx.so.1")).unwrap();
    symlink("../real/libsame.so.1", dir.join("links/libsame.so.1")).unwrap();
    symlink("../real", dir.join("links/libdir.so")).unwrap();
    symlink("nothing", dir.join("links/libgone.so")).unwrap();
    let index = index(&[], &[dir.join("links")]);
    assert_eq!(first(&index, "libx.so.1", X86_64), Some(dir.join("links")));
    assert_eq!(
        first(&index, "libsame.so.1", X86_64),
        Some(dir.join("real"))
    );
    assert_eq!(first(&index, "libx.so.1.2", X86_64), None);
    assert_eq!(first(&index, "libdir.so", X86_64), None);
}

#[test]
fn directories_of_runpaths_are_searched_after_the_rest_but_not_origin_or_empty_ones() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let shown = dir.display();
    let runpath = format!("$ORIGIN/../far:{shown}/second::{shown}/absent");
    library_with(&dir.join("out/liba.so"), X86_64, Some(&runpath));
    let third = format!("{shown}/third:{shown}/out");
    library_with(&dir.join("second/libb.so"), X86_64, Some(&third));
    library(&dir.join("third/libc3.so"), X86_64);
    library(&dir.join("third/sub/libdeep.so"), X86_64);
    library(&dir.join("far/libfar.so"), X86_64);
    library(&dir.join("input/libc3.so"), X86_64);
    let index = index(&[dir.join("out")], &[dir.join("input")]);
    assert_eq!(first(&index, "libb.so", X86_64), Some(dir.join("second")));
    assert_eq!(first(&index, "libc3.so", X86_64), Some(dir.join("third")));
    assert_eq!(first(&index, "libfar.so", X86_64), None);
    assert_eq!(first(&index, "libdeep.so", X86_64), None);
    let searched = ["out", "second", "third", "input"].map(|name| dir.join(name));
    assert!(index.searched().eq(&searched), "{index:?}");
}

#[test]
fn os_abis_mix_only_with_system_v() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let bsd = Platform {
        os_abi: elf::ELFOSABI_FREEBSD,
        ..X86_64
    };
    let gnu = Platform {
        os_abi: elf::ELFOSABI_GNU,
        ..X86_64
    };
    library(&dir.join("bsd/libx.so"), bsd);
    let index = index(&[], &[dir.join("bsd")]);
    assert!(first(&index, "libx.so", X86_64).is_some());
    assert!(first(&index, "libx.so", bsd).is_some());
    assert_eq!(first(&index, "libx.so", gnu), None);
}

#[test]
fn separate_debug_files_of_both_makers_are_no_libraries_and_name_no_interpreter() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(
        at("a.c"),
        "int f(int a) { return a; }\nint main(void) { return f(0); }\n",
    )
    .unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program)
            .args(arguments)
            .current_dir(&dir)
            .status();
        assert!(status.unwrap().success(), "{program} {arguments:?}");
    };
    for (name, flags) in [
        ("program", &["-pie"][..]),
        ("library", &["-shared", "-fPIC"]),
    ] {
        run("gcc", &[flags, &["-g", "-o", name, "a.c"]].concat());
        run(
            "objcopy",
            &["--only-keep-debug", name, &format!("{name}.objcopy")],
        );
        run(
            "llvm-objcopy",
            &["--only-keep-debug", name, &format!("{name}.llvm")],
        );
        run(
            "eu-strip",
            &["-f", &format!("{name}.eu"), "-o", "rest", name],
        );
        for maker in ["objcopy", "llvm", "eu"] {
            let path = at(&format!("{name}.{maker}"));
            let reader = FileReader::new(fs::File::open(&path).unwrap()).unwrap();
            let info = ElfInfo::read(&reader).unwrap();
            assert_eq!(info.kind, Kind::SeparateDebug, "{name} {maker}");
            assert_eq!(
                (info.interpreter, info.dynamic),
                (None, None),
                "{name} {maker}"
            );
        }
    }
}
