//! `cuda-fixup lint`: rules about CUDA's libraries, in one process and in one tree.

use crate::lint::{PLAIN, codes, findings, library, lint, set};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A library of that SONAME that needs others of the same directory.
fn linked(dir: &Path, soname: &str, needs: &[&str]) {
    let soname_flag = format!("-Wl,-soname,{soname}");
    let needs: Vec<String> = needs.iter().map(|need| format!("./{need}")).collect();
    let mut flags = vec!["-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", &soname_flag];
    flags.extend(needs.iter().map(String::as_str));
    library(dir, soname, PLAIN, &flags);
}

/// The codes of findings that have to do with versions of CUDA.
fn versions(dir: &Path, paths: &[&str]) -> Vec<String> {
    let found = codes(dir, paths).into_iter();
    let wanted = ["cuda-library-twice", "cuda-mixed-majors", "cudart-twice"];
    found.filter(|c| wanted.contains(&c.as_str())).collect()
}

#[test]
fn two_majors_of_one_library_in_one_process() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    for stem in [
        "libcublas",
        "libcudnn",
        "libcudnn_ops_infer",
        "libnccl",
        "libcufft",
        "libnvinfer_lean",
        "libnvjpeg2k",
    ] {
        let (old, new) = (format!("{stem}.so.11"), format!("{stem}.so.12"));
        linked(dir, &old, &[]);
        linked(dir, &new, &[]);
        linked(dir, "libold.so", &[&old]);
        linked(dir, "libnew.so", &[&new]);
        linked(dir, "libboth.so", &["libold.so", "libnew.so"]);
        linked(dir, "libabove.so", &["libboth.so"]);
        let twice = ["cuda-library-twice"];
        assert_eq!(versions(dir, &["libboth.so"]), twice, "{stem}");
        // The file that brings them together has the finding, once.
        assert!(versions(dir, &["libabove.so"]).is_empty(), "{stem}");
        assert!(versions(dir, &["libold.so"]).is_empty(), "{stem}");
    }
    // auditwheel's name of one.
    linked(dir, "libcublas-0a1b2c3d.so.11.5.1", &[]);
    linked(dir, "libold.so", &["libcublas-0a1b2c3d.so.11.5.1"]);
    linked(dir, "libnew.so", &["libcublas.so.12"]);
    linked(dir, "libboth.so", &["libold.so", "libnew.so"]);
    let found = findings(dir, &["libboth.so"]);
    let found = found.iter().find(|(code, _)| code == "cuda-library-twice");
    let message = &found.unwrap().1;
    assert!(message.contains("libcublas twice: "), "{message}");
    assert!(
        message.contains("libcublas-0a1b2c3d.so.11.5.1"),
        "{message}"
    );
    assert!(message.contains("libcublas.so.12"), "{message}");
}

#[test]
fn libraries_of_two_cuda_versions() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    for name in [
        "libcublas.so.12",
        "libcudart.so.12",
        "libcusparse.so.12",
        "libcusolver.so.11",
        "libnvJitLink.so.13",
        "libcurand.so.10",
    ] {
        linked(dir, name, &[]);
    }
    let process = |needs: &[&str]| {
        linked(dir, "libx.so", needs);
        versions(dir, &["libx.so"])
    };
    let mixed = ["cuda-mixed-majors"];
    assert_eq!(process(&["libcublas.so.12", "libnvJitLink.so.13"]), mixed);
    // cuSPARSE 12 is in CUDA 12 and in 13, cuSOLVER 11 in CUDA 11 and 12.
    assert!(process(&["libcusparse.so.12", "libnvJitLink.so.13"]).is_empty());
    assert!(process(&["libcusparse.so.12", "libcusolver.so.11"]).is_empty());
    assert!(process(&["libcurand.so.10", "libnvJitLink.so.13"]).is_empty());
    assert_eq!(process(&["libcusolver.so.11", "libnvJitLink.so.13"]), mixed);
    linked(dir, "libabove.so", &["libx.so"]);
    assert!(versions(dir, &["libabove.so"]).is_empty());

    // One finding for one cause: of the tree only where no process has it.
    let of_tree = |path: &str| {
        let found = findings(dir, &[path]).into_iter();
        let mixed = found.filter(|(code, _)| code == "cuda-mixed-majors");
        mixed.map(|(_, message)| message).collect::<Vec<_>>()
    };
    let found = of_tree(".");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("loads "), "{found:?}");
    let tree = dir.join("tree");
    for (name, below) in [("libcublas.so.12", "a"), ("libcudart.so.13", "b")] {
        fs::create_dir_all(tree.join(below)).unwrap();
        linked(&tree.join(below), name, &[]);
    }
    assert_eq!(
        of_tree("tree"),
        [
            "has libraries of CUDA 12 (tree/a/libcublas.so.12) and of CUDA 13 (tree/b/libcudart.so.13)"
        ]
    );
    assert!(of_tree("tree/a").is_empty());
    // Profilers bring CUPTI for several versions and open one.
    fs::remove_dir_all(tree.join("b")).unwrap();
    fs::create_dir_all(tree.join("b")).unwrap();
    linked(&tree.join("b"), "libcupti.so.13", &[]);
    assert!(of_tree("tree").is_empty());
}

