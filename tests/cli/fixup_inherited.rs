//! Libraries that are found through the DT_RPATH of what loads them: a DT_RUNPATH in its place
//! serves the file that has it alone.

use crate::support::trees::*;
use std::path::Path;
use std::process::Command;

/// p/libext.so needs libs/liba.so, which needs libs/libb.so and finds it through libext.so's DT_RPATH.
fn extension() -> Tree {
    let tree = Tree::new();
    let b = tree.library("libs/libb.so", &[]);
    let a = tree.library("libs/liba.so", &[b.to_str().unwrap()]);
    let rpath = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../libs";
    tree.library("p/libext.so", &[a.to_str().unwrap(), rpath]);
    tree
}

/// Whether the real loader finds all libraries.
fn loads(tree: &Tree) -> bool {
    let mut loader = Command::new("/lib64/ld-linux-x86-64.so.2");
    let listed = loader.arg("--list").arg(tree.at("p/libext.so")).output();
    let listed = listed.unwrap();
    listed.status.success() && !String::from_utf8_lossy(&listed.stdout).contains("not found")
}

fn tags(file: &Path) -> String {
    let dynamic = Command::new("readelf").arg("-dW").arg(file).output();
    let dynamic = String::from_utf8(dynamic.unwrap().stdout).unwrap();
    let tags = ["(RPATH)", "(RUNPATH)"];
    tags.into_iter()
        .filter(|tag| dynamic.contains(tag))
        .collect()
}

#[test]
fn a_dt_rpath_that_libraries_depend_on_stays_one() {
    for args in [
        &["add-driver-runpath", "p"][..],
        &["add-driver-runpath", "p", "libs"],
        &["add-driver-runpath", "libs", "p"],
        &["fixup", "--add-driver-runpath", "all", "p"],
        &[
            "fixup",
            "--dependencies",
            "off",
            "--add-driver-runpath",
            "all",
            "p",
            "libs",
        ],
        &["fixup", "p"],
    ] {
        let tree = extension();
        assert!(loads(&tree));
        let done = tree.run(args);
        assert_eq!(status(&done), 0, "{args:?} {done:?}");
        assert!(loads(&tree), "{args:?}");
        assert_eq!(tags(&tree.at("p/libext.so")), "(RPATH)", "{args:?}");
        // And again: nothing to do.
        let again = tree.run(&[args, &["--dry-run"]].concat());
        if args[0] == "fixup" {
            assert_eq!(out(&again).matches("p/libext.so").count(), 0, "{again:?}");
        }
    }
}

#[test]
fn libraries_that_get_entries_of_their_own_need_no_dt_rpath() {
    let tree = extension();
    let done = tree.run(&["fixup", "p", "libs"]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert!(loads(&tree));
    assert_eq!(tags(&tree.at("p/libext.so")), "(RUNPATH)");
    assert_eq!(tags(&tree.at("libs/liba.so")), "(RUNPATH)");
}

#[test]
fn a_dt_rpath_that_becomes_a_dt_runpath_all_the_same_is_said() {
    let tree = extension();
    let all = [
        "fixup",
        "--dependencies",
        "off",
        "--add-driver-runpath",
        "all",
        "p",
    ];
    let kept = tree.run(&[&all[..], &["--json", "--dry-run"]].concat());
    let why = json(&kept)[0]["inherited_rpath"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(why.contains("liba.so finds ") && why.contains("libb.so through the DT_RPATH of "));
    let done = tree.run(&[&all[..], &["--inherited-rpath", "convert"]].concat());
    assert_eq!(status(&done), 0, "{done:?}");
    let said = err(&done);
    assert!(said.starts_with("warning: p/libext.so: "), "{said}");
    assert!(
        said.contains("liba.so finds ")
            && said.contains("\nhelp: cuda-fixup fixup --inherited-rpath keep")
    );
    assert!(!loads(&tree));
}

#[test]
fn a_dt_rpath_that_nothing_depends_on_becomes_a_dt_runpath() {
    let tree = Tree::new();
    let b = tree.library("libs/libb.so", &[]);
    let rpath = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../libs";
    tree.library("p/libext.so", &[b.to_str().unwrap(), rpath]);
    let done = tree.run(&["fixup", "p"]);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(tags(&tree.at("p/libext.so")), "(RUNPATH)");
}
