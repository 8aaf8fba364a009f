//! `cuda-fixup redist` as a user calls it.

use crate::support::{BINARY, root};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn redist(args: &[&str]) -> Output {
    Command::new(BINARY)
        .arg("redist")
        .args(args)
        .env_remove("CUDA_FIXUP_MANIFESTS")
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The committed manifests.
fn committed() -> PathBuf {
    root().join("nix/cuda-packages/manifests")
}

const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A whole manifest of NVIDIA's shape with one package.
pub fn good() -> Value {
    json!({
        "release_date": "2026-01-02",
        "release_label": "9.20.0",
        "release_product": "cudnn",
        "cudnn": {
            "name": "NVIDIA CUDA Deep Neural Network library",
            "license": "cudnn",
            "license_path": "cudnn/LICENSE.txt",
            "version": "9.20.0.1",
            "cuda_variant": ["13", "12"],
            "linux-x86_64": {
                "cuda13": archive("x86_64-13"),
                "cuda12": archive("x86_64-12"),
            },
            "windows-x86_64": { "cuda13": archive("windows") },
        },
    })
}

fn archive(name: &str) -> Value {
    json!({ "relative_path": format!("cudnn/{name}.tar.xz"), "sha256": HASH, "md5": &HASH[..32], "size": "12" })
}

/// Sets the value at a path of keys, or takes the key out.
pub fn set(manifest: &mut Value, path: &str, value: Option<Value>) {
    let (at, key) = path.rsplit_once('/').unwrap();
    let object = manifest.pointer_mut(at).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(key.to_owned(), value),
        None => object.remove(key),
    };
}

/// `redist index` of a manifest with one change, in a file `redistrib_9.20.0.json`.
fn index(path: &str, value: Option<Value>, more: &[&str]) -> Output {
    let mut manifest = good();
    set(&mut manifest, path, value);
    index_text(&manifest.to_string(), more)
}

fn index_text(text: &str, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("redistrib_9.20.0.json");
    fs::write(&file, text).unwrap();
    redist(&[&["index", file.to_str().unwrap()], more].concat())
}

#[test]
fn a_manifest_becomes_sorted_facts_an_archive_a_line() {
    let output = index_text(&good().to_string(), &["--strict"]);
    assert_eq!(err(&output), "");
    let line =
        |name: &str| format!(r#"{{"sha256":"{HASH}","size":12,"path":"cudnn/{name}.tar.xz"}}"#);
    let expected = format!(
        r#"{{"schema":"cuda-fixup.manifest/1","releases":[
{{"product":"cudnn","version":"9.20.0","date":"2026-01-02","packages":{{
"cudnn":{{"version":"9.20.0.1","name":"NVIDIA CUDA Deep Neural Network library","license":"cudnn","cuda":["12","13"],"archives":{{
"linux-x86_64/cuda12":{},
"linux-x86_64/cuda13":{}}}}}
}}}}
]}}
"#,
        line("x86_64-12"),
        line("x86_64-13")
    );
    assert_eq!(out(&output), expected);
}

#[test]
fn all_shapes_of_the_data_are_read() {
    // Without a label, a product and a licence's path; the version of the product in its name; a
    // direct archive beside one for CUDA 13; .tar.zst; Windows on arm64.
    for (path, value) in [
        ("/release_label", None),
        ("/release_product", None),
        ("/release_product", Some(json!("cudnn-v9-20"))),
        ("/release_date", None),
        ("/cudnn/license_path", None),
        ("/cudnn/cuda_variant", None),
        ("/cudnn/version", Some(json!("9.20"))),
        ("/cudnn/linux-sbsa", Some(archive("sbsa"))),
        ("/cudnn/windows-arm64", Some(archive("arm64"))),
        ("/cudnn/linux-x86_64/cuda13/size", Some(json!(12))),
        ("/cudnn/linux-x86_64/cuda13/md5", None),
        (
            "/cudnn/linux-x86_64/cuda13/relative_path",
            Some(json!("a/b.tar.zst")),
        ),
    ] {
        let output = index(path, value, &["--strict"]);
        assert_eq!(
            (output.status.code(), err(&output).as_str()),
            (Some(0), ""),
            "{path}"
        );
        let made: Value = crate::support::schema::parsed(&output.stdout);
        assert_eq!(made["releases"][0]["product"], "cudnn", "{path}");
        assert_eq!(made["releases"][0]["version"], "9.20.0", "{path}");
        assert!(!out(&output).contains("windows"), "{path}");
    }
    let mut both = good();
    let direct = archive("direct");
    for (key, value) in direct.as_object().unwrap() {
        set(
            &mut both,
            &format!("/cudnn/linux-x86_64/{key}"),
            Some(value.clone()),
        );
    }
    let made: Value = crate::support::schema::parsed(&index_text(&both.to_string(), &[]).stdout);
    let archives = &made["releases"][0]["packages"]["cudnn"]["archives"];
    let keys: Vec<_> = archives.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["linux-x86_64", "linux-x86_64/cuda12", "linux-x86_64/cuda13"]
    );
}

