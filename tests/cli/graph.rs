//! The library graph: `inspect --graph`, and `inspect --tree` of a directory.

use crate::support::trees::{Tree, X86_64};
use elf_fixtures::Minimal;
use std::fs;
use std::process::Command;

fn library(tree: &Tree, name: &str, needed: &[&str]) {
    let mut file = Minimal::new(X86_64);
    file.soname = name.rsplit('/').next().map(|name| name.as_bytes().to_vec());
    file.needed = needed.iter().map(|name| name.as_bytes().to_vec()).collect();
    file.runpath = Some(b"$ORIGIN".to_vec());
    fs::write(tree.at(name), file.bytes()).unwrap();
}

fn inspect(tree: &Tree, args: &[&str]) -> String {
    let done = Command::new(crate::support::BINARY)
        .arg("inspect")
        .args(args)
        .current_dir(tree.root())
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    String::from_utf8(done.stdout).unwrap()
}

fn sample() -> Tree {
    let tree = Tree::new();
    library(&tree, "t/a.so", &["libbase.so.1", "libcuda.so.1"]);
    library(&tree, "t/b.so", &["libbase.so.1", "libcuda.so.1"]);
    library(&tree, "t/libbase.so.1", &["libloop.so.1", "libgone.so.1"]);
    library(&tree, "t/libloop.so.1", &["libbase.so.1"]);
    tree
}

#[test]
fn a_directory_is_one_tree_in_which_each_file_is_expanded_once() {
    let tree = sample();
    let text = inspect(&tree, &["--tree", "t"]);
    assert!(text.contains("t/a.so, b.so\n"), "{text}");
    assert_eq!(text.matches("libgone.so.1 not found").count(), 1, "{text}");
    assert!(text.contains("libcuda.so.1 of the driver"), "{text}");
    assert!(text.contains("t/libbase.so.1 (loaded) above"), "{text}");
    // Two files that need each other and nothing else does.
    let circle = Tree::new();
    library(&circle, "t/libx.so", &["liby.so"]);
    library(&circle, "t/liby.so", &["libx.so"]);
    let text = inspect(&circle, &["--tree", "t"]);
    assert_eq!(
        text,
        "t/libx.so\n└── t/liby.so (RUNPATH)\n    └── t/libx.so (RUNPATH) above\n"
    );
}

#[test]
fn the_graph_is_the_same_at_any_number_of_threads() {
    let tree = sample();
    for format in ["dot", "mermaid", "json"] {
        let one = inspect(&tree, &["--graph", format, "-j", "1", "t"]);
        let four = inspect(&tree, &["--graph", format, "-j", "4", "t"]);
        assert_eq!(one, four);
    }
    let json = inspect(&tree, &["--graph", "json", "t"]);
    let graph: serde_json::Value = crate::support::schema::parsed(&json);
    assert_eq!(graph["schema"], "cuda-fixup.graph/1");
    let nodes = graph["nodes"].as_array().unwrap();
    let find = |path: &str| nodes.iter().position(|node| node["path"] == path).unwrap();
    let missing = find("libgone.so.1");
    assert_eq!(nodes[missing]["kind"], "missing");
    assert_eq!(nodes[find("libcuda.so.1")]["kind"], "driver");
    let edges = graph["edges"].as_array().unwrap();
    let edge = edges.iter().find(|edge| edge["to"] == missing).unwrap();
    assert_eq!(edge["from"], find("t/libbase.so.1"));
    assert!(edge["trail"][0].as_str().unwrap().starts_with("RUNPATH /"));
}

#[test]
fn hostile_names_are_text_in_graphs() {
    let tree = Tree::new();
    library(&tree, "t/a\"];x->y;<b>\n.so", &["lib\"]-->z.so"]);
    let dot = inspect(&tree, &["--graph", "dot", "t"]);
    assert!(dot.contains(r#"label="t/a\"];x->y;<b>\\x0a.so""#), "{dot}");
    let mermaid = inspect(&tree, &["--graph", "mermaid", "t"]);
    assert!(mermaid.contains("lib#34;#93;--#62;z.so"), "{mermaid}");
    assert!(!mermaid.contains("<b>"), "{mermaid}");
}
