//! `report`: the page as a file. tests/cli/report_browser.rs opens it in a browser.

use crate::support::trees::{Tree, X86_64};
use base64::Engine;
use elf_fixtures::Minimal;
use std::fs;
use std::io::Read;
use std::process::{Command, Output};

pub fn library(tree: &Tree, name: &str, needed: &[&str], runpath: &str) {
    let mut file = Minimal::new(X86_64);
    file.soname = name.rsplit('/').next().map(|name| name.as_bytes().to_vec());
    file.needed = needed.iter().map(|name| name.as_bytes().to_vec()).collect();
    file.runpath = (!runpath.is_empty()).then(|| runpath.as_bytes().to_vec());
    fs::write(tree.at(name), file.bytes()).unwrap();
}

pub fn report(tree: &Tree, args: &[&str]) -> Output {
    Command::new(crate::support::BINARY)
        .arg("report")
        .args(args)
        .current_dir(tree.root())
        .output()
        .unwrap()
}

/// The page of a tree, which must have no error.
#[track_caller]
pub fn page(tree: &Tree, args: &[&str]) -> String {
    crate::support::succeeded(&report(
        tree,
        &[args, &["--output", "report.html"]].concat(),
    ));
    fs::read_to_string(tree.at("report.html")).unwrap()
}

/// The page's data.
pub fn data(page: &str) -> serde_json::Value {
    let at = page.find("id=\"data\"").unwrap();
    let (head, rest) = page[at..].split_once('>').unwrap();
    let text = rest.split("</script>").next().unwrap();
    if head.contains("data-form=\"json\"") {
        return crate::support::schema::parsed(text);
    }
    let packed = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap();
    let mut json = String::new();
    let mut unpacked = flate2::read::GzDecoder::new(&packed[..]);
    unpacked.read_to_string(&mut json).unwrap();
    crate::support::schema::parsed(&json)
}

pub const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// A tree whose names, sonames and RUNPATHs are markup.
pub fn hostile() -> Tree {
    let tree = Tree::new();
    let end = "<script>alert(2)<\\script>";
    library(
        &tree,
        &format!("t/{MARKUP}.so"),
        &[end, "\"'&amp;--><!--.so"],
        &format!("/{end}:{MARKUP}"),
    );
    library(&tree, &format!("t/{MARKUP}.so.1"), &[], "");
    library(
        &tree,
        &format!("t/b/{MARKUP}.so.1"),
        &[&format!("{MARKUP}.so.1")],
        "$ORIGIN",
    );
    library(&tree, "t/\u{202e}rtl\n\x1b[31m.so", &[], "");
    tree
}

#[test]
fn markup_in_names_sonames_and_runpaths_is_text() {
    let tree = hostile();
    let text = page(&tree, &["t", "--before", "t/b"]);
    assert!(!text.contains("<img"), "markup of a name is in the page");
    assert_eq!(text.matches("<script").count(), 2);
    assert_eq!(text.matches("</script>").count(), 2);
    assert!(!text.contains("<!--") && !text.contains('\x1b'));
    let data = data(&text);
    let files = data["files"].as_array().unwrap();
    assert_eq!(files.len(), 4);
    assert!(files.iter().any(|file| file["p"] == format!("{MARKUP}.so")));
    assert!(files.iter().any(|file| file["r"][1]["e"] == MARKUP));
    // The text of the duplicates' table.
    assert!(text.contains("&lt;img src=x onerror=alert(1)&gt;"));
}

#[test]
fn the_page_fetches_nothing_and_runs_its_own_script_only() {
    let tree = hostile();
    let text = page(&tree, &["t"]);
    let policy = text
        .split("Content-Security-Policy\" content=\"")
        .nth(1)
        .unwrap();
    let policy = policy.split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains("script-src 'sha256-"), "{policy}");
    for forbidden in [
        "src=\"",
        "@import",
        "url(",
        "innerHTML",
        "fetch(",
        "XMLHttpRequest",
    ] {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    let links = text.match_indices("href=\"");
    for (at, _) in links {
        assert!(text[at..].starts_with("href=\"#"), "{}", &text[at..at + 40]);
    }
}

