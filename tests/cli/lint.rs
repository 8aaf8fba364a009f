//! `cuda-fixup lint`: files made to break one rule each, next to files that don't.

use crate::support::wheel;
use cuda_fixup::parts::{RULES, documentation};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

pub(crate) fn lint(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .current_dir(dir)
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("NIX_STORE")
        .arg("lint")
        .args(args)
        .output()
        .unwrap()
}

/// The codes of all findings, sorted.
pub(crate) fn codes(dir: &Path, args: &[&str]) -> BTreeSet<String> {
    findings(dir, args)
        .into_iter()
        .map(|(code, _)| code)
        .collect()
}

/// Code and message of all findings.
pub(crate) fn findings(dir: &Path, args: &[&str]) -> Vec<(String, String)> {
    let found = json_findings(dir, args);
    // A rule has the same findings when nothing is read that other rules need.
    let codes: BTreeSet<&String> = found.iter().map(|(code, _)| code).collect();
    for code in codes {
        let alone = json_findings(dir, &[args, &["--select", code]].concat());
        let among_all = found.iter().filter(|(of, _)| of == code);
        assert_eq!(alone, among_all.cloned().collect::<Vec<_>>());
    }
    found
}

fn json_findings(dir: &Path, args: &[&str]) -> Vec<(String, String)> {
    let output = lint(dir, &[&["--format=json"], args].concat());
    assert!(output.stderr.is_empty(), "{output:?}");
    let lines = str::from_utf8(&output.stdout).unwrap().lines();
    let objects = lines.map(|line| crate::support::schema::parsed(line));
    let text = |object: &Value, key| object[key].as_str().unwrap().to_owned();
    objects
        .inspect(|o| assert_eq!(o["schema"], "cuda-fixup.lint/1"))
        .map(|o| (text(&o, "code"), text(&o, "message")))
        .collect()
}

pub(crate) fn set(codes: &[&str]) -> BTreeSet<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

/// Compiles `source` to a shared library `name`.
pub(crate) fn library(dir: &Path, name: &str, source: &str, args: &[&str]) {
    fs::write(dir.join("source.c"), source).unwrap();
    let output = Command::new("gcc")
        .current_dir(dir)
        .args(["-shared", "-fPIC", "-w", "-o", name, "source.c"])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::remove_file(dir.join("source.c")).unwrap();
}

/// One library, linted.
fn made(source: &str, args: &[&str], options: &[&str]) -> BTreeSet<String> {
    let dir = TempDir::new().unwrap();
    library(dir.path(), "libx.so", source, args);
    codes(dir.path(), &[options, &["libx.so"]].concat())
}

pub(crate) const PLAIN: &str = "int f(void) { return 1; }";

#[test]
fn a_plain_library_has_nothing_to_say() {
    assert_eq!(made(PLAIN, &[], &[]), set(&[]));
}

#[test]
fn entries_of_runpath() {
    let runpath = |text: &str, options: &[&str]| {
        made(
            PLAIN,
            &[&format!("-Wl,--enable-new-dtags,-rpath,{text}")],
            options,
        )
    };
    assert_eq!(runpath("/nowhere/lib", &[]), set(&["runpath-missing"]));
    assert_eq!(runpath("lib", &[]), set(&["runpath-relative"]));
    assert!(runpath("/etc::/sys", &[]).contains("runpath-empty"));
    assert_eq!(
        runpath("/project/build/lib", &[]),
        set(&["runpath-build-directory"])
    );
    assert_eq!(
        runpath("/usr/local/cuda-13.0/lib64", &[]),
        set(&["runpath-fhs"])
    );
    let stubs = runpath("/usr/local/cuda-13.0/lib64/stubs", &[]);
    assert_eq!(stubs, set(&["runpath-stubs"]));
    // fixup leaves it alone too.
    let game = runpath("/opt/game/lib/stubs", &[]);
    assert!(!game.contains("runpath-stubs"), "{game:?}");
    assert_eq!(
        runpath("/etc:/etc", &[]),
        set(&["runpath-duplicate", "runpath-unused"])
    );
    assert_eq!(runpath("/etc", &[]), set(&["runpath-unused"]));
    assert_eq!(
        runpath("/run/opengl-driver/lib", &[]),
        set(&["driver-link-unneeded"])
    );
    let everywhere = ["--driver-link-everywhere"];
    assert_eq!(runpath("/run/opengl-driver/lib", &everywhere), set(&[]));
    let other = runpath("/opt/driver", &["--driver-link=/opt/driver"]);
    assert!(!other.contains("runpath-missing"), "{other:?}");
    let old = made(PLAIN, &["-Wl,--disable-new-dtags,-rpath,/etc"], &[]);
    assert_eq!(old, set(&["rpath", "runpath-unused"]));
}

#[test]
fn a_file_in_the_store_leads_into_the_store() {
    let dir = TempDir::new().unwrap();
    let store = dir.path().canonicalize().unwrap().join("store");
    let lib = store.join("a/lib");
    fs::create_dir_all(&lib).unwrap();
    let rpath = format!("-Wl,-rpath,/etc:{}", store.join("a/lib").display());
    library(&lib, "libx.so", PLAIN, &[&rpath]);
    let store_option = format!("--store={}", store.display());
    let found = codes(&store, &[&store_option, "a"]);
    assert!(found.contains("runpath-outside-store"), "{found:?}");
    assert!(!codes(&store, &["a"]).contains("runpath-outside-store"));

    fs::write(store.join("m.c"), "int main(void) { return 0; }").unwrap();
    let gcc = |args: &[&str]| {
        let run = Command::new("gcc")
            .current_dir(&store)
            .args(args)
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
    };
    gcc(&["m.c", "-o", "program"]);
    let program = codes(&store, &[&store_option, "program"]);
    assert_eq!(program, set(&["interpreter-outside-store"]));
    gcc(&[
        "m.c",
        "-o",
        "program",
        "-Wl,--dynamic-linker=/nowhere/ld.so",
    ]);
    assert!(codes(&store, &["program"]).contains("interpreter-missing"));
}

