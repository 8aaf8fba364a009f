//! docs/schemas: each kind of line that a schema describes is one that the program prints. Other
//! tests check their output as well: `support::schema::parsed`.

use super::redist::{good, set};
use super::redist_features::fatbin;
use crate::support::schema::{check, errors, files, kinds, schemas};
use crate::support::succeeded;
use crate::support::trees::Tree;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

/// A tree that has something for each applet.
fn tree() -> Tree {
    let tree = Tree::new();
    tree.library("app/lib/libfirst.so.1", &["-Wl,-z,execstack"]);
    tree.library(
        "app/lib/libcublas.so.13",
        &["-Wl,-rpath,/no/such", "app/lib/libfirst.so.1"],
    );
    tree.program(
        "app/bin/tool",
        "libcublas",
        &["app/lib/libcublas.so.13", "-Wl,--defsym,libcublas=main"],
    );
    tree.library("newer/lib/libfirst.so.1", &["-Wl,-rpath,/nor/this"]);
    fs::write(
        tree.at("app/kernels.fatbin"),
        fatbin(&[(2, 80, 0), (1, 90, 0)]),
    )
    .unwrap();
    fs::write(
        tree.at("cuda/include/cuda.h"),
        "#define CUDA_VERSION 13000\n",
    )
    .unwrap();
    fs::create_dir_all(tree.at("cuda/lib").join("x")).unwrap();
    let kept = "nix/store/0123456789abcdfghijklmnpqrsvwxyz-kept-1.0";
    fs::write(tree.at(&format!("{kept}/file")), "").unwrap();
    fs::write(tree.at("app/text"), format!("/{kept}\n")).unwrap();
    let manifest = |name: &str, version: &str| {
        let mut manifest = good();
        set(&mut manifest, "/release_label", Some(json!(version)));
        let package = format!("{version}.1");
        set(&mut manifest, "/cudnn/version", Some(json!(package)));
        set(&mut manifest, "/unknown", Some(json!(1)));
        fs::write(tree.at(name), manifest.to_string()).unwrap();
    };
    manifest("a/redistrib_9.20.0.json", "9.20.0");
    manifest("b/redistrib_9.21.0.json", "9.21.0");
    tree
}

const COMMANDS: [&[&str]; 25] = [
    &["inspect", "--json", "app"],
    &[
        "inspect",
        "--json",
        "--device-code",
        "app/lib/libfirst.so.1",
    ],
    &["inspect", "--json", "--headers", "app/bin/tool"],
    &["inspect", "--graph=json", "app"],
    &["device-code", "list", "--json", "app/kernels.fatbin"],
    &["device-code", "--by-arch", "app", "--json"],
    &["fixup", "--json", "--dry-run", "app"],
    &["fixup", "--json", "/no/such"],
    &["lint", "--format=json", "app"],
    &["lint", "--format=json", "--statistics", "app"],
    &["doctor", "--json", "--root=.", "app"],
    &["diff", "--format=json", "app", "newer"],
    &["diff", "--format=json", "newer", "app"],
    &["capabilities", "flags", "--json", "--cuda=12.4"],
    &["closure", "--json", "--root=.", "app"],
    &["toolkit", "farm", "--json", "--out=farm", "cuda"],
    &["redist", "index", "a"],
    &["redist", "index", "--json", "--strict", "a"],
    &["redist", "index", "--json", "--out=out", "a"],
    &["redist", "diff", "--json", "a", "b"],
    &["redist", "url", "--json", "cudnn", "--from=a"],
    &["redist", "check", "--json", "a"],
    &["redist", "check-wheel", "--json", "app", "--set", "newer"],
    &["redist", "features", "--json", "app"],
    &["redist", "features", "--json", "cuda"],
];

