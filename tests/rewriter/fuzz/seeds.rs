//! What fuzzing starts from: small files that compilers, ldconfig and nvcc made.

use crate::support::peers::run;
use crate::torture::subject::rewrite;
use elf_edit::Edit;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Compilers, and what they link.
const LINKED: [(&str, &str); 28] = [
    ("gcc", "-shared -Wl,-rpath,/old -Wl,-soname,liba.so -s"),
    ("gcc", "-shared -Wl,-rpath,/old -Wl,--hash-style=sysv"),
    (
        "gcc",
        "-shared -Wl,-z,noseparate-code -Wl,--hash-style=both -s",
    ),
    (
        "gcc",
        "-pie -Wl,--no-dynamic-linker -s -Wl,-z,noseparate-code",
    ),
    ("gcc", "-pie -Wl,-z,pack-relative-relocs -s"),
    (
        "gcc",
        "-pie -Wl,-z,norelro,-z,lazy -Wl,--disable-new-dtags,-rpath,/old -s",
    ),
    (
        "gcc",
        "-no-pie -Wl,--no-as-needed ./libbar.so -Wl,-rpath,/old -s",
    ),
    ("gcc", "-static -s"),
    ("gcc", "-c"),
    ("gcc", "-fuse-ld=gold -shared -Wl,-soname,liba.so -s"),
    (
        "gcc",
        "-fuse-ld=gold -no-pie -Wl,--no-as-needed ./libbar.so -s",
    ),
    ("gcc", "-fuse-ld=mold -shared -s"),
    (
        "gcc",
        "-fuse-ld=mold -no-pie -Wl,--no-as-needed ./libbar.so -s",
    ),
    ("clang", "-fuse-ld=lld -shared -s"),
    ("clang", "-fuse-ld=lld -pie -Wl,-z,rodynamic -s"),
    (
        "clang",
        "-fuse-ld=lld -no-pie -Wl,--no-as-needed ./libbar.so -Wl,-rpath,/old -s",
    ),
    (
        "clang",
        "-fuse-ld=lld -shared -Wl,--pack-dyn-relocs=android+relr -s",
    ),
    (
        "clang-22",
        "--target=loongarch64-linux-gnu -fuse-ld=lld-22 -shared -s",
    ),
    ("i686-linux-gnu-gcc", "-shared -s"),
    ("i686-linux-gnu-gcc", "-pie -s"),
    (
        "aarch64-linux-gnu-gcc",
        "-shared -Wl,-z,max-page-size=0x1000 -s",
    ),
    ("arm-linux-gnueabihf-gcc", "-pie -s"),
    ("riscv64-linux-gnu-gcc", "-pie -s"),
    (
        "powerpc64-linux-gnu-gcc",
        "-shared -Wl,-z,max-page-size=0x1000 -s",
    ),
    ("s390x-linux-gnu-gcc", "-shared -s"),
    ("mips-linux-gnu-gcc", "-shared -s"),
    ("mips-linux-gnu-gcc", "-shared -Wl,--hash-style=gnu -s"),
    ("mips64el-linux-gnuabi64-gcc", "-pie -s"),
];

/// A function for libraries, the start of a program, and data with relocations of each kind.
const SOURCE: &str = "\
extern int bar(void) __attribute__((weak));
int foo(void) { return 1; }
int (*calls[])(void) = {foo, bar};
const char *text = \"text\";
void _start(void) { for (;;) calls[0](); }
void __start(void) { _start(); }
";

/// Small files of several linkers and machines; then some of them as other tools leave them: with
/// no section headers, with data behind them, rewritten.
pub fn elf_files() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.c"), SOURCE).unwrap();
    // What a program needs, so that it is dynamic.
    fs::write(dir.path().join("bar.c"), "int bar(void) { return 2; }\n").unwrap();
    let library = ["-nostdlib", "-shared", "-fPIC", "bar.c", "-o", "libbar.so"];
    run(Command::new("gcc").current_dir(dir.path()).args(library));
    let out = dir.path().join("out");
    let mut files = Vec::new();
    for (compiler, flags) in LINKED {
        run(Command::new(compiler)
            .current_dir(dir.path())
            .args(["-nostdlib", "-fPIC", "-O1", "a.c", "-o", "out"])
            .args(flags.split_whitespace()));
        let file = fs::read(&out).unwrap();
        // Both small headers and all ways of a layout: of two linkers.
        if matches!(
            flags,
            "-no-pie -Wl,--no-as-needed ./libbar.so -Wl,-rpath,/old -s" | "-fuse-ld=lld -shared -s"
        ) {
            let mut without_sections = file.clone();
            without_sections[40..48].fill(0);
            without_sections[58..64].fill(0);
            files.push(without_sections);
            let tail = b"data behind the ELF file";
            files.push([&file[..], tail].concat());
            files.push(rewritten(&out));
            fs::write(&out, [&file[..], tail].concat()).unwrap();
            files.push(rewritten(&out));
        }
        files.push(file);
    }
    files
}

