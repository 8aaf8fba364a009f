//! Checks JSON output against docs/schemas. Knows the keywords that the schemas use, and refuses
//! any other, which it would not check. `schemas::python_agrees` compares it with a complete
//! validator.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Keywords that describe and don't constrain.
const REMARKS: [&str; 4] = ["$schema", "title", "description", "$defs"];

/// The schemas' files.
pub fn files() -> Vec<PathBuf> {
    let directory = fs::read_dir(super::root().join("docs/schemas")).unwrap();
    let mut files: Vec<PathBuf> = directory.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "json"));
    files.sort();
    files
}

/// All schemas by name: `cuda-fixup.lint/1`.
pub fn schemas() -> &'static BTreeMap<String, Value> {
    static ALL: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    ALL.get_or_init(|| {
        files()
            .iter()
            .map(|file| {
                let text = fs::read_to_string(file).unwrap();
                let schema: Value = serde_json::from_str(&text).unwrap();
                (name(&schema), schema)
            })
            .collect()
    })
}

/// The `schema` key that the lines of a schema have.
fn name(schema: &Value) -> String {
    let mut names: Vec<&str> = kinds(schema)
        .into_iter()
        .map(|(_, line)| line["properties"]["schema"]["const"].as_str().unwrap())
        .collect();
    names.dedup();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].to_owned()
}

/// The kinds of lines that a schema has, with the name of each.
pub fn kinds(schema: &Value) -> Vec<(&str, &Value)> {
    match schema["oneOf"].as_array() {
        None => vec![("", schema)],
        Some(all) => all
            .iter()
            .map(|kind| {
                let name = kind["$ref"].as_str().unwrap();
                let name = name.strip_prefix("#/$defs/").unwrap();
                (name, &schema["$defs"][name])
            })
            .collect(),
    }
}

/// Parses one object, and checks it if it is this program's.
#[track_caller]
pub fn parsed<T: AsRef<[u8]> + ?Sized>(json: &T) -> Value {
    let value: serde_json::Result<Value> = serde_json::from_slice(json.as_ref());
    let value = value.unwrap_or_else(|error| {
        let text = String::from_utf8_lossy(json.as_ref());
        panic!("{error}: {text}")
    });
    check(&value);
    value
}

/// Panics unless an object of this program has the form that its schema describes.
#[track_caller]
pub fn check(value: &Value) {
    let Some(name) = value["schema"].as_str() else {
        return;
    };
    let schema = schemas().get(name);
    let schema = schema.unwrap_or_else(|| panic!("docs/schemas lacks {name}"));
    let errors = errors(schema, schema, value, "");
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{value:#}");
}

/// Each place at which a value differs from a schema.
pub fn errors(whole: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let keywords = match schema {
        Value::Bool(true) => return Vec::new(),
        Value::Bool(false) => return vec![format!("{at}: expected nothing, found {value}")],
        _ => schema.as_object().unwrap(),
    };
    let mut all = Vec::new();
    for (keyword, rule) in keywords {
        match keyword.as_str() {
            word if REMARKS.contains(&word) => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                let target = whole.pointer(pointer).unwrap();
                all.extend(errors(whole, target, value, at));
            }
            "oneOf" | "anyOf" => all.extend(alternatives(whole, keyword, rule, value, at)),
            "properties" | "required" | "additionalProperties" => {
                if let Value::Object(object) = value {
                    all.extend(in_object(whole, keywords, keyword, object, at));
                }
            }
            "items" | "prefixItems" => {
                if let Value::Array(list) = value {
                    all.extend(in_array(whole, keywords, keyword, list, at));
                }
            }
            _ => {
                if !holds(keyword, rule, value) {
                    all.push(format!("{at}: expected {keyword} {rule}, found {value}"));
                }
            }
        }
    }
    all
}

fn holds(keyword: &str, rule: &Value, value: &Value) -> bool {
    match keyword {
        "type" => {
            let name = match value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(number) if number.is_f64() => "number",
                Value::Number(_) => "integer",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            };
            rule == name
                || rule
                    .as_array()
                    .is_some_and(|all| all.contains(&name.into()))
        }
        "const" => rule == value,
        "enum" => rule.as_array().unwrap().contains(value),
        "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
        "pattern" => {
            let regex = regex::Regex::new(rule.as_str().unwrap()).unwrap();
            value.as_str().is_none_or(|text| regex.is_match(text))
        }
        _ => panic!("{keyword}: a keyword that is not checked"),
    }
}

fn alternatives(whole: &Value, word: &str, rule: &Value, value: &Value, at: &str) -> Vec<String> {
    let tried: Vec<Vec<String>> = rule
        .as_array()
        .unwrap()
        .iter()
        .map(|schema| errors(whole, schema, value, at))
        .collect();
    match tried.iter().filter(|errors| errors.is_empty()).count() {
        1 => Vec::new(),
        n if n > 1 && word == "anyOf" => Vec::new(),
        0 => vec![format!("{at}: fits no alternative: {tried:#?}")],
        n => vec![format!("{at}: fits {n} alternatives")],
    }
}

fn in_object(
    whole: &Value,
    keywords: &Map<String, Value>,
    keyword: &str,
    object: &Map<String, Value>,
    at: &str,
) -> Vec<String> {
    let mut all = Vec::new();
    match keyword {
        "required" => {
            for name in keywords["required"].as_array().unwrap() {
                if !object.contains_key(name.as_str().unwrap()) {
                    all.push(format!("{at}: lacks {name}"));
                }
            }
        }
        "properties" => {
            for (name, schema) in keywords["properties"].as_object().unwrap() {
                if let Some(value) = object.get(name) {
                    all.extend(errors(whole, schema, value, &format!("{at}/{name}")));
                }
            }
        }
        _ => {
            let known = keywords.get("properties");
            for (name, value) in object {
                if known.is_none_or(|known| known.get(name).is_none()) {
                    let at = format!("{at}/{name}");
                    all.extend(errors(whole, &keywords[keyword], value, &at));
                }
            }
        }
    }
    all
}

fn in_array(
    whole: &Value,
    keywords: &Map<String, Value>,
    keyword: &str,
    list: &[Value],
    at: &str,
) -> Vec<String> {
    let first = keywords.get("prefixItems").and_then(Value::as_array);
    let first = first.map_or(&[][..], Vec::as_slice);
    let each = list.iter().enumerate();
    if keyword == "prefixItems" {
        let pairs = first.iter().zip(each);
        return pairs
            .flat_map(|(schema, (n, item))| errors(whole, schema, item, &format!("{at}/{n}")))
            .collect();
    }
    each.skip(first.len())
        .flat_map(|(n, item)| errors(whole, &keywords["items"], item, &format!("{at}/{n}")))
        .collect()
}