/// A test's store is below /tmp: a path into it is no build directory, a path beside it is one.
#[test]
fn a_store_below_tmp() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let (store, beside) = (dir.join("store"), dir.join("build/lib"));
    let (own, other) = (store.join("a/lib"), store.join("b/lib"));
    for path in [&own, &other, &beside] {
        fs::create_dir_all(path).unwrap();
    }
    symlink(&store, dir.join("link")).unwrap();
    library(&other, "libdep.so", PLAIN, &["-Wl,-soname,libdep.so"]);
    let user = |paths: &[&Path]| {
        let paths: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
        let rpath = format!("-Wl,-rpath,{}", paths.join(":"));
        let source = "int f(); int g() { return f(); }";
        let dep = other.join("libdep.so");
        library(&own, "libx.so", source, &[dep.to_str().unwrap(), &rpath]);
    };
    let linted = |store: &Path| {
        let option = format!("--store={}", store.display());
        codes(&dir, &[&option, "store/a"])
    };
    user(&[&other, &own]);
    for name in [store.clone(), dir.join("link")] {
        assert_eq!(linted(&name), set(&["runpath-unused"]));
    }
    let elsewhere = linted(Path::new("/nix/store"));
    assert!(elsewhere.contains("runpath-build-directory"));
    user(&[&other, &beside]);
    assert_eq!(linted(&store), set(&["runpath-build-directory"]));
    user(&[&other, &store.join("gone/lib")]);
    assert_eq!(linted(&store), set(&["runpath-missing"]));
}

#[test]
fn needed_libraries() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    library(dir, "libdep.so", PLAIN, &["-Wl,-soname,libdep.so"]);
    library(
        dir,
        "libuser.so",
        "int f(); int g() { return f(); }",
        &["libdep.so"],
    );
    assert_eq!(codes(dir, &["libuser.so"]), set(&["needed-not-found"]));
    let environment = || {
        let output = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
            .args(["lint", "--env", "--format=json", "libuser.so"])
            .env("LD_LIBRARY_PATH", dir)
            .current_dir(dir)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let found: Value = crate::support::schema::parsed(&environment());
    assert_eq!(found["code"], "needed-through-environment");
    // Found through the environment first, and without it too.
    let source = "int f(); int g() { return f(); }";
    let both = ["./libdep.so", "-Wl,-rpath,$ORIGIN"];
    library(dir, "libuser.so", source, &both);
    let told = environment();
    assert!(!told.contains("needed-through-environment"), "{told}");
    // The same name, for another machine.
    let foreign = dir.join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("s.c"), PLAIN).unwrap();
    let cross = Command::new("aarch64-linux-gnu-gcc")
        .current_dir(&foreign)
        .args(["-shared", "-fPIC", "-o", "libdep.so", "s.c"])
        .status()
        .unwrap();
    assert!(cross.success());
    let rpath = format!("-Wl,-rpath,{}", foreign.display());
    library(dir, "libuser.so", source, &["libdep.so", &rpath]);
    let found = codes(dir, &["libuser.so"]);
    assert!(found.contains("needed-other-machine"), "{found:?}");
    assert!(!found.contains("needed-not-found"), "{found:?}");
}

#[test]
fn symbol_versions_and_two_libraries_of_one_soname() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    for (map, version) in [("new.map", "V_2"), ("old.map", "V_1")] {
        fs::write(
            dir.join(map),
            format!("{version} {{ global: f; local: *; }};"),
        )
        .unwrap();
    }
    let versioned = |map: &str| {
        let script = format!("-Wl,--version-script={map}");
        library(
            dir,
            "libdep.so.1",
            PLAIN,
            &["-Wl,-soname,libdep.so.1", &script],
        );
    };
    versioned("new.map");
    let rpath = "-Wl,-rpath,$ORIGIN";
    library(
        dir,
        "libuser.so",
        "int f(); int g() { return f(); }",
        &["./libdep.so.1", rpath],
    );
    assert_eq!(codes(dir, &["libuser.so"]), set(&[]));
    versioned("old.map");
    assert_eq!(
        codes(dir, &["libuser.so"]),
        set(&["symbol-version-missing"])
    );
    versioned("new.map");
    // The same library under a second file name, needed by that name.
    library(dir, "libcopy.so", "int h(void) { return 1; }", &[]);
    let both = [
        "-Wl,--no-as-needed",
        "./libdep.so.1",
        "-L.",
        "-lcopy",
        rpath,
    ];
    library(dir, "libtwo.so", "int f(); int g() { return f(); }", &both);
    fs::copy(dir.join("libdep.so.1"), dir.join("libcopy.so")).unwrap();
    assert!(codes(dir, &["libtwo.so"]).contains("soname-twice"));
    // One file by two names is loaded once.
    fs::remove_file(dir.join("libcopy.so")).unwrap();
    symlink("libdep.so.1", dir.join("libcopy.so")).unwrap();
    assert!(!codes(dir, &["libtwo.so"]).contains("soname-twice"));
}

#[test]
fn segments_that_should_not_be_so() {
    let stack = made(PLAIN, &["-Wl,-z,execstack"], &[]);
    assert_eq!(stack, set(&["executable-stack"]));
    let section = "__asm__(\".section .wx,\\\"awx\\\",@progbits\\n.long 1\\n.text\");";
    assert_eq!(made(section, &[], &[]), set(&["writable-code"]));
    let absolute = "__asm__(\".text\\n.quad f\"); int f(void) { return 1; }";
    let text = made(absolute, &["-Wl,-z,notext"], &[]);
    assert_eq!(text, set(&["text-relocations"]));
}