/// The file after two edits of ours, of which the second grows a segment.
fn rewritten(file: &Path) -> Vec<u8> {
    for len in [100, 300] {
        rewrite(file, &[Edit::SetRunpath(vec![b'/'; len])]).unwrap();
    }
    fs::read(file).unwrap()
}

/// A note of `.note.dlopen`, and its JSON.
pub fn notes() -> Vec<Vec<u8>> {
    let json = br#"[{"feature":"x","priority":"recommended","soname":["liba.so.1","libb.so"]}]"#;
    let mut note = Vec::new();
    for word in [4, json.len() as u32, 0x407c_0c0a] {
        note.extend(word.to_le_bytes());
    }
    note.extend(b"FDO\0");
    note.extend(json);
    vec![note, json.to_vec(), b"[]".to_vec()]
}

/// What ldconfig itself writes for a directory with one library.
pub fn caches() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
    fs::create_dir_all(dir.path().join("etc")).unwrap();
    fs::write(dir.path().join("a.c"), "int foo(void) { return 1; }\n").unwrap();
    run(Command::new("gcc").current_dir(dir.path()).args([
        "-shared",
        "-nostdlib",
        "-fPIC",
        "-Wl,-soname,libneeded.so.1",
        "-o",
        "usr/lib/libneeded.so.1",
        "a.c",
    ]));
    ["new", "compat"]
        .iter()
        .map(|format| {
            run(Command::new("/sbin/ldconfig")
                .args(["-X", "-c", format, "-C", "/etc/cache", "-r"])
                .arg(dir.path())
                .arg("/usr/lib"));
            fs::read(dir.path().join("etc/cache")).unwrap()
        })
        .collect()
}

/// Fatbins of every kind and compression that nvcc writes, and what they come in: a cubin, objects
/// for one and for many files, archives of them.
pub fn device_code() -> Vec<Vec<u8>> {
    let (_farm, toolkit) = crate::support::split_farm();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("k.cu"), "__global__ void k(int *a) { *a = 1; }\n").unwrap();
    let both = "-gencode arch=compute_80,code=[compute_80,sm_80]";
    let kinds = "-gencode arch=compute_90a,code=sm_90a -gencode arch=compute_86,code=lto_86";
    for (output, flags) in [
        (
            "plain.fatbin",
            format!("-fatbin {both} --compress-mode=none"),
        ),
        (
            "lz4.fatbin",
            format!("-fatbin {both} --compress-mode=speed -Xfatbin=-compress-all"),
        ),
        (
            "zstd.fatbin",
            format!("-fatbin {both} {kinds} -Xfatbin=-compress-all"),
        ),
        (
            "concat.fatbin",
            format!("-fatbin {both} {kinds} -Xfatbin=-concat,-compress-all"),
        ),
        ("k.cubin", "-cubin -arch=sm_80".to_owned()),
        ("k.o", format!("-c {both}")),
        ("rdc.o", format!("-dc {both}")),
    ] {
        run(Command::new(toolkit.join("bin/nvcc"))
            .current_dir(dir)
            .args(["k.cu", "-o", output])
            .args(flags.split_whitespace()));
    }
    // The members of a thin archive are files of this machine.
    for (mode, name) in [("qc", "plain.a"), ("qcT", "thin.a")] {
        let mut ar = Command::new("ar");
        ar.current_dir(dir).args([mode, name, "k.o", "rdc.o"]);
        run(ar.args(["plain.fatbin", "k.cubin"]));
    }
    let made = [
        "plain.fatbin",
        "lz4.fatbin",
        "zstd.fatbin",
        "concat.fatbin",
        "k.cubin",
        "k.o",
        "rdc.o",
        "plain.a",
        "thin.a",
    ];
    made.map(|name| fs::read(dir.join(name)).unwrap()).to_vec()
}
