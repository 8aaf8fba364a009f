//! Data behind the ELF file: programs that read it by an absolute offset, from the end of their
//! file, or from the end of their section headers go on finding it after any number of edits.

use crate::support::succeeded;
use crate::torture::process::must;
use elf_edit::{Edit, ElfInfo, FileReader, RewriteError, RewriteOptions, Rewritten, rewrite};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints what each of the three kinds of reader finds.
const READER: &str = r#"
#include <elf.h>
#include <stdio.h>
#include <string.h>
volatile struct { char mark[16]; long long offset; } place = {"PAYLOAD_POSITION", 0};
static void show(FILE *f, long at, int from) {
    char text[13] = {0};
    if (fseek(f, at, from) || fread(text, 1, 12, f) != 12) strcpy(text, "nothing");
    printf("%s\n", text);
}
int main(void) {
    FILE *f = fopen("/proc/self/exe", "rb");
    Elf64_Ehdr h;
    if (!f || fread(&h, sizeof h, 1, f) != 1) return 1;
    show(f, place.offset, SEEK_SET);
    show(f, -12, SEEK_END);
    show(f, h.e_shoff + h.e_shnum * h.e_shentsize, SEEK_SET);
    return 0;
}
"#;

const LINKERS: [&[&str]; 5] = [
    &["-pie"],
    &["-no-pie"],
    &["-pie", "-fuse-ld=lld"],
    &["-no-pie", "-fuse-ld=gold"],
    &["-pie", "-fuse-ld=mold"],
];

/// A reader with `len` bytes behind it that begin and end with twelve known ones.
fn program(dir: &Path, flags: &[&str], len: usize) -> PathBuf {
    let (source, program) = (dir.join("reader.c"), dir.join("reader"));
    fs::write(&source, READER).unwrap();
    let mut gcc = Command::new("gcc");
    let built = gcc.args(flags).arg("-o").args([&program, &source]).output();
    succeeded(&built.unwrap());
    let mut bytes = fs::read(&program).unwrap();
    let mark = bytes.windows(16).position(|w| w == b"PAYLOAD_POSITION");
    let (at, end) = (mark.unwrap() + 16, bytes.len() as u64);
    bytes[at..at + 8].copy_from_slice(&end.to_le_bytes());
    fs::write(&program, bytes).unwrap();
    append(&program, len);
    program
}

/// Appends a payload.
fn append(program: &Path, len: usize) {
    let mut payload = vec![b'.'; len];
    payload[..12].copy_from_slice(b"hello world!");
    payload[len - 12..].copy_from_slice(b"good-bye all");
    let mut file = OpenOptions::new().append(true).open(program).unwrap();
    file.write_all(&payload).unwrap();
}