#[test]
fn the_driver_and_its_link() {
    let opens = r#"#include <dlfcn.h>
        void *f(void) { return dlopen("libcuda.so.1", RTLD_NOW); }"#;
    assert_eq!(made(opens, &[], &[]), set(&["driver-link-missing"]));
    let link = "-Wl,--enable-new-dtags,-rpath,/run/opengl-driver/lib";
    assert_eq!(made(opens, &[link], &[]), set(&[]));
    let plugin = r#"#include <dlfcn.h>
        void *f(void) { return dlopen("libno-such-plugin.so.7", RTLD_NOW); }"#;
    assert_eq!(made(plugin, &[], &[]), set(&["dlopen-not-found"]));
    // Of names that are tried in turn one is enough; missing ones are reported at once.
    let several =
        r#"const char *a = "libm.so.6", *b = "libm.so", *c = "libno1.so", *d = "libno2.so.3";"#;
    let dir = TempDir::new().unwrap();
    library(dir.path(), "libx.so", several, &[]);
    let told = "strings in it name libno1.so, libno2.so.3, which would not be found";
    let expected = ("dlopen-not-found".to_owned(), told.to_owned());
    assert_eq!(findings(dir.path(), &["libx.so"]), [expected]);
    // All names, CUDA's first.
    let many: Vec<String> = (0..12).map(|i| format!("libaaa{i:02}.so.1")).collect();
    let names = format!("\"{}\", \"libcudnn.so.9\"", many.join("\", \""));
    library(
        dir.path(),
        "libx.so",
        &format!("const char *n[] = {{ {names} }};"),
        &[],
    );
    let told = format!("name libcudnn.so.9, {}, which", many.join(", "));
    assert!(findings(dir.path(), &["libx.so"])[0].1.contains(&told));
    // What programs go on without comes last.
    let optional = |names: &str, message: &str| {
        let source = format!("const char *n[] = {{ {names} }};");
        library(dir.path(), "libx.so", &source, &[]);
        let found = findings(dir.path(), &["libx.so"]);
        assert!(found[0].1.ends_with(message), "{found:?}");
    };
    optional(
        r#""libOSMesa.so.8", "libittnotify.so", "libplugin.so.1", "libcutensor.so.2""#,
        "name libcutensor.so.2, libplugin.so.1, which would not be found; \
         optional ones too: libOSMesa.so.8, libittnotify.so",
    );
    optional(
        r#""libmkl_avx2.so.2""#,
        "name libmkl_avx2.so.2, which would not be found and are optional",
    );
    let stub = ["-Wl,-soname,libcuda.so.1"];
    let found = made(PLAIN, &stub, &[]);
    assert_eq!(found, set(&["driver-library-installed"]));
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("stubs")).unwrap();
    library(dir.path(), "stubs/libcuda.so", PLAIN, &stub);
    assert_eq!(codes(dir.path(), &["."]), set(&[]));
}

/// Real libraries: a static cudart of 13.4, shared ones of seven versions.
#[test]
fn cuda_runtimes_of_real_libraries() {
    let nvjpeg = wheel("nvidia-nvjpeg-13.3.2.43");
    let of = |args: &[&str]| codes(&nvjpeg, &[args, &["--context=nix", "."]].concat());
    let plain = of(&[]);
    let severity = |args: &[&str]| {
        let run = lint(
            &nvjpeg,
            &[args, &["--select=cudart-static", "--statistics", "."]].concat(),
        );
        let text = String::from_utf8(run.stdout).unwrap();
        text.split_whitespace().nth(1).map(str::to_owned)
    };
    assert_eq!(severity(&["--context=nix"]).as_deref(), Some("warning"));
    for context in ["--context=wheels", "--context=linux"] {
        assert_eq!(severity(&[context]).as_deref(), Some("note"));
        assert_eq!(
            severity(&[context, "--warn=cudart-static"]).as_deref(),
            Some("warning")
        );
    }
    assert!(plain.contains("cudart-static") && plain.contains("driver-link-missing"));
    assert!(!of(&["--cuda=13.4"]).contains("cudart-other-version"));
    assert!(of(&["--cuda=13.0"]).contains("cudart-other-version"));
    assert!(!of(&["--max-driver-cuda=13.4"]).contains("cudart-newer-than-driver"));
    assert!(of(&["--max-driver-cuda=12.8"]).contains("cudart-newer-than-driver"));
    assert!(!of(&["--capabilities=8.0,12.1"]).contains("capability-missing"));
    assert!(of(&["--capabilities=7.0"]).contains("capability-missing"));
    assert!(of(&["--cuda=12.4"]).contains("capability-impossible"));

    let shared = wheel("bitsandbytes-0.50.2/bitsandbytes");
    let of = |args: &[&str]| codes(&shared, &[args, &["libbitsandbytes_cuda118.so"]].concat());
    assert!(of(&["--cuda=12.4"]).contains("cudart-other-version"));
    assert!(!of(&["--cuda=11.8"]).contains("cudart-other-version"));
    assert!(of(&[]).contains("device-code-uncompressed"));
    assert!(!of(&[]).contains("cudart-static"));
    // Its PTX is for 12.1 and plain, its code is compressed, and sound.
    for silent in [
        "no-forward-ptx",
        "device-code-uncompressed",
        "device-code-malformed",
    ] {
        assert!(!plain.contains(silent), "{silent}");
    }
    let without_ptx = wheel("nvidia-npp-13.2.0.93/nvidia/cu13/lib");
    assert!(codes(&without_ptx, &["libnppc.so.13"]).contains("no-forward-ptx"));
}