#[test]
fn libraries_that_nvrtc_and_cudnn_open() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let named = |soname: &str, names: &[&str]| {
        let source = format!("const char *n[] = {{ \"{}\" }};", names.join("\", \""));
        let flag = format!("-Wl,-soname,{soname}");
        library(dir, soname, &source, &[&flag, "-Wl,-rpath,$ORIGIN"]);
        codes(dir, &[soname])
    };
    let builtins = "libnvrtc-builtins.so.12.9";
    let nvrtc = ["libnvrtc.so.12", "libnvrtc-0a1b2c3d.so.12.9.86"];
    for soname in nvrtc {
        let found = named(soname, &[builtins]);
        assert!(found.contains("nvrtc-builtins-not-found"), "{found:?}");
        // One finding for one cause.
        assert!(!found.contains("dlopen-not-found"), "{found:?}");
    }
    linked(dir, builtins, &[]);
    for soname in nvrtc {
        assert_eq!(codes(dir, &[soname]), set(&[]));
    }

    // cuDNN has the names without the version of its SONAME.
    let parts = ["libcudnn_graph.so", "libcudnn_ops.so"];
    let found = named("libcudnn.so.9", &parts);
    assert!(found.contains("cudnn-sublibrary-not-found"), "{found:?}");
    assert!(!found.contains("dlopen-not-found"), "{found:?}");
    linked(dir, "libcudnn_graph.so.9", &[]);
    linked(dir, "libcudnn_ops.so.8", &[]);
    let found = findings(dir, &["libcudnn.so.9"]);
    let message = "opens libcudnn_ops.so.9, which would not be found";
    assert_eq!(
        found,
        [("cudnn-sublibrary-not-found".to_owned(), message.to_owned())]
    );
    linked(dir, "libcudnn_ops.so.9", &[]);
    assert_eq!(codes(dir, &["libcudnn.so.9"]), set(&[]));
    // Others may do without the same names.
    let other = named("libother.so.1", &["libcudnn_adv.so.9"]);
    assert!(other.contains("dlopen-not-found"), "{other:?}");
    assert!(!other.contains("cudnn-sublibrary-not-found"), "{other:?}");
}

#[test]
fn files_that_libraries_read() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    fs::create_dir_all(dir.join("t/lib")).unwrap();
    let soname = ["-Wl,-soname,libcufile.so.0"];
    library(&dir.join("t/lib"), "libcufile.so.0", PLAIN, &soname);
    let none = !Path::new("/etc/cufile.json").exists();
    let fires = |path: &str| codes(dir, &[path]).contains("cufile-config-not-found");
    assert_eq!(fires("t"), none);
    fs::create_dir(dir.join("t/gds")).unwrap();
    fs::write(dir.join("t/gds/cufile.json"), "{}").unwrap();
    assert!(!fires("t"));

    let source = "const char *n = \"libdevice.10.bc\";";
    library(&dir.join("t"), "libxla.so", source, &[]);
    let found = codes(dir, &["t"]);
    assert_eq!(found, set(&["libdevice-not-found"]));
    fs::create_dir_all(dir.join("t/nvvm/libdevice")).unwrap();
    fs::write(dir.join("t/nvvm/libdevice/libdevice.10.bc"), "BC").unwrap();
    assert_eq!(codes(dir, &["t"]), set(&[]));
}

