//! Contents of real files: C compiled here, NVIDIA's own static and shared runtimes.

use crate::support::wheel;
use cuda_fixup::parts::rodata::{self, Contents};
use elf_edit::{ElfInfo, FileReader};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn read(file: &Path) -> Contents {
    let reader = FileReader::new(fs::File::open(file).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    rodata::read(&reader, &info).unwrap()
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Compiles `source` to `dir/name`.
fn compile(compiler: &str, dir: &TempDir, name: &str, source: &str, args: &[&str]) -> PathBuf {
    let c = dir.path().join(format!("{name}.cc"));
    fs::write(&c, source).unwrap();
    let out = dir.path().join(name);
    let mut all = vec!["-O2", c.to_str().unwrap(), "-o", out.to_str().unwrap()];
    all.extend_from_slice(args);
    run(compiler, &all);
    out
}

fn names(names: &[Vec<u8>]) -> Vec<&str> {
    names.iter().map(|n| str::from_utf8(n).unwrap()).collect()
}

const DLOPENS: &str = r#"
    #include <dlfcn.h>
    #include <math.h>
    #include <stdio.h>
    static char writable[] = "libwritable.so.1";
    extern "C" const char *const table[] = { "libfirst.so.1", "libsecond-2.0.so", "libc.so.6" };
    extern "C" void *load(int i) {
        puts("cannot open libtail.so.3");
        dlopen("/opt/libpath.so", RTLD_NOW);
        dlopen(writable, RTLD_NOW);
        return dlopen(table[i], RTLD_NOW);
    }
"#;

#[test]
fn dlopen_candidates_of_a_compiled_library() {
    let dir = TempDir::new().unwrap();
    let library = compile(
        "g++",
        &dir,
        "libown.so",
        DLOPENS,
        &["-shared", "-fPIC", "-Wl,-soname,libown.so"],
    );
    let found = read(&library);
    // Neither the own soname nor a NEEDED nor strings in writable data.
    assert_eq!(names(&found.sonames), ["libfirst.so.1", "libsecond-2.0.so"]);
    assert_eq!(names(&found.tails), ["libpath.so", "libtail.so.3"]);
    assert_eq!(found.cudart, None);
    let bytes = fs::read(&library).unwrap();
    for (name, &offset) in &found.offsets {
        assert!(bytes[offset as usize..].starts_with(name));
    }
    assert_eq!(found.offsets.len(), 4);
}

#[test]
fn the_same_without_section_headers_and_with_code_and_data_in_one_segment() {
    for layout in ["-Wl,-z,separate-code", "-Wl,-z,noseparate-code"] {
        let dir = TempDir::new().unwrap();
        let library = compile(
            "g++",
            &dir,
            "libx.so",
            DLOPENS,
            &["-shared", "-fPIC", layout],
        );
        run("strip", &[library.to_str().unwrap()]);
        let with = read(&library);
        let mut bytes = fs::read(&library).unwrap();
        bytes[0x28..0x30].fill(0); // e_shoff
        bytes[0x3c..0x40].fill(0); // e_shnum, e_shstrndx
        fs::write(&library, bytes).unwrap();
        let without = read(&library);
        assert_eq!(names(&with.sonames), ["libfirst.so.1", "libsecond-2.0.so"]);
        assert_eq!(without, with, "{layout}");
    }
}

const HOST_ONLY: &str = r#"
    #include <stdio.h>
    extern "C" int cudaRuntimeGetVersion(int *);
    int main() { int v = 0; cudaRuntimeGetVersion(&v); printf("%d", v); return v; }
"#;

/// A host program with NVIDIA's static runtime in it: found before and after strip, with the
/// version that the program itself prints.
#[test]
fn static_cudart_in_a_host_program_stripped_or_not() {
    for (name, lib, version) in [
        ("nvidia-cuda-runtime-13.5.37", "cu13/lib", 13_050),
        (
            "nvidia-cuda-runtime-cu12-12.9.79",
            "cuda_runtime/lib",
            12_090,
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let lib = wheel(name).join("nvidia").join(lib);
        let archive = lib.join("libcudart_static.a");
        let libraries = [archive.to_str().unwrap(), "-ldl", "-lrt", "-lpthread"];
        let program = compile("g++", &dir, "host", HOST_ONLY, &libraries);
        let printed = Command::new(&program).output().unwrap().stdout;
        assert_eq!(String::from_utf8(printed).unwrap(), version.to_string());
        let whole = read(&program).cudart.unwrap();
        run("strip", &[program.to_str().unwrap()]);
        let found = read(&program);
        let stripped = found.cudart.unwrap();
        assert_eq!(whole.version, Some(version), "{name}");
        assert_eq!(stripped, whole, "{name}");
        assert_eq!(stripped.evidence.len(), 4);
        let bytes = fs::read(&program).unwrap();
        for clue in &stripped.evidence[..3] {
            let text = clue.what.strip_prefix("string \"").unwrap();
            let text = text.strip_suffix('"').unwrap().as_bytes();
            assert!(bytes[clue.offset as usize..].starts_with(text), "{clue:?}");
        }
        assert!(names(&found.sonames).contains(&"libcuda.so.1"), "{name}");
    }
}

#[test]
fn static_cudart_of_aarch64() {
    let dir = TempDir::new().unwrap();
    let archive = wheel("nvidia-cuda-runtime-cu12-12.9.79-aarch64")
        .join("nvidia/cuda_runtime/lib/libcudart_static.a");
    let library = dir.path().join("libwith.so");
    run(
        "aarch64-linux-gnu-gcc",
        &[
            "-shared",
            "-Wl,--whole-archive",
            archive.to_str().unwrap(),
            "-Wl,--no-whole-archive",
            "-s",
            "-o",
            library.to_str().unwrap(),
        ],
    );
    let found = read(&library).cudart.unwrap();
    assert_eq!(found.version, Some(12_090), "{:?}", found.evidence);
}

/// The shared runtime says its own version.
#[test]
fn versions_of_shared_runtimes() {
    for (name, file, version) in [
        (
            "nvidia-cuda-runtime-13.5.37",
            "nvidia/cu13/lib/libcudart.so.13",
            13_050,
        ),
        (
            "nvidia-cuda-runtime-cu12-12.9.79",
            "nvidia/cuda_runtime/lib/libcudart.so.12",
            12_090,
        ),
    ] {
        let found = read(&wheel(name).join(file)).cudart.unwrap();
        assert_eq!(found.version, Some(version), "{file}");
    }
}

/// Libraries full of API names have no runtime in them.
#[test]
fn real_libraries_without_a_cudart() {
    for (name, file) in [
        (
            "nvidia-cuda-cupti-13.5.25",
            "nvidia/cu13/lib/libcupti.so.13",
        ),
        (
            "nvidia-cuda-nvrtc-13.5.37",
            "nvidia/cu13/lib/libnvrtc.so.13",
        ),
    ] {
        let found = read(&wheel(name).join(file));
        assert_eq!(found.cudart, None, "{file}");
    }
}

/// Each truncation and a storm of flipped bytes: an answer or an error, never a panic.
#[test]
fn damaged_files_are_read_or_refused() {
    let dir = TempDir::new().unwrap();
    let library = compile("g++", &dir, "libx.so", DLOPENS, &["-shared", "-fPIC"]);
    let bytes = fs::read(&library).unwrap();
    let try_it = |bytes: &[u8]| {
        if let Ok(info) = ElfInfo::read(bytes) {
            let _ = rodata::read(bytes, &info);
        }
    };
    for len in (0..bytes.len()).step_by(61) {
        try_it(&bytes[..len]);
    }
    let headers = (0..64 + 56 * 12).chain(bytes.len() - 64 * 30..bytes.len());
    for at in headers {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        try_it(&damaged);
    }
}
