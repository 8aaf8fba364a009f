//! `cuda-fixup redist check-wheel`: whether a set's libraries suit wheels.

use crate::support::{BINARY, succeeded};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn check(wheels: &[&Path], set: &[&Path], args: &[&str]) -> Output {
    Command::new(BINARY)
        .args(["redist", "check-wheel"])
        .args(wheels)
        .arg("--set")
        .args(set)
        .args(args)
        .output()
        .unwrap()
}

/// The objects of `--json` by library.
fn suits(wheels: &[&Path], set: &[&Path]) -> BTreeMap<String, Value> {
    let output = check(wheels, set, &["--json"]);
    assert!(output.stderr.is_empty(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let objects = lines.lines().map(|line| {
        let object: Value = crate::support::schema::parsed(line);
        (object["library"].as_str().unwrap().to_owned(), object)
    });
    let objects: BTreeMap<_, _> = objects.collect();
    let fine =
        |object: &Value| matches!(object["verdict"].as_str(), Some("suits" | "only-in-wheel"));
    let expected = if objects.values().all(fine) { 0 } else { 1 };
    assert_eq!(output.status.code(), Some(expected), "{lines}");
    objects
}

/// Directories of a wheel and of a set.
struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Site {
        Site {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn wheel(&self) -> PathBuf {
        self.dir.path().join("wheel")
    }

    fn set(&self) -> PathBuf {
        self.dir.path().join("set")
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A library that defines functions, with a SONAME; `versioned` by a version of that name.
    fn library(&self, path: &str, soname: &str, functions: &[&str], versioned: Option<&str>) {
        let code: Vec<String> = functions
            .iter()
            .map(|f| format!("int {f}(void) {{ return 0; }}\n"))
            .collect();
        let soname = format!("-Wl,-soname,{soname}");
        let mut args = vec![soname];
        if let Some(version) = versioned {
            let script = self.dir.path().join("versions");
            fs::write(&script, format!("{version} {{ global: *; }};\n")).unwrap();
            args.push(format!("-Wl,--version-script,{}", script.display()));
        }
        self.compile(path, &code.concat(), &args);
    }

    /// A library that imports functions of another.
    fn user(&self, path: &str, functions: &[&str], of: &str) {
        let declared: String = functions
            .iter()
            .map(|f| format!("int {f}(void);\n"))
            .collect();
        let calls: String = functions.iter().map(|f| format!("{f}() + ")).collect();
        let code = format!("{declared}int use(void) {{ return {calls}0; }}\n");
        let library = self.dir.path().join(of).display().to_string();
        self.compile(path, &code, &[library]);
    }

    fn compile(&self, path: &str, code: &str, args: &[String]) {
        self.file("source.c", code);
        self.file(path, "");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(self.dir.path().join(path))
            .arg(self.dir.path().join("source.c"))
            .args(args)
            .output();
        succeeded(&built.unwrap());
    }

    fn suits(&self) -> BTreeMap<String, Value> {
        suits(&[&self.wheel()], &[&self.set()])
    }

    fn verdict(&self, library: &str) -> Value {
        self.suits()[library]["verdict"].clone()
    }
}

const NEW: [&str; 2] = ["cudnnCreate", "cudnnGetNewThing"];

#[test]
fn symbols_that_the_sets_library_lacks_are_named_with_their_user() {
    let site = Site::new();
    site.library("build/libcudnn.so.9", "libcudnn.so.9", &NEW, None);
    site.user("wheel/torch/lib/libtorch.so", &NEW, "build/libcudnn.so.9");
    site.library(
        "set/lib/libcudnn.so.9.1.0",
        "libcudnn.so.9",
        &NEW[..1],
        None,
    );
    let cudnn = &site.suits()["libcudnn"];
    assert_eq!(cudnn["verdict"], "symbols-missing");
    assert_eq!(cudnn["sonames"], json!(["libcudnn.so.9"]));
    assert_eq!(
        cudnn["missing"],
        json!([{ "name": "cudnnGetNewThing", "by": "torch/lib/libtorch.so" }])
    );
    assert_eq!(
        cudnn["has"],
        json!({ "path": "lib/libcudnn.so.9.1.0", "soname": "libcudnn.so.9", "version": "9.1.0" })
    );
    let text = String::from_utf8(check(&[&site.wheel()], &[&site.set()], &[]).stdout).unwrap();
    for words in [
        "libcudnn, version unknown: symbols missing: the set has 9.1.0, lib/libcudnn.so.9.1.0",
        "it lacks cudnnGetNewThing, which torch/lib/libtorch.so imports",
        "help: pin a newer version in the set",
    ] {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }
    // The same with all symbols.
    site.library("set/lib/libcudnn.so.9.1.0", "libcudnn.so.9", &NEW, None);
    assert_eq!(site.verdict("libcudnn"), "suits");
}

#[test]
fn symbol_versions_count_too() {
    let site = Site::new();
    let functions = ["curandCreate"];
    for (path, version) in [("build", "CURAND_10.4"), ("set/lib", "CURAND_10.3")] {
        let path = format!("{path}/libcurand.so.10");
        site.library(&path, "libcurand.so.10", &functions, Some(version));
    }
    site.user("wheel/x.so", &functions, "build/libcurand.so.10");
    let curand = &site.suits()["libcurand"];
    assert_eq!(curand["verdict"], "symbols-missing");
    assert_eq!(curand["missing"][0]["name"], "CURAND_10.4");
}

#[test]
fn versions_come_from_copies_and_from_pins() {
    let site = Site::new();
    let functions = ["cudnnCreate"];
    site.library("build/libcudnn.so.9", "libcudnn.so.9", &functions, None);
    site.user("wheel/x.so", &functions, "build/libcudnn.so.9");
    site.library("set/libcudnn.so.9.10.2", "libcudnn.so.9", &functions, None);
    let pin = |version: &str| {
        let text = format!(
            "Metadata-Version: 2.1\nName: x\nVersion: 1.0\n\
             Requires-Dist: nvidia-cudnn-cu12=={version}; platform_system == \"Linux\"\n\nText\n"
        );
        site.file("wheel/x-1.0.dist-info/METADATA", &text);
    };
    for (version, verdict) in [
        ("9.10.2.21", "suits"),
        ("9.9.0.52", "suits"),
        ("9.11.0.98", "older"),
        ("9.100.0", "older"),
    ] {
        pin(version);
        let cudnn = &site.suits()["libcudnn"];
        assert_eq!(cudnn["verdict"], verdict, "{version}");
        assert_eq!(cudnn["version"], version);
        assert_eq!(cudnn["version_of"], "the metadata of x 1.0");
    }
    // A copy counts before a pin.
    site.library(
        "wheel/lib/libcudnn.so.9.8.0",
        "libcudnn.so.9",
        &functions,
        None,
    );
    let cudnn = &site.suits()["libcudnn"];
    assert_eq!(
        (&cudnn["verdict"], &cudnn["version"]),
        (&json!("suits"), &json!("9.8.0"))
    );
}

#[test]
fn another_soname_a_missing_one_and_a_copy_of_its_own() {
    let site = Site::new();
    let functions = ["cublasCreate_v2"];
    site.library("build/libcublas.so.12", "libcublas.so.12", &functions, None);
    site.user("wheel/x.so", &functions, "build/libcublas.so.12");
    site.library(
        "set/lib/libcublas.so.13.0.1",
        "libcublas.so.13",
        &functions,
        None,
    );
    let cublas = &site.suits()["libcublas"];
    assert_eq!(cublas["verdict"], "other-soname");
    assert_eq!(cublas["sonames"], json!(["libcublas.so.12"]));
    // Nothing of the set has it, and neither has the wheel.
    site.user("wheel/y.so", &functions, "build/libcublas.so.12");
    fs::remove_file(site.set().join("lib/libcublas.so.13.0.1")).unwrap();
    assert_eq!(site.verdict("libcublas"), "absent");
    site.library(
        "wheel/lib/libcublas.so.12",
        "libcublas.so.12",
        &functions,
        None,
    );
    assert_eq!(site.verdict("libcublas"), "only-in-wheel");
}

/// What only a library loads that the set replaces, the set's own loads.
#[test]
fn libraries_that_the_set_replaces_are_no_users() {
    let site = Site::new();
    let (blas, lt) = (["cublasCreate_v2"], ["cublasLtCreate"]);
    site.library("wheel/libcublasLt.so.12", "libcublasLt.so.12", &lt, None);
    site.user("wheel/x.so", &blas, "wheel/libcublasLt.so.12");
    fs::remove_file(site.wheel().join("x.so")).unwrap();
    let code = "int cublasLtCreate(void); int cublasCreate_v2(void) { return cublasLtCreate(); }";
    let lt_path = site.wheel().join("libcublasLt.so.12").display().to_string();
    let soname = "-Wl,-soname,libcublas.so.12".to_owned();
    site.compile("wheel/libcublas.so.12", code, &[lt_path, soname]);
    site.library("set/libcublas.so.12", "libcublas.so.12", &blas, None);
    site.library(
        "set/libcublasLt.so.12",
        "libcublasLt.so.12",
        &["cublasLtOther"],
        None,
    );
    assert_eq!(site.verdict("libcublasLt"), "suits");
    // A user that stays.
    site.user("wheel/x.so", &lt, "wheel/libcublasLt.so.12");
    assert_eq!(site.verdict("libcublasLt"), "symbols-missing");
}

#[test]
fn wheels_without_cuda_and_files_in_place_of_directories() {
    let site = Site::new();
    site.file("wheel/x.py", "");
    site.file("set/y", "");
    let output = check(&[&site.wheel()], &[&site.set()], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("no file of the wheels brings, needs or opens a library of CUDA"));
    let file = site.wheel().join("x.py");
    let output = check(&[&file], &[&site.set()], &[]);
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains(
            "x.py: expected a directory\n  help: unpack a wheel first: unzip -d DIR WHEEL"
        ),
        "{words}"
    );
}

/// nvImageCodec opens nvJPEG, nvTIFF and nvJPEG 2000 by name.
mod of_wheels {
    use super::*;
    use crate::support::wheel;

    #[test]
    fn libraries_that_a_wheel_opens() {
        let codec = wheel("nvidia-nvimgcodec-cu12-0.9.0.20");
        let (tiff, jpeg) = (
            wheel("nvidia-nvtiff-cu12-0.8.0.82"),
            wheel("nvidia-nvjpeg-13.3.2.43"),
        );
        let suits = suits(&[&codec], &[&tiff, &jpeg]);
        let tiff = &suits["libnvtiff"];
        assert_eq!(tiff["verdict"], "suits", "{tiff}");
        assert_eq!(tiff["has"]["version"], "0.8.0.82");
        let jpeg = &suits["libnvjpeg"];
        assert_eq!(jpeg["verdict"], "other-soname");
        assert_eq!(jpeg["sonames"], json!(["libnvjpeg.so.12"]));
        assert_eq!(jpeg["has"]["soname"], "libnvjpeg.so.13");
    }
}
