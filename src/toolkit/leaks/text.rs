//! Rewrites a farm's paths in CMake's and pkg-config's files.

use super::places::Places;
use std::path::{Path, PathBuf};

/// A syntax that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextKind {
    /// `*.cmake`: several directories are a list with `;`.
    CMake,
    /// `*.pc`: several directories are a flag each.
    PkgConfig,
}

impl TextKind {
    /// By the file's name.
    pub(super) fn of(path: &Path) -> Option<TextKind> {
        match path.extension()?.to_str()? {
            "cmake" => Some(TextKind::CMake),
            "pc" => Some(TextKind::PkgConfig),
            _ => None,
        }
    }
}

/// The text with every path of the farm replaced, or why that cannot be.
pub(super) fn rewrite(kind: TextKind, text: &[u8], places: &Places) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(text).map_err(|e| format!("the text is no UTF-8: {e}"))?;
    let mut new = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, root)) = first_root(rest, places) {
        let (before, found) = rest.split_at(at);
        new.push_str(before);
        let inside = &found[root..];
        let end = inside.find(ends_path).unwrap_or(inside.len());
        // A full stop at the end is no part of a path.
        let inside = inside[..end].trim_end_matches('.');
        rest = &found[root + inside.len()..];
        let line = new.lines().count().max(1);
        let whole = &found[..root + inside.len()];
        if rest.starts_with(['$', '@']) && !inside.ends_with('/') {
            return Err(format!("line {line}: {whole} goes on with a variable"));
        }
        let Some(real) = places.real(inside) else {
            return Err(format!("line {line}: {whole} is in no prefix of the farm"));
        };
        let slash = if inside.len() > 1 && inside.ends_with('/') {
            "/"
        } else {
            ""
        };
        put(kind, &mut new, &mut rest, &real, slash)
            .map_err(|why| format!("line {line}: {whole} {why}"))?;
    }
    new.push_str(rest);
    Ok(new.into_bytes())
}

/// The first of the farm's roots in a text, as a whole component: where, and how long.
fn first_root(text: &str, places: &Places) -> Option<(usize, usize)> {
    let roots = places
        .roots
        .iter()
        .filter_map(|root| std::str::from_utf8(root).ok());
    let hits = roots.flat_map(|root| {
        let all = text.match_indices(root).map(|(at, root)| (at, root.len()));
        all.filter(|(at, length)| {
            let next = text[at + length..].chars().next();
            !next.is_some_and(|c| c.is_ascii_alphanumeric() || "_-+~".contains(c))
        })
        .take(1)
    });
    hits.min_by_key(|&(at, length)| (at, std::cmp::Reverse(length)))
}

fn ends_path(c: char) -> bool {
    c.is_whitespace() || "\"';()<>$@\\,:|".contains(c)
}

fn put(
    kind: TextKind,
    new: &mut String,
    rest: &mut &str,
    real: &[PathBuf],
    slash: &str,
) -> Result<(), String> {
    let texts: Option<Vec<&str>> = real.iter().map(|path| path.to_str()).collect();
    let texts = texts.ok_or("is a directory whose name is no UTF-8")?;
    if let [only] = texts[..] {
        new.push_str(only);
        new.push_str(slash);
        return Ok(());
    }
    let several = || {
        let all = texts.join(", ");
        match texts.is_empty() {
            true => "is a directory of the farm only".to_owned(),
            false => format!("is merged from several directories, where one is expected: {all}"),
        }
    };
    match kind {
        _ if rest.starts_with(['$', '@']) => Err(several()),
        TextKind::CMake if !texts.is_empty() => {
            new.push_str(&texts.join(";"));
            Ok(())
        }
        // An element of a list goes, with the `;` that parts it from the next or the last one.
        TextKind::CMake => {
            if new.ends_with(';') {
                new.pop();
            } else if let Some(next) = rest.strip_prefix(';') {
                *rest = next;
            } else {
                return Err(several());
            }
            Ok(())
        }
        TextKind::PkgConfig => {
            let flag = ["-L", "-I"].into_iter().find(|flag| {
                new.strip_suffix(flag)
                    .is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t', '=']))
            });
            let flag = flag.ok_or_else(several)?;
            new.truncate(new.len() - flag.len());
            let flags: Vec<String> = texts.iter().map(|text| format!("{flag}{text}")).collect();
            new.push_str(&flags.join(" "));
            Ok(())
        }
    }
}
