//! Small outputs, at which the hooks look by themselves: what they print, return and leave is what the
//! program would, and it is not started where there is nothing for it to do.

use crate::support::root;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The hooks' library, a program that notes its calls, and a farm.
struct Shop {
    dir: tempfile::TempDir,
}

/// What a hook has done.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    status: Option<i32>,
    stdout: String,
    stderr: String,
    tree: Vec<(PathBuf, Vec<u8>)>,
}

/// Makes an output.
type Make = Box<dyn Fn(&Path)>;

impl Shop {
    fn new() -> Shop {
        let shop = Shop {
            dir: tempfile::tempdir().unwrap(),
        };
        let prefix = shop.path("prefix");
        fs::create_dir_all(prefix.join("include")).unwrap();
        fs::create_dir(shop.path("top")).unwrap();
        fs::write(
            prefix.join("include/cuda.h"),
            "#define CUDA_VERSION 12040\n",
        )
        .unwrap();
        let program = env!("CARGO_BIN_EXE_cuda-fixup");
        let mut make = Command::new(program);
        make.args(["toolkit", "farm", "--out"]).arg(shop.farm());
        assert!(make.arg(prefix).output().unwrap().status.success());
        let calls = shop.path("calls");
        let script = format!("#!/bin/bash\n: >{calls:?}\nexec {program} \"$@\"\n");
        fs::write(shop.path("program"), script).unwrap();
        fs::set_permissions(shop.path("program"), Permissions::from_mode(0o755)).unwrap();
        for file in ["lib", "small", "toolkit", "add-driver-runpath"] {
            let text = root().join("hooks").join(file).with_extension("sh");
            let text = fs::read_to_string(text).unwrap();
            let text = text
                .replace("@cudaFixup@", shop.path("program").to_str().unwrap())
                .replace("@lib@", shop.path("lib").to_str().unwrap())
                .replace("@small@", shop.path("small").to_str().unwrap())
                .replace("@driverLink@", "")
                .replace("@hostCompiler@", "")
                .replace("@auto@", "");
            fs::write(shop.path(file), text).unwrap();
        }
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn farm(&self) -> PathBuf {
        self.path("top/cuda-toolkit")
    }

    /// Runs `script` after the hooks have been read, with the output `out`.
    fn bash(&self, before: &str, script: &str) -> Output {
        let dir = self.dir.path().display();
        let text = format!(
            "set -eu; set -o pipefail; shopt -s inherit_errexit; {before}\n\
             source {dir}/add-driver-runpath; source {dir}/toolkit\n\
             outputs=out out={dir}/out farm={}\n{script}\n",
            self.farm().display()
        );
        let mut bash = Command::new("bash");
        bash.args(["-c", &text])
            .current_dir(self.dir.path())
            .output()
            .unwrap()
    }

    /// Makes the output and runs `script` twice: with the look by bash, and with an option of the shell
    /// that prevents it. Both do the same.
    /// Returns that, and whether the first has started the program.
    fn both(&self, before: &str, make: &dyn Fn(&Path), script: &str) -> (Done, bool) {
        let run = |before: &str, script: &str| {
            let out = self.path("out");
            match fs::symlink_metadata(&out) {
                Ok(meta) if meta.is_dir() => fs::remove_dir_all(&out).unwrap(),
                Ok(_) => fs::remove_file(&out).unwrap(),
                Err(_) => {}
            }
            let _ = fs::remove_file(self.path("calls"));
            make(&out);
            let output = self.bash(before, script);
            let files = walkdir::WalkDir::new(&out).sort_by_file_name().into_iter();
            let files = files
                .filter_map(Result::ok)
                .filter(|entry| entry.file_type().is_file());
            let tree = files.map(|entry| {
                let start = File::open(entry.path()).and_then(|file| {
                    let mut bytes = Vec::new();
                    std::io::Read::read_to_end(
                        &mut std::io::Read::take(file, 1 << 16),
                        &mut bytes,
                    )?;
                    Ok(bytes)
                });
                (entry.path().to_owned(), start.unwrap_or_default())
            });
            Done {
                status: output.status.code(),
                stdout: String::from_utf8(output.stdout).unwrap(),
                stderr: String::from_utf8(output.stderr).unwrap(),
                tree: tree.collect(),
            }
        };
        let done = run(before, script);
        let started = self.path("calls").exists();
        let slow = run(before, &format!("shopt -s dotglob; {script}"));
        assert_eq!(done, slow, "{script}");
        (done, started)
    }
}

/// The program `true` of this machine: ELF, and nothing to do for who only adds no driver.
fn an_elf_file() -> Vec<u8> {
    fs::read("/usr/bin/true").unwrap()
}

fn directory(files: &'static [(&'static str, &'static [u8])]) -> Make {
    Box::new(move |out| {
        for (name, bytes) in files {
            let file = out.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
    })
}

fn with(more: impl Fn(&Path) + 'static) -> Make {
    let some = directory(&[("share/a file", b"text")]);
    Box::new(move |out| {
        some(out);
        more(out);
    })
}

const FIXUP: &str = "cudaFixupCall addDriverRunpathPart -- \"$out\"";

#[test]
fn without_an_elf_file_no_process_is_started() {
    let shop = Shop::new();
    for (make, others) in [
        (directory(&[("share/readme", b"No ELF.\n")]), "1 other file"),
        (
            Box::new(|out: &Path| fs::create_dir(out).unwrap()),
            "0 other files",
        ),
        (
            directory(&[
                (".hidden/..odd/x", b""),
                ("...", b"!<arch>\n"),
                ("a\nb", b"\0\x7fELF"),
                ("*", b"\x7f\0ELF"),
                ("[", b"\x7fEL"),
            ]),
            "5 other files",
        ),
        (
            with(|out| {
                fs::write(out.join(OsString::from_vec(b"\xff\xfe".to_vec())), "").unwrap();
                // Met under their own names, or in nobody's output.
                symlink("/usr/bin/true", out.join("elf")).unwrap();
                symlink("nowhere", out.join("dangling")).unwrap();
                symlink(".", out.join("loop")).unwrap();
                fs::hard_link(out.join("share/a file"), out.join("again")).unwrap();
                // Sparse: reading it would take seconds.
                let sparse = File::create(out.join("sparse")).unwrap();
                sparse.set_len(4 << 30).unwrap();
            }),
            "7 other files",
        ),
    ] {
        for before in ["", "set -f", "shopt -s nullglob", "IFS=/", "LC_ALL=C.UTF-8"] {
            let (done, started) = shop.both(before, &*make, FIXUP);
            assert!(!started, "{before}: {done:?}");
            let says = format!(
                "0 ELF files: 0 changed, 0 failed, 0 dependencies missing; {others} passed over\n"
            );
            assert_eq!((done.status, done.stdout), (Some(0), says), "{before}");
        }
    }
}

#[test]
fn the_program_looks_at_everything_else() {
    let shop = Shop::new();
    let outputs: [Make; 9] = [
        with(|out| fs::write(out.join("share/.true"), an_elf_file()).unwrap()),
        directory(&[("x", b"\x7fELF, says the text")]),
        // More than are looked at.
        Box::new(|out| {
            fs::create_dir(out).unwrap();
            (0..17).for_each(|at| fs::write(out.join(at.to_string()), "").unwrap());
        }),
        with(|out| {
            let fifo = Command::new("mkfifo").arg(out.join("fifo")).status();
            assert!(fifo.unwrap().success());
        }),
        Box::new(|out| fs::write(out, "a file").unwrap()),
        Box::new(|out| {
            let target = out.with_file_name("target");
            fs::create_dir_all(&target).unwrap();
            symlink(target, out).unwrap();
        }),
        Box::new(|out| symlink("nowhere", out).unwrap()),
        with(|out| {
            let dir = (0..20).fold(out.to_owned(), |dir, _| dir.join("deep"));
            fs::create_dir_all(dir).unwrap();
        }),
        with(|out| fs::write(out.join("true.real"), &an_elf_file()[..100]).unwrap()),
    ];
    for (at, make) in outputs.iter().enumerate() {
        let (done, started) = shop.both("", make, FIXUP);
        assert!(started, "{at}: {done:?}");
    }
    let make = with(|_| ());
    for (before, script) in [
        ("shopt -s dotglob", FIXUP),
        ("shopt -s failglob", FIXUP),
        ("GLOBIGNORE='*.so'", FIXUP),
        ("cudaFixupFlags=--no-such-flag", FIXUP),
        ("cudaFixupFlags=--verbose", FIXUP),
        ("cudaFixupDriverRunpath=sometimes", FIXUP),
        (
            "",
            "cudaFixupCall --force-rpath addDriverRunpathPart -- \"$out\"",
        ),
        (
            "",
            "addDriverRunpath \"$out\"/*/*; cudaFixupElfFiles x \"$out\"",
        ),
    ] {
        let (done, started) = shop.both(before, &*make, script);
        assert!(started, "{before} {script}: {done:?}");
    }
}

/// Who may read everything sees no difference.
#[test]
fn what_is_unreadable_is_reported() {
    let shop = Shop::new();
    for name in ["share", "share/a file"] {
        let make = with(move |out| {
            fs::set_permissions(out.join(name), Permissions::from_mode(0o000)).unwrap();
        });
        let (done, _) = shop.both("", &*make, FIXUP);
        let (searched, _) = shop.both("", &*make, LEAKS);
        let _ = fs::set_permissions(shop.path("out").join(name), Permissions::from_mode(0o755));
        if done.status != Some(0) {
            assert!(done.stderr.contains("cannot be read"), "{done:?}");
            assert!(searched.stderr.contains("cannot be read"), "{searched:?}");
        }
    }
}

const LEAKS: &str = "cudaFixupLeaks dontLook --farm \"$farm\"";

#[test]
fn an_output_that_cannot_name_the_farm_is_not_searched_by_the_program() {
    let shop = Shop::new();
    for (at, make) in [
        directory(&[(
            "share/readme",
            b"A cuda-toolkit is needed, or cuda/toolkit.\n",
        )]),
        directory(&[
            ("empty", b""),
            ("ä\n", b"\xff\xfe\xc3"),
            ("share/cuda-toolkit", b"x"),
        ]),
        Box::new(|out: &Path| fs::create_dir(out).unwrap()),
        with(|out| fs::write(out.join("long"), "x".repeat(15 << 10)).unwrap()),
    ]
    .iter()
    .enumerate()
    {
        for before in ["", "set -f", "IFS=x", "LC_ALL=C.UTF-8"] {
            let (done, started) = shop.both(before, make, LEAKS);
            assert!(!started, "{at}, {before}: {done:?}");
            assert_eq!(
                (done.status, &*done.stdout, &*done.stderr),
                (Some(0), "", ""),
                "{at}"
            );
        }
    }
}

#[test]
fn every_reference_to_the_farm_is_found() {
    let shop = Shop::new();
    let farm = shop.farm();
    let named = |before: &[u8], after: &[u8]| {
        let bytes = [before, farm.as_os_str().as_encoded_bytes(), after].concat();
        with(move |out: &Path| fs::write(out.join("share/x"), &bytes).unwrap())
    };
    let target = farm.join("include");
    for (at, make) in [
        named(b"", b""),
        named(b"\xff\r\n", b"/include\n"),
        named(b"a\0b\0", b"\0"),
        named(&b"x".repeat(16380), b"\n"),
        named(&b"x".repeat(100_000), b"\n"),
        with(move |out| symlink(&target, out.join("link")).unwrap()),
    ]
    .iter()
    .enumerate()
    {
        for before in ["", "LC_ALL=C.UTF-8"] {
            let (done, started) = shop.both(before, make, LEAKS);
            assert!(started, "{at}");
            assert_eq!(done.status, Some(1), "{at}: {done:?}");
            assert!(done.stderr.contains("dontLook lets them"), "{done:?}");
        }
    }
    // Rewritten by the program.
    let text = format!("set(X {}/include)\n", farm.display());
    let make = with(move |out| fs::write(out.join("x.cmake"), &text).unwrap());
    let (done, started) = shop.both("", &*make, LEAKS);
    assert!(started && done.status == Some(0), "{done:?}");
    assert!(done.stdout.contains("rewrote"), "{done:?}");
    // Over another way, which the program follows.
    symlink(shop.path("top"), shop.path("way")).unwrap();
    let make = named(b"", b"/lib");
    let script = format!(
        "cudaFixupLeaks dontLook --farm {}",
        shop.path("way/cuda-toolkit").display()
    );
    let (done, _) = shop.both("", &*make, &script);
    assert_eq!(done.status, Some(1), "{done:?}");
}

/// An output with a file that neither of them reads to its end.
#[test]
fn long_and_binary_files_are_the_programs() {
    let shop = Shop::new();
    for (at, make) in [
        with(|out| {
            File::create(out.join("sparse"))
                .unwrap()
                .set_len(1 << 24)
                .unwrap()
        }),
        with(|out| fs::write(out.join("long"), "x".repeat(16 << 10)).unwrap()),
        with(|out| {
            for name in ["a", "b"] {
                fs::write(out.join(name), "x".repeat(9 << 10)).unwrap();
            }
        }),
        with(|out| {
            File::create(out.join("x"))
                .unwrap()
                .write_all(b"text\0")
                .unwrap()
        }),
    ]
    .iter()
    .enumerate()
    {
        let (done, started) = shop.both("", make, LEAKS);
        assert!(started && done.status == Some(0), "{at}: {done:?}");
    }
    // No farm: an error, whatever the output has.
    let make = with(|_| ());
    let (done, started) = shop.both("", &*make, "cudaFixupLeaks dontLook --farm /no/such/farm");
    assert!(started && done.status == Some(1), "{done:?}");
    // RUNPATHs: only ELF files have them.
    let script = "cudaFixupLeaks dontLook --runpaths --forbid /no/such";
    let (done, started) = shop.both("", &*make, script);
    assert!(!started && done.status == Some(0), "{done:?}");
    let elf = with(|out| fs::write(out.join("x"), an_elf_file()).unwrap());
    let (_, started) = shop.both("", &*elf, script);
    assert!(started);
}
