//! The page of `report` in a real browser: Chromium without a window.

use crate::report::{MARKUP, hostile, large, library, page};
use crate::support::browser::Browser;
use crate::support::{self, trees::Tree};
use std::fs;

/// Runs a script in the page of a tree. The page must log nothing, and show no value of JavaScript
/// that is no text.
fn used(tree: &Tree, script: &str) -> serde_json::Value {
    let mut browser = Browser::open(&tree.at("report.html"), 1280, 900);
    let result = browser.run(&format!("{STEPS}\n{script}"));
    let odd = r##"
        for (const id of ["changes", "findings", "libraries", "device-code", "runpaths", "duplicates", "closure", "files"]) await go(id);
        for (const id of ["findings-search", "runpaths-search", "files-search"]) type(id, "");
        for (const details of document.querySelectorAll("details")) details.open = true;
        await wait(200);
        return document.body.innerText.split("\n").filter((line) => /\[object |undefined|NaN/.test(line));"##;
    assert_eq!(
        browser.run(&format!("{STEPS}\n{odd}")),
        serde_json::json!([])
    );
    assert_eq!(browser.console, Vec::<String>::new());
    result
}

/// Steps of a user.
const STEPS: &str = r##"
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const type = (id, text) => { const input = document.getElementById(id); input.value = text; input.dispatchEvent(new Event("input")); };
const tick = (id, on) => { const box = document.getElementById(id); if (box.checked !== on) box.click(); };
const go = async (id) => { const section = document.getElementById(id); if (section) { section.scrollIntoView(); await wait(300); } };
const rows = (id) => document.getElementById(id).childElementCount;
const boxes = () => [...document.querySelectorAll("#graph-canvas .node")].map((node) => node.getAttribute("aria-label"));
while (!document.documentElement.dataset.ready) await wait(20);
"##;

#[test]
fn search_fold_and_filter() {
    let tree = Tree::new();
    for at in 0..30 {
        let next = format!("libx{}.so.1", at + 1);
        library(
            &tree,
            &format!("t/x/lib/libx{at}.so.1"),
            &[&next],
            "$ORIGIN",
        );
        library(
            &tree,
            &format!("t/y/lib/liby{at}.so.1"),
            &["libx3.so.1", "libcuda.so.1"],
            "$ORIGIN/../../x/lib:/build/y",
        );
    }
    page(&tree, &["t"]);
    let result = used(
        &tree,
        r##"
        const out = {};
        await go("libraries");
        out.folded = boxes();
        document.getElementById("graph-expand").click(); out.open = boxes().length;
        document.getElementById("graph-collapse").click(); out.closed = boxes().length;
        const group = document.querySelector("#graph-canvas .group");
        group.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
        document.querySelector("#graph-canvas .group.chosen").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
        out.entered = boxes().length;
        type("graph-search", "liby7.so"); out.found = document.querySelectorAll("#graph-canvas .node.near").length;
        document.querySelector("#graph-panel button.link").click();
        out.panel = document.getElementById("graph-panel").textContent;
        const edge = [...document.querySelectorAll("#graph-canvas .edge")].find((edge) => edge.textContent.includes("libx31") || edge.classList.contains("bad"));
        edge.dispatchEvent(new MouseEvent("click", { bubbles: true }));
        out.trail = document.getElementById("graph-panel").textContent;
        await go("runpaths");
        out.entries = rows("runpaths-body");
        tick("runpaths-faults", true); out.faults = rows("runpaths-body");
        await go("files");
        out.files = rows("files-body");
        type("files-search", "libx1"); out.x1 = rows("files-body");
        await go("findings");
        tick("show-note", true); const all = document.getElementById("findings-count").textContent;
        type("findings-search", "libx30.so.1"); out.finding = document.getElementById("findings-list").textContent;
        tick("show-error", false); out.without = document.getElementById("findings-list").textContent;
        out.all = all;
        document.getElementById("theme").click(); document.getElementById("theme").click();
        out.theme = document.documentElement.dataset.theme;
        return out;"##,
    );
    let folded = result["folded"].to_string();
    assert!(
        folded.contains("group x/lib, 30 files") && folded.contains("libcuda.so.1, driver"),
        "{folded}"
    );
    assert!(folded.contains("libx30.so.1, missing"), "{folded}");
    assert_eq!(result["closed"], result["folded"].as_array().unwrap().len());
    assert_eq!(result["open"], 62);
    assert_eq!(result["entered"], result["closed"].as_u64().unwrap() + 29);
    assert_eq!(result["found"], 1);
    let panel = result["panel"].as_str().unwrap();
    assert!(
        panel.contains("found by RUNPATH") && panel.contains("of the driver"),
        "{panel}"
    );
    let trail = result["trail"].as_str().unwrap();
    assert!(
        trail.contains("no such file") && trail.contains("libx30.so.1"),
        "{trail}"
    );
    assert_eq!(result["entries"], 3);
    assert_eq!(result["faults"], 1);
    assert_eq!(result["files"], 60);
    assert_eq!(result["x1"], 11);
    assert!(
        result["finding"]
            .as_str()
            .unwrap()
            .contains("libx30.so.1 is not found"),
        "{result}"
    );
    assert!(
        !result["without"]
            .as_str()
            .unwrap()
            .contains("needed-not-found"),
        "{result}"
    );
    assert_eq!(result["theme"], "dark");
}

/// The sample tree of `demo`, as a newcomer's first page.
#[test]
fn the_page_of_the_demo() {
    let tree = Tree::new();
    assert_eq!(
        tree.run(&["demo", "--keep", "sample"]).status.code(),
        Some(0)
    );
    // `demo` mends it: this is the tree as it came.
    let done = tree.run(&["patchelf", "--remove-rpath", "sample/app/bin/train"]);
    support::succeeded(&done);
    page(&tree, &["sample"]);
    let result = used(
        &tree,
        r##"
        const out = {};
        await go("libraries");
        document.getElementById("graph-collapse").click(); out.closed = boxes().length;
        document.getElementById("graph-expand").click(); out.open = boxes();
        type("graph-search", "libmodel");
        document.querySelector("#graph-panel button.link").click();
        out.panel = document.getElementById("graph-panel").textContent;
        await go("files");
        out.files = rows("files-body");
        type("files-search", "cudart"); out.cudart = rows("files-body");
        await go("findings");
        const list = () => document.getElementById("findings-list").textContent;
        out.findings = list();
        tick("show-error", false); out.rest = list();
        tick("show-error", true); type("findings-search", "no such name"); out.none = list();
        return out;"##,
    );
    let open = result["open"].to_string();
    for name in ["train", "libmodel.so.1", "libcudart.so.13"] {
        assert!(open.contains(name), "{name}: {open}");
    }
    let boxes = result["open"].as_array().unwrap().len() as u64;
    assert!(result["closed"].as_u64().unwrap() <= boxes, "{result}");
    assert!(
        result["panel"]
            .as_str()
            .unwrap()
            .contains("libcudart.so.13"),
        "{result}"
    );
    assert_eq!(
        (&result["files"], &result["cudart"]),
        (&3.into(), &2.into())
    );
    let has = |key: &str| {
        result[key]
            .as_str()
            .unwrap()
            .contains("libmodel.so.1 is not found")
    };
    assert!(has("findings") && !has("rest") && !has("none"), "{result}");
}

#[test]
fn hostile_names_become_no_elements() {
    let tree = hostile();
    page(&tree, &["t", "--before", "t/b"]);
    let result = used(
        &tree,
        r##"
        for (const id of ["changes", "findings", "libraries", "device-code", "runpaths", "duplicates", "files"]) await go(id);
        tick("show-note", true);
        for (const details of document.querySelectorAll("details")) details.open = true;
        await wait(200);
        document.querySelectorAll("#graph-canvas .node").forEach((node) => node.dispatchEvent(new MouseEvent("click")));
        return { images: document.images.length, scripts: document.scripts.length, text: document.body.innerText };"##,
    );
    assert_eq!(result["images"], 0);
    // The data and the page's script.
    assert_eq!(result["scripts"], 2);
    assert!(result["text"].as_str().unwrap().contains(MARKUP));
}

#[test]
fn a_page_of_5000_files_is_painted_in_a_second() {
    let tree = large(5000);
    page(&tree, &["t"]);
    let mut browser = Browser::open(&tree.at("report.html"), 1280, 900);
    // Without a window, nothing is painted before it is asked for.
    assert!(!browser.picture().is_empty());
    let script = r##"
        const paint = performance.getEntriesByName("first-contentful-paint")[0];
        const loaded = performance.getEntriesByType("navigation")[0].loadEventEnd;
        const start = performance.now();
        await go("libraries");
        document.getElementById("graph-expand").click();
        return { paint: paint ? paint.startTime : loaded, graph: performance.now() - start, boxes: boxes().length };"##;
    let result = browser.run(&format!("{STEPS}\n{script}"));
    assert_eq!(browser.console, Vec::<String>::new());
    assert!(result["paint"].as_f64().unwrap() < 1000.0, "{result}");
    assert!(result["graph"].as_f64().unwrap() < 5000.0, "{result}");
    assert!(result["boxes"].as_u64().unwrap() <= 260, "{result}");
}

/// PyTorch's tree, which only `./test --long` has.
#[test]
fn the_page_of_pytorch() {
    if !support::long() {
        return;
    }
    let tree = Tree::new();
    let torch = support::wheels().join("torch-2.15.0");
    let text = page(&tree, &[torch.to_str().unwrap()]);
    assert!(text.len() < 2_000_000, "{} bytes", text.len());
    let result = used(
        &tree,
        r##"
        await go("device-code");
        document.querySelector("#heat-head input").click();
        const saving = document.getElementById("heat-saving").textContent, rows_ = rows("heat-body");
        await go("libraries");
        type("graph-search", "libtorch_cuda.so");
        document.querySelector("#graph-panel button.link").click();
        return { saving, rows: rows_, panel: document.getElementById("graph-panel").textContent };"##,
    );
    assert!(
        result["saving"]
            .as_str()
            .unwrap()
            .contains("of all device code"),
        "{result}"
    );
    assert!(result["rows"].as_u64().unwrap() > 20, "{result}");
    assert!(
        result["panel"]
            .as_str()
            .unwrap()
            .contains("libcudart.so.13"),
        "{result}"
    );
}

/// The pictures of docs/report.md and README.md: `CUDA_FIXUP_BLESS=1 ./test --long` makes them of
/// PyTorch's tree, anew.
#[test]
fn pictures_for_the_documentation() {
    if !support::long() || std::env::var_os("CUDA_FIXUP_BLESS").is_none() {
        return;
    }
    let tree = Tree::new();
    let torch = support::wheels().join("torch-2.15.0");
    page(&tree, &[torch.to_str().unwrap()]);
    let mut browser = Browser::open(&tree.at("report.html"), 1280, 800);
    let pictures = [
        ("report-light", "light", ""),
        ("report-dark", "dark", ""),
        (
            "report-graph-light",
            "light",
            r##"await go("libraries"); type("graph-search", "libtorch_cuda.so"); document.querySelector("#graph-panel button.link").click(); document.getElementById("libraries").scrollIntoView();"##,
        ),
        (
            "report-device-code-dark",
            "dark",
            r##"await go("device-code"); document.querySelectorAll("#heat-head input")[6].click(); await go("device-code");"##,
        ),
    ];
    for (name, scheme, script) in pictures {
        browser.media(scheme);
        browser.run(&format!("{STEPS}\n{script}\nawait wait(300);"));
        let file = support::root().join(format!("docs/images/{name}.png"));
        fs::write(file, browser.picture()).unwrap();
    }
}