#[test]
fn an_error_names_the_file_the_key_and_both_values() {
    let x86 = "/cudnn/linux-x86_64/cuda13";
    let cases: [(&str, Option<Value>, &str); 19] = [
        (
            &format!("{x86}/sha256"),
            Some(json!("0123")),
            "cudnn.linux-x86_64.cuda13.sha256: expected 64 lower-case hexadecimal digits, found `0123`",
        ),
        (
            &format!("{x86}/sha256"),
            Some(json!(HASH.to_uppercase())),
            "cudnn.linux-x86_64.cuda13.sha256: expected 64 lower-case",
        ),
        (
            &format!("{x86}/sha256"),
            None,
            "cudnn.linux-x86_64.cuda13.sha256: expected 64 lower-case hexadecimal digits, found nothing",
        ),
        (
            &format!("{x86}/md5"),
            Some(json!("xyz")),
            "cudnn.linux-x86_64.cuda13.md5: expected 32 lower-case hexadecimal digits, found `xyz`",
        ),
        (
            &format!("{x86}/size"),
            Some(json!("0")),
            "cudnn.linux-x86_64.cuda13.size: expected a number of bytes, found `0`",
        ),
        (
            &format!("{x86}/size"),
            Some(json!(-1)),
            "size: expected a number of bytes, found the number -1",
        ),
        (
            &format!("{x86}/size"),
            Some(json!("12k")),
            "size: expected a number of bytes, found `12k`",
        ),
        (
            &format!("{x86}/size"),
            Some(json!("99999999999999999999")),
            "size: expected a number of bytes, found `99999999999999999999`",
        ),
        (
            &format!("{x86}/relative_path"),
            Some(json!("../a.tar.xz")),
            "relative_path: expected a relative path without `..`, found `../a.tar.xz`",
        ),
        (
            &format!("{x86}/relative_path"),
            Some(json!("/a.tar.xz")),
            "found `/a.tar.xz`",
        ),
        (
            &format!("{x86}/relative_path"),
            Some(json!("a b.tar.xz")),
            "found `a b.tar.xz`",
        ),
        (
            x86,
            Some(json!({})),
            "cudnn.linux-x86_64.cuda13.relative_path: expected a relative path without `..`, found nothing",
        ),
        (
            "/cudnn/linux-x86_64",
            Some(json!({ "gpu7": archive("a") })),
            "cudnn.linux-x86_64.gpu7: expected `cuda` and a major version, such as `cuda13`, found `gpu7`",
        ),
        (
            "/cudnn/version",
            None,
            "cudnn.version: expected a version such as 12.4.1, found nothing",
        ),
        (
            "/cudnn/license",
            Some(json!(3)),
            "cudnn.license: expected a text, found the number 3",
        ),
        (
            "/cudnn/cuda_variant",
            Some(json!("12")),
            "cudnn.cuda_variant: expected a list of CUDA's major versions, such as [\"12\", \"13\"], found `12`",
        ),
        (
            "/release_label",
            Some(json!("../9")),
            "release_label: expected a version such as 12.4.1, found `../9`",
        ),
        (
            "/a b",
            Some(good()["cudnn"].clone()),
            "a b: expected a name of letters, digits, `_`, `-` and `.`, found `a b`",
        ),
        ("/cudnn", None, "expected at least one package, found none"),
    ];
    for (path, value, says) in cases {
        let output = index(path, value, &[]);
        assert_eq!(output.status.code(), Some(2), "{path}");
        assert_eq!(out(&output), "", "{path}: nothing is written");
        let err = err(&output);
        assert!(
            err.starts_with("error: ") && err.contains("/redistrib_9.20.0.json: "),
            "{err}"
        );
        assert!(err.contains(says), "{path}: no `{says}` in\n{err}");
        assert!(err.contains("\n  help: "), "{err}");
    }
}