/// auditwheel's name of a runtime is that of a runtime; the file's own version counts before its name.
#[test]
fn renamed_runtimes_and_their_versions() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let renamed = "libcudart-53d54daa.so.12.6.68";
    for name in [renamed, "libcudart.so.12"] {
        library(dir, name, PLAIN, &[&format!("-Wl,-soname,{name}")]);
        let user = format!("user-{name}");
        let needs = format!("./{name}");
        let flags = ["-Wl,--no-as-needed", &needs, "-Wl,-rpath,$ORIGIN"];
        library(dir, &user, PLAIN, &flags);
        // One finding for one cause: at the runtime, where that is linted too.
        for paths in [vec![user.as_str()], vec![name, &user]] {
            let of = |options: &[&str]| {
                let found = findings(dir, &[options, &paths].concat()).into_iter();
                found
                    .filter(|(code, _)| code.starts_with("cudart-"))
                    .count()
            };
            assert_eq!(of(&["--cuda=11.8"]), 1, "{paths:?}");
            assert_eq!(of(&["--max-driver-cuda=11.8"]), 1, "{paths:?}");
            assert_eq!(
                of(&["--cuda=12.6", "--max-driver-cuda=12.0"]),
                0,
                "{paths:?}"
            );
            assert_eq!(
                of(&["--cuda=12.4"]),
                usize::from(name == renamed),
                "{paths:?}"
            );
        }
    }
    let wheel = wheel("nvidia-cuda-runtime-cu12-12.9.79/nvidia/cuda_runtime/lib");
    fs::copy(wheel.join("libcudart.so.12"), dir.join("libcudart.so.12")).unwrap();
    let found = codes(dir, &["--cuda=12.4", "libcudart.so.12"]);
    assert!(found.contains("cudart-other-version"), "{found:?}");
    let found = codes(dir, &["--cuda=12.9", "libcudart.so.12"]);
    assert!(!found.contains("cudart-other-version"), "{found:?}");
}

/// Two shared runtimes are two, of two versions or of one under two names.
#[test]
fn two_shared_runtimes() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let linked = |name: &str, needs: &[&str]| {
        let soname = format!("-Wl,-soname,{name}");
        let needs: Vec<String> = needs.iter().map(|need| format!("./{need}")).collect();
        let mut flags = vec!["-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", &soname];
        flags.extend(needs.iter().map(String::as_str));
        library(dir, name, PLAIN, &flags);
        codes(dir, &[name]).contains("cudart-twice")
    };
    let renamed = "libcudart-53d54daa.so.12.6.68";
    for name in ["libcudart.so.12", "libcudart.so.13", renamed] {
        linked(name, &[]);
    }
    assert!(!linked("lib12.so", &["libcudart.so.12"]));
    assert!(!linked("lib13.so", &["libcudart.so.13"]));
    assert!(!linked("libother.so", &[renamed]));
    assert!(linked("libmajors.so", &["lib12.so", "lib13.so"]));
    assert!(linked("libnames.so", &["lib12.so", "libother.so"]));
    assert!(!linked("libabove.so", &["libmajors.so"]));
    assert!(!linked("libsame.so", &["lib12.so", "libcudart.so.12"]));
}

/// nvcc's own results: PTX that is too new for a driver, and code of a desktop for a Jetson.
#[test]
fn device_code_that_a_machine_does_not_run() {
    let (_farm, farm) = crate::support::split_farm();
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let source = "__global__ void k(int *p) { *p = 1; } void r(int *p) { k<<<1, 1>>>(p); }";
    fs::write(dir.join("k.cu"), source).unwrap();
    let compiled = |codes: &[&str]| {
        let compiled = Command::new(farm.join("bin/nvcc"))
            .current_dir(dir)
            .args(["-shared", "-Xcompiler=-fPIC", "k.cu", "-o", "libk.so"])
            .args(codes.iter().map(|code| format!("-gencode=arch={code}")))
            .output()
            .unwrap();
        crate::support::succeeded(&compiled);
    };
    let of = |options: &[&str]| findings(dir, &[options, &["libk.so"]].concat());
    let missing = |options: &[&str]| {
        let mut found = of(options).into_iter();
        found.find_map(|(code, text)| (code == "capability-missing").then_some(text))
    };
    compiled(&["compute_80,code=sm_80", "compute_80,code=compute_80"]);
    let too_new = missing(&["--capabilities=9.0", "--max-driver-cuda=13.0"]).unwrap();
    assert!(
        too_new.contains("PTX is of version 9.5, too new for a driver of CUDA 13.0"),
        "{too_new}"
    );
    assert_eq!(
        missing(&["--capabilities=9.0", "--max-driver-cuda=13.5"]),
        None
    );
    assert_eq!(
        missing(&["--capabilities=8.9", "--max-driver-cuda=13.0"]),
        None
    );
    assert_eq!(missing(&["--capabilities=8.7"]), None);
    // Its runtime is of 13.5.
    let newer = |driver: &str| {
        let option = format!("--max-driver-cuda={driver}");
        of(&[&option])
            .iter()
            .any(|(code, _)| code == "cudart-newer-than-driver")
    };
    assert!(!newer("13.0") && newer("12.9"));
    compiled(&["compute_80,code=sm_80"]);
    assert!(missing(&["--capabilities=8.7"]).unwrap().contains("Jetson"));
    compiled(&["compute_87,code=sm_87"]);
    assert!(missing(&["--capabilities=8.9"]).is_some());
    assert_eq!(missing(&["--capabilities=8.7"]), None);
    // PTX of one architecture is none for the GPUs to come; CUPTI keeps code of its own.
    let forward = |codes: &[&str]| {
        compiled(codes);
        of(&[]).iter().any(|(code, _)| code == "no-forward-ptx")
    };
    assert!(forward(&["compute_90a,code=compute_90a"]));
    assert!(!forward(&["compute_90,code=compute_90"]));
    let cupti = wheel("nvidia-cuda-cupti-13.5.25/nvidia/cu13/lib");
    assert!(!codes(&cupti, &["libcupti.so.13"]).contains("no-forward-ptx"));
}

