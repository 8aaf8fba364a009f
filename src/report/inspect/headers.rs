//! `inspect --headers`: a file's headers, without a search.
//!
//! The JSON has the keys of the whole report, so that `.needed[].name` works on both.

use super::super::schema::INSPECT;
use super::shown;
use crate::escape::Shown;
use crate::terminal::Paint;
use elf_edit::ElfInfo;
use serde::ser::{Serialize, Serializer};
use std::fmt::Write;
use std::path::Path;

#[derive(serde::Serialize)]
struct File<'a> {
    schema: &'static str,
    path: Text<'a>,
    kind: &'static str,
    machine: String,
    interpreter: Option<Text<'a>>,
    soname: Option<Text<'a>>,
    runpath: Vec<PathEntry<'a>>,
    rpath: Vec<PathEntry<'a>>,
    needed: Vec<Need<'a>>,
}

#[derive(serde::Serialize)]
struct PathEntry<'a> {
    entry: Text<'a>,
}

#[derive(serde::Serialize)]
struct Need<'a> {
    name: Text<'a>,
}

/// Shown bytes, written straight into the line.
struct Text<'a>(Shown<'a>);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn text(bytes: &[u8]) -> Text<'_> {
    Text(shown(bytes))
}

fn entries(list: Option<&[u8]>) -> impl Iterator<Item = &[u8]> {
    list.into_iter().flat_map(|list| list.split(|&b| b == b':'))
}

/// One block for people: `readelf -d`'s facts, as the whole report words them.
pub(crate) fn headers(path: &Path, info: &ElfInfo, paint: Paint) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_headers(&mut out, path, info, paint);
    out
}

fn write_headers(out: &mut String, path: &Path, info: &ElfInfo, paint: Paint) -> std::fmt::Result {
    let path = paint.title(crate::escape::shown(path));
    let kind = info.kind.as_str();
    writeln!(out, "{path}: {kind}, {}", super::machine(info))?;
    let dynamic = info.dynamic.as_ref();
    let soname = dynamic.and_then(|d| d.soname.as_deref());
    let one = [
        ("interpreter", info.interpreter.as_deref()),
        ("SONAME", soname),
    ];
    for (what, text) in one {
        if let Some(text) = text {
            writeln!(out, "  {what} {}", shown(text))?;
        }
    }
    let lists = [
        ("RUNPATH", dynamic.and_then(|d| d.runpath.as_deref())),
        ("RPATH", dynamic.and_then(|d| d.rpath.as_deref())),
    ];
    for (what, list) in lists {
        for entry in entries(list) {
            writeln!(out, "  {what} {}", shown(entry))?;
        }
    }
    for name in info.needed() {
        writeln!(out, "  needed {}", shown(name))?;
    }
    Ok(())
}

fn list(list: Option<&[u8]>) -> Vec<PathEntry<'_>> {
    entries(list)
        .map(|e| PathEntry { entry: text(e) })
        .collect()
}

/// One JSON object, on a line.
pub(crate) fn headers_json(path: &Path, info: &ElfInfo) -> serde_json::Result<String> {
    let dynamic = info.dynamic.as_ref();
    let mut line = serde_json::to_string(&File {
        schema: INSPECT,
        path: Text(crate::escape::shown(path)),
        kind: info.kind.as_str(),
        machine: super::machine(info),
        interpreter: info.interpreter.as_deref().map(text),
        soname: dynamic.and_then(|d| d.soname.as_deref()).map(text),
        runpath: list(dynamic.and_then(|d| d.runpath.as_deref())),
        rpath: list(dynamic.and_then(|d| d.rpath.as_deref())),
        needed: info
            .needed()
            .iter()
            .map(|n| Need { name: text(n) })
            .collect(),
    })?;
    line.push('\n');
    Ok(line)
}