#[test]
fn what_is_unknown_is_a_warning_and_with_strict_an_error() {
    let cases = [
        (
            "/release_channel",
            json!("beta"),
            "release_channel: expected a package, which is an object, found `beta`",
        ),
        (
            "/cudnn/changelog",
            json!("x"),
            "cudnn.changelog: expected a system, which is an object, found `x`",
        ),
        (
            "/cudnn/linux-x86_64/cuda13/sha512",
            json!("x"),
            "cudnn.linux-x86_64.cuda13.sha512: expected a key that is known, found `x`",
        ),
        (
            "/cudnn/linux-riscv64",
            archive("riscv"),
            "cudnn.linux-riscv64: expected a system that sets are made for, found `linux-riscv64`",
        ),
        (
            "/cudnn/license",
            json!("cuDNN 2030"),
            "cudnn.license: expected a licence that nixpkgs has a name for, found `cuDNN 2030`",
        ),
        (
            "/cudnn/linux-x86_64/cuda13/relative_path",
            json!("a/b.run"),
            "expected an archive of a known kind, found `a/b.run`",
        ),
    ];
    for (path, value, says) in cases {
        let output = index(path, Some(value.clone()), &[]);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(
            said.starts_with("warning: ") && said.contains(says),
            "{said}"
        );
        assert!(out(&output).contains("cuda-fixup.manifest/1"));
        let strict = index(path, Some(value), &["--strict", "--json"]);
        assert_eq!((strict.status.code(), out(&strict).as_str()), (Some(2), ""));
        let problem: Value = crate::support::schema::parsed(&err(&strict));
        assert_eq!(problem["severity"], "error");
        assert!(
            problem["key"].is_string() && problem["help"].is_string(),
            "{problem}"
        );
    }
}

#[test]
fn texts_that_are_no_manifest() {
    let whole = good().to_string();
    let twice = whole.replacen("\"version\"", "\"license\":\"MIT\",\"version\"", 1);
    let deep = "[".repeat(100_000);
    for (text, says) in [
        ("", "expected a JSON document, found EOF while parsing"),
        (&whole[..whole.len() / 2], "help: the file is cut short"),
        ("[]", "expected an object, found a list"),
        ("{}", "expected at least one package, found none"),
        (&twice, "the key `license` occurs twice in one object"),
        (&deep, "recursion limit exceeded"),
        (
            "{\"schema\":\"cuda-fixup.manifest/9\"}",
            "schema: expected `cuda-fixup.manifest/1`",
        ),
        (
            "{\"schema\":\"cuda-fixup.manifest/1\"}",
            "releases: expected a list of releases, found nothing",
        ),
        (
            "{\"a\":{}}",
            "release_product: expected the product's name, found nothing, and packages of no known product",
        ),
    ] {
        let output = index_text(text, &[]);
        let err = err(&output);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(says), "no `{says}` in\n{err}");
    }
    let missing = redist(&["index", "/no/such/redistrib_1.json"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        err(&missing)
            .contains("/no/such/redistrib_1.json: expected a manifest, found No such file")
    );
}

/// Two files, joined.
fn joined(change: impl FnOnce(&mut Value)) -> (Output, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut second = good();
    change(&mut second);
    let files = ["a", "b"].map(|name| {
        let parent = dir.path().join(name);
        fs::create_dir(&parent).unwrap();
        parent.join("redistrib_9.20.0.json")
    });
    fs::write(&files[0], good().to_string()).unwrap();
    fs::write(&files[1], second.to_string()).unwrap();
    (redist(&["index", dir.path().to_str().unwrap()]), dir)
}

#[test]
fn what_either_file_has_is_kept_and_one_archive_with_two_hashes_names_both() {
    let (output, _) = joined(|second| {
        set(second, "/cudnn/linux-sbsa", Some(archive("sbsa")));
        set(second, "/cudnn/linux-x86_64/cuda12", None);
    });
    assert_eq!(err(&output), "");
    for kept in ["linux-x86_64/cuda12", "linux-x86_64/cuda13", "linux-sbsa"] {
        assert!(out(&output).contains(kept), "{kept}");
    }
    let other = HASH.replace('0', "f");
    let cases: [(&str, Value, &str); 4] = [
        (
            "/cudnn/linux-x86_64/cuda13/sha256",
            json!(other),
            "cudnn.linux-x86_64/cuda13.sha256: expected 0123456789",
        ),
        (
            "/cudnn/linux-x86_64/cuda13/size",
            json!("13"),
            "cudnn.linux-x86_64/cuda13.size: expected 12, as ",
        ),
        (
            "/cudnn/linux-x86_64/cuda13/relative_path",
            json!("other.tar.xz"),
            "cudnn.linux-x86_64/cuda13: expected cudnn/x86_64-13.tar.xz",
        ),
        (
            "/cudnn/version",
            json!("9.20.0.2"),
            "cudnn.version: expected 9.20.0.1, as ",
        ),
    ];
    for (path, value, says) in cases {
        let (output, dir) = joined(|second| set(second, path, Some(value)));
        let err = err(&output);
        assert_eq!(
            (output.status.code(), out(&output).as_str()),
            (Some(2), ""),
            "{err}"
        );
        assert!(err.contains(says), "no `{says}` in\n{err}");
        for name in ["a", "b"] {
            let file = dir.path().join(name).join("redistrib_9.20.0.json");
            assert!(err.contains(file.to_str().unwrap()), "{err}");
        }
    }
}

