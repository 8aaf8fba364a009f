//! Program headers that contradict each other: nothing but what moves is cleared, and an edit that
//! would have to choose is refused.

use crate::support::succeeded;
use elf_edit::{Edit, ElfInfo, FileReader, RewriteOptions, Segment, prepare, rewrite};
use object::elf;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that prints `hi`, one of whose notes got other headers.
fn program(dir: &Path, doctor: impl FnOnce(&mut Segment, &[Segment], &[u8])) -> PathBuf {
    let (source, program) = (dir.join("hi.c"), dir.join("hi"));
    let text = "int puts(const char *);\nint main(void) { return puts(\"hi\") < 0; }\n";
    fs::write(&source, text).unwrap();
    let mut gcc = Command::new("gcc");
    let built = gcc.args(["-pie", "-fPIE", "-Wl,--build-id", "-o"]);
    succeeded(&built.args([&program, &source]).output().unwrap());
    let mut bytes = fs::read(&program).unwrap();
    let mut info = ElfInfo::read(&bytes[..]).unwrap();
    let others = info.segments.clone();
    let mut notes = info.segments.iter_mut();
    let note = notes.rfind(|s| s.p_type == elf::PT_NOTE).unwrap();
    doctor(note, &others, &bytes);
    put_headers(&mut bytes, &info);
    fs::write(&program, bytes).unwrap();
    program
}

/// Writes the program headers of `info` to where they are.
fn put_headers(bytes: &mut [u8], info: &ElfInfo) {
    let (mut table, at) = (Vec::new(), info.header.phoff as usize);
    for segment in &info.segments {
        segment.encode(info.format(), &mut table);
    }
    bytes[at..at + table.len()].copy_from_slice(&table);
}

fn edit(file: &Path, edit: Edit) -> Result<(), String> {
    let reader = FileReader::new(File::open(file).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let options = RewriteOptions::default();
    let done = rewrite(&[file.to_owned()], &reader, &info, &[edit], &options);
    done.map(|_| ()).map_err(|error| error.to_string())
}

/// The second one claims 4 GB, all of which the fuzzer saw cleared.
#[test]
fn of_two_interpreters_none_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let file = program(dir.path(), |note, _, _| {
        note.p_type = elf::PT_INTERP;
        note.filesz = 0xff00_0009;
    });
    let before = fs::read(&file).unwrap();
    for path in ["/lib/ld.so", "/a/longer/path/of/a/dynamic/loader/ld.so"] {
        let why = edit(&file, Edit::SetInterpreter(path.into())).unwrap_err();
        assert!(why.contains("2 PT_INTERP program headers"), "{why}");
        assert!(fs::read(&file).unwrap() == before);
    }
}

#[test]
fn what_a_header_with_a_wrong_offset_names_is_not_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let mut words = 0;
    // The address is that of the interpreter, which moves; the offset is that of "hi".
    let file = program(dir.path(), |note, others, bytes| {
        let interpreter = others.iter().find(|s| s.p_type == elf::PT_INTERP);
        words = bytes.windows(3).position(|w| w == b"hi\0").unwrap();
        note.offset = words as u64;
        note.vaddr = interpreter.unwrap().vaddr;
        note.filesz = 3;
        note.memsz = 3;
    });
    edit(&file, Edit::SetRunpath(vec![b'x'; 300])).unwrap();
    let bytes = fs::read(&file).unwrap();
    assert_eq!(&bytes[words..words + 3], b"hi\0");
    let info = ElfInfo::read(&bytes[..]).unwrap();
    let interpreter = info.segments.iter().find(|s| s.p_type == elf::PT_INTERP);
    assert!(interpreter.unwrap().offset > words as u64, "did not move");
    let ran = Command::new(&file).output().unwrap();
    assert_eq!(ran.stdout, b"hi\n");
}

/// The segment and the note claim terabytes; the fuzzer saw 38 GB allocated for them.
#[test]
fn a_note_that_the_file_does_not_have_makes_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("l.c"), dir.path().join("l.so"));
    fs::write(&source, "int one(void) { return 1; }\n").unwrap();
    let mut gcc = Command::new("gcc");
    let built = gcc.args(["-shared", "-fPIC", "-Wl,--build-id", "-o"]);
    succeeded(&built.args([&library, &source]).output().unwrap());
    let mut file = fs::read(library).unwrap();
    let mut info = ElfInfo::read(&file[..]).unwrap();
    let mut segments = info.segments.iter_mut();
    let load = segments.find(|s| s.p_type == elf::PT_LOAD).unwrap();
    load.filesz = 0x200_0000_0000;
    load.memsz = load.filesz;
    let note = segments.find(|s| s.p_type == elf::PT_NOTE).unwrap();
    note.filesz = 0x9_0100_0024;
    put_headers(&mut file, &info);
    let edits = [Edit::AddNeeded(b"libextra.so".to_vec())];
    let prepared = prepare(&file[..], &info, &edits, &RewriteOptions::default());
    let patch = prepared.unwrap().patch.unwrap();
    assert!(patch.bytes_written() < 1 << 20);
}

/// Our own segment at the end of the address space, where a longer string table doesn't fit.
#[test]
fn a_segment_does_not_grow_past_the_address_space() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("l.c"), dir.path().join("l.so"));
    fs::write(&source, "int one(void) { return 1; }\n").unwrap();
    let mut gcc = Command::new("gcc");
    let built = gcc.args(["-shared", "-fPIC", "-nostdlib", "-Wl,--build-id=none", "-o"]);
    succeeded(&built.args([&library, &source]).output().unwrap());
    edit(&library, Edit::SetRunpath(vec![b'x'; 300])).unwrap();
    let mut file = fs::read(&library).unwrap();
    let mut info = ElfInfo::read(&file[..]).unwrap();
    let mut loads = info.segments.iter_mut();
    let ours = loads.rfind(|s| s.p_type == elf::PT_LOAD).unwrap();
    let (start, len) = (ours.vaddr, ours.memsz);
    let up = 0xffff_ffff_ffff_e000 - (start & !0xfff);
    let lies_there = |s: &&mut Segment| s.vaddr >= start && s.vaddr < start + len;
    for segment in info.segments.iter_mut().filter(lies_there) {
        segment.vaddr += up;
        segment.paddr += up;
    }
    put_headers(&mut file, &info);
    let dynamic = info.dynamic.unwrap();
    for (index, entry) in dynamic.entries.iter().enumerate() {
        if (start..start + len).contains(&entry.value) {
            let at = dynamic.offset as usize + 16 * index + 8;
            file[at..at + 8].copy_from_slice(&(entry.value + up).to_le_bytes());
        }
    }
    // Section headers would have the old addresses.
    file[40..48].fill(0);
    file[60..64].fill(0);
    fs::write(&library, &file).unwrap();
    edit(&library, Edit::SetRunpath(vec![b'y'; 400])).unwrap();
    let before = fs::read(&library).unwrap();
    let why = edit(&library, Edit::SetRunpath(vec![b'z'; 9000])).unwrap_err();
    assert!(why.contains("no address space is left"), "{why}");
    assert!(fs::read(&library).unwrap() == before);
}