#[test]
fn copies_of_a_big_library() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let big = |name: &str, fill: u32| {
        let source = format!("__asm__(\".text\\n.fill {}, 1, {fill}\");", 9 << 20);
        library(dir, name, &source, &[&format!("-Wl,-soname,{name}")]);
    };
    let copies = || {
        let found = findings(dir, &["."]).into_iter();
        let found = found.filter(|(code, _)| code == "duplicate-library");
        found.map(|(_, message)| message).collect::<Vec<_>>()
    };
    big("libbig.so.1", 1);
    assert!(copies().is_empty());
    // Another RUNPATH is no other library; neither is a link or a second name.
    let sub = dir.join("sub");
    fs::create_dir(&sub).unwrap();
    fs::copy(dir.join("libbig.so.1"), sub.join("libbig.so.1")).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .args(["patchelf", "--set-rpath", "/etc"])
        .arg(sub.join("libbig.so.1"))
        .status()
        .unwrap();
    assert!(run.success());
    fs::hard_link(dir.join("libbig.so.1"), dir.join("libhard.so.1")).unwrap();
    let size = fs::metadata(sub.join("libbig.so.1")).unwrap().len();
    let told = format!(
        "is one of 2 copies of libbig in this tree, {size} bytes more than one needs: \
         ./sub/libbig.so.1"
    );
    assert_eq!(copies(), [told]);
    // Other code under the same name is a plugin's other build; of CUDA's libraries it is a copy.
    fs::remove_dir_all(&sub).unwrap();
    fs::create_dir(&sub).unwrap();
    big("libcublasLt.so.12", 2);
    fs::rename(dir.join("libcublasLt.so.12"), sub.join("libcublasLt.so.12")).unwrap();
    big("libcublasLt.so.12", 3);
    let found = copies();
    assert!(
        found.len() == 1 && found[0].contains("2 builds of libcublasLt"),
        "{found:?}"
    );
    big("libbig.so.1", 4);
    fs::rename(dir.join("libbig.so.1"), sub.join("libbig.so.1")).unwrap();
    assert_eq!(copies().len(), 1);
}

#[test]
fn a_library_older_than_the_one_that_was_linked() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let cudnn = |source: &str| {
        library(dir, "libcudnn.so.9", source, &["-Wl,-soname,libcudnn.so.9"]);
    };
    let user = |source: &str| {
        let flags = ["./libcudnn.so.9", "-Wl,-rpath,$ORIGIN"];
        library(dir, "libuser.so", source, &flags);
    };
    // That `cudnn_own` is nowhere has a rule of its own.
    let found = || findings(dir, &["--allow=symbol-of-program", "libuser.so"]);
    cudnn("int cudnnCreate(void) { return 0; } int cudnnNew(void) { return 0; }");
    user(
        "int cudnnCreate(), cudnnNew(), cudnn_own(); int f() { return cudnnCreate() + cudnnNew() + cudnn_own(); }",
    );
    assert!(found().is_empty(), "{:?}", found());
    cudnn("int cudnnCreate(void) { return 0; }");
    let [(code, message)] = &found()[..] else {
        panic!("{:?}", found());
    };
    assert_eq!(code, "cuda-library-older");
    assert!(message.starts_with("wants cudnnNew, which "), "{message}");
    // A weak symbol may be missing.
    user(
        "int cudnnCreate(); int cudnnNew() __attribute__((weak)); int f() { return cudnnNew ? cudnnNew() : cudnnCreate(); }",
    );
    assert!(found().is_empty(), "{:?}", found());
}