#[test]
fn a_difference_is_told_as_came_went_changed_or_republished() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, manifest: &Value| {
        let file = dir.path().join(name);
        fs::write(&file, manifest.to_string()).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let a = write("redistrib_9.20.0.json", &good());
    let same = redist(&["diff", &a, &a]);
    assert_eq!((same.status.code(), out(&same).as_str()), (Some(0), ""));

    let mut changed = good();
    let other = HASH.replace('0', "f");
    set(
        &mut changed,
        "/cudnn/linux-x86_64/cuda13/sha256",
        Some(json!(other)),
    );
    set(&mut changed, "/cudnn/linux-x86_64/cuda12", None);
    set(&mut changed, "/cudnn/linux-sbsa", Some(archive("sbsa")));
    let mut jit = good()["cudnn"].take();
    jit["linux-x86_64"] = archive("jit");
    set(&mut changed, "/cudnn_jit", Some(jit));
    let b = write("b.json", &changed);
    let output = redist(&["diff", &a, &b]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        out(&output),
        format!(
            "came        cudnn 9.20.0 cudnn linux-sbsa cudnn/sbsa.tar.xz\n\
             went        cudnn 9.20.0 cudnn linux-x86_64/cuda12 cudnn/x86_64-12.tar.xz\n\
             republished cudnn 9.20.0 cudnn linux-x86_64/cuda13 sha256: {HASH} -> {other}\n\
             came        cudnn 9.20.0 cudnn_jit 9.20.0.1\n"
        )
    );
    let mut newer = good();
    set(&mut newer, "/release_label", Some(json!("9.21.0")));
    set(&mut newer, "/cudnn/version", Some(json!("9.21.0.7")));
    let c = write("redistrib_9.21.0.json", &newer);
    let lines = out(&redist(&["diff", "--json", &a, &c]));
    let line: Value = crate::support::schema::parsed(&lines);
    assert_eq!(
        line,
        json!({
            "schema": "cuda-fixup.redist/1", "change": "changed", "product": "cudnn",
            "release": ["9.20.0", "9.21.0"], "package": "cudnn", "what": "version",
            "from": "9.20.0.1", "to": "9.21.0.7",
        })
    );
    // Directories are compared release by release.
    let old = dir.path().join("old");
    fs::create_dir(&old).unwrap();
    fs::copy(&a, old.join("redistrib_9.20.0.json")).unwrap();
    fs::remove_file(&b).unwrap();
    let whole = redist(&["diff", old.to_str().unwrap(), dir.path().to_str().unwrap()]);
    assert_eq!(out(&whole), "came        cudnn 9.21.0\n");
}

#[test]
fn addresses_of_entries() {
    let from = committed();
    let url = |entry: &str| redist(&["url", entry, "--from", from.to_str().unwrap()]);
    let base = "https://developer.download.nvidia.com/compute";
    assert_eq!(
        out(&url("cudnn@8.9.7/linux-x86_64/cuda12")),
        format!(
            "{base}/cudnn/redist/cudnn/linux-x86_64/cudnn-linux-x86_64-8.9.7.29_cuda12-archive.tar.xz\n"
        )
    );
    // The newest is 9.14, not 9.9.
    assert!(out(&url("cudnn/linux-sbsa/cuda13")).contains("-9.14.0.64_cuda13-"));
    assert!(out(&url("tensorrt@10.14")).starts_with(&format!("{base}/machine-learning/tensorrt/")));
    assert_eq!(out(&url("cuda_cudart@11.8")).lines().count(), 4);
    for (entry, says) in [
        (
            "cudn",
            "no manifest has a package cudn\n  help: there is cudnn, cudnn_jit",
        ),
        (
            "cudnn@10",
            "no manifest has cudnn 10\n  help: there is 8.5.0, ",
        ),
        (
            "cudnn@9.1.1/linux-x86_64/cuda13",
            "cudnn 9.1.1.17 has no archive linux-x86_64/cuda13\n  help: it has linux-aarch64/cuda12, ",
        ),
        (
            "cudnn@/x",
            "`cudnn@/x` is no entry: write it like cudnn@9.14/linux-x86_64/cuda13",
        ),
        ("a/b/c", "is no entry"),
    ] {
        let output = url(entry);
        assert_eq!(output.status.code(), Some(2), "{entry}");
        assert!(err(&output).contains(says), "{}", err(&output));
    }
    let line = redist(&[
        "url",
        "--json",
        "cudnn@9.14.0/linux-x86_64/cuda13",
        "--from",
        from.to_str().unwrap(),
    ]);
    let line: Value = crate::support::schema::parsed(&out(&line));
    assert_eq!(
        (&line["version"], &line["archive"]),
        (&json!("9.14.0.64"), &json!("linux-x86_64/cuda13"))
    );
}

