//! `cuda-fixup redist features`: what unpacked archives hold.

use crate::support::{BINARY, succeeded};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn features(args: &[&str], directories: &[&Path]) -> Output {
    Command::new(BINARY)
        .args(["redist", "features"])
        .args(args)
        .args(directories)
        .output()
        .unwrap()
}

/// The objects of `--json`, one for each directory.
fn described(directories: &[&Path]) -> Vec<Value> {
    let lines = succeeded(&features(&["--json"], directories));
    lines
        .lines()
        .map(|line| crate::support::schema::parsed(line))
        .collect()
}

fn refusal(directory: &Path) -> String {
    let output = features(&[], &[directory]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// A fatbin of images: kind (1 PTX, 2 cubin, 8 LTO-IR), architecture, flags.
pub fn fatbin(images: &[(u16, u32, u64)]) -> Vec<u8> {
    let size = images.len() as u64 * (0x40 + 8);
    let mut bytes = [&b"\x50\xed\x55\xba\x01\0\x10\0"[..], &size.to_le_bytes()].concat();
    for (kind, architecture, flags) in images {
        let mut header = [0; 0x40];
        header[..2].copy_from_slice(&kind.to_le_bytes());
        header[2..4].copy_from_slice(&[1, 1]);
        header[4] = 0x40;
        header[8] = 8;
        header[0x1c..0x20].copy_from_slice(&architecture.to_le_bytes());
        header[0x28..0x30].copy_from_slice(&flags.to_le_bytes());
        bytes.extend(header);
        bytes.extend([0; 8]);
    }
    bytes
}

/// A directory in which an archive is put together.
struct Archive {
    dir: tempfile::TempDir,
}

impl Archive {
    fn new() -> Archive {
        Archive {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("archive")
    }

    fn file(&self, path: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    fn link(&self, path: &str, to: &str) {
        symlink(to, self.root().join(path)).unwrap();
    }

    fn compile(&self, path: &str, code: &str, args: &[&str]) {
        let source = self.dir.path().join("source.c");
        fs::write(&source, code).unwrap();
        let path = self.file(path, "");
        let built = Command::new("cc")
            .args(["-fPIC", "-w", "-o"])
            .arg(path)
            .arg(source)
            .args(args)
            .output();
        succeeded(&built.unwrap());
    }

    /// An object with device code, in a static library.
    fn static_library(&self, path: &str, images: &[(u16, u32, u64)]) {
        let object = "../object.o";
        self.compile(object, &device_code(images), &["-c"]);
        let object = self.root().join(object);
        let library = self.file(path, "");
        fs::remove_file(&library).unwrap();
        let made = Command::new("ar")
            .arg("rcs")
            .args([&library, &object])
            .output();
        succeeded(&made.unwrap());
    }
}

/// Source code with device code in the section that nvcc puts it into.
fn device_code(images: &[(u16, u32, u64)]) -> String {
    let bytes: Vec<String> = fatbin(images).iter().map(u8::to_string).collect();
    format!(
        "__attribute__((section(\".nv_fatbin\"), aligned(8), used)) static const unsigned char code[] = {{ {} }};\n",
        bytes.join(",")
    )
}

const ARCHITECTURE_SPECIFIC: u64 = 0x10_0000;
const FAMILY_SPECIFIC: u64 = 0x20_0000;

/// An archive of all kinds of files.
fn whole() -> Archive {
    let archive = Archive::new();
    let images = [
        (2, 120, FAMILY_SPECIFIC),
        (2, 90, ARCHITECTURE_SPECIFIC),
        (2, 90, 0),
        (2, 90, 0),
        (1, 120, 0),
        (8, 90, 0),
    ];
    archive.compile(
        "lib/libx.so.13.1",
        &format!(
            "{}#include <math.h>\nconst char *names[] = {{ \"libcuda.so.1\", \"libnvrtc.so.13\" }};\n\
             double f(double x) {{ return pow(x, x); }}\n",
            device_code(&images)
        ),
        &["-shared", "-Wl,-soname,libx.so.13", "-Wl,--no-as-needed", "-lm"],
    );
    archive.link("lib/libx.so.13", "libx.so.13.1");
    archive.link("lib/libx.so", "libx.so.13");
    archive.compile(
        "lib/stubs/libcuda.so",
        "int cuInit(unsigned flags) { return 34; }",
        &["-shared", "-Wl,-soname,libcuda.so.1"],
    );
    archive.static_library("lib/libx_static.a", &[(2, 75, 0)]);
    archive.compile("bin/tool", "int main(void) { return 0; }", &[]);
    let script = archive.file("bin/script", "#!/bin/sh -e\ntrue\n");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    archive.file("share/example.sh", "#!/bin/sh\n");
    archive.file("include/x.h", "");
    archive.file("include/x/part", "");
    archive.file("pkg-config/x-13.1.pc", "");
    archive.file("lib/cmake/x/x-config.cmake", "");
    archive.file("python/x/__init__.py", "");
    archive.compile(
        "python/_y.so",
        "void *PyInit__y(void) { return 0; }",
        &["-shared"],
    );
    archive.file("kernels/x.fatbin", fatbin(&[(2, 80, 0)]));
    archive.file("LICENSE", "");
    archive
}

#[test]
fn each_kind_of_file_is_described() {
    let archive = whole();
    let root = archive.root();
    let [x] = &described(&[&root])[..] else {
        unreachable!("one directory")
    };
    assert_eq!(x["schema"], "cuda-fixup.features/1");
    assert_eq!(x["files"], 16);
    assert_eq!(
        x["outputs"],
        json!(["out", "bin", "dev", "include", "lib", "static", "stubs"])
    );
    let [library, module] = &x["libraries"].as_array().unwrap()[..] else {
        unreachable!("{}", x["libraries"])
    };
    assert_eq!(library["path"], "lib/libx.so.13.1");
    assert_eq!(library["links"], json!(["lib/libx.so", "lib/libx.so.13"]));
    assert_eq!(library["soname"], "libx.so.13");
    assert_eq!(library["kind"], "shared library");
    let needed = library["needed"].as_array().unwrap();
    assert!(needed.contains(&json!("libm.so.6")), "{needed:?}");
    assert_eq!(library["dlopen"], json!(["libcuda.so.1", "libnvrtc.so.13"]));
    assert_eq!(library["cubins"], json!(["sm_90", "sm_90a", "sm_120f"]));
    assert_eq!(library["ptx"], json!(["compute_120"]));
    assert_eq!(library["lto_ir"], json!(["lto_90"]));
    assert_eq!(library["cudart"], Value::Null);
    let floor = library["glibc"].as_str().unwrap();
    assert!(floor.starts_with("2."), "{floor}");
    assert_eq!(module["path"], "python/_y.so");
    assert_eq!(x["stubs"][0]["path"], "lib/stubs/libcuda.so");
    assert_eq!(x["stubs"][0]["soname"], "libcuda.so.1");
    assert_eq!(x["static_libraries"][0]["path"], "lib/libx_static.a");
    assert_eq!(x["static_libraries"][0]["cubins"], json!(["sm_75"]));
    assert_eq!(x["device_code_files"][0]["path"], "kernels/x.fatbin");
    // Of all of them.
    assert_eq!(
        x["cubins"],
        json!(["sm_75", "sm_80", "sm_90", "sm_90a", "sm_120f"])
    );
    let paths: Vec<&Value> = x["executables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|executable| &executable["path"])
        .collect();
    // Not the example, which is not executable.
    assert_eq!(paths, ["bin/script", "bin/tool"]);
    assert_eq!(x["executables"][0]["script"], "/bin/sh -e");
    assert_eq!(x["headers"], json!({ "count": 2, "top": ["x.h", "x/"] }));
    assert_eq!(x["pkg_config"], json!(["pkg-config/x-13.1.pc"]));
    assert_eq!(x["cmake"], json!(["lib/cmake/x/x-config.cmake"]));
    assert_eq!(
        x["python"],
        json!([
            { "path": "python/_y.so", "kind": "extension", "python": null },
            { "path": "python/x", "kind": "package", "python": null },
        ])
    );

    let text = succeeded(&features(&[], &[&root]));
    for line in [
        "  outputs out bin dev include lib static stubs",
        "  library lib/libx.so.13.1 (libx.so.13), x86-64",
        "    also lib/libx.so, lib/libx.so.13",
        "    cubins sm_90, sm_90a, sm_120f",
        "    PTX compute_120",
        "    may dlopen libcuda.so.1, libnvrtc.so.13",
        "  stub lib/stubs/libcuda.so (libcuda.so.1)",
        "  script bin/script: /bin/sh -e",
        "  2 headers: x.h, x/",
    ] {
        let line = line.replace("x86-64", std::env::consts::ARCH.replace('_', "-").as_str());
        assert!(
            text.lines().any(|each| each == line),
            "no `{line}` in\n{text}"
        );
    }
}

/// nvidia-*-cu13 wheels have all files below nvidia/cu13; archives a directory of their name.
#[test]
fn the_prefix_of_a_wheel_and_folders_for_several_cudas() {
    let archive = Archive::new();
    archive.file("nvidia/__init__.py", "");
    archive.file("x-1.0.dist-info/RECORD", "");
    for cuda in ["11", "12", "13"] {
        let path = format!("nvidia/x/lib/{cuda}/libx.so.1");
        archive.compile(&path, "int f(void) { return 1; }", &["-shared"]);
    }
    let wheel = &described(&[&archive.root()])[0];
    assert_eq!(wheel["prefix"], "nvidia/x");
    assert_eq!(wheel["outputs"], json!(["out", "lib"]));
    assert_eq!(wheel["cuda_folders"], json!(["11", "12", "13"]));
    assert_eq!(wheel["libraries"].as_array().unwrap().len(), 3);
}

#[test]
fn output_is_the_same_at_any_thread_count_and_a_line_for_each_directory() {
    let (a, b) = (whole(), whole());
    let (a, b) = (a.root(), b.root());
    let one = succeeded(&features(&["--json", "-j1"], &[&a, &b]));
    let many = succeeded(&features(&["--json", "-j8"], &[&a, &b]));
    assert_eq!(one, many);
    let paths: Vec<Value> = one
        .lines()
        .map(|line| crate::support::schema::parsed(line)["path"].clone())
        .collect();
    assert_eq!(paths, [a.to_str().unwrap(), b.to_str().unwrap()]);
}

#[test]
fn a_file_of_features_is_compared() {
    let archive = whole();
    let file = archive.dir.path().join("features.json");
    let expect = |text: &str, directory: &Path| {
        fs::write(&file, text).unwrap();
        let output = features(&["--expect", file.to_str().unwrap()], &[directory]);
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let json = succeeded(&features(&["--json"], &[&archive.root()]));
    assert_eq!(expect(&json, &archive.root()), (Some(0), String::new()));
    // The directory may be another.
    let (code, words) = expect(&json, &whole().root());
    assert_eq!(code, Some(0), "{words}");
    archive.file("lib/libnew.a", "!<arch>\n");
    let (code, words) = expect(&json, &archive.root());
    assert_eq!(code, Some(1));
    assert!(words.contains("files: expected 16, found 17"), "{words}");
    assert!(words.contains("static_libraries: expected ["), "{words}");
    assert!(
        words.contains("help: another archive was unpacked"),
        "{words}"
    );
    for (text, says) in [
        ("{", "expected one JSON object"),
        (
            "{}",
            "expected the schema `cuda-fixup.features/1`, found null",
        ),
    ] {
        let (code, words) = expect(text, &archive.root());
        assert_eq!(code, Some(2), "{words}");
        assert!(words.contains(says), "{words}");
    }
}

#[test]
fn what_is_no_archive_is_refused_in_a_line_with_the_next_step() {
    let archive = Archive::new();
    fs::create_dir(archive.root()).unwrap();
    let empty = refusal(&archive.root());
    assert!(empty.contains("expected the files of an unpacked archive, found an empty directory"));
    assert!(empty.contains("help: unpack the archive there: tar -xf"));
    for (start, found, help) in [
        (&b"\xfd7zXZ\0"[..], "an xz archive", "tar -xf"),
        (b"\x1f\x8b", "a gzip archive", "tar -xf"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive", "tar -xf"),
        (b"PK\x03\x04", "a wheel or another zip archive", "unzip"),
        (b"!<arch>\ndebian-binary", "a Debian package", "dpkg-deb -x"),
        (b"<!DOCTYPE html>", "a page of HTML", "redist url"),
        (b"\x7fELF", "no archive", "redist url"),
        (b"", "an empty file", "redist url"),
    ] {
        let file = archive.file("x.tar.xz", start);
        let words = refusal(&file);
        let check = features(&["--archive", file.to_str().unwrap()], &[]);
        let is_archive = !help.contains("url");
        assert_eq!(
            check.status.code(),
            Some(if is_archive { 0 } else { 2 }),
            "{check:?}"
        );
        assert!(words.contains("expected a directory, found"), "{words}");
        assert!(words.contains(found) && words.contains(help), "{words}");
    }
    let words = refusal(Path::new("/no/such/directory"));
    assert!(words.contains("no such directory"), "{words}");
}

/// The rest is described, and the exit status says that something is missing.
#[test]
fn a_malformed_library_is_an_error_and_hides_nothing_else() {
    let archive = whole();
    archive.file("lib/libbad.so", b"\x7fELF\x02\x01\x01 and then nothing");
    let output = features(&["--json"], &[&archive.root()]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("lib/libbad.so: malformed ELF file"),
        "{error}"
    );
    let described: Value = crate::support::schema::parsed(&output.stdout);
    assert_eq!(described["libraries"].as_array().unwrap().len(), 2);
}

/// What can be read of a broken fatbin is described, and the exit status says that it is not all.
#[test]
fn broken_device_code_is_a_finding_with_its_place() {
    let archive = Archive::new();
    let whole = fatbin(&[(2, 80, 0), (2, 90, 0)]);
    let broken = [&whole[..], &whole[..whole.len() - 20]].concat();
    archive.file("kernels/x.fatbin", broken);
    let output = features(&["--json"], &[&archive.root()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let described: Value = crate::support::schema::parsed(&output.stdout);
    let file = &described["device_code_files"][0];
    assert!(
        file["cubins"].as_array().unwrap().contains(&json!("sm_80")),
        "{file}"
    );
    assert_eq!(file["problems"].as_array().unwrap().len(), 1, "{file}");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.starts_with("warning: kernels/x.fatbin: device code at 0x"),
        "{words}"
    );
}

/// A FIFO, links in a circle and names that are no text keep nothing from being read.
#[test]
fn odd_trees_are_read() {
    use std::os::unix::ffi::OsStrExt;
    let archive = whole();
    let root = archive.root();
    succeeded(
        &Command::new("mkfifo")
            .arg(root.join("lib/libfifo.so"))
            .output()
            .unwrap(),
    );
    archive.link("lib/loop", "loop");
    archive.link("lib/up", "..");
    archive.link("lib/libdangling.so", "nowhere");
    let name = std::ffi::OsStr::from_bytes(b"lib/lib\xff\x1b.so");
    fs::copy(root.join("lib/libx.so.13.1"), root.join(name)).unwrap();
    archive.file("lib/libscript.a", "INPUT(libx.so)\n");
    archive.file("lib/empty.so", "");
    let described = &described(&[&root])[0];
    let paths: Vec<&str> = described["libraries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|library| library["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["lib/libx.so.13.1", "lib/lib\\xff\\x1b.so", "python/_y.so"]
    );
}

/// Real libraries: runtimes of both kinds, and architectures with letters.
mod of_wheels {
    use super::*;
    use crate::support::wheel;

    fn library(wheel: &Value, name: &str) -> Value {
        let libraries = wheel["libraries"].as_array().unwrap().iter();
        let mut found =
            libraries.filter(|library| library["path"].as_str().unwrap().ends_with(name));
        found.next().unwrap().clone()
    }

    #[test]
    fn runtimes_architectures_and_floors() {
        let names = [
            "nvidia-cuda-runtime-13.5.37",
            "nvidia-nvjpeg-13.3.2.43",
            "nvidia-nvimgcodec-cu12-0.9.0.20",
        ];
        let wheels = names.map(wheel);
        let all = described(&wheels.each_ref().map(PathBuf::as_path));
        let cudart = library(&all[0], "libcudart.so.13");
        assert_eq!(
            cudart["cudart"],
            json!({ "linkage": "shared", "version": "13.5" })
        );
        assert_eq!(cudart["glibc"], "2.17");
        assert_eq!(cudart["dlopen"], json!(["libcuda.so.1"]));
        assert_eq!(all[0]["prefix"], "nvidia/cu13");
        assert_eq!(
            all[0]["outputs"],
            json!(["out", "dev", "include", "lib", "static"])
        );
        let jpeg = library(&all[1], "libnvjpeg.so.13");
        assert!(
            jpeg["cubins"].as_array().unwrap().contains(&json!("sm_90")),
            "{jpeg}"
        );
        assert_eq!(jpeg["cudart"]["linkage"], "static");
        let codec = library(&all[2], "libnvimgcodec.so.0");
        assert_eq!(codec["glibcxx"], "3.4.22");
        let modules = all[2]["python"].as_array().unwrap();
        assert!(modules.iter().any(|module| module["python"] == "3.13t"));
    }
}