/// ONNX Runtime 1.11: DT_NEEDED taken out, its version needs left.
#[test]
fn versions_of_a_library_that_nothing_loads() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    fs::write(dir.join("map"), "V_1 { global: f; };").unwrap();
    let flags = ["-Wl,-soname,libdep.so.1", "-Wl,--version-script,map"];
    library(dir, "libdep.so.1", PLAIN, &flags);
    let source = "int f(void); int g(void) { return f(); }";
    library(
        dir,
        "user.so",
        source,
        &["./libdep.so.1", "-Wl,-rpath,$ORIGIN"],
    );
    let removed = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .current_dir(dir)
        .args(["patchelf", "--remove-needed", "libdep.so.1", "user.so"])
        .status()
        .unwrap();
    assert!(removed.success());
    let found = findings(dir, &["user.so"]);
    let expected = "wants versions of libdep.so.1, which nothing loads: glibc stops there";
    assert!(
        found.contains(&("symbol-version-missing".into(), expected.into())),
        "{found:?}"
    );
    assert_eq!(lint(dir, &["user.so"]).status.code(), Some(1));
}

/// Of several libraries of the driver the CUDA driver is named.
#[test]
fn the_cuda_driver_is_named_first() {
    let dir = TempDir::new().unwrap();
    let source = r#"const char *n[] = { "libEGL_nvidia.so.0", "libcuda.so", "libcuda.so.1" };"#;
    library(dir.path(), "libx.so", source, &[]);
    let found = findings(dir.path(), &["libx.so"]);
    let named = |(code, text): &(String, String)| {
        code == "driver-link-missing" && text.contains("loads libcuda.so.1 of the driver")
    };
    assert!(found.iter().any(named), "{found:?}");
    // A copy that a wheel tool renamed hides no driver, and is one that does not belong there.
    let copy = "-Wl,-soname,libcuda-53d54daa.so.1";
    assert!(made(PLAIN, &[copy], &[]).contains("driver-library-installed"));
}

#[test]
fn a_static_runtime_beside_a_shared_one_and_registration_without_any() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let lib = wheel("nvidia-cuda-runtime-13.5.37/nvidia/cu13/lib");
    symlink(lib.join("libcudart.so.13"), dir.join("libcudart.so.13")).unwrap();
    let archive = lib.join("libcudart_static.a");
    let both = [
        "-Wl,--no-as-needed",
        "-Wl,--whole-archive",
        archive.to_str().unwrap(),
        "-Wl,--no-whole-archive",
        "./libcudart.so.13",
        "-Wl,-rpath,$ORIGIN",
    ];
    library(dir, "libboth.so", PLAIN, &both);
    let found = codes(dir, &["libboth.so"]);
    assert!(found.contains("cudart-twice"), "{found:?}");

    let registers =
        "void __cudaRegisterFatBinary(void *); void f(void) { __cudaRegisterFatBinary(0); }";
    library(dir, "libnone.so", registers, &[]);
    assert_eq!(
        codes(dir, &["libnone.so"]),
        set(&["cuda-registration-without-provider"])
    );
    library(
        dir,
        "libshared.so",
        registers,
        &["./libcudart.so.13", "-Wl,-rpath,$ORIGIN"],
    );
    let found = codes(dir, &["libshared.so"]);
    assert!(
        !found.contains("cuda-registration-without-provider"),
        "{found:?}"
    );
}

/// Libraries of one process: liba and libaa hold a static cudart 13.5, libb one of 12.9, libs needs
/// the shared one.
#[test]
fn runtimes_of_the_libraries_that_are_loaded() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let new = wheel("nvidia-cuda-runtime-13.5.37/nvidia/cu13/lib");
    let old = wheel("nvidia-cuda-runtime-cu12-12.9.79/nvidia/cuda_runtime/lib");
    symlink(new.join("libcudart.so.13"), dir.join("libcudart.so.13")).unwrap();
    let linked = |name: &str, archive: Option<&Path>, needs: &[&str]| {
        let archive = archive.map(|dir| dir.join("libcudart_static.a").display().to_string());
        let whole = archive.iter().flat_map(|archive| {
            ["-Wl,--whole-archive", archive, "-Wl,--no-whole-archive"].map(str::to_owned)
        });
        let needs = needs.iter().map(|need| format!("./{need}"));
        let soname = format!("-Wl,-soname,{name}");
        let flags = ["-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", &soname];
        let flags = flags
            .map(str::to_owned)
            .into_iter()
            .chain(whole)
            .chain(needs);
        let flags: Vec<String> = flags.collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        library(dir, name, PLAIN, &flags);
    };
    linked("liba.so", Some(&new), &[]);
    linked("libaa.so", Some(&new), &["liba.so"]);
    linked("libb.so", Some(&old), &[]);
    linked("libs.so", None, &["libcudart.so.13"]);
    let found = |name: &str, code: &str| {
        let found = findings(dir, &[name]).into_iter();
        found
            .filter(|(c, _)| c == code)
            .map(|(_, text)| text)
            .collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    // Alone, or beside another of the same version: as NVIDIA's own libraries do it.
    for name in ["liba.so", "libaa.so", "libs.so"] {
        assert_eq!(found(name, "cudart-twice"), none, "{name}");
        assert_eq!(found(name, "cudart-mixed"), none, "{name}");
    }
    // CUDA's own of two versions: none of them knows of the other's.
    linked("libcublas.so.13", Some(&old), &[]);
    linked("libcusolver.so.12", Some(&new), &["libcublas.so.13"]);
    assert_eq!(found("libcusolver.so.12", "cudart-twice"), none);
    linked("libown.so", Some(&new), &["libcublas.so.13"]);
    assert_eq!(found("libown.so", "cudart-twice").len(), 1);
    linked("libtwo.so", Some(&old), &["libaa.so", "libs.so"]);
    assert_eq!(
        found("libtwo.so", "cudart-twice"),
        [format!(
            "holds a static cudart 12.9 and loads a static 13.5 in {}, \
             a static 13.5 in {}, the shared {} (13.5)",
            "libaa.so", "liba.so", "libcudart.so.13"
        )]
    );
    assert_eq!(found("libtwo.so", "cudart-mixed"), none);
    // Reported for the file that combines them, not for every file that loads it.
    linked("libmeet.so", None, &["liba.so", "libb.so"]);
    let expected = format!(
        "loads different CUDA runtimes: a static 13.5 in {}, a static 12.9 in {}",
        "liba.so", "libb.so"
    );
    assert_eq!(found("libmeet.so", "cudart-mixed"), [expected]);
    linked("libtop.so", None, &["libmeet.so"]);
    assert_eq!(found("libtop.so", "cudart-mixed"), none);
    linked("libmore.so", None, &["libmeet.so", "libs.so"]);
    assert_eq!(found("libmore.so", "cudart-mixed").len(), 1);
    linked("libsame.so", None, &["liba.so", "libaa.so"]);
    assert_eq!(found("libsame.so", "cudart-mixed"), none);
}

