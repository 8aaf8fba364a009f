//! What fuzzing starts from: small files that compilers, ldconfig and nvcc made.

use crate::support::peers::run;
use std::fs;
use std::process::Command;

/// Small files of several linkers and machines.
pub fn elf_files() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.c"), "int foo(void) { return 1; }\n").unwrap();
    let compilers = [
        ("gcc", "-shared -Wl,-rpath,/old -Wl,-soname,liba.so -s"),
        (
            "gcc",
            "-Wl,--no-dynamic-linker -pie -e foo -s -Wl,-z,noseparate-code",
        ),
        ("clang", "-fuse-ld=lld -shared -s"),
        ("gcc", "-fuse-ld=mold -shared -s"),
        ("i686-linux-gnu-gcc", "-shared -s"),
        ("s390x-linux-gnu-gcc", "-shared -s"),
        ("mips-linux-gnu-gcc", "-shared -s"),
    ];
    compilers
        .iter()
        .map(|(compiler, flags)| {
            run(Command::new(compiler)
                .current_dir(dir.path())
                .args(["-nostdlib", "-fPIC", "a.c", "-o", "out"])
                .args(flags.split_whitespace()));
            fs::read(dir.path().join("out")).unwrap()
        })
        .collect()
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