#[test]
fn a_mirror_is_checked_by_size_and_hash() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deep/x86_64-13.tar.xz");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, "an archive\n").unwrap();
    let hash = Command::new("sha256sum").arg(&file).output().unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap();
    let mut manifest = good();
    let x86 = "/cudnn/linux-x86_64/cuda13";
    set(
        &mut manifest,
        &format!("{x86}/sha256"),
        Some(json!(hash[..64])),
    );
    set(&mut manifest, &format!("{x86}/size"), Some(json!("11")));
    let text = manifest.to_string();
    fs::write(dir.path().join("redistrib_9.20.0.json"), text).unwrap();
    let check = || redist(&["check", dir.path().to_str().unwrap()]);
    assert_eq!(
        out(&check()),
        "1 release, 2 archives, 1 of them here; 0 errors, 0 warnings\n"
    );
    fs::write(&file, "an archivE\n").unwrap();
    let wrong = check();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        err(&wrong).contains(&format!(
            "x86_64-13.tar.xz: expected 11 bytes with sha256 {}, found 11 bytes with sha256 ",
            &hash[..64]
        )),
        "{}",
        err(&wrong)
    );
    let json = redist(&["check", "--json", dir.path().to_str().unwrap()]);
    let sums: Value = crate::support::schema::parsed(&out(&json));
    assert_eq!((&sums["errors"], &sums["files"]), (&json!(1), &json!(1)));
    assert_eq!(redist(&["check", "/no/such"]).status.code(), Some(2));
}

/// The committed manifests are what `index` writes, whatever the order of files.
#[test]
fn committed_manifests_are_as_index_writes_them() {
    let committed = committed();
    let dir = tempfile::tempdir().unwrap();
    let again = redist(&[
        "index",
        "--strict",
        committed.to_str().unwrap(),
        "--out",
        dir.path().to_str().unwrap(),
    ]);
    assert_eq!(err(&again), "");
    assert_eq!(out(&again).lines().count(), 187);
    same_trees(&committed, dir.path());
    let size: u64 = files(&committed)
        .iter()
        .map(|f| fs::metadata(f).unwrap().len())
        .sum();
    assert!(size < 1_200_000, "{size} bytes");
}

/// Made anew from NVIDIA's manifests, where those are beside the repository.
#[test]
fn committed_manifests_are_made_of_the_data() {
    let Some(data) = root()
        .ancestors()
        .map(|dir| dir.join("shared/data"))
        .find(|dir| dir.is_dir())
    else {
        eprintln!("no shared/data beside the repository: nothing to compare with");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let sources = ["redistrib-second-source", "redistrib"].map(|name| data.join(name));
    let made = redist(&[
        "index",
        "--strict",
        "--out",
        dir.path().to_str().unwrap(),
        sources[0].to_str().unwrap(),
        sources[1].to_str().unwrap(),
    ]);
    assert_eq!(err(&made), "");
    same_trees(&committed(), dir.path());
}

/// Manifests below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(dir).sort_by_file_name();
    let files = entries.into_iter().map(|entry| entry.unwrap().into_path());
    files
        .filter(|file| file.extension().is_some_and(|e| e == "json"))
        .collect()
}

fn same_trees(a: &Path, b: &Path) {
    let names = |dir: &Path| -> Vec<PathBuf> {
        let relative = |file: PathBuf| file.strip_prefix(dir).unwrap().to_owned();
        files(dir).into_iter().map(relative).collect()
    };
    assert_eq!(names(a), names(b));
    for name in names(a) {
        assert!(
            fs::read(a.join(&name)).unwrap() == fs::read(b.join(&name)).unwrap(),
            "{name:?}"
        );
    }
}