/// Whether something provides the registration is asked of symbols, not of names.
#[test]
fn who_provides_the_registration_of_device_code() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let call = "void __cudaRegisterFatBinary(void *); void f(void) { __cudaRegisterFatBinary(0); }";
    let user = |source: &str, need: &str| {
        let flags = ["-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", need];
        library(dir, "libuser.so", source, &flags);
        let found = codes(dir, &["libuser.so"]);
        found.contains("cuda-registration-without-provider")
    };
    let define = "void __cudaRegisterFatBinary(void *p) {}";
    library(
        dir,
        "libcudart.so.13",
        PLAIN,
        &["-Wl,-soname,libcudart.so.13"],
    );
    assert!(user(call, "./libcudart.so.13"), "it only has the name");
    library(dir, "libours.so", define, &["-Wl,-soname,libours.so"]);
    assert!(!user(call, "./libours.so"));
    let below = ["-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", "./libours.so"];
    library(dir, "libbelow.so", PLAIN, &below);
    assert!(!user(call, "./libbelow.so"));
    library(dir, "libother.so", PLAIN, &["-Wl,-soname,libother.so"]);
    assert!(user(call, "./libother.so"));
    let weak = call.replacen("void *);", "void *) __attribute__((weak));", 1);
    assert!(!user(&weak, "./libother.so"));
    // What isn't found may have it.
    fs::remove_file(dir.join("libother.so")).unwrap();
    let found = codes(dir, &["libuser.so"]);
    assert_eq!(found, set(&["needed-not-found", "runpath-unused"]));
}

#[test]
fn leaks_of_a_toolkit_and_of_a_host_compiler() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    for path in ["farm/bin", "farm/lib", "gcc-12/lib", "gcc-14/lib"] {
        fs::create_dir_all(dir.join(path)).unwrap();
    }
    for file in [
        "farm/bin/nvcc",
        "gcc-12/lib/libstdc++.so.6",
        "gcc-14/lib/libstdc++.so.6",
    ] {
        fs::write(dir.join(file), "").unwrap();
    }
    let linked = |paths: &[&str], options: &[&str]| {
        let paths: Vec<String> = paths
            .iter()
            .map(|p| dir.join(p).display().to_string())
            .collect();
        library(
            dir,
            "libx.so",
            PLAIN,
            &[&format!("-Wl,-rpath,{}", paths.join(":"))],
        );
        codes(dir, &[options, &["libx.so"]].concat())
    };
    assert!(linked(&["farm/lib"], &[]).contains("runpath-farm"));
    // nvcc's own package has its libraries beside its compilers.
    let own = dir.join("farm/lib");
    library(&own, "libown.so", PLAIN, &["-Wl,-rpath,$ORIGIN"]);
    assert!(!codes(dir, &["farm/lib/libown.so"]).contains("runpath-farm"));
    // So has ptxas, which names a directory that its wheel lacks.
    let up = "-Wl,-rpath,$ORIGIN/../lib:$ORIGIN/../nvvm/lib64";
    library(&own, "libown.so", PLAIN, &[up]);
    assert!(!codes(dir, &["farm/lib/libown.so"]).contains("runpath-farm"));
    fs::remove_file(own.join("libown.so")).unwrap();
    assert!(!linked(&["gcc-12/lib"], &[]).contains("runpath-farm"));
    for mark in ["nvvm/bin/cicc", "share/cuda-fixup/farm.json"] {
        fs::remove_dir_all(dir.join("farm")).unwrap();
        fs::create_dir_all(dir.join("farm").join(mark)).unwrap();
        fs::create_dir_all(dir.join("farm/lib")).unwrap();
        assert!(
            linked(&["farm/lib"], &[]).contains("runpath-farm"),
            "{mark}"
        );
    }
    // After the build nothing is there any more: the hook knows where it was.
    fs::remove_dir_all(dir.join("farm")).unwrap();
    assert!(!linked(&["farm/lib"], &[]).contains("runpath-farm"));
    let farm = format!("--farm={}", dir.join("farm").display());
    assert!(linked(&["farm/lib"], &[&farm]).contains("runpath-farm"));
    assert!(!linked(&["farmhouse/lib"], &[&farm]).contains("runpath-farm"));
    assert!(!linked(&["gcc-12/lib"], &[]).contains("host-compiler-leak"));
    assert!(linked(&["gcc-12/lib", "gcc-14/lib"], &[]).contains("host-compiler-leak"));
    let host = format!("--host-compiler={}", dir.join("gcc-12").display());
    assert!(linked(&["gcc-12/lib"], &[&host]).contains("host-compiler-leak"));
}

