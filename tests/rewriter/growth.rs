//! How much a file grows, in the figures that the docs give: NVIDIA's libraries, a small program,
//! and the library with the longest table of symbols in the wheels.

use crate::support::{succeeded, wheel};
use elf_edit::writes::Step;
use elf_edit::{Edit, ElfInfo, FileReader, RewriteOptions, prepare, rewrite};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

fn read(path: &Path) -> (FileReader, ElfInfo) {
    let reader = FileReader::new(File::open(path).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    (reader, info)
}

/// Sets a RUNPATH, and returns the file's length afterwards.
fn set_runpath(path: &Path, value: String) -> u64 {
    let (reader, info) = read(path);
    let edits = [Edit::SetRunpath(value.clone().into())];
    let options = RewriteOptions::default();
    let done = rewrite(&[path.to_owned()], &reader, &info, &edits, &options).unwrap();
    assert!(done.strip_safe);
    let now = read(path).1;
    assert_eq!(now.runpath_or_rpath(), Some(value.as_bytes()));
    assert_eq!(done.size_after, fs::metadata(path).unwrap().len());
    done.size_after
}

/// Directories as a Nix store names them.
fn store_paths(count: usize) -> String {
    let path = |n: usize| format!("/nix/store/{n:032}-a-library-of-some-name-1.2.3/lib");
    (0..count).map(path).collect::<Vec<_>>().join(":")
}

/// A program that dlopens its argument.
fn opener(dir: &Path) -> PathBuf {
    let (source, out) = (dir.join("open.c"), dir.join("open"));
    let text = "#include <dlfcn.h>\n#include <stdio.h>\n\
        int main(int c, char **v) { (void)c; if (dlopen(v[1], RTLD_NOW)) return 0;\n\
        puts(dlerror()); return 1; }\n";
    fs::write(&source, text).unwrap();
    let built = Command::new("gcc").arg("-o").args([&out, &source]).output();
    succeeded(&built.unwrap());
    out
}

#[test]
fn libcudart_11_stays_small_through_ten_growing_runpaths_and_loads() {
    let dir = tempfile::tempdir().unwrap();
    let opener = opener(dir.path());
    let name = "nvidia/cuda_runtime/lib/libcudart.so.11.0";
    let original = wheel("nvidia-cuda-runtime-cu11-11.8.89").join(name);
    let library = dir.path().join("libcudart.so.11.0");
    fs::copy(&original, &library).unwrap();
    let before = fs::metadata(&library).unwrap().len();
    let segments = read(&library).1.segments.len();
    for count in 1..=10 {
        let size = set_runpath(&library, store_paths(count));
        if count == 1 {
            let grown = size - before;
            assert!(grown < 25_000, "a first RUNPATH: {before} + {grown}");
        }
        let opened = Command::new(&opener).arg(&library).output().unwrap();
        succeeded(&opened);
    }
    let size = fs::metadata(&library).unwrap().len();
    assert!(size < 750_000, "{before} to {size}");
    assert!(read(&library).1.segments.len() <= segments + 1);
}

#[test]
fn a_program_of_16_kb_grows_by_less_than_2_kb() {
    let dir = tempfile::tempdir().unwrap();
    let (source, exe) = (dir.path().join("a.c"), dir.path().join("a"));
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let built = Command::new("gcc").arg("-o").args([&exe, &source]).output();
    succeeded(&built.unwrap());
    let before = fs::metadata(&exe).unwrap().len();
    assert!((15_000..17_000).contains(&before), "{before}");
    let grown = set_runpath(&exe, store_paths(3)) - before;
    assert!(grown < 2000, "{grown}");
}

/// A library with ten thousand exported symbols of long names, linked by lld: 240 KB of `.dynsym`,
/// and behind it 1.3 MB of `.dynstr`.
fn lld_library(dir: &Path) -> PathBuf {
    let (source, out) = (dir.join("names.s"), dir.join("libnames.so"));
    let name = |n: usize| format!("a_name_as_cpp_mangles_it_{n}_{}", "x".repeat(100));
    let text: String = (0..10_000).map(name).map(global).collect();
    fs::write(&source, text).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(["-fuse-ld=lld", "-shared", "-nostdlib", "-o"]);
    succeeded(&gcc.args([&out, &source]).output().unwrap());
    out
}

/// Assembly of a symbol that others see.
fn global(name: String) -> String {
    format!(".globl {name}\n{name}:\n.byte 0\n")
}

/// Plans a first RUNPATH: only the string table may move, whatever precedes it.
fn only_the_strings_move(library: &Path, at_least: u64) {
    let (reader, info) = read(library);
    let strings = info.dynamic.as_ref().unwrap().strsz;
    assert!(
        strings > at_least,
        "another {}: {strings}",
        library.display()
    );
    let edits = [Edit::SetRunpath(store_paths(3).into())];
    let prepared = prepare(&reader, &info, &edits, &RewriteOptions::default()).unwrap();
    let patch = prepared.patch.unwrap();
    assert!(patch.strip_safe);
    let written = patch.bytes_written();
    assert!(
        written < strings + (64 << 10),
        "{written} bytes, the strings are {strings}"
    );
    let len = patch.steps.iter().rev().find_map(|step| match step {
        Step::Truncate { len } => Some(*len),
        _ => None,
    });
    let grown = len.unwrap() - info.size;
    assert!(
        grown < strings + (64 << 10),
        "{grown} bytes, the strings are {strings}"
    );
}

#[test]
fn where_lld_puts_the_symbols_first_only_the_strings_are_written() {
    let dir = tempfile::tempdir().unwrap();
    only_the_strings_move(&lld_library(dir.path()), 1_000_000);
    if crate::support::long() {
        let triton = wheel("torch-2.15.0").join("triton/_C/libtriton.so");
        only_the_strings_move(&triton, 10_000_000);
    }
}

/// A library with so many more PT_NOTEs of one byte, and so many sections.
fn crowded(library: &[u8], notes: u64, sections: usize) -> Vec<u8> {
    let mut bytes = library.to_vec();
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let half = |bytes: &[u8], at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
    let (phoff, phnum) = (word(&bytes, 32) as usize, half(&bytes, 56));
    let (shoff, shnum) = (word(&bytes, 40) as usize, usize::from(half(&bytes, 60)));
    let segments = bytes[phoff..phoff + 56 * usize::from(phnum)].to_vec();
    let headers = bytes[shoff..shoff + 64 * shnum].to_vec();
    bytes.resize(bytes.len().next_multiple_of(64), 0);
    let table = bytes.len() as u64;
    bytes[32..40].copy_from_slice(&table.to_le_bytes());
    bytes.extend(segments);
    for note in 0..notes {
        // Apart from each other, in the first segment, which is mapped at address 0.
        let [kind, at] = [0x4_0000_0004u64, 4096 + 2 * note];
        for field in [kind, at, at, at, 1, 1, 1] {
            bytes.extend(field.to_le_bytes());
        }
    }
    bytes[56..58].copy_from_slice(&(phnum + notes as u16).to_le_bytes());
    let table = bytes.len() as u64;
    bytes[40..48].copy_from_slice(&table.to_le_bytes());
    bytes.extend(&headers);
    for section in shnum..sections {
        let from = 64 * (1 + section % (shnum - 1));
        bytes.extend(&headers[from..from + 64]);
    }
    bytes[60..62].copy_from_slice(&(sections as u16).to_le_bytes());
    bytes
}

/// Time on a processor that this thread has had, in nanoseconds.
fn processor_time() -> u64 {
    let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn time_grows_with_program_headers_and_sections_not_with_their_product() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("l.c"), dir.path().join("l.so"));
    fs::write(&source, "int f(void) { return 1; }\n").unwrap();
    let mut gcc = Command::new("gcc");
    let built = gcc
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source]);
    succeeded(&built.output().unwrap());
    let library = fs::read(library).unwrap();
    let times = [(1000, 16_000), (4000, 64_000)].map(|(notes, sections)| {
        let bytes = crowded(&library, notes, sections);
        let file = bytes.as_slice();
        let took = |_| {
            let start = processor_time();
            let info = ElfInfo::read(file).unwrap();
            let edits = [Edit::SetRunpath(b"/a/new/runpath".to_vec())];
            let options = RewriteOptions::default();
            assert!(
                prepare(file, &info, &edits, &options)
                    .unwrap()
                    .patch
                    .is_some()
            );
            processor_time() - start
        };
        (0..3).map(took).min().unwrap()
    });
    // Linear: 4 times.
    assert!(times[1] < 8 * times[0], "{times:?} ns");
}