fn edit(file: &Path, edits: &[Edit]) -> Result<Rewritten, RewriteError> {
    let reader = FileReader::new(File::open(file).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let options = RewriteOptions::default();
    rewrite(&[file.to_owned()], &reader, &info, edits, &options)
}

fn runpath(len: usize) -> Edit {
    Edit::SetRunpath([b"/".to_vec(), vec![b'r'; len]].concat())
}

fn finds_its_data(program: &Path, context: &str) {
    let out = must(program.to_str().unwrap(), [""; 0]);
    assert_eq!(
        out, "hello world!\ngood-bye all\nhello world!\n",
        "{context}"
    );
}

#[test]
fn every_reader_finds_its_data_after_ten_edits_with_one_copy() {
    for flags in LINKERS {
        for len in [24, 4097, 300_000] {
            let dir = tempfile::tempdir().unwrap();
            let program = program(dir.path(), flags, len);
            finds_its_data(&program, "before");
            let before = fs::metadata(&program).unwrap().len();
            for round in 1..=10 {
                let mut edits = vec![runpath(60 * round)];
                if round % 3 == 0 {
                    edits.push(Edit::AddNeeded(b"libm.so.6".to_vec()));
                }
                let done = edit(&program, &edits).unwrap();
                assert!(done.strip_safe);
                assert_eq!(done.tail_copied, len as u64, "{flags:?} round {round}");
                finds_its_data(&program, &format!("{flags:?} {len} round {round}"));
            }
            let grown = fs::metadata(&program).unwrap().len() - before;
            assert!(grown < len as u64 + 16_384, "{flags:?}: {grown} bytes");
            // What fits costs no other copy.
            let same = fs::metadata(&program).unwrap().len();
            edit(&program, &[runpath(40)]).unwrap();
            edit(&program, &[Edit::RemoveRunpath]).unwrap();
            finds_its_data(&program, "shorter");
            assert_eq!(fs::metadata(&program).unwrap().len(), same);
        }
    }
}

#[test]
fn data_that_is_appended_to_a_rewritten_program_keeps_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let program = program(dir.path(), &["-pie"], 24);
    let bare = fs::metadata(&program).unwrap().len() - 24;
    OpenOptions::new()
        .write(true)
        .open(&program)
        .unwrap()
        .set_len(bare)
        .unwrap();
    assert_eq!(edit(&program, &[runpath(100)]).unwrap().tail_copied, 0);
    let end = fs::metadata(&program).unwrap().len();
    let mut bytes = fs::read(&program).unwrap();
    let at = bytes
        .windows(16)
        .position(|w| w == b"PAYLOAD_POSITION")
        .unwrap()
        + 16;
    bytes[at..at + 8].copy_from_slice(&end.to_le_bytes());
    fs::write(&program, bytes).unwrap();
    append(&program, 5000);
    for len in [300, 500, 900] {
        edit(&program, &[runpath(len)]).unwrap();
        let out = must(program.to_str().unwrap(), [""; 0]);
        assert!(
            out.starts_with("hello world!\ngood-bye all\n"),
            "{len}: {out}"
        );
    }
    let grown = fs::metadata(&program).unwrap().len() - end;
    assert!(grown < 2 * 5000 + 8192, "{grown}");
}

#[test]
fn padding_and_the_image_of_an_appimage_are_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let image = program(dir.path(), &["-pie"], 5000);
    let file = OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(b"AI\x02", 8).unwrap();
    drop(file);
    assert_eq!(edit(&image, &[runpath(100)]).unwrap().tail_copied, 0);
    let out = must(image.to_str().unwrap(), [""; 0]);
    assert!(
        out.starts_with("hello world!\n") && out.ends_with("hello world!\n"),
        "{out}"
    );
    assert_eq!(fs::read(&image).unwrap()[8..11], *b"AI\x02");

    let padded = program(dir.path(), &["-pie"], 24);
    let len = fs::metadata(&padded).unwrap().len();
    let file = OpenOptions::new().write(true).open(&padded).unwrap();
    file.write_all_at(&[0; 24], len - 24).unwrap();
    file.set_len(len + 100_000).unwrap();
    drop(file);
    assert_eq!(edit(&padded, &[runpath(100)]).unwrap().tail_copied, 0);
}

#[test]
fn a_null_header_does_not_hide_a_tail() {
    let dir = tempfile::tempdir().unwrap();
    let program = program(dir.path(), &["-pie"], 5000);
    let bytes = fs::read(&program).unwrap();
    let info = ElfInfo::read(&bytes[..]).unwrap();
    let is_note = |s: &elf_edit::Segment| s.p_type == object::elf::PT_NOTE;
    let note = info.segments.iter().position(is_note).unwrap();
    let at = info.header.phoff + (note * info.format().segment_size()) as u64;
    let file = OpenOptions::new().write(true).open(&program).unwrap();
    file.write_all_at(&[0; 4], at).unwrap();
    // p_filesz and p_memsz of a PT_NULL are undefined.
    file.write_all_at(&[0x11; 16], at + 32).unwrap();
    drop(file);
    finds_its_data(&program, "before");
    for len in [3000, 6000] {
        let done = edit(&program, &[runpath(len)]).unwrap();
        assert_eq!(done.tail_copied, 5000);
        finds_its_data(&program, "after");
    }
}