#[test]
fn text_files_and_broken_device_code() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    fs::write(
        dir.join("a.pc"),
        "#!/usr/bin/x\ncudaroot=/usr/local/cuda-12.8\nrel=../usr/lib\n",
    )
    .unwrap();
    // Comments don't count: those of a line, and CMake's of several lines.
    fs::write(
        dir.join("FindX.cmake"),
        "#[=[ text\n/usr/local/cuda/a\n]=]\nset(A /x) \n  # /usr/local/cuda/b\n\
         #[[ one line ]]\nset(B /usr/local/cuda/lib)\n",
    )
    .unwrap();
    fs::write(dir.join("a.txt"), "/usr/local/cuda\n").unwrap();
    let found = findings(dir, &["."]);
    let expected = [
        "line 7 names /usr/local/cuda/lib",
        "line 2 names /usr/local/cuda-12.8",
    ];
    let expected = expected.map(|text| ("fhs-reference".to_owned(), text.to_owned()));
    assert_eq!(found, expected);

    let section = "__attribute__((section(\".nv_fatbin\"))) const char bad[64] = \"no fatbin\";";
    assert!(made(section, &[], &[]).contains("device-code-malformed"));
}

#[test]
fn severities_exceptions_and_exit_status() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    library(dir, "libx.so", PLAIN, &["-Wl,-z,execstack"]);
    let status = |args: &[&str]| lint(dir, &[args, &["libx.so"]].concat()).status.code();
    assert_eq!(status(&[]), Some(0));
    assert_eq!(status(&["--deny", "executable-stack"]), Some(1));
    assert_eq!(status(&["--deny", "no-such-rule"]), Some(2));
    assert_eq!(status(&["no-such-file"]), Some(2));
    assert!(codes(dir, &["--allow", "executable-stack", "libx.so"]).is_empty());
    let config = "[[exception]]\ncode = 'executable-stack'\npath = 'libx.so'\nreason = 'JIT'\n";
    fs::write(dir.join("cuda-fixup.toml"), config).unwrap();
    assert!(codes(dir, &["--deny", "executable-stack", "libx.so"]).is_empty());
    // An exception that matches nothing is reported.
    fs::write(dir.join("cuda-fixup.toml"), config.replace("libx", "liby")).unwrap();
    let output = lint(dir, &["libx.so"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("covers no finding"), "{told}");
    fs::write(
        dir.join("cuda-fixup.toml"),
        "[[exception]]\ncode = 'rpath'\nreason = ''\n",
    )
    .unwrap();
    assert_eq!(status(&[]), Some(2));
}

#[test]
fn human_lines_and_sarif() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    library(dir, "lib x.so", PLAIN, &["-Wl,-z,execstack"]);
    let human = String::from_utf8(lint(dir, &["."]).stdout).unwrap();
    assert_eq!(
        human,
        "warning[executable-stack]: ./lib x.so: its PT_GNU_STACK is executable\n  \
         help: `cuda-fixup patchelf --clear-execstack './lib x.so'`\n"
    );
    let sarif = lint(dir, &["--format=sarif", "."]).stdout;
    let sarif: Value = crate::support::schema::parsed(&sarif);
    let run = &sarif["runs"][0];
    let result = &run["results"][0];
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(result["ruleId"], "executable-stack");
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(
        run["tool"]["driver"]["rules"][index]["id"],
        "executable-stack"
    );
    let place = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(place, "./lib%20x.so");
}

#[test]
fn explain_and_list_know_every_rule() {
    let dir = TempDir::new().unwrap();
    let list = String::from_utf8(lint(dir.path(), &["--list"]).stdout).unwrap();
    assert_eq!(list.lines().count(), RULES.len());
    for rule in RULES {
        let explained = lint(dir.path(), &["--explain", &rule.code()]);
        let text = String::from_utf8(explained.stdout).unwrap();
        assert!(text.contains("## Fix"), "{}", rule.code());
    }
    assert_eq!(
        lint(dir.path(), &["--explain", "nosuch"]).status.code(),
        Some(2)
    );
}

/// The example of a cuda-fixup.toml is one.
#[test]
fn the_documented_exceptions_are_read() {
    let dir = TempDir::new().unwrap();
    let page = documentation();
    let example = page.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    fs::write(dir.path().join("cuda-fixup.toml"), example).unwrap();
    library(
        dir.path(),
        "libx.so",
        PLAIN,
        &["-Wl,--disable-new-dtags,-rpath,/etc"],
    );
    let output = lint(dir.path(), &["libx.so"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        "error[rpath]: libx.so: has DT_RPATH, not DT_RUNPATH\n  \
         help: `cuda-fixup fixup libx.so`\n"
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.matches("covers no finding").count(), 2, "{told}");
}

#[test]
fn symbols_that_nothing_has() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let calls = "int gone(void); int main(void) { return gone(); } int f(void) { return gone(); }";
    let gone = "int gone(void) { return 0; }";
    let program = |bind: &str, more: &[&str]| {
        fs::write(dir.join("app.c"), calls).unwrap();
        library(dir, "libx.so", gone, &["-Wl,-soname,libx.so"]);
        let status = Command::new("gcc")
            .current_dir(dir)
            .args(["-o", "app", "app.c", "-Wl,-rpath,$ORIGIN", bind])
            .args(more)
            .args(["-L.", "-lx"])
            .status();
        assert!(status.unwrap().success());
        // The library that the program was linked with no longer has it.
        library(dir, "libx.so", PLAIN, &["-Wl,-soname,libx.so"]);
    };
    let said = |code: &str, file: &str| {
        let found = findings(dir, &[file]).into_iter();
        let of_symbols = found.filter(|(code, _)| code.starts_with("symbol-"));
        let messages: Vec<String> = of_symbols
            .inspect(|(found, _)| assert_eq!(found, code))
            .map(|(_, message)| message)
            .collect();
        messages.concat()
    };
    program("-Wl,-z,now", &[]);
    assert_eq!(
        said("symbol-missing", "app"),
        "nothing in the process has gone"
    );
    program("-Wl,-z,lazy", &[]);
    assert_eq!(
        said("symbol-unbound", "app"),
        "nothing in the process has gone"
    );
    library(dir, "libplug.so", calls, &["-Wl,-soname,libplug.so"]);
    assert_eq!(
        said("symbol-of-program", "libplug.so"),
        "leaves to its program: gone"
    );
    // A library beside the program has it: the message says so, and with it nothing is wrong.
    library(dir, "libgone.so", gone, &["-Wl,-soname,libgone.so"]);
    program("-Wl,-z,now", &[]);
    assert!(said("symbol-missing", "app").starts_with("nothing in the process has gone"));
    let text = String::from_utf8(lint(dir, &["app"]).stdout).unwrap();
    assert!(text.contains("libgone.so has gone"), "{text}");
    program("-Wl,-z,now", &["-L.", "-Wl,--no-as-needed", "-lgone"]);
    assert_eq!(said("", "app"), "");
}

