//! `cuda-fixup redist install` and `join`: an unpacked archive in a package's outputs.

use crate::support::{BINARY, driver_stub, failed, succeeded};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An archive of every kind of file, unpacked.
struct Archive {
    dir: tempfile::TempDir,
}

impl Archive {
    fn new() -> Archive {
        let archive = Archive {
            dir: tempfile::tempdir().unwrap(),
        };
        let root = archive.source();
        for (file, text) in [
            ("LICENSE", "see /usr/share\n"),
            ("bin/tool", "#!/usr/bin/env bash\n# not /usr/bin\ntrue\n"),
            ("include/cuda.h", "/* of /usr/include */\n"),
            ("include/crt/host.h", ""),
            ("lib/libx.so.13", "x"),
            ("lib/libx_static.a", "x"),
            ("lib/cmake/x/x-config.cmake", "set(x 1)\n"),
            (
                "pkg-config/x-13.0.pc",
                "cudaroot=/usr/local/cuda-13.0\nlibdir=${cudaroot}/lib\n",
            ),
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        symlink("libx.so.13", root.join("lib/libx.so")).unwrap();
        fs::set_permissions(root.join("bin/tool"), fs::Permissions::from_mode(0o744)).unwrap();
        driver_stub(&root);
        fs::remove_file(root.join("stub.c")).unwrap();
        archive
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    fn output(&self, name: &str) -> PathBuf {
        self.dir.path().join("outputs").join(name)
    }

    fn run(&self, subcommand: &[&str], outputs: &str, more: &[&str]) -> Output {
        let outputs = outputs.split(' ');
        let outputs =
            outputs.map(|name| format!("--output={name}={}", self.output(name).display()));
        Command::new(BINARY)
            .arg("redist")
            .args(subcommand)
            .args(outputs)
            .args(more)
            .output()
            .unwrap()
    }

    fn install(&self, outputs: &str, more: &[&str]) -> Output {
        let source = self.source();
        let subcommand = ["install", source.to_str().unwrap(), "--cuda=13"];
        self.run(&subcommand, outputs, more)
    }

    /// Files and links of an output, by path: what a link names, or `-`.
    fn files(&self, output: &str) -> BTreeMap<String, String> {
        let dir = self.output(output);
        let mut files = BTreeMap::new();
        for entry in walkdir::WalkDir::new(&dir) {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(&dir).unwrap();
            if !entry.file_type().is_dir() {
                let link = fs::read_link(entry.path()).ok();
                let link = link.map_or("-".into(), |to| self.relative(&to));
                files.insert(path.to_str().unwrap().to_owned(), link);
            }
        }
        files
    }

    fn relative(&self, to: &Path) -> String {
        let outputs = self.dir.path().join("outputs");
        to.strip_prefix(outputs).unwrap_or(to).display().to_string()
    }
}

fn shown(files: &BTreeMap<String, String>) -> String {
    let lines = files.iter().map(|(path, to)| match to.as_str() {
        "-" => format!("{path}\n"),
        to => format!("{path} -> {to}\n"),
    });
    lines.collect()
}

const ALL: &str = "out bin dev include lib static stubs doc";

#[test]
fn each_file_is_placed_once_and_joined_by_links() {
    let archive = Archive::new();
    succeeded(&archive.install(ALL, &[]));
    let expected = [
        ("out", "LICENSE\n"),
        ("bin", "bin/tool\n"),
        (
            "dev",
            "lib/cmake/x/x-config.cmake\nshare/pkgconfig/x-13.0.pc\nshare/pkgconfig/x.pc -> x-13.0.pc\n",
        ),
        ("include", "include/crt/host.h\ninclude/cuda.h\n"),
        ("lib", "lib/libx.so -> libx.so.13\nlib/libx.so.13\n"),
        ("static", "lib/libx_static.a\n"),
        (
            "stubs",
            "lib/stubs/libcuda.so\nlib/stubs/libcuda.so.1 -> libcuda.so\n",
        ),
        // Nothing goes there.
        ("doc", ""),
    ];
    for (output, files) in expected {
        assert!(archive.output(output).is_dir(), "{output}");
        assert_eq!(shown(&archive.files(output)), files, "{output}");
    }
    // Moved, not copied.
    let left = walkdir::WalkDir::new(archive.source()).into_iter();
    assert!(
        left.map(Result::unwrap)
            .all(|entry| entry.file_type().is_dir())
    );
    let mode = fs::metadata(archive.output("bin").join("bin/tool")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o755);
    let pc = fs::read_to_string(archive.output("dev").join("share/pkgconfig/x.pc")).unwrap();
    assert_eq!(
        pc,
        format!(
            "cudaroot={}\nlibdir={}/lib\n",
            archive.output("dev").display(),
            archive.output("lib").display()
        )
    );

    succeeded(&archive.run(&["join"], ALL, &[]));
    assert_eq!(
        shown(&archive.files("out")),
        "LICENSE\nbin -> bin/bin\ninclude -> include/include\n\
         lib/cmake -> dev/lib/cmake\nlib/libx.so -> lib/lib/libx.so\n\
         lib/libx.so.13 -> lib/lib/libx.so.13\nlib/libx_static.a -> static/lib/libx_static.a\n\
         lib/stubs -> stubs/lib/stubs\nshare -> dev/share\n"
    );
    // Where CMake files look for headers.
    assert_eq!(archive.files("dev")["include"], "include/include");
    for entry in walkdir::WalkDir::new(archive.output("out")).follow_links(true) {
        entry.unwrap();
    }
}

#[test]
fn with_one_output_all_is_in_it() {
    let archive = Archive::new();
    succeeded(&archive.install("out", &[]));
    let files = archive.files("out");
    for file in [
        "bin/tool",
        "include/cuda.h",
        "lib/libx_static.a",
        "lib/stubs/libcuda.so.1",
    ] {
        assert!(files.contains_key(file), "{file}");
    }
    succeeded(&archive.run(&["join"], "out", &[]));
    assert_eq!(archive.files("out"), files);
}

#[test]
fn paths_of_other_systems_are_refused_unless_they_are_allowed() {
    let archive = Archive::new();
    let config = archive.source().join("lib/cmake/x/x-config.cmake");
    fs::write(&config, "set(a 1)\nset(x /usr/local/cuda)\n").unwrap();
    let message = failed(&archive.install(ALL, &[]), 2);
    assert!(
        message.contains("lib/cmake/x/x-config.cmake:2: expected paths of the package, found /usr/: set(x /usr/local/cuda)"),
        "{message}"
    );
    assert!(message.contains("allowFHSReferences = true"), "{message}");
    let archive = Archive::new();
    fs::write(
        archive.source().join("bin/tool"),
        "#!/bin/sh\nexec /opt/x\n",
    )
    .unwrap();
    succeeded(&archive.install(ALL, &["--allow-fhs-references"]));
}

#[test]
fn an_archive_for_other_cudas_and_an_empty_one_are_refused() {
    let archive = Archive::new();
    for folder in ["11", "12"] {
        let dir = archive.source().join("lib").join(folder);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("liby.so"), "y").unwrap();
    }
    let message = failed(&archive.install(ALL, &[]), 2);
    assert!(
        message.contains("libraries for CUDA 11, 12 only, and this is CUDA 13"),
        "{message}"
    );
    let empty = Archive::new();
    fs::remove_dir_all(empty.source()).unwrap();
    fs::create_dir(empty.source()).unwrap();
    let message = failed(&empty.install(ALL, &[]), 2);
    assert!(
        message.contains("expected the files of an archive, found none"),
        "{message}"
    );
    fs::remove_dir(empty.source()).unwrap();
    failed(&empty.install(ALL, &[]), 2);
}

#[test]
fn two_files_for_one_place_are_refused() {
    let archive = Archive::new();
    let lib64 = archive.source().join("lib64");
    fs::create_dir(&lib64).unwrap();
    fs::write(lib64.join("libx.so.13"), "another").unwrap();
    let message = failed(&archive.install(ALL, &[]), 2);
    assert!(
        message.contains("two files of the archive have this place"),
        "{message}"
    );
}

/// TensorRT's archives have `lib` and `bin` as links to directories below targets.
#[test]
fn links_at_the_top_are_followed_to_directories() {
    let archive = Archive::new();
    let source = archive.source();
    let target = source.join("targets/x86_64-linux-gnu/share2");
    fs::create_dir_all(&target).unwrap();
    fs::write(target.join("tool"), "").unwrap();
    fs::create_dir_all(source.join("targets/x86_64-linux-gnu/lib64")).unwrap();
    fs::write(
        source.join("targets/x86_64-linux-gnu/lib64/libnew.so.1"),
        "",
    )
    .unwrap();
    symlink("targets/x86_64-linux-gnu/lib64/", source.join("lib64")).unwrap();
    symlink("targets/x86_64-linux-gnu/share2", source.join("samples")).unwrap();
    // Leads out of the archive, and is a link in the package.
    symlink("../elsewhere", source.join("docs")).unwrap();
    succeeded(&archive.install(ALL, &[]));
    assert!(archive.files("lib").contains_key("lib/libnew.so.1"));
    assert_eq!(archive.files("out")["samples/tool"], "-");
    assert!(!archive.files("lib").contains_key("lib64"));
    assert_eq!(archive.files("doc")["docs"], "../elsewhere");
}

/// Links of Debian packages lead to files of other directories, and through /etc/alternatives.
#[test]
fn links_of_a_debian_package_lead_to_the_files_places() {
    let archive = Archive::new();
    let root = archive.source();
    fs::remove_dir_all(&root).unwrap();
    let lib = "usr/lib/aarch64-linux-gnu";
    let targets = "usr/local/cuda-13.0/targets/aarch64-linux";
    for file in [
        format!("{targets}/lib/libx.so.13"),
        format!("{targets}/include/x.h"),
        format!("{lib}/liby.so.9"),
        "usr/include/y_v9.h".to_owned(),
    ] {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    fs::create_dir_all(root.join("etc/alternatives")).unwrap();
    for (link, to) in [
        (format!("{targets}/lib/libx.so"), "libx.so.13".to_owned()),
        (
            format!("{lib}/libx.so.13"),
            format!("/{targets}/lib/libx.so.13"),
        ),
        (
            format!("{lib}/libxx.so"),
            "../../local/cuda-13.0/lib64/libx.so".to_owned(),
        ),
        (
            "usr/local/cuda-13.0/lib64".to_owned(),
            "targets/aarch64-linux/lib".to_owned(),
        ),
        (
            "usr/local/cuda".to_owned(),
            "/etc/alternatives/cuda".to_owned(),
        ),
        (
            format!("{lib}/liby.so"),
            "/etc/alternatives/liby_so".to_owned(),
        ),
        (
            "etc/alternatives/liby_so".to_owned(),
            format!("/{lib}/liby.so.9"),
        ),
        (
            "usr/include/y.h".to_owned(),
            "/etc/alternatives/y_h".to_owned(),
        ),
        (
            "usr/include/yy.h".to_owned(),
            "../lib/aarch64-linux-gnu/liby.so.9".to_owned(),
        ),
    ] {
        symlink(to, root.join(link)).unwrap();
    }
    let output = archive.install("out lib include", &["--deb"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    succeeded(&output);
    for (link, target) in [
        ("usr/local/cuda", "/etc/alternatives/cuda"),
        ("usr/include/y.h", "/etc/alternatives/y_h"),
    ] {
        let words =
            format!("warning: {link}: a link to {target}, which the package lacks: left out");
        assert!(said.contains(&words), "{said}");
    }
    assert_eq!(
        shown(&archive.files("lib")),
        "lib/libx.so -> libx.so.13\nlib/libx.so.13\nlib/libxx.so -> libx.so\n\
         lib/liby.so -> liby.so.9\nlib/liby.so.9\n"
    );
    assert_eq!(
        shown(&archive.files("include")),
        "include/x.h\ninclude/y_v9.h\ninclude/yy.h -> lib/lib/liby.so.9\n"
    );
    assert_eq!(shown(&archive.files("out")), "");
}