#[test]
fn the_page_has_all_facts_and_is_the_same_at_any_number_of_threads() {
    let tree = Tree::new();
    library(
        &tree,
        "t/lib/liba.so.1",
        &["libb.so.1", "libcuda.so.1", "libgone.so.1"],
        "$ORIGIN",
    );
    library(&tree, "t/lib/libb.so.1", &[], "/run/opengl-driver/lib");
    library(&tree, "t/other/libb.so.1", &[], "");
    let one = page(&tree, &["t", "-j", "1"]);
    assert_eq!(one, page(&tree, &["t", "-j", "4"]));
    let data = data(&one);
    let nodes = data["nodes"].as_array().unwrap();
    let kinds: Vec<_> = nodes.iter().map(|node| node[0].as_str().unwrap()).collect();
    assert_eq!(kinds, ["file", "file", "file", "driver", "missing"]);
    let trails = data["edges"].as_array().unwrap();
    let missing = trails.iter().find(|edge| edge[1] == 4).unwrap();
    assert!(missing[5].as_array().unwrap().len() > 2, "{missing}");
    let entry = &data["files"][1]["r"][0];
    assert_eq!(entry["w"], "the driver's libraries on NixOS");
    assert_eq!(entry["m"].as_array().unwrap().len(), 0, "{entry}");
    let findings = data["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|f| f["c"] == "needed-not-found" && f["s"] == "error")
    );
    assert!(
        data["rules"]["needed-not-found"]
            .as_str()
            .unwrap()
            .contains("## Fix")
    );
    assert!(one.contains("Several files of one library") && one.contains("<td>libb</td>"));
    assert!(!one.contains("id=\"changes\""));
    let compared = page(&tree, &["t", "--before", "t/lib"]);
    assert!(compared.contains("id=\"changes\""));
    assert!(compared.contains("renamed"));
}

#[test]
fn exceptions_of_the_package_count() {
    let tree = Tree::new();
    library(&tree, "t/liba.so.1", &["libgone.so.1"], "");
    let exception = "[[exception]]\ncode = \"needed-not-found\"\npath = \"liba.so.1\"\nreason = \"the user's own\"\n";
    fs::write(tree.at("cuda-fixup.toml"), exception).unwrap();
    let codes = data(&page(&tree, &["t"]))["findings"].to_string();
    assert!(!codes.contains("needed-not-found"), "{codes}");
}

#[test]
fn a_page_replaces_the_old_one_whole_or_not_at_all() {
    let tree = Tree::new();
    library(&tree, "t/liba.so.1", &[], "");
    fs::write(tree.at("report.html"), "old").unwrap();
    let done = report(&tree, &["none", "--output", "report.html"]);
    assert_eq!(done.status.code(), Some(2));
    let failed = report(&tree, &["t", "--output", "no/such/dir.html"]);
    assert_eq!(failed.status.code(), Some(2));
    let error = String::from_utf8_lossy(&failed.stderr);
    assert!(
        error.contains("no/such/dir.html: cannot be written"),
        "{error}"
    );
    let printed = report(&tree, &["t", "--output", "-"]);
    assert!(printed.stdout.starts_with(b"<!DOCTYPE html>"));
}

/// As many files as a large package has, with the names and links of real ones.
pub fn large(files: usize) -> Tree {
    let tree = Tree::new();
    for at in 0..files {
        let (package, near) = (at / 50, at / 50 * 50);
        let needed: Vec<String> = (0..6)
            .map(|n| format!("libpart{}.so.1", near + (at * 7 + n * 11) % 50))
            .chain(["libc.so.6", "libm.so.6"].map(str::to_owned))
            .chain((at % 10 == 0).then(|| format!("libabsent{}.so.2", at % 70)))
            .collect();
        let needed: Vec<&str> = needed.iter().map(String::as_str).collect();
        let name = format!("t/lib/python3.13/site-packages/package{package}/lib/libpart{at}.so.1");
        library(&tree, &name, &needed, "$ORIGIN:$ORIGIN/../../common/lib");
    }
    tree
}

#[test]
fn a_page_of_5000_files_has_under_2_mb() {
    let tree = large(5000);
    let text = page(&tree, &["t"]);
    assert!(text.len() < 2_000_000, "{} bytes", text.len());
    assert!(text.contains("data-form=\"gzip\""));
    assert_eq!(data(&text)["files"].as_array().unwrap().len(), 5000);
}