/// Where a file is decides which rules apply.
#[test]
fn contexts() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let opens = "const char *n = \"libcuda.so.1\";";
    let at = |place: &str| {
        let place = dir.join(place);
        fs::create_dir_all(&place).unwrap();
        let entries = ["$ORIGIN/../../nvidia/cublas/lib", "/nowhere/lib"].join(":");
        let rpath = format!("-Wl,--enable-new-dtags,-rpath,{entries}");
        library(&place, "libx.so", opens, &[&rpath]);
        place
    };
    let wheel = ["runpath-missing"];
    let all = ["driver-link-missing", "runpath-missing"];
    let site = at("v/lib/python3.13/site-packages/p");
    assert_eq!(codes(&site, &["."]), set(&wheel));
    assert_eq!(codes(&site, &["--context=nix", "."]), set(&all));
    let found = findings(&site, &["."]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.contains("/nowhere/lib"), "{found:?}");
    // `pip install --target`
    let target = at("t/p");
    assert_eq!(codes(dir, &["t"]), set(&all));
    fs::create_dir(dir.join("t/p-1.0.dist-info")).unwrap();
    fs::write(dir.join("t/p-1.0.dist-info/METADATA"), "Name: p").unwrap();
    assert_eq!(codes(dir, &["t"]), set(&wheel));
    let store = format!("--store={}", dir.canonicalize().unwrap().display());
    assert!(codes(dir, &[&store, "t"]).contains("driver-link-missing"));
    assert!(!codes(&target, &["--context=linux", "."]).contains("driver-link-missing"));
    // It is printed, where it silences something.
    let output = lint(dir, &["t"]);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("note: context wheels: "), "{notes}");
    let output = lint(dir, &["--context=nix", "t"]);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(!notes.contains("context"), "{notes}");
    let output = lint(dir, &["--format=json", "t"]);
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.contains("\"context\":\"wheels\""), "{line}");
}

/// Imported after the package that loads it, an extension finds a library that it does not search.
#[test]
fn libraries_that_another_wheel_loads() {
    let dir = TempDir::new().unwrap();
    let site = dir.path().join("site-packages");
    fs::create_dir_all(site.join("a/lib")).unwrap();
    linked(&site.join("a/lib"), "libc10.so", &[]);
    let source = "int f(); int g() { return f(); }";
    library(&site, "ext.so", source, &["a/lib/libc10.so"]);
    assert_eq!(codes(&site, &["."]), set(&["needed-loaded-before"]));
    assert!(codes(&site, &["--context=nix", "."]).contains("needed-not-found"));
    fs::remove_file(site.join("a/lib/libc10.so")).unwrap();
    assert_eq!(codes(&site, &["."]), set(&["needed-not-found"]));
}

/// What pip says of wheels that do not fit each other.
#[test]
fn a_cuda_wheel_older_than_another_one_asks_for() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let wheel = |name: &str, version: &str, requires: &str| {
        let info = dir.join(format!("{name}.dist-info"));
        fs::create_dir_all(&info).unwrap();
        let text =
            format!("Name: {name}\nVersion: {version}\n{requires}\nRequires-Dist: numpy>=99\n");
        fs::write(info.join("METADATA"), text).unwrap();
    };
    let found = || findings(dir, &["."]);
    wheel(
        "torch",
        "2.8.0",
        "Requires-Dist: nvidia-cudnn-cu12 (==9.10.2.21) ; platform_system == 'Linux'",
    );
    assert!(found().is_empty(), "{:?}", found());
    for (version, older) in [
        ("9.10.2.21", false),
        ("9.11.0.98", false),
        ("9.1.0.70", true),
    ] {
        wheel("nvidia_cudnn_cu12", version, "");
        let found = found();
        assert_eq!(found.len(), usize::from(older), "{version}: {found:?}");
    }
    let message = "has nvidia-cudnn-cu12 9.1.0.70; torch 2.8.0 was built against 9.10.2.21";
    assert_eq!(found(), [("wheel-older".to_owned(), message.to_owned())]);
}