#[test]
fn a_tail_that_is_too_long_is_refused_and_the_file_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let program = program(dir.path(), &["-pie"], 24);
    let file = OpenOptions::new().write(true).open(&program).unwrap();
    let end = 3 << 30;
    file.write_all_at(b"good-bye all", end - 12).unwrap();
    drop(file);
    let before = fs::metadata(&program).unwrap();
    let error = edit(&program, &[runpath(100)]).unwrap_err();
    assert!(matches!(error, RewriteError::Refused(_)), "{error}");
    assert!(error.to_string().contains("follow the ELF file"), "{error}");
    let after = fs::metadata(&program).unwrap();
    assert_eq!((before.ino(), before.len()), (after.ino(), after.len()));
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[test]
fn other_names_and_the_mode_of_a_program_with_a_tail_stay() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let program = program(dir.path(), &["-pie"], 100);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o555)).unwrap();
    let other = dir.path().join("other");
    fs::hard_link(&program, &other).unwrap();
    let reader = FileReader::new(File::open(&program).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let names = [program.clone(), other.clone()];
    let options = RewriteOptions::default();
    rewrite(&names, &reader, &info, &[runpath(50)], &options).unwrap();
    finds_its_data(&other, "the other name");
    let (one, two) = (
        fs::metadata(&program).unwrap(),
        fs::metadata(&other).unwrap(),
    );
    assert_eq!((one.ino(), one.mode() & 0o7777), (two.ino(), 0o555));
    // All names of the inode are to change, and not all are known.
    let reader = FileReader::new(File::open(&program).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let options = RewriteOptions {
        keep_links: true,
        ..RewriteOptions::default()
    };
    let error = rewrite(&names[..1], &reader, &info, &[runpath(90)], &options).unwrap_err();
    assert!(matches!(error, RewriteError::Refused(_)), "{error}");
}

/// Appends archives as packers do, and reads them as programs do, with Python's own modules: a zip
/// file with offsets from its own start or from the start of the file, PyInstaller's package by its
/// cookie at the end, nexe's script by its sentinel.
const ARCHIVES: &str = r#"
import struct, sys, zipfile
what, kind, path = sys.argv[1:]
package = b"ABCDEFGH" * 5000
cookie = b"MEI\x0c\x0b\x0a\x0b\x0e" + struct.pack("!IIII64s", len(package) + 88, 1, 2, 312, b"libpython.so")
script = b"console.log(1)" * 99
nexe = script + b"<nexe~~sentinel>" + struct.pack("<dd", len(script), 0)
if what == "append":
    if kind == "zip of its own":
        with zipfile.ZipFile(path + ".zip", "w") as z: z.writestr("name", "hello")
        open(path, "ab").write(open(path + ".zip", "rb").read())
    elif kind == "zip":
        with zipfile.ZipFile(path, "a") as z: z.writestr("name", "hello")
    else:
        open(path, "ab").write({"pyinstaller": package + cookie, "nexe": nexe}[kind])
data = open(path, "rb").read()
if kind.startswith("zip"):
    assert zipfile.ZipFile(path).read("name") == b"hello"
    # A reader that takes the offset of the directory for one in the file.
    at = data.rfind(b"PK\x05\x06")
    start, = struct.unpack_from("<I", data, at + 16)
    assert kind != "zip" or data[start:start + 4] == b"PK\x01\x02"
elif kind == "pyinstaller":
    at = data.rfind(cookie[:8])
    length, = struct.unpack_from("!I", data, at + 8)
    assert data[at + 88 - length:at + 88] == package + cookie
else:
    assert data.endswith(nexe)
"#;

#[test]
fn archives_behind_a_program_are_found_by_their_readers() {
    for kind in ["zip of its own", "zip", "pyinstaller", "nexe"] {
        for flags in LINKERS {
            let dir = tempfile::tempdir().unwrap();
            let program = program(dir.path(), flags, 24);
            let file = program.to_str().unwrap();
            let end = fs::metadata(&program).unwrap().len() - 24;
            let opened = OpenOptions::new().write(true).open(&program).unwrap();
            opened.set_len(end).unwrap();
            drop(opened);
            must("python3", ["-c", ARCHIVES, "append", kind, file]);
            for len in [100, 400, 3000] {
                edit(&program, &[runpath(len)]).unwrap();
                must("python3", ["-c", ARCHIVES, "read", kind, file]);
                must(file, [""; 0]);
            }
        }
    }
}
