//! `diff`: changes of files, findings, and what makes a package worse.

use crate::support::trees::{Tree, X86_64};
use elf_fixtures::Minimal;
use std::fs;
use std::process::{Command, Output};

const HASH: [&str; 2] = [
    "0123456789abcdfghijklmnpqrsvwxyz",
    "zyxwvsrqpnmlkjihgfdcba9876543210",
];

fn library(tree: &Tree, name: &str, change: impl FnOnce(&mut Minimal)) {
    let mut file = Minimal::new(X86_64);
    let soname = name.rsplit('/').next().unwrap();
    file.soname = Some(soname.into());
    change(&mut file);
    fs::write(tree.at(name), file.bytes()).unwrap();
}

fn diff(tree: &Tree, args: &[&str]) -> Output {
    Command::new(crate::support::BINARY)
        .arg("diff")
        .args(args)
        .current_dir(tree.root())
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn two_builds_that_differ_in_hashes_alone_are_equal() {
    let tree = Tree::new();
    for (side, hash) in HASH.iter().enumerate() {
        let own = tree.text(&format!("store/{hash}-app-{side}"));
        let other = tree.text(&format!("store/{hash}-zlib-1.3/lib"));
        fs::create_dir_all(&other).unwrap();
        library(
            &tree,
            &format!("store/{hash}-app-{side}/lib/liba.so.1"),
            |f| {
                f.runpath = Some(format!("{own}/lib:{other}").into());
                f.needed = vec![b"libb.so.1".to_vec()];
            },
        );
        library(
            &tree,
            &format!("store/{hash}-app-{side}/lib/libb.so.1"),
            |_| (),
        );
    }
    let sides = [0, 1].map(|side| format!("store/{}-app-{side}", HASH[side]));
    let done = diff(&tree, &[&sides[0], &sides[1]]);
    assert_eq!(out(&done), "");
    assert_eq!(done.status.code(), Some(0));
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(
        error.contains("0 changed, 0 new, 0 gone, 2 unchanged"),
        "{error}"
    );
    // The store itself as the tree: the hash is in the path of the file.
    for (side, hash) in HASH.iter().enumerate() {
        let name = format!("stores/{side}/{hash}-x/lib/libx.so");
        library(&tree, &name, |_| ());
    }
    assert_eq!(out(&diff(&tree, &["stores/0", "stores/1"])), "");
}

#[test]
fn each_topic_has_its_line_and_a_loss_is_worse() {
    let tree = Tree::new();
    library(&tree, "a/lib/libmain.so.1", |f| {
        f.needed = vec![b"libold.so.1".to_vec(), b"libboth.so.1".to_vec()];
        f.runpath = Some(b"$ORIGIN".to_vec());
    });
    library(&tree, "b/lib/libmain.so.1", |f| {
        f.needed = vec![b"libboth.so.1".to_vec(), b"libnew.so.1".to_vec()];
        f.runpath = Some(b"$ORIGIN/../other".to_vec());
    });
    library(&tree, "a/lib/libold.so.1", |_| ());
    library(&tree, "b/lib/libnew.so.1", |_| ());
    for side in ["a", "b"] {
        library(&tree, &format!("{side}/lib/libboth.so.1"), |_| ());
    }
    library(&tree, "a/lib/libv.so.1.2", |f| {
        f.soname = Some(b"libv.so.1".to_vec())
    });
    library(&tree, "b/lib/libv.so.2.0", |f| {
        f.soname = Some(b"libv.so.2".to_vec())
    });
    let done = diff(&tree, &["a", "b"]);
    assert_eq!(done.status.code(), Some(1));
    let text = out(&done);
    for line in [
        "changed lib/libmain.so.1\n",
        "  ~ loads loads -> does not load  worse\n",
        "  - RUNPATH $ORIGIN\n",
        "  + RUNPATH $ORIGIN/../other\n",
        "  - needed libold.so.1\n",
        "  + needed libnew.so.1\n",
        "  - libboth.so.1 is found no more  worse\n",
        "renamed lib/libv.so.1.2 -> lib/libv.so.2.0\n",
        "  ~ soname libv.so.1 -> libv.so.2\n",
        "new lib/libnew.so.1, ",
        "gone lib/libold.so.1, ",
        "new error[needed-not-found] lib/libmain.so.1: ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // The other way round everything gets better.
    let back = diff(&tree, &["b", "a"]);
    assert_eq!(back.status.code(), Some(0), "{}", out(&back));
    assert!(out(&back).contains("  + libboth.so.1 is found now\n"));
    assert!(out(&back).contains("gone error[needed-not-found]"));
    let accept = ["--accept", "loads,not-found,findings", "a", "b"];
    assert_eq!(diff(&tree, &accept).status.code(), Some(0));
}

#[test]
fn json_and_markdown_say_the_same() {
    let tree = Tree::new();
    library(&tree, "a/lib|b`<i>.so", |f| {
        f.runpath = Some(b"$ORIGIN".to_vec())
    });
    library(&tree, "b/lib|b`<i>.so", |f| {
        f.needed = vec![b"lib<b>x.so".to_vec()]
    });
    let done = diff(&tree, &["--format", "json", "a", "b"]);
    let lines: Vec<serde_json::Value> = out(&done)
        .lines()
        .map(|line| crate::support::schema::parsed(line))
        .collect();
    assert!(lines.iter().all(|l| l["schema"] == "cuda-fixup.diff/1"));
    assert_eq!(lines[0]["file"], "changed");
    assert_eq!(lines[0]["after"], "lib|b`<i>.so");
    let changes = lines[0]["changes"].as_array().unwrap();
    assert!(
        changes
            .iter()
            .any(|c| c["topic"] == "needed" && c["after"] == "lib<b>x.so")
    );
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!(summary["unchanged"], 0);
    assert!(summary["worse"].as_u64().unwrap() > 0);
    let done = diff(&tree, &["--format", "markdown", "a", "b"]);
    assert_eq!(done.status.code(), Some(1));
    let text = out(&done);
    assert!(
        text.contains("<code>lib&#124;b&#96;&#60;i&#62;.so</code>"),
        "{text}"
    );
    let tags = text
        .replace("<code>", "")
        .replace("</code>", "")
        .replace("<br>", "");
    assert!(!tags.contains('<') && !tags.contains('`'), "{tags}");
}

#[test]
fn a_tree_that_is_not_there_is_an_error() {
    let tree = Tree::new();
    library(&tree, "a/libx.so", |_| ());
    let done = diff(&tree, &["a", "none"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("none: cannot be read"));
}