/// The objects that an output consists of: one document, or lines; with those of standard error.
fn objects(output: &Output) -> Vec<Value> {
    let lines = |bytes: &[u8]| -> Vec<Value> {
        let lines = bytes.split(|&b| b == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    };
    let mut all = match serde_json::from_slice(&output.stdout) {
        Ok(whole) => vec![whole],
        Err(_) => lines(&output.stdout),
    };
    all.extend(lines(&output.stderr));
    all
}

#[test]
fn the_program_prints_each_kind_of_line_that_a_schema_has() {
    let tree = tree();
    let mut left: BTreeSet<(&str, &str)> = schemas()
        .iter()
        .flat_map(|(name, schema)| kinds(schema).into_iter().map(|(kind, _)| (&name[..], kind)))
        .collect();
    for command in COMMANDS {
        let output = tree.run(command);
        let objects = objects(&output);
        assert!(!objects.is_empty(), "{command:?}: {output:?}");
        for object in &objects {
            let name = object["schema"].as_str();
            let name = name.unwrap_or_else(|| panic!("{command:?}: no schema: {object:#}"));
            check(object);
            let (name, schema) = schemas().get_key_value(name).unwrap();
            for (kind, line) in kinds(schema) {
                if errors(schema, line, object, "").is_empty() {
                    left.remove(&(name, kind));
                }
            }
        }
    }
    assert!(left.is_empty(), "no command prints {left:?}");
}

/// Copies of a value, each with one value of another type or one more key somewhere.
fn damaged(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                for inner in damaged(inner) {
                    let mut object = object.clone();
                    object.insert(key.clone(), inner);
                    all.push(Value::Object(object));
                }
            }
            let mut more = object.clone();
            more.insert("an unknown key".to_owned(), json!([]));
            all.push(Value::Object(more));
        }
        Value::Array(list) => {
            for (at, inner) in list.iter().enumerate() {
                for inner in damaged(inner) {
                    let mut list = list.clone();
                    list[at] = inner;
                    all.push(Value::Array(list));
                }
            }
        }
        _ => all.push(json!({ "another": "type" })),
    }
    all
}

#[test]
fn a_schema_refuses_each_other_form() {
    let tree = tree();
    for args in [&["inspect", "--json", "app"][..], COMMANDS[8], COMMANDS[6]] {
        let output = tree.run(args);
        for object in objects(&output) {
            let schema = &schemas()[object["schema"].as_str().unwrap()];
            // The counts of skipped files may have any key.
            let counts = |object: &Value| {
                let at = ["/skipped", "/summary/skipped"];
                at.map(|at| object.pointer(at).cloned())
            };
            for other in damaged(&object) {
                if counts(&other) == counts(&object) {
                    assert_ne!(errors(schema, schema, &other, ""), [""; 0], "{other:#}");
                }
            }
            for key in object.as_object().unwrap().keys() {
                let mut less = object.clone();
                less.as_object_mut().unwrap().remove(key);
                assert_ne!(
                    errors(schema, schema, &less, ""),
                    [""; 0],
                    "without {key}: {less:#}"
                );
            }
        }
    }
}

/// A complete validator accepts the schemas, and the same lines.
#[test]
fn python_agrees() {
    const SCRIPT: &str = "
import json, sys
from jsonschema import Draft202012Validator
schemas = {}
for path in sys.argv[1:]:
    schema = json.load(open(path))
    Draft202012Validator.check_schema(schema)
    lines = schema.get('oneOf', [schema])
    first = lines[0]
    if '$ref' in first:
        first = schema['$defs'][first['$ref'].rsplit('/')[-1]]
    schemas[first['properties']['schema']['const']] = Draft202012Validator(schema)
for line in sys.stdin:
    value = json.loads(line)
    schemas[value['schema']].validate(value)
    value['an unknown key'] = 1
    assert not schemas[value['schema']].is_valid(value), line
";
    let tree = tree();
    let lines: Vec<String> = COMMANDS
        .iter()
        .flat_map(|command| objects(&tree.run(command)))
        .map(|object| object.to_string() + "\n")
        .collect();
    let file = tree.at("lines");
    fs::write(&file, lines.concat()).unwrap();
    let python = Command::new("python3")
        .args(["-c", SCRIPT])
        .args(files())
        .stdin(fs::File::open(file).unwrap())
        .output()
        .unwrap();
    succeeded(&python);
}
