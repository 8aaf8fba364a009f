//! Checks of single values, the same for NVIDIA's manifests and for ours. Each returns the value
//! or pushes a problem that names its key.

use super::document::Value;
use super::manifest::Archive;
use super::problem::ManifestProblem;

/// The fault of a value that is missing.
const NOTHING: &str = "nothing";

/// Gathers the problems of one file.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// In the order of the file.
    pub problems: Vec<ManifestProblem>,
}

/// Advice where a file differs from the one that its server published.
pub(super) const DOWNLOAD_AGAIN: &str =
    "download the manifest again, and compare it with the one that NVIDIA publishes";

impl Checks {
    fn wrong(&mut self, key: &str, expected: &str, found: Option<&Value>) {
        let found = found.map_or_else(|| NOTHING.to_owned(), Value::to_string);
        self.problems
            .push(ManifestProblem::error(key, expected, found, DOWNLOAD_AGAIN));
    }

    /// A text without control characters.
    pub(super) fn text(&mut self, key: &str, value: Option<&Value>) -> Option<String> {
        match value.and_then(Value::text) {
            Some(text) if !text.is_empty() && !text.contains(char::is_control) => {
                Some(text.to_owned())
            }
            _ => {
                self.wrong(key, "a text", value);
                None
            }
        }
    }

    /// A name that is safe as an attribute and as a file's name.
    pub(super) fn name(&mut self, key: &str, name: &str) -> bool {
        let fine = is_name(name);
        if !fine {
            let found = Value::Text(name.to_owned());
            self.wrong(
                key,
                "a name of letters, digits, `_`, `-` and `.`",
                Some(&found),
            );
        }
        fine
    }

    /// A version: a number first.
    pub(super) fn version(&mut self, key: &str, value: Option<&Value>) -> Option<String> {
        let text = value.and_then(Value::text);
        match text.filter(|text| is_version(text)) {
            Some(text) => Some(text.to_owned()),
            None => {
                self.wrong(key, "a version such as 12.4.1", value);
                None
            }
        }
    }

    /// CUDA's major versions as texts.
    pub(super) fn majors(&mut self, key: &str, value: Option<&Value>) -> Vec<String> {
        let Some(value) = value else {
            return Vec::new();
        };
        let majors = match value {
            Value::List(items) => items
                .iter()
                .map(|item| item.text().filter(|text| is_number(text)))
                .map(|text| text.map(str::to_owned))
                .collect(),
            _ => None,
        };
        let Some(mut majors): Option<Vec<String>> = majors else {
            self.wrong(
                key,
                "a list of CUDA's major versions, such as [\"12\", \"13\"]",
                Some(value),
            );
            return Vec::new();
        };
        majors.sort_by(|a, b| super::version::compare(a, b));
        majors.dedup();
        majors
    }

    /// Path, hash and size; NVIDIA's name of the path differs from ours.
    pub(super) fn archive(&mut self, key: &str, value: &Value, path_key: &str) -> Option<Archive> {
        let sha256 = self.digits(key, value, "sha256", 64);
        if value.get("md5").is_some() {
            self.digits(key, value, "md5", 32);
        }
        let size = self.size(&format!("{key}.size"), value.get("size"));
        let path_of = format!("{key}.{path_key}");
        let path = value.get(path_key);
        match path.and_then(Value::text).filter(|path| is_path(path)) {
            Some(path) => Some(Archive {
                sha256: sha256?,
                size: size?,
                path: path.to_owned(),
            }),
            None => {
                self.wrong(&path_of, "a relative path without `..`", path);
                None
            }
        }
    }

    fn digits(&mut self, key: &str, archive: &Value, name: &str, length: usize) -> Option<String> {
        let value = archive.get(name);
        let is_hash = |text: &&str| {
            text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        match value.and_then(Value::text).filter(is_hash) {
            Some(text) => Some(text.to_owned()),
            None => {
                let expected = format!("{length} lower-case hexadecimal digits");
                self.wrong(&format!("{key}.{name}"), &expected, value);
                None
            }
        }
    }

    /// NVIDIA writes sizes as texts, we as numbers.
    fn size(&mut self, key: &str, value: Option<&Value>) -> Option<u64> {
        let digits = match value {
            Some(Value::Text(text) | Value::Number(text)) if is_number(text) => Some(text),
            _ => None,
        };
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(size) if size > 0 => Some(size),
            _ => {
                self.wrong(key, "a number of bytes", value);
                None
            }
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a name is safe as an attribute and as a file's name.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    name.len() <= 100
        && name.bytes().all(allowed)
        && name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
}

pub(super) fn is_version(text: &str) -> bool {
    is_name(text) && text.bytes().next().is_some_and(|b| b.is_ascii_digit())
}

fn is_path(path: &str) -> bool {
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'+' | b'/' | b'~');
    path.len() <= 1000
        && path.bytes().all(allowed)
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}