/// Every rule is broken by some test: its code is in one of these files.
#[test]
fn every_rule_has_a_test() {
    let tests = [
        include_str!("lint.rs"),
        include_str!("lint_cuda.rs"),
        include_str!("startup.rs"),
        include_str!("startup_absolute.rs"),
        include_str!("lint_loads.rs"),
    ]
    .concat();
    for rule in RULES {
        let quoted = format!("\"{}\"", rule.code());
        assert!(tests.contains(&quoted), "{}: no test", rule.code());
    }
}

/// docs/lint.md is made from the rules. CUDA_FIXUP_BLESS=1 writes it anew.
#[test]
fn docs_lint_md_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lint.md");
    if std::env::var_os("CUDA_FIXUP_BLESS").is_some() {
        fs::write(&page, documentation()).unwrap();
    }
    assert!(
        fs::read_to_string(&page).unwrap_or_default() == documentation(),
        "docs/lint.md is stale: run CUDA_FIXUP_BLESS=1 cargo test --test cli docs_lint"
    );
}

/// The "Fix" of each page about RUNPATHs: the finding, its command, the finding gone.
#[test]
fn the_fixes_of_the_pages_remove_the_findings() {
    let needs = "int dep(void); int f(void) { return dep(); }";
    for (code, runpath, fix) in [
        ("runpath-stubs", "/usr/local/cuda/lib64/stubs", &[][..]),
        ("runpath-missing", "/nowhere/lib", &["--shrink"]),
        ("runpath-missing", "$ORIGIN/gone", &["--shrink"]),
        ("runpath-relative", "lib", &[]),
        ("runpath-relative", "$LIB/x", &[]),
        ("runpath-empty", "/etc::/sys", &[]),
        ("runpath-duplicate", "/etc:/etc", &[]),
        ("runpath-duplicate", "$ORIGIN/a:ROOT/a/", &[]),
        ("runpath-unused", "/etc", &["--shrink"]),
        (
            "runpath-build-directory",
            "/project/build/lib",
            &["--shrink"],
        ),
        (
            "runpath-fhs",
            "/usr/lib/x86_64-linux-gnu",
            &["--shrink", "--lib", "in"],
        ),
        (
            "runpath-fhs",
            "/opt/vendor/lib",
            &["--shrink", "--lib", "in"],
        ),
        (
            "driver-link-unneeded",
            "/run/opengl-driver/lib",
            &["--shrink"],
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for sub in ["in", "tree", "tree/a"] {
            fs::create_dir(root.join(sub)).unwrap();
        }
        library(
            &root,
            "in/libdep.so",
            "int dep(void) { return 1; }",
            &["-Wl,-soname,libdep.so"],
        );
        let runpath = runpath.replace("ROOT", root.join("tree").to_str().unwrap());
        let rpath = format!("-Wl,--enable-new-dtags,-rpath,{runpath}");
        let with_dep: &[&str] = match fix.contains(&"--lib") {
            true => &["in/libdep.so"],
            false => &[],
        };
        let source = if with_dep.is_empty() { PLAIN } else { needs };
        library(
            &root,
            "tree/libx.so",
            source,
            &[with_dep, &[&rpath]].concat(),
        );
        let before = codes(&root, &["tree"]);
        assert!(before.contains(code), "{code} {runpath}: {before:?}");
        let fixed = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
            .current_dir(&root)
            .args([&["fixup", "tree"], fix].concat())
            .output()
            .unwrap();
        assert!(fixed.status.success(), "{code} {runpath}: {fixed:?}");
        let after = codes(&root, &["tree"]);
        assert!(!after.contains(code), "{code} {runpath}: {after:?}");
    }
    let old = |tag: &str| {
        let dir = TempDir::new().unwrap();
        library(dir.path(), "libx.so", PLAIN, &[tag]);
        dir
    };
    let dir = old("-Wl,--disable-new-dtags,-rpath,$ORIGIN");
    assert!(codes(dir.path(), &["."]).contains("rpath"));
    let fixed = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .args(["fixup"])
        .arg(dir.path())
        .status()
        .unwrap();
    assert!(fixed.success());
    assert!(!codes(dir.path(), &["."]).contains("rpath"));
}

#[test]
fn a_clean_tree_and_a_full_disk_are_reported() {
    let dir = TempDir::new().unwrap();
    library(dir.path(), "libx.so", PLAIN, &[]);
    let clean = lint(dir.path(), &["."]);
    assert_eq!(
        (&clean.stdout[..], &clean.stderr[..]),
        (&b""[..], &b"no findings\n"[..])
    );
    for args in [&["--list"][..], &["--explain", "rpath"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
            .arg("lint")
            .args(args)
            .stdout(full)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn exceptions_are_found_in_a_directory_above() {
    let dir = TempDir::new().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    let below = dir.path().join("a/b");
    library(&below, "libx.so", PLAIN, &["-Wl,-rpath,lib"]);
    assert!(codes(&below, &["libx.so"]).contains("runpath-relative"));
    let allow = "[severity]\nrunpath-relative = \"allow\"\n";
    fs::write(dir.path().join("cuda-fixup.toml"), allow).unwrap();
    assert!(!codes(&below, &["libx.so"]).contains("runpath-relative"));
}
