//! `fixup` on NVIDIA's own wheels: afterwards the real loader loads each library whose
//! dependencies are in the tree.

use crate::support::trees::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const WHEELS: [&str; 5] = [
    "nvidia-cuda-runtime-13.5.37",
    "nvidia-cuda-runtime-cu12-12.9.79",
    "nvidia-cuda-cupti-13.5.25",
    "nvidia-cufile-1.20.0.107",
    "nvidia-npp-13.2.0.93",
];

/// A copy of a directory that `testdata/fetch-wheels` made.
fn copy_wheel(tree: &Tree, name: &str) {
    let copy = Command::new("cp")
        .arg("-rL")
        .arg(crate::support::wheel(name))
        .arg(tree.root())
        .status();
    assert!(copy.unwrap().success());
}

/// A program that dlopens its arguments, one a process.
fn opener(tree: &Tree) -> PathBuf {
    let source = tree.at("opener.c");
    fs::write(
        &source,
        "#include <dlfcn.h>\n#include <stdio.h>\n\
         int main(int c, char **v) { (void)c; if (dlopen(v[1], RTLD_NOW)) return 0;\n\
         puts(dlerror()); return 1; }\n",
    )
    .unwrap();
    let out = tree.at("opener");
    let done = Command::new("gcc").arg("-o").args([&out, &source]).status();
    assert!(done.unwrap().success());
    out
}

/// The real loader's error for a library: `None` if it and its dependencies load.
fn complaint(opener: &Path, library: &Path) -> Option<String> {
    let ld = info(Path::new("/proc/self/exe")).interpreter.unwrap();
    let list = Command::new(String::from_utf8(ld).unwrap())
        .arg("--list")
        .arg(library)
        .env_clear()
        .output()
        .unwrap();
    let listed = String::from_utf8_lossy(&list.stdout).into_owned();
    if !list.status.success() || listed.contains("not found") {
        return Some(listed + &String::from_utf8_lossy(&list.stderr));
    }
    let open = Command::new(opener)
        .arg(library)
        .env_clear()
        .output()
        .unwrap();
    (!open.status.success()).then(|| String::from_utf8_lossy(&open.stdout).into_owned())
}

#[test]
fn every_library_whose_dependencies_are_there_loads() {
    let tree = Tree::new();
    for wheel in WHEELS {
        copy_wheel(&tree, wheel);
    }
    // Where their own RUNPATH, $ORIGIN, does not lead.
    for (wheel, name) in [
        ("nvidia-npp-13.2.0.93", "libnppc.so.13"),
        ("nvidia-cufile-1.20.0.107", "libcufile.so.0"),
    ] {
        let from = tree.root().join(wheel).join("nvidia/cu13/lib").join(name);
        fs::rename(from, tree.at(&format!("moved/{name}"))).unwrap();
    }
    let opener = opener(&tree);
    let npp = tree.at("nvidia-npp-13.2.0.93/nvidia/cu13/lib/libnppif.so.13");
    assert!(complaint(&opener, &npp).unwrap().contains("libnppc.so.13"));

    let done = tree.run(&["fixup", ".", "--json", "--add-driver-runpath=all"]);
    assert_eq!(status(&done), 1, "{}", err(&done));
    let mut loaded = 0;
    let mut lacking = Vec::new();
    for file in json(&done).iter().filter(|o| o["event"] == "file") {
        assert_eq!(file["status"], "changed", "{file}");
        let path = tree.root().join(file["path"].as_str().unwrap());
        assert!(runpath(&path).unwrap().starts_with(DRIVER));
        if file["kind"] != "shared library" {
            continue;
        }
        let needed = file["needed"].as_array().unwrap();
        let elsewhere =
            |n: &&serde_json::Value| n["outcome"] == "missing" || n["outcome"] == "driver";
        match needed.iter().find(elsewhere) {
            Some(name) => lacking.push((path, name["name"].as_str().unwrap().to_owned())),
            None => {
                let complaint = complaint(&opener, &path);
                assert_eq!(complaint, None, "{}", path.display());
                loaded += 1;
            }
        }
    }
    assert!(loaded >= 18, "{loaded}");
    // Only libraries outside of all wheels are missing, and the loader agrees.
    for (path, name) in lacking {
        let complaint = complaint(&opener, &path).unwrap();
        assert!(complaint.contains(&name), "{}: {complaint}", path.display());
    }
}
